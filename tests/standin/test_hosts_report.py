"""``python -m devkit.hosts``, and the start of the tests in a TEN layout."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devkit.hosts import outcomes
from devkit.hosts.report import Run, differences, read_run, report

ROOT = Path(__file__).resolve().parent.parent.parent


def test_what_ended_differently_is_told_with_its_reason() -> None:
    standin = Run({"a": ("passed", ""), "b": ("passed", ""), "c": ("x", "")})
    ten = Run({"a": ("passed", ""), "b": ("skipped", "no Rust")})
    found = differences(standin, ten)
    assert list(found) == ["b", "c"]
    assert found["b"] == "stand-in: passed; TEN: skipped (no Rust)"
    assert "missing" in found["c"]
    lines = report(standin, ten).splitlines()
    assert lines[0].split() == ["stand-in", "TEN"]
    assert ["passed", "2", "1"] in map(str.split, lines)
    assert ["skipped", "0", "1"] in map(str.split, lines)
    assert "2 of the tests ended differently." in lines


def test_the_outcomes_of_a_run_survive_an_abort(tmp_path: Path) -> None:
    """And a fault in a fixture is one of the test."""
    (tmp_path / "test_them.py").write_text(
        "import os, pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 1 == 2\n"
        "@pytest.mark.skip(reason='not today')\n"
        "def test_skipped(): pass\n"
        "@pytest.fixture\n"
        "def broken():\n"
        "    yield\n"
        "    raise OSError('afterwards')\n"
        "def test_after(broken): pass\n"
        "def test_end(): os._exit(7)\n"
        "def test_never(): pass\n"
    )
    path = tmp_path / "outcomes.jsonl"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "devkit.hosts.outcomes", "--rootdir", str(tmp_path)),
            str(tmp_path / "test_them.py"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            outcomes.FILE: str(path),
        },
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 7
    run = read_run(path)
    seen = {test.split("::")[1]: how for test, how in run.outcomes.items()}
    assert seen == {
        "test_good": ("passed", ""),
        "test_bad": ("failed", "assert 1 == 2"),
        "test_skipped": ("skipped", "not today"),
        "test_after": ("failed", "OSError: afterwards"),
        "test_end": ("aborted", "the process ended"),
    }


def test_without_a_real_runtime_there_is_nothing_to_compare() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devkit.hosts"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "no TEN runtime is importable" in done.stderr


@pytest.mark.parametrize("installed", [True, False])
def test_start_takes_the_runtime_of_a_standalone_install(
    tmp_path: Path, installed: bool
) -> None:
    """Also for what a test starts in another directory."""
    package = tmp_path / "a package"
    (package / "tests" / "bin").mkdir(parents=True)
    start = package / "tests" / "bin" / "start"
    shutil.copy(ROOT / "tests" / "bin" / "start", start)
    system = package / ".ten" / "app" / "ten_packages" / "system"
    for name in ("ten_runtime_python", "ten_ai_base") if installed else ():
        short = name.replace("_python", "")
        there = system / name / "interface" / short
        there.mkdir(parents=True)
        (there / "__init__.py").touch()
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        'cd / && echo "$@" && exec '
        f"{shlex.quote(sys.executable)} -c '\n"
        "import importlib.util as u\n"
        'for name in ("ten_runtime", "ten_ai_base"):\n'
        '    print(getattr(u.find_spec(name), "origin", None))\'\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        [str(start), "-k", "x"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    called, *found = done.stdout.splitlines()
    assert called == "-m pytest -s tests/ -k x"
    assert all(line.startswith(str(system)) for line in found) is installed

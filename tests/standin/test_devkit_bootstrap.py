"""Choosing the runtime, and packages in directories of any name."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from devkit.bootstrap import ensure_ten, register_package

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = """
import sys
from pathlib import Path
from devkit.bootstrap import ensure_ten
before = set(sys.modules)
print(ensure_ten(Path(sys.argv[1])), ensure_ten(Path(sys.argv[1])))
print(sys.path.count(str(Path("devkit/standin").resolve())))
import ten_packages.extension.openai_asr_python as package
from ten_packages.extension.openai_asr_python.inner import VALUE
print(package.__file__, VALUE)
"""


def _run(
    *arguments: str | Path, path: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _python(*arguments: str, path: str = "", **more: str) -> list[str]:
    done = _run("-c", *arguments, path=path, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _real(directory: Path) -> str:
    """Something that looks like the real runtime, on a path of its own."""
    (directory / "ten_runtime").mkdir()
    (directory / "ten_runtime" / "__init__.py").write_text("REAL = True\n")
    return str(directory)


def _package(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "__init__.py").write_text("from . import inner\n")
    (directory / "inner.py").write_text("VALUE = 42\n")
    return directory


def test_a_checkout_of_any_name_is_the_extension(tmp_path: Path) -> None:
    package = _package(tmp_path / "some-checkout.of 2026")
    lines = _python(CODE, str(package))
    assert lines[0] == "stand-in stand-in"
    assert lines[1] == "1"
    assert lines[2] == f"{package / '__init__.py'} 42"


def test_a_real_runtime_is_left_alone(tmp_path: Path) -> None:
    real = _real(tmp_path)
    code = (
        "import sys; from devkit.bootstrap import ensure_ten; "
        "path = list(sys.path); print(ensure_ten()); "
        "import ten_runtime; print(ten_runtime.REAL, path == sys.path)"
    )
    assert _python(code, path=real) == ["real", "True True"]


def test_one_of_the_runtimes_can_be_asked_for(tmp_path: Path) -> None:
    code = "from devkit.bootstrap import ensure_ten; print(ensure_ten())"
    real = _real(tmp_path)
    for wanted, said in (("standin", "stand-in"), ("ten", "real")):
        given = {"DEVKIT_RUNTIME": wanted}
        assert _python(code, path=real, **given) == [said]
    missing = _run("-c", code, DEVKIT_RUNTIME="ten")
    assert missing.returncode != 0
    assert "no TEN runtime is importable" in missing.stderr
    wrong = _run("-c", code, DEVKIT_RUNTIME="native")
    assert "must be ten or standin" in wrong.stderr


def test_the_stand_ins_host_leaves_the_real_runtime_its_apps(
    tmp_path: Path,
) -> None:
    app = tmp_path / "an\tapp"
    app.mkdir()
    done = _run("-m", "devkit.host", app, path=_real(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("devkit.host: ")
    assert "an\\tapp: $: a real TEN runtime is importable" in line
    assert "tman run start" in line


def test_the_demo_takes_the_real_runtime_only_where_it_is() -> None:
    done = _run("-m", "devkit.demo", "--runtime", "ten")
    assert done.returncode == 2
    assert done.stderr == (
        "devkit.demo: --runtime: ten: no TEN runtime is importable\n"
    )


def test_bootstrap_needs_the_standard_library_only() -> None:
    code = (
        "import sys; sys.path = [p for p in sys.path if 'site-' not in p]; "
        "from devkit.bootstrap import ensure_ten; print(ensure_ten())"
    )
    assert _python(code) == ["stand-in"]


def test_an_apps_own_packages_stay_importable(tmp_path: Path) -> None:
    _package(tmp_path / "ten_packages" / "extension" / "on_path")
    code = (
        "from devkit.bootstrap import ensure_ten; ensure_ten(); "
        "from ten_packages.extension.on_path import inner; print(inner.VALUE)"
    )
    assert _python(code, path=str(tmp_path)) == ["42"]


@pytest.mark.standin("an app's layout decides on TEN")
def test_register_package(tmp_path: Path) -> None:
    register_package("probe_registered", _package(tmp_path / "x"))
    name = "ten_packages.extension.probe_registered"
    assert importlib.import_module(name).inner.VALUE == 42
    with pytest.raises(ValueError, match="not a TEN package name"):
        register_package("no-identifier", tmp_path)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ten_packages.extension.probe_missing")


def test_ensure_ten_says_the_same_again() -> None:
    assert ensure_ten() == ensure_ten()

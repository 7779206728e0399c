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


def _python(*arguments: str, path: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


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
    (tmp_path / "ten_runtime").mkdir()
    (tmp_path / "ten_runtime" / "__init__.py").write_text("REAL = True\n")
    code = (
        "import sys; from devkit.bootstrap import ensure_ten; "
        "path = list(sys.path); print(ensure_ten()); "
        "import ten_runtime; print(ten_runtime.REAL, path == sys.path)"
    )
    assert _python(code, path=str(tmp_path)) == ["real", "True True"]


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

"""The commands that the documents name: they are there, and start or say why
they cannot."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devkit.packages import NEEDED

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "examples").rglob("README.md"),
]
MODULES = sorted(
    {
        name.removesuffix(".")
        for page in PAGES
        for name in re.findall(
            r"-m (devkit[\w.]*|bench[\w.]*)", page.read_text()
        )
    }
)
#: For users; the rest is for those who have a whole `.venv`.
USERS = ("demo", "captions", "server", "report", "rerun", "matrix")
WITHOUT = ("doctor", "host")


def run_without_packages(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", USERS)
def test_a_command_without_its_packages_is_a_line_and_status_2(name):
    done = run_without_packages(f"devkit.{name}", "--help")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"devkit.{name}: not installed in ")
    assert f".venv/bin/python -m devkit.{name}" in line


@pytest.mark.parametrize("name", WITHOUT)
def test_these_do_without(name):
    done = run_without_packages(f"devkit.{name}", "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_packages_are_those_of_the_demo():
    texts = [
        (ROOT / name).read_text()
        for name in ("requirements.txt", "requirements-demo.txt")
    ]
    listed = re.findall(r"^([\w-]+)", "\n".join(texts), re.MULTILINE)
    assert set(NEEDED) <= set(listed)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_that_a_page_runs_can_be_run(name):
    spec = importlib.util.find_spec(name)
    assert spec is not None
    if spec.submodule_search_locations:
        assert importlib.util.find_spec(f"{name}.__main__") is not None


def test_a_target_that_a_page_makes_is_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(
            r"(?:^ {4}(?:\$ )?|`)make ([a-z][\w-]*)",
            page.read_text(),
            re.MULTILINE,
        )
    }
    assert {"demo", "test", "doctor"} <= named
    assert named - targets == set()


@pytest.mark.parametrize(
    "name", [n for n in (*USERS, *WITHOUT) if n != "matrix"]
)
def test_wrong_usage_shows_no_key_and_nothing_that_a_terminal_obeys(name):
    """Somebody may have given one in the wrong place."""
    wrong = (".", "--sk-0123456789", "-\x1b")
    done = subprocess.run(
        [sys.executable, "-m", f"devkit.{name}", *wrong],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"devkit.{name}: ")
    assert "***" in line
    assert "0123456789" not in line
    assert "\x1b" not in line

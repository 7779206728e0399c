"""The files of the package agree with one another."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path

import pytest
from rooms import rooms
from ten_packages.extension.openai_asr_python.config import (
    FIXED_FIELDS,
    LOCAL_FIELDS,
)

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = json.loads((ROOT / "manifest.json").read_text())
NOT_SHIPPED = ("devkit", "tests", "examples", "bench", "samples", ".ci")


def included(path: str) -> bool:
    """TEN's globs: ``**`` matches at any depth, ``*`` within a folder."""
    for pattern in MANIFEST["package"]["include"]:
        if "**" in pattern:
            if fnmatch.fnmatch(path, pattern.replace("**", "*")):
                return True
        elif path.count("/") == pattern.count("/") and fnmatch.fnmatch(
            path, pattern
        ):
            return True
    return False


def test_everything_that_the_extension_imports_is_shipped():
    files = [path.name for path in ROOT.glob("*.py")]
    for room in rooms():
        files += [
            str(path.relative_to(ROOT)) for path in (ROOT / room).rglob("*.py")
        ]
    assert len(files) > 20
    assert [name for name in files if not included(name)] == []


@pytest.mark.parametrize("room", NOT_SHIPPED)
def test_the_devkit_is_not_shipped(room):
    files = [
        str(path.relative_to(ROOT))
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert [name for name in files if included(name)] == []


def test_what_is_included_exists():
    for pattern in MANIFEST["package"]["include"]:
        name = pattern.replace("**", "*")
        assert list(ROOT.glob(name)), pattern


def test_version_and_requirements_are_the_same_everywhere():
    project = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version is not None
    assert version[1] == MANIFEST["version"]
    block = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.S | re.M)
    assert block is not None
    listed = re.findall(r"^\s*['\"](.+)['\"],$", block[1], re.MULTILINE)
    required = (ROOT / "requirements.txt").read_text().splitlines()
    assert sorted(listed) == sorted(line for line in required if line)


def test_the_manifest_is_one_that_ten_accepts():
    assert MANIFEST["name"] == "openai_asr_python"
    assert set(MANIFEST) <= {
        "type",
        "name",
        "version",
        "display_name",
        "description",
        "readme",
        "tags",
        "dependencies",
        "dev_dependencies",
        "api",
        "package",
        "scripts",
    }
    for field in ("display_name", "description", "readme"):
        for locale, entry in MANIFEST[field]["locales"].items():
            assert re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", locale)
            assert len(entry) == 1
            if "import_uri" in entry:
                assert (ROOT / entry["import_uri"]).is_file()
    assert {
        (d["type"], d["name"], d["version"]) for d in MANIFEST["dependencies"]
    } == {
        ("system", "ten_runtime_python", "0.11"),
        ("system", "ten_ai_base", "0.7"),
    }
    start = ROOT / MANIFEST["scripts"]["test"]
    assert start.stat().st_mode & 0o100, "is executable"


def test_the_page_on_updates_names_what_they_cannot_change():
    page = ROOT / "docs" / "update_configs.md"
    text = page.read_text(encoding="utf-8")
    [row] = [line for line in text.splitlines() if "not in a call" in line]
    assert set(FIXED_FIELDS) == set(re.findall(r"`(\w+)`", row))
    [row] = [line for line in text.splitlines() if "| `at once` |" in line]
    assert set(re.findall(r"`(\w+)`", row)) >= LOCAL_FIELDS
    _, _, sentence = text.partition("One that gives\nonly ")
    sentence = sentence.partition("waits for none")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == LOCAL_FIELDS

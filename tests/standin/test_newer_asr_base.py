"""The newer base: connection status and vendor metadata."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

pytestmark = pytest.mark.standin("the newer base is only there")


def _run(directory: Path, generation: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "newer_base_run.py"), str(directory)],
        env={
            **os.environ,
            "TEN_AI_BASE_GENERATION": generation,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    done = _run(tmp_path_factory.mktemp("newer"), "newer")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _named(facts: Any, name: str) -> list[Any]:
    return [seen for got, seen in facts["seen"] if got == name]


def test_status_changes_are_legal_and_never_repeat(facts: Any) -> None:
    changes = _named(facts, "connection_status_changed")
    steps = [(change["last"], change["current"]) for change in changes]
    assert steps == [
        ("disconnected", "connecting"),
        ("connecting", "connected"),
        ("connected", "connecting"),
        ("connecting", "disconnected"),
    ]
    assert all(change.pop("id") for change in changes)
    assert changes[-1] == {
        "module": "asr",
        "vendor_info": {"vendor": "probe", "code": "", "message": ""},
        "current": "disconnected",
        "last": "connecting",
        "code": 1000,
        "message": "gone",
        "metadata": {
            "vendor_metadata": {"model": "m", "api_key": "no-ke...s-one"}
        },
    }


def test_vendor_metadata_is_masked_and_not_everywhere(facts: Any) -> None:
    error = _named(facts, "error")[0]
    masked = {"model": "m", "api_key": "no-ke...s-one"}
    assert error["metadata"] == {"vendor_metadata": masked}
    assert _named(facts, "asr_finalize_end")[0]["metadata"] == {}


def test_the_newer_names_exist(facts: Any) -> None:
    assert facts["redacted"] == "wss://***@host/v1?key=***&x=***"
    assert facts["has_results"] is True


def test_an_unknown_generation_is_refused(tmp_path: Path) -> None:
    done = _run(tmp_path, "0.6")
    assert done.returncode == 1
    assert "allowed are 0.7.41 and newer" in done.stderr

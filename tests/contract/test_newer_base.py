"""A quick part of the tests on the newer base; ``make test-newer`` is all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = [
    "tests/contract/test_connection_status.py",
    "tests/extension/test_transcription.py::"
    "test_every_result_has_the_shape_of_the_contract",
    "tests/extension/test_transcription.py::"
    "test_finalize_ends_an_open_turn_without_waiting_for_silence",
    "tests/extension/test_reconnect.py::"
    "test_a_refused_key_is_one_fatal_error_and_no_further_attempt",
]


@pytest.mark.standin("the newer base is only there")
def test_the_extension_works_on_the_newer_base():
    if os.environ.get("TEN_AI_BASE_GENERATION") == "newer":
        pytest.skip("this is the newer base")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *QUICK,
        ],
        cwd=ROOT,
        env={**os.environ, "TEN_AI_BASE_GENERATION": "newer"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout, done.stdout

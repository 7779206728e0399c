"""What several of these tests need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reported_call import Make, call_with_faults, read, write_log

from devkit.report.session import Session


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a real call with faults."""
    return call_with_faults(tmp_path_factory.mktemp("call") / "faulty.pcm")


@pytest.fixture
def session_of(tmp_path: Path) -> Make:
    """Reads lines that are written by hand."""

    def make(
        lines: list[Any],
        audio: bytes | None = b"",
        header: dict[str, Any] | None = None,
        wishes: dict[str, Any] | None = None,
    ) -> Session:
        log = write_log(tmp_path / "call", lines, audio, header)
        return read(log, **(wishes or {}))

    return make

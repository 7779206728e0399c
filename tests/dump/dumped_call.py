"""Calls with a dump, and what they left on disk."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from asr_call import properties
from ten_packages.extension.openai_asr_python.recording import dump_files


class SlowDisk:
    """A disk that opens no file until it ``answers``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = threading.Event()
        before = dump_files.make_directory

        def make_directory(path: Path) -> None:
            assert self.answers.wait(60)
            before(path)

        monkeypatch.setattr(dump_files, "make_directory", make_directory)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on there is no room for audio, but for the log."""
    before = dump_files._write

    def write(file: Any, data: bytes) -> None:
        if data and not data.startswith(b"{"):
            raise OSError(errno.ENOSPC, "No space left on device")
        before(file, data)

    monkeypatch.setattr(dump_files, "_write", write)


def dumping(url: str, path: Path, **params: Any) -> dict[str, Any]:
    """The node property for a call that dumps to ``path``."""
    return properties(url, dump=True, dump_path=str(path), **params)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of the log of the dump ``path``."""
    text = path.with_suffix(".jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def of_kind(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == kind]


def logged_bytes(lines: list[dict[str, Any]]) -> int:
    """How much audio the log tells of."""
    frames = of_kind(lines, "frames")
    return sum(line["bytes"] * line.get("count", 1) for line in frames)

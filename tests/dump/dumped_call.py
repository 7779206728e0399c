"""Calls with a dump, and what they left on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from asr_call import properties

needs_devices = not os.path.exists("/dev/full")


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

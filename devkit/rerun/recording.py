"""Reads a session log and the audio beside it.

The format is described in docs/session_log.md.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
#: No frame is larger, in bytes, and no line has more frames.
_MOST_BYTES = 64 * 1024 * 1024
_MOST_FRAMES = 1_000_000


class RecordingError(Exception):
    """One line that names the file, and the line where there is one."""


@dataclass(frozen=True)
class Frames:
    """``count`` frames of ``size`` bytes, sent from ``start`` to ``until``
    (ms); the frame's own rate (Hz), channels and width, 0 for unset."""

    start: float
    until: float
    count: int
    size: int
    rate: int
    channels: int
    width: int

    def times(self) -> Iterator[float]:
        """When each frame came, in ms, evenly spread over the line."""
        step = (self.until - self.start) / max(self.count - 1, 1)
        for index in range(self.count):
            yield self.start + index * step


@dataclass(frozen=True)
class Finalize:
    """A finalize that was asked for ``start`` ms after the beginning."""

    start: float
    name: str


@dataclass
class Recording:
    """A call: its configuration, its input in order, its final results.

    ``notes`` are remarks on the file for people.
    """

    audio_path: Path
    version: str
    started: str
    config: dict[str, Any]
    steps: list[Frames | Finalize] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def audio_bytes(self) -> int:
        """How much audio the log tells of."""
        return sum(
            step.count * step.size
            for step in self.steps
            if isinstance(step, Frames)
        )

    def audio(self) -> bytes:
        """The whole audio; raises `RecordingError`."""
        if self.audio_path.is_symlink():
            # It could lead to any file, and what is in it would be sent.
            raise RecordingError(f"{self.audio_path}: is a symbolic link")
        data = _read(self.audio_path)
        if len(data) < self.audio_bytes:
            raise RecordingError(
                f"{self.audio_path}: is too short: {len(data)} bytes, the log"
                f" tells of {self.audio_bytes}"
            )
        return data


def read_recording(path: Path) -> Recording:
    """Read a log; raises `RecordingError`."""
    data = _read(path)
    if not data:
        raise RecordingError(f"{path}: is empty")
    *lines, rest = data.split(b"\n")
    recording: Recording | None = None
    reader = _Reader(path)
    for line in lines:
        recording = reader.read(line, recording)
    if rest:
        # A process that was killed leaves half a line; the call before it
        # is worth running.
        if recording is None:
            recording = reader.read(rest, recording)
        else:
            recording.notes.append(
                f"{path}:{len(lines) + 1}: is incomplete, left out"
            )
    assert recording is not None
    return recording


class _Reader:
    """One line after the other; what is wrong is told with its number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._line: dict[str, Any] = {}
        self._format: tuple[int, int, int] | None = None

    def read(self, text: bytes, recording: Recording | None) -> Recording:
        self._number += 1
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else ""
            raise self._wrong(f"not JSON{what and ': '}{what}") from None
        if not isinstance(line, dict):
            raise self._wrong("not a JSON object")
        self._line = line
        kind = self._text("kind")
        if recording is None:
            if kind != "session":
                raise self._wrong('the first line is no header ("session")')
            return self._header()
        at = self._number_of("t", 0.0)
        if kind == "frames":
            recording.steps.append(self._frames(at))
        elif kind == "finalize":
            recording.steps.append(Finalize(at, str(line.get("finalize_id"))))
        elif kind == "result":
            result = self._object("result")
            if result.get("final") is True:
                if not isinstance(result.get("text"), str):
                    raise self._wrong("result.text: missing or no text")
                recording.finals.append(result["text"])
        elif kind == "config":
            recording.notes.append(
                f"{self._where()}: the configuration changed here; the first"
                " one is used throughout"
            )
        elif kind == "dump_failed":
            recording.notes.append(
                f"{self._where()}: the dump ended here: {line.get('reason')}"
            )
        return recording

    def _header(self) -> Recording:
        version = self._line.get("format")
        if version != FORMAT_VERSION:
            raise self._wrong(
                f"format: found {json.dumps(version)}; this program reads"
                f" {FORMAT_VERSION}"
            )
        audio = self._text("audio")
        if Path(audio).name != audio or not _is_a_name(audio):
            raise self._wrong("audio: not the name of a file beside the log")
        config = dict(self._object("config"))
        if "${env:" in json.dumps(config):
            # No call ran with one.  TEN would fill it in, and what is in the
            # environment would be sent.
            raise self._wrong("config: found a placeholder ${env:…}")
        return Recording(
            audio_path=self._path.with_name(audio),
            version=str(self._line.get("version")),
            started=str(self._line.get("started")),
            config=config,
        )

    def _frames(self, at: float) -> Frames:
        if any(key in self._line for key in ("rate", "channels", "width")):
            self._format = (
                self._whole("rate", 0, 2**31 - 1),
                self._whole("channels", 0, 2**31 - 1),
                self._whole("width", 0, 2**31 - 1),
            )
        if self._format is None:
            raise self._wrong("rate: missing in the first line of frames")
        count = 1
        if "count" in self._line:
            count = self._whole("count", 1, _MOST_FRAMES)
        until = self._number_of("until", at) if "until" in self._line else at
        size = self._whole("bytes", 1, _MOST_BYTES)
        return Frames(at, until, count, size, *self._format)

    # -- fields -----------------------------------------------------------

    def _text(self, name: str) -> str:
        value = self._line.get(name)
        if not isinstance(value, str) or not value:
            raise self._wrong(f"{name}: missing or no text")
        return value

    def _object(self, name: str) -> dict[str, Any]:
        value = self._line.get(name)
        if not isinstance(value, dict):
            raise self._wrong(f"{name}: missing or no object")
        return value

    def _number_of(self, name: str, low: float) -> float:
        value = self._line.get(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
            or value < low
        ):
            raise self._wrong(f"{name}: missing or no time")
        return float(value)

    def _whole(self, name: str, low: int, high: int) -> int:
        value = self._line.get(name)
        if type(value) is not int or not low <= value <= high:
            raise self._wrong(
                f"{name}: missing or no whole number from {low} to {high}"
            )
        return value

    def _where(self) -> str:
        return f"{self._path}:{self._number}"

    def _wrong(self, problem: str) -> RecordingError:
        return RecordingError(f"{self._where()}: {problem}")


def _read(path: Path) -> bytes:
    try:
        # Of a pipe or a device there is no end.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise RecordingError(f"{path}: is no file")
        return path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return error.strerror or str(error)


def _is_a_name(text: str) -> bool:
    """Can a file have it?"""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False

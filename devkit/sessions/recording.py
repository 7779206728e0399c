"""Reads a session log and the audio beside it.

The format is described in docs/session_log.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from devkit.shown import harmless

from .lines import (
    Line,
    OnWrong,
    RecordingError,
    is_a_name,
    open_file,
    read_lines,
)

FORMAT_VERSION = 1
#: No frame is larger, in bytes, and no line has more frames.
_MOST_BYTES = 64 * 1024 * 1024
_MOST_FRAMES = 1_000_000


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

    ``lines`` are all of the log behind its header, ``notes`` remarks on the
    file for people.  ``audio_path`` is None where the log names no file beside
    it.
    """

    audio_path: Path | None
    version: str
    started: str
    config: dict[str, Any]
    steps: list[Frames | Finalize] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def has_texts(self) -> bool:
        """What was said is in it, and the sound of it beside it."""
        return self.header.get("text") != "none"

    @property
    def frames(self) -> list[Frames]:
        """The input alone."""
        return [step for step in self.steps if isinstance(step, Frames)]

    @property
    def audio_bytes(self) -> int:
        """How much audio the log tells of."""
        return sum(step.count * step.size for step in self.frames)

    def audio(self) -> bytes:
        """The whole audio; raises `RecordingError`."""
        if not self.has_texts:
            raise RecordingError(
                "the call cannot be run again: with session_log_text"
                ' "none" no audio is kept'
            )
        with self.open_audio() as file:
            data = file.read()
        if len(data) < self.audio_bytes:
            raise RecordingError(
                f"{self.audio_path}: is too short: {len(data)} bytes, the log"
                f" tells of {self.audio_bytes}"
            )
        return data

    def open_audio(self) -> BinaryIO:
        """The audio as a file; raises `RecordingError`."""
        if self.audio_path is None:
            raise RecordingError("the log names no audio beside it")
        if self.audio_path.is_symlink():
            # It could lead to any file, and what is in it would be sent.
            raise RecordingError(f"{self.audio_path}: is a symbolic link")
        return open_file(self.audio_path)


def _raise(error: RecordingError) -> None:
    raise error


def read_recording(path: Path, on_wrong: OnWrong = _raise) -> Recording:
    """Read a log; raises `RecordingError`.

    ``on_wrong`` is told what is wrong with a line behind the header; where it
    does not raise, the line is left out.
    """
    notes: list[str] = []
    recording: Recording | None = None
    reader = _Reader()
    for line in read_lines(path, on_wrong, notes):
        if recording is None:
            recording = _header(line, path, on_wrong)
            continue
        try:
            reader.read(line, recording)
        except RecordingError as error:
            on_wrong(error)
    if recording is None:
        raise RecordingError(f"{path}: is no session log")
    recording.notes += notes
    return recording


def _header(line: Line, path: Path, on_wrong: OnWrong) -> Recording:
    if line.kind != "session":
        raise line.wrong('the first line is no header ("session")')
    version = line.fields.get("format")
    if version != FORMAT_VERSION:
        raise line.wrong(
            f"format: found {json.dumps(version)}; this program reads"
            f" {FORMAT_VERSION}"
        )
    audio: Path | None = None
    name = line.fields.get("audio")
    if isinstance(name, str) and name and is_a_name(name):
        audio = path.with_name(name)
    else:
        on_wrong(line.wrong("audio: not the name of a file beside the log"))
    return Recording(
        audio_path=audio,
        version=harmless(str(line.fields.get("version"))),
        started=str(line.fields.get("started")),
        config=dict(line.object("config")),
        header=line.fields,
    )


class _Reader:
    """Takes one line after the other."""

    def __init__(self) -> None:
        self._format: tuple[int, int, int] | None = None

    def read(self, line: Line, recording: Recording) -> None:
        kind, at = line.kind, line.t
        if kind == "frames":
            recording.steps.append(self._frames(line, at))
        elif kind == "finalize":
            name = str(line.fields.get("finalize_id"))
            recording.steps.append(Finalize(at, name))
        elif kind == "result":
            result = line.object("result")
            if result.get("final") is True:
                if not isinstance(result.get("text"), str):
                    raise line.wrong("result.text: missing or no text")
                recording.finals.append(result["text"])
        elif kind == "dump_failed":
            recording.notes.append(
                f"{line.where}: the dump ended here:"
                f" {line.fields.get('reason')}"
            )
        recording.lines.append(line)

    def _frames(self, line: Line, at: float) -> Frames:
        if any(key in line.fields for key in ("rate", "channels", "width")):
            self._format = (
                line.whole("rate", 0, 2**31 - 1),
                line.whole("channels", 0, 2**31 - 1),
                line.whole("width", 0, 2**31 - 1),
            )
        if self._format is None:
            raise line.wrong("rate: missing in the first line of frames")
        count = 1
        if "count" in line.fields:
            count = line.whole("count", 1, _MOST_FRAMES)
        until = line.number("until", at) if "until" in line.fields else at
        size = line.whole("bytes", 1, _MOST_BYTES)
        return Frames(at, until, count, size, *self._format)

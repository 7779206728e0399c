"""The session log: what happened in a call, as JSON lines beside its audio.

`audio_dumper` calls this in its thread.  The format: docs/session_log.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..realtime.json_text import read_json
from ..realtime.shown import harmless
from ..safety.redaction import Redactor
from .texts import without_texts

FORMAT_VERSION = 1
_PACKAGE = "openai_asr_python"
#: The message that carries audio, as `realtime.session` writes it.
_APPEND = b'{"type":"input_audio_buffer.append","audio":"'
#: A batch of frames or appends ends after so much time, or at such a pause
#: (ms); inside of a batch only the mean distance is known.
_BATCH_MS = 1000.0
_PAUSE_MS = 200.0
#: Longer lines are cut down to their outline, in characters; but to run a call
#: again and to compare it, its configuration and its results are needed whole.
_LINE_LIMIT = 16 * 1024
_LIMITS = {"session": 1024 * 1024, "result": 1024 * 1024}
#: Events of the service that hold what was said, and their fields that do.
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_WORDS = ("transcript", "delta", "text", "logprobs")
_MANIFEST = Path(__file__).parents[1] / "manifest.json"


@dataclass
class _Batch:
    """Frames or appends that follow each other; times in ms."""

    key: tuple[object, ...]
    start: float
    until: float
    fields: dict[str, Any]
    count: int = 1


@dataclass
class SessionLog:
    """Makes the lines; `take` hands them over.  Times ``at`` are ms since the
    start of the log.  What the ``redactor`` knows never appears in a line, and
    without ``texts_kept`` nothing that was said."""

    redactor: Redactor
    texts_kept: bool = True
    _lines: list[str] = field(default_factory=list)
    #: By the kind of their line, in the order of their beginnings.
    _batches: dict[str, _Batch] = field(default_factory=dict)
    _format: tuple[int, int, int] | None = None

    def header(
        self, started: str, audio: str, config: Mapping[str, Any]
    ) -> None:
        """The first line; ``started`` is the wall clock in ISO 8601."""
        self._line(
            {
                "t": 0.0,
                "kind": "session",
                "format": FORMAT_VERSION,
                "package": _PACKAGE,
                "version": package_version(),
                "started": started,
                "audio": audio,
                "text": "full" if self.texts_kept else "none",
                "config": config,
            }
        )

    def frame(
        self, at: float, size: int, rate: int, channels: int, width: int
    ) -> None:
        """A frame of ``size`` bytes; its own fields, 0 where it has none."""
        form = (rate, channels, width)
        fields: dict[str, Any] = {"bytes": size}
        if form != self._format:
            self._format = form
            fields |= {"rate": rate, "channels": channels, "width": width}
        self._count("frames", (size, *form), at, fields)

    def message(
        self, at: float, kind: str, connection: int, message: bytes | str
    ) -> None:
        """A WebSocket message that was ``sent`` or ``received``."""
        if isinstance(message, str):
            message = message.encode("utf-8", "replace")
        if kind == "sent" and message.startswith(_APPEND):
            fields = {"connection": connection, "bytes": 0}
            batch = self._count("appended", (connection,), at, fields)
            # '"}' follows the base64; each '=' stands for a byte that is not.
            text = len(message) - len(_APPEND) - 2
            batch.fields["bytes"] += text // 4 * 3 - message[-4:].count(b"=")
            return
        try:
            event = read_json(message)
        except ValueError:
            event = {"unreadable": len(message)}
        self.note(at, kind, {"connection": connection, "event": event})

    def _count(
        self,
        kind: str,
        key: tuple[object, ...],
        at: float,
        fields: dict[str, Any],
    ) -> _Batch:
        """The open batch, or another where ``key`` differs or time is up."""
        batch = self._batches.get(kind)
        if (
            batch is not None
            and batch.key == key
            and at - batch.until <= _PAUSE_MS
            and at - batch.start <= _BATCH_MS
        ):
            batch.until = at
            batch.count += 1
        else:
            self._end(kind)
            batch = self._batches[kind] = _Batch(key, at, at, fields)
        return batch

    def note(self, at: float, kind: str, fields: Mapping[str, Any]) -> None:
        """Anything else, after all that came before it."""
        self.flush()
        self._line({"t": _ms(at), "kind": kind, **fields})

    def end(self, at: float, audio_bytes: int) -> None:
        """The last line: so much audio is in the file beside the log."""
        self.note(at, "end", {"audio_bytes": audio_bytes})

    def flush(self) -> None:
        """Write the open batches."""
        for kind in list(self._batches):
            self._end(kind)

    def _end(self, kind: str) -> None:
        batch = self._batches.pop(kind, None)
        if batch is not None:
            line = {"t": _ms(batch.start), "kind": kind, **batch.fields}
            if batch.count > 1:
                line |= {"count": batch.count, "until": _ms(batch.until)}
            self._line(line)

    def take(self) -> bytes:
        """The finished lines since the last time, as UTF-8."""
        lines, self._lines = self._lines, []
        return "".join(lines).encode("utf-8", "replace")

    def _line(self, line: dict[str, Any]) -> None:
        try:
            if not self.texts_kept:
                line = without_texts(line)
            # Before it is cleaned, which takes time.
            length = len(_json(line))
            if length > _LIMITS.get(line["kind"], _LINE_LIMIT):
                line = _outline(line, length)
            text = self._text(line)
        except (TypeError, ValueError, RecursionError):
            line = _outline(line, 0)
            text = self._text(line if self.texts_kept else without_texts(line))
        self._lines.append(text + "\n")

    def _text(self, line: dict[str, Any]) -> str:
        # Our own names of lines stay as they are.
        cleaned = {
            key: value if key in ("t", "kind") else self._clean(key, value)
            for key, value in line.items()
        }
        # Whoever prints the file shall not be at the mercy of the service.
        return harmless(_json(cleaned))

    def _clean(self, name: str, value: Any) -> Any:
        """``value`` without secrets; people's words may look like a key."""
        if not isinstance(value, Mapping):
            return self.redactor.value(value, name)
        said = name == "result" or (
            name == "event"
            and str(value.get("type")).startswith(_TRANSCRIPTION)
        )
        return {
            self.redactor.identifier(k): self.redactor.value(
                v, k, said and k in _WORDS
            )
            for k, v in value.items()
        }


def _json(line: Mapping[str, Any]) -> str:
    def written(value: Any) -> str:
        return json.dumps(
            value, ensure_ascii=False, default=str, allow_nan=False
        )

    try:
        return written(line)
    except ValueError:
        return written(_finite(line))


def _finite(value: Any) -> Any:
    """The same with ``NaN`` and ``Infinity``, which JSON has not, as texts."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if finite else str(value)


def is_ours(head: bytes, tail: bytes, audio: str, size: int) -> bool:
    """Do a log's first line and its end tell of a session of ours, of whatever
    version, and of the audio of this name and of so many bytes?  Where the end
    is missing, as after a crash, only ``session_log_text`` says how many."""
    if _PACKAGE.encode() not in head:
        # A thousand long lines of others would cost all threads seconds.
        return False
    header, last = _read_line(head), _read_line(tail.rstrip().split(b"\n")[-1])
    if last.get("kind") == "end":
        size_told = last.get("audio_bytes")
    else:
        size_told = 0 if header.get("text") == "none" else size
    return (
        header.get("kind") == "session"
        and header.get("package") == _PACKAGE
        and header.get("audio", audio) == audio
        and size_told == size
    )


def _read_line(line: bytes) -> dict[str, Any]:
    """What a line says; nothing where it is no object."""
    try:
        value = read_json(line)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}


def package_version() -> str:
    """The version in this package's manifest; reads the disk."""
    try:
        manifest = json.loads(_MANIFEST.read_text(encoding="utf-8"))
        return str(manifest["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


def _outline(line: Mapping[str, Any], length: int) -> dict[str, Any]:
    """What is kept of a line that is too long or cannot be written."""
    outline = {"t": line["t"], "kind": line["kind"], "cut": length}
    event = line.get("event")
    if isinstance(line.get("connection"), int):
        outline["connection"] = line["connection"]
    if isinstance(event, Mapping):
        outline["event"] = {
            name: event[name][:200]
            for name in ("type", "event_id", "item_id")
            if isinstance(event.get(name), str)
        }
    return outline


def _ms(time: float) -> float:
    return round(time, 1)

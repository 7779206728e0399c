"""What the service answers to a file, as the events of a session's item.

Bytes of a body in, events out; nothing here raises on odd content.  Shapes:
the ``openai`` package 3.57.0 (JSON, and server-sent events where the text was
to come in pieces), and Azure's fast transcription, which has ``phrases``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..realtime.errors import ErrorInfo, error_of
from ..realtime.events import ServerEvent, clean_language
from ..realtime.json_text import read_json
from ..realtime.timed_text import MAX_TIMED

#: Of a body, in bytes.
MAX_BODY = 1024 * 1024
#: No event has less, in bytes, and to find that it is none costs as much.
_LEAST_EVENT = 16
#: Some write it before a text (WHATWG, "server-sent events", 9.2.5).
_MARK = b"\xef\xbb\xbf"
#: Larger numbers are no times.
_MOST = 1e9
#: Longer words for a language are its name (``english``), and no code.
_LONGEST_CODE = 3
#: So far outside of its turn a time may be, in ms; others are impossible.
_ROUNDED_MS = 100.0

#: An event without its item; ``type`` is the end of its name.
Event = Mapping[str, Any]


def failed(error: ErrorInfo) -> Event:
    """The turn has no text."""
    fields = {"type": error.type, "code": error.code, "message": error.message}
    if error.param:
        fields["param"] = error.param
    return {"type": "failed", "error": fields}


def no_answer(code: str, message: str) -> Event:
    """The same where the service gave no usable answer."""
    return failed(ErrorInfo("server_error", code, message))


class FileAnswer:
    """Reads the body of one answer of status 200, as it comes.

    ``media_type``: that of its header; whether the text comes in pieces is
    told by that and not by what was asked.  Times in it are those of the file,
    which begins ``begin_ms`` into the audio of the session and has
    ``length_ms``, in ms.
    """

    def __init__(
        self, media_type: str, begin_ms: float, length_ms: float
    ) -> None:
        self._streams = media_type.lower().startswith("text/event-stream")
        self._begin_ms = begin_ms
        self._length_ms = length_ms
        self._buffer = bytearray()
        self._size = 0
        self._data: list[bytes] = []
        self._segments: list[Mapping[str, Any]] = []
        self.over = False

    def feed(self, data: bytes) -> list[Event]:
        """Take more of the body; returns what it tells.  ``over``: nothing
        that follows counts."""
        if self.over:
            return []
        self._size += len(data)
        if self._size > MAX_BODY:
            self.over = True
            text = f"an answer of more than {MAX_BODY >> 20} MB"
            return [no_answer("invalid_answer", text)]
        self._buffer += data
        if not self._streams or b"\n" not in data:
            # A line that comes byte by byte is not looked at each time.
            return []
        return list(self._events())

    def end(self) -> list[Event]:
        """The body ended."""
        if self.over:
            return []
        if not self._streams:
            self.over = True
            body = bytes(self._buffer).removeprefix(_MARK)
            return [self._whole(_object(body))]
        events = self.feed(b"\n\n")
        if not self.over:
            self.over = True
            text = "the answer ended before the text was complete"
            events.append(no_answer("invalid_answer", text))
        return events

    # -- server-sent events ---------------------------------------------------

    def _events(self) -> Iterator[Event]:
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            line = line.rstrip(b"\r").removeprefix(_MARK)
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                event = None
                if len(data) >= _LEAST_EVENT:
                    event = self._event(data)
                if event is not None:
                    yield event
                if self.over:
                    return

    def _event(self, data: bytes) -> Event | None:
        fields = _object(data)
        kind = fields.get("type")
        if kind == "transcript.text.delta":
            return {"type": "delta", **_some(fields, "delta", "logprobs")}
        if kind == "transcript.text.segment":
            self._segments.append(fields)
        elif kind == "transcript.text.done":
            self.over = True
            return self._whole({"segments": self._segments, **fields})
        elif "error" in fields or kind == "error":
            self.over = True
            info = error_of(fields)
            kind = info.type or "server_error"
            text = info.message or "the service failed"
            return failed(ErrorInfo(kind, info.code, text, info.param))
        return None

    # -- a whole answer -------------------------------------------------------

    def _whole(self, fields: Mapping[str, Any]) -> Event:
        body = ServerEvent(fields)
        text = fields.get("text")
        if text is None:
            parts = [p.get("text") for p in body.objects("combinedPhrases")]
            text = " ".join(p for p in parts if isinstance(p, str)) or None
        if not text and fields.get("error"):
            return failed(error_of(fields))
        if not isinstance(text, str):
            return no_answer("invalid_answer", "an answer without a text")
        return {
            "type": "completed",
            "transcript": text,
            **_some(fields, "usage", "logprobs"),
            "languages": list(_languages(body)),
            "words": list(self._words(body)),
            "speakers": list(self._speakers(body)),
        }

    def _words(self, body: ServerEvent) -> Iterator[Event]:
        """Those beside the text, or else those of its parts."""
        found = body.objects("words")
        for part in ("segments", "phrases"):
            if not found:
                found = [
                    word
                    for fields in body.objects(part)
                    for word in ServerEvent(fields).objects("words")
                ]
        if len(found) > MAX_TIMED:
            return
        words = [
            word
            for fields in found
            for word in self._timed(fields, fields.get("word"))
        ]
        starts = [word["start_ms"] for word in words]
        # A service that mistakes one may mistake all.
        if len(words) == len(found) and starts == sorted(starts):
            yield from words

    def _speakers(self, body: ServerEvent) -> Iterator[Event]:
        parts = (*body.objects("segments"), *body.objects("phrases"))
        for part in parts if len(parts) <= MAX_TIMED else ():
            speaker = part.get("speaker")
            if isinstance(speaker, (str, int)) and speaker != "":
                for said in self._timed(part, part.get("text")):
                    yield {**said, "speaker": str(speaker)}

    def _timed(self, fields: Mapping[str, Any], text: Any) -> Iterator[Event]:
        """Text with its times, if it has them: in ms of the session."""
        begin, end = (_number(fields.get(name)) for name in ("start", "end"))
        scale = 1000.0
        if begin is None or end is None:
            begin = _number(fields.get("offsetMilliseconds"))
            length = _number(fields.get("durationMilliseconds"))
            if begin is None or length is None:
                return
            scale, end = 1.0, begin + length
            text = text or fields.get("text")
        begin, end = begin * scale, end * scale
        last = self._length_ms + _ROUNDED_MS
        # A last word may seem to go on in the silence behind the file.
        if isinstance(text, str) and -_ROUNDED_MS <= begin <= min(end, last):
            start_ms, end_ms = (
                self._begin_ms + min(max(at, 0.0), self._length_ms)
                for at in (begin, end)
            )
            yield {"text": text, "start_ms": start_ms, "end_ms": end_ms}


def _languages(body: ServerEvent) -> Iterator[Event]:
    yield from body.objects("languages")
    named = clean_language(body.fields.get("language"))
    if named and len(named.partition("-")[0]) <= _LONGEST_CODE:
        yield {"code": named}
    for phrase in body.objects("phrases")[:1]:
        yield {"code": clean_language(phrase.get("locale"))}


def _object(data: bytes) -> Mapping[str, Any]:
    """The JSON object in ``data``; an empty one where there is none."""
    try:
        fields = read_json(data)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _some(fields: Mapping[str, Any], *names: str) -> Event:
    return {name: fields[name] for name in names if fields.get(name)}


def _number(value: Any) -> float | None:
    """A number of seconds or ms that may be one: no switch, no NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < _MOST else None

"""A session's events without a session: each turn is a file of its own.

The service hears no stream over HTTP.  So what the core says to a session is
taken here, and answered as the service would; a commit makes an `Upload` of
the audio before it.  No sockets, no asyncio, no clock: messages of the core in,
messages for it and files to send out.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..audio.g711 import Law
from ..audio.wav import wav_file
from ..realtime.errors import NOTHING_TO_COMMIT, ErrorInfo
from ..realtime.session import MIN_COMMIT_MS
from ..service.files import MAX_FILE, SAMPLE_BYTES, FileRequest
from .file_answers import Event, failed

#: Audio of turns that are not answered, in bytes: more than the core holds.
_MOST_HELD = 4 * MAX_FILE
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
#: By the name of a wire format: bytes of a sample, Hz, and its law.
_FORMATS: Mapping[str, tuple[int, int, Law | None]] = {
    "audio/pcm": (2, 24000, None),
    "audio/pcmu": (1, 8000, "ulaw"),
    "audio/pcma": (1, 8000, "alaw"),
}
_TOO_LARGE = ErrorInfo(
    "invalid_request_error",
    "file_too_large",
    f"a turn of more than {MAX_FILE >> 20} MB",
)
_TOO_MUCH = ErrorInfo(
    "server_error", "too_slow", "the service is too far behind the call"
)
_IN_REQUEST = ("model", "language", "languages", "prompt", "keywords")


@dataclass(eq=False)
class Upload:
    """One turn: its audio, and the ``fields`` of its request.

    ``begin_ms``: where its audio begins in that of the session, in ms;
    ``length_ms``: how much there is.  ``audio`` is given up with `take_file`;
    ``held``: bytes of it.
    """

    item_id: str
    fields: Mapping[str, Any]
    begin_ms: float
    length_ms: float
    audio: bytes = field(repr=False)
    rate: int
    law: Law | None
    held: int = field(init=False)

    def __post_init__(self) -> None:
        self.held = len(self.audio)

    def take_file(self) -> bytes:
        """The audio as a WAV file, once."""
        audio, self.audio = self.audio, b""
        return wav_file(audio, self.rate, self.law)


class FileSession:
    """Reads client events into ``events`` for the core and ``uploads``."""

    def __init__(self, request: FileRequest) -> None:
        self.events: deque[bytes] = deque()
        self.uploads: deque[Upload] = deque()
        self._request = request
        self._settings: Mapping[str, Any] = {}
        self._include: Any = ()
        self._audio = bytearray()
        #: Samples that were appended in all, and before this audio.
        self._appended = self._before = 0
        self._last_item: str | None = None
        self._held = 0
        self._tell("session.created", session={"id": _new_id("sess")})

    def receive(self, message: bytes | str) -> None:
        """Take what the core sends."""
        event = json.loads(message)
        kind = event["type"]
        if kind == "input_audio_buffer.append":
            self._append(event["audio"])
        elif kind == "input_audio_buffer.commit":
            self._commit(event.get("event_id", ""))
        elif kind == "input_audio_buffer.clear":
            self._take_audio()
        elif kind == "session.update":
            self._settings = event["session"]["audio"]["input"]
            self._include = event["session"].get("include", ())
            self._tell("session.updated", session=event["session"])

    def _append(self, text: str) -> None:
        data = b64decode(text)
        self._appended += len(data) // self._format[0]
        if len(self._audio) <= MAX_FILE:
            # More than a file can hold is let go of: its turn fails.
            self._audio += data

    @property
    def _format(self) -> tuple[int, int, Law | None]:
        return _FORMATS[self._settings["format"]["type"]]

    def _take_audio(self) -> tuple[bytes, int]:
        """What was appended since the last turn; where it begins."""
        data, self._audio = bytes(self._audio), bytearray()
        begin, self._before = self._before, self._appended
        return data, begin

    def _commit(self, event_id: str) -> None:
        size, rate, law = self._format
        if len(self._audio) < MIN_COMMIT_MS * size * rate // 1000:
            error = {
                "type": "invalid_request_error",
                "code": NOTHING_TO_COMMIT,
                "message": f"less than {MIN_COMMIT_MS} ms of audio",
                "event_id": event_id,
            }
            self._tell("error", error=error)
            return
        data, begin = self._take_audio()
        samples = len(data) // size
        item, before = _new_id("item"), self._last_item
        self._last_item = item
        self._tell(
            "input_audio_buffer.committed",
            item_id=item,
            previous_item_id=before,
        )
        upload = Upload(
            item,
            self._fields(),
            begin * 1000 / rate,
            samples * 1000 / rate,
            data,
            rate,
            law,
        )
        if samples * SAMPLE_BYTES >= MAX_FILE:
            self.fail(upload, _TOO_LARGE)
        elif self._held + len(data) > _MOST_HELD:
            self.fail(upload, _TOO_MUCH)
        else:
            self._held += len(data)
            self.uploads.append(upload)

    def _fields(self) -> dict[str, Any]:
        """What the request says beside the file."""
        asked, settings = self._request, self._settings["transcription"]
        fields = {
            name: settings[name] for name in _IN_REQUEST if settings.get(name)
        }
        fields["response_format"] = asked.response_format
        if asked.stream:
            fields["stream"] = True
        if asked.words:
            fields["timestamp_granularities"] = ["word"]
        if asked.chunks:
            fields["chunking_strategy"] = "auto"
        if self._include and asked.response_format == "json":
            fields["include"] = ["logprobs"]
        return fields

    # -- answers ------------------------------------------------------------

    def answer(self, upload: Upload, events: list[Event]) -> None:
        """Tell the core what `FileAnswer` made of the service's."""
        for event in events:
            part = dict(event)
            kind = _TRANSCRIPTION + part.pop("type")
            self._tell(kind, item_id=upload.item_id, content_index=0, **part)

    def fail(self, upload: Upload, error: ErrorInfo) -> None:
        """A turn gets no text, or none by this attempt."""
        self.answer(upload, [failed(error)])

    def forget(self, upload: Upload) -> None:
        """It is answered: its audio is held no more."""
        self._held -= upload.held

    def refuse(self, error: ErrorInfo) -> None:
        """The service refuses them all; a CLOSE follows."""
        self._tell("error", error=failed(error)["error"])

    def _tell(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": _new_id("event"), **fields}
        # In ASCII: half a character of a broken answer cannot be encoded.
        self.events.append(json.dumps(event).encode())


def _new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:20]}"

"""The events that we send.

Field names: the ``openai`` package 3.57.0, whose types check this module under
mypy and are not imported when it runs.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .settings import Dialect, SessionSettings, session_update

if TYPE_CHECKING:
    from openai.types.realtime import (
        InputAudioBufferClearEventParam,
        InputAudioBufferCommitEventParam,
    )

_APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL = b'"}'


def append_event(data: bytes) -> bytes:
    """The message that carries audio in the wire format."""
    # Built by hand: base64 needs no JSON escaping, and this is the one
    # message that is sent many times a second.
    return b"".join((_APPEND_HEAD, b64encode(data), _APPEND_TAIL))


def commit_event(event_id: str) -> bytes:
    """The message that ends a turn."""
    event: InputAudioBufferCommitEventParam = {
        "type": "input_audio_buffer.commit",
        "event_id": event_id,
    }
    return _encode(event)


def clear_event() -> bytes:
    """The message that discards the audio since the last turn."""
    event: InputAudioBufferClearEventParam = {
        "type": "input_audio_buffer.clear"
    }
    return _encode(event)


def session_update_event(
    settings: SessionSettings,
    dialect: Dialect,
    event_id: str,
    told: SessionSettings | None = None,
) -> bytes:
    """The message of `session_update`."""
    update = session_update(settings, dialect, told)
    return _encode({**update, "event_id": event_id})


def _encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(
        message, ensure_ascii=False, separators=(",", ":")
    ).encode()

"""The events that we send, in the two dialects.

Field names and value ranges: the ``openai`` package 3.57.0, whose types check
this module under mypy and are not imported when it runs; the texts beside
them say that a `session.update` is a merge, and how a field is cleared.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .settings import (
    Dialect,
    SessionSettings,
    WireFormat,
    merged,
    prompt_with,
)

if TYPE_CHECKING:
    from openai.types.realtime import (
        AudioTranscriptionParam,
        InputAudioBufferClearEventParam,
        InputAudioBufferCommitEventParam,
        RealtimeAudioFormatsParam,
        RealtimeTranscriptionSessionAudioInputParam,
        RealtimeTranscriptionSessionCreateRequestParam,
    )

_GA_FORMATS: Mapping[WireFormat, RealtimeAudioFormatsParam] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL = b'"}'
#: What noise reduction begins with.
_DEFAULT_STRENGTH = 1.0


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


def session_update(
    settings: SessionSettings,
    dialect: Dialect,
    told: SessionSettings | None = None,
) -> dict[str, Any]:
    """The event that configures a session, as a JSON object.

    ``told``: the settings that are in force there.  What they have and
    ``settings`` have not is cleared, as far as `needs_new_session` says that
    it can be.
    """
    if dialect == "beta":
        return {
            "type": "transcription_session.update",
            "session": merged(_beta_session(settings, told), settings.extra),
        }
    return {
        "type": "session.update",
        "session": merged(_ga_session(settings, told), settings.extra),
    }


def _ga_session(
    settings: SessionSettings, told: SessionSettings | None
) -> dict[str, Any]:
    transcription: AudioTranscriptionParam = {"model": settings.model}
    if settings.language:
        transcription["language"] = settings.language
    if settings.languages:
        transcription["languages"] = list(settings.languages)
    if settings.prompt or (told and told.prompt):
        transcription["prompt"] = settings.prompt
    if settings.keywords or (told and told.keywords):
        transcription["keywords"] = list(settings.keywords)
    if settings.delay:
        transcription["delay"] = settings.delay
    audio_input: RealtimeTranscriptionSessionAudioInputParam = {
        "format": _GA_FORMATS[settings.wire_format],
        "transcription": transcription,
    }
    session: RealtimeTranscriptionSessionCreateRequestParam = {
        "type": "transcription",
        "audio": {"input": audio_input},
    }
    if settings.include:
        session["include"] = list(settings.include)
    # Both switches are always spelled out: a session starts with the server's
    # turn detection on, and only an explicit null turns it off.  The SDK's
    # texts allow null for both, its type for one.
    switches = {
        "noise_reduction": _noise_reduction(settings, told),
        "turn_detection": _plain(settings.turn_detection),
    }
    return merged(session, {"audio": {"input": switches}})


def _noise_reduction(
    settings: SessionSettings, told: SessionSettings | None
) -> dict[str, Any] | None:
    """A strength that is left out is kept, so it is taken back instead."""
    wanted = _plain(settings.noise_reduction)
    before = told.noise_reduction if told else None
    if wanted is not None and before and "strength" in before:
        wanted.setdefault("strength", _DEFAULT_STRENGTH)
    return wanted


def _beta_session(
    settings: SessionSettings, told: SessionSettings | None
) -> dict[str, Any]:
    """One language, no list of words and no delay, as `options.decide`
    says; the ``openai`` package describes this dialect no more."""
    transcription: dict[str, Any] = {"model": settings.model}
    if settings.hints:
        # Regional codes are of models that this dialect does not have.
        transcription["language"] = settings.hints[0].partition("-")[0]
    prompt = _beta_prompt(settings)
    if prompt or (told and _beta_prompt(told)):
        transcription["prompt"] = prompt
    noise = _plain(settings.noise_reduction)
    if noise is not None:
        noise.pop("strength", None)
    session: dict[str, Any] = {
        "input_audio_format": settings.wire_format,
        "input_audio_transcription": transcription,
        "turn_detection": _plain(settings.turn_detection),
        "input_audio_noise_reduction": noise,
    }
    if settings.include:
        session["include"] = list(settings.include)
    return session


def _beta_prompt(settings: SessionSettings) -> str:
    style = settings.keyword_style
    return prompt_with(settings.prompt, settings.keywords, style)[0]


def _plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(
        message, ensure_ascii=False, separators=(",", ":")
    ).encode()

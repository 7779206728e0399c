"""The beta dialect: flat ``transcription_session`` objects.

Switched off at OpenAI in May 2026; compatible servers still speak it.
"""

from __future__ import annotations

from typing import Any

from .errors import ApiError
from .schema import Json, a_list, an_object, nullable, one_of
from .settings import (
    SessionSettings,
    check_include,
    check_noise_reduction,
    check_transcription,
    check_turn_detection,
)

_FORMATS: dict[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_GA_TYPE_TO_FORMAT = {ga["type"]: name for name, ga in _FORMATS.items()}
# Beta field -> field of the GA session's audio.input.
_INPUT_FIELDS = {
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
_check_session = an_object(
    {
        "input_audio_format": one_of(*_FORMATS),
        "input_audio_transcription": check_transcription,
        "input_audio_noise_reduction": check_noise_reduction,
        "turn_detection": check_turn_detection,
        "include": check_include,
        "modalities": nullable(a_list(one_of("text", "audio"))),
        "client_secret": lambda value, path: value,
    }
)


def updated(
    settings: SessionSettings, session: Any, *, any_model: bool
) -> SessionSettings:
    """New settings after ``transcription_session.update``.

    Raises ApiError that names the beta field.
    """
    flat = _check_session(session, "session")
    audio_input: Json = {
        ga: flat[name] for name, ga in _INPUT_FIELDS.items() if name in flat
    }
    if "input_audio_format" in flat:
        audio_input["format"] = _FORMATS[flat["input_audio_format"]]
    change: Json = {"audio": {"input": audio_input}}
    if "include" in flat:
        change["include"] = flat["include"]
    try:
        return settings.merged(change, any_model=any_model)
    except ApiError as error:
        for name, ga in _INPUT_FIELDS.items():
            long = f"session.audio.input.{ga}"
            error.message = error.message.replace(long, f"session.{name}")
            if error.param:
                error.param = error.param.replace(long, f"session.{name}")
        raise


def echo(settings: SessionSettings) -> Json:
    """The session fields of ``transcription_session.created/.updated``."""
    audio_input = settings.echo()["audio"]["input"]
    flat = {
        "object": "realtime.transcription_session",
        "input_audio_format": _GA_TYPE_TO_FORMAT[settings.format["type"]],
        "input_audio_transcription": audio_input["transcription"],
        "turn_detection": settings.turn_detection,
        "client_secret": None,
    }
    if settings.include is not None:
        flat["include"] = settings.include
    return flat

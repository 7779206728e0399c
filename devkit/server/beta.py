"""The beta dialect: flat ``transcription_session`` objects.

Switched off at OpenAI in May 2026; compatible servers still speak it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .checks import INCLUDE, input_checks
from .errors import ApiError
from .rules import Rule, Rules
from .schema import Check, Json, a_list, an_object, nullable, one_of
from .settings import SessionSettings

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


@cache
def _flat_session(rules: Rules) -> Check:
    part = input_checks(rules)
    return an_object(
        {
            "input_audio_format": one_of(*_FORMATS),
            **{name: part[ga] for name, ga in _INPUT_FIELDS.items()},
            "include": INCLUDE,
            "modalities": nullable(a_list(one_of("text", "audio"))),
            "client_secret": lambda value, path: value,
        },
        closed=Rule.UNKNOWN_FIELDS in rules,
    )


def updated(
    settings: SessionSettings, session: Any, rules: Rules
) -> SessionSettings:
    """New settings after ``transcription_session.update``.

    Raises ApiError that names the beta field.
    """
    # The flat shape is older than `languages`: `language` is what it has.
    rules -= {Rule.SINGULAR_LANGUAGE}
    flat = _flat_session(rules)(session, "session")
    audio_input: Json = {
        ga: flat[name] for name, ga in _INPUT_FIELDS.items() if name in flat
    }
    if "input_audio_format" in flat:
        audio_input["format"] = _FORMATS[flat["input_audio_format"]]
    change: Json = {"audio": {"input": audio_input}}
    if "include" in flat:
        change["include"] = flat["include"]
    try:
        return settings.merged(change, rules)
    except ApiError as error:
        for name, ga in _INPUT_FIELDS.items():
            long = f"session.audio.input.{ga}"
            error.message = error.message.replace(long, f"session.{name}")
            if error.param:
                error.param = error.param.replace(long, f"session.{name}")
        raise


def echo(settings: SessionSettings, rules: Rules) -> Json:
    """The session fields of ``transcription_session.created/.updated``."""
    audio_input = settings.echo(rules)["audio"]["input"]
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

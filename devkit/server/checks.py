"""The shape of a session in ``session.update``: fields, types, ranges.

What depends on the model is in `transcription`.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from .errors import ApiError, invalid_type, invalid_value, missing_parameter
from .rules import Rule, Rules
from .schema import (
    Check,
    Json,
    a_boolean,
    a_list,
    a_number,
    a_string,
    a_text,
    an_integer,
    an_object,
    nullable,
    one_of,
)

LOGPROBS = "item.input_audio_transcription.logprobs"
PCM_RATE_HZ = 24_000
MAX_PROMPT = 1024  # code points
# With pcm-rate lenient, Hz.
_LENIENT_RATES = (8000, 48_000)
# Accepted and without effect: they speak about model responses.
_RESPONSE_FIELDS: dict[str, Check] = {
    "create_response": a_boolean,
    "interrupt_response": a_boolean,
}


#: ``include``, in both dialects.
INCLUDE = nullable(a_list(one_of(LOGPROBS)))


@cache
def input_checks(rules: Rules) -> dict[str, Check]:
    """The fields of ``audio.input`` by name; all but the format are also in
    the beta dialect."""
    shape = partial(an_object, closed=Rule.UNKNOWN_FIELDS in rules)
    clamped = Rule.RANGES not in rules
    share = a_number(0, 1, clamped=clamped)
    duration_ms = an_integer(0, clamped=clamped)
    idle_ms = an_integer(5000, 30_000, clamped=clamped)
    rates = (PCM_RATE_HZ, PCM_RATE_HZ)
    if Rule.PCM_RATE not in rules:
        rates = _LENIENT_RATES
    languages: Check = _languages
    if Rule.LANGUAGES_KEPT not in rules:
        languages = nullable(a_list(a_string))
    prompt: Check = a_string
    if Rule.PROMPT_LENGTH in rules:
        prompt = a_text(MAX_PROMPT)
    formats = {
        "audio/pcm": shape({"type": a_string, "rate": an_integer(*rates)}),
        "audio/pcmu": shape({"type": a_string}),
        "audio/pcma": shape({"type": a_string}),
    }
    transcription = shape(
        {
            "model": a_string,
            "language": nullable(a_string),
            "languages": languages,
            "keywords": a_list(a_string),
            "prompt": nullable(prompt),
            "delay": one_of("minimal", "low", "medium", "high", "xhigh"),
        },
        required=["model"] if Rule.MODEL_REQUIRED in rules else [],
    )
    noise_reduction = shape(
        {"type": one_of("near_field", "far_field"), "strength": share}
    )
    detectors = {
        "server_vad": shape(
            {
                "type": a_string,
                "threshold": share,
                "prefix_padding_ms": duration_ms,
                "silence_duration_ms": duration_ms,
                "idle_timeout_ms": nullable(idle_ms),
                **_RESPONSE_FIELDS,
            }
        ),
        "semantic_vad": shape(
            {
                "type": a_string,
                "eagerness": one_of("low", "medium", "high", "auto"),
                **_RESPONSE_FIELDS,
            }
        ),
    }
    return {
        "format": _tagged(formats),
        "transcription": nullable(transcription),
        "noise_reduction": nullable(noise_reduction),
        "turn_detection": nullable(_tagged(detectors)),
    }


@cache
def _ga_session(rules: Rules) -> Check:
    shape = partial(an_object, closed=Rule.UNKNOWN_FIELDS in rules)
    typed = Rule.SESSION_TYPE in rules
    return shape(
        {
            "type": one_of("transcription") if typed else _anything,
            "audio": shape({"input": shape(input_checks(rules))}),
            "include": INCLUDE,
        },
        required=["type"] if typed else [],
    )


def check_ga_session(session: Any, rules: Rules) -> Json:
    """Check the shape of a GA transcription session; raises ApiError."""
    if (
        Rule.SESSION_TYPE in rules
        and isinstance(session, dict)
        and session.get("type") == "realtime"
    ):
        raise ApiError(
            "Passing a realtime session update to a transcription session is "
            "not allowed.",
            "invalid_parameter",
            "session.type",
        )
    checked: Json = _ga_session(rules)(session, "session")
    return checked


def _anything(value: Any, path: str) -> Any:
    return value


def _languages(value: Any, path: str) -> list[str]:
    languages: list[str] = a_list(a_string)(value, path)
    if not languages:
        # Refused, as reported; nobody recorded the text.
        raise invalid_value(
            path, f"Invalid '{path}': expected at least one language."
        )
    return languages


def _tagged(variants: dict[str, Check]) -> Check:
    """An object whose ``type`` decides about its other fields."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise invalid_type(path, "an object", value)
        if "type" not in value:
            raise missing_parameter(f"{path}.type")
        kind = one_of(*variants)(value["type"], f"{path}.type")
        return variants[kind](value, path)

    return check

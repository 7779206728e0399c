"""Session settings: defaults, atomic update, and how they are echoed.

Rules that this file obeys:

- An update is applied whole or not at all; the first fault is reported.
- Only fields that are present change; null clears ``turn_detection``,
  ``noise_reduction`` and ``transcription``.
- ``language`` cannot be cleared once it was set.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any

from .errors import (
    CLOSE_MODEL_NOT_FOUND,
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
)
from .models import PROFILES, ModelProfile, profile_of
from .schema import (
    Check,
    Json,
    a_boolean,
    a_list,
    a_number,
    a_string,
    an_integer,
    an_object,
    nullable,
    one_of,
)

LOGPROBS = "item.input_audio_transcription.logprobs"
PCM_RATE_HZ = 24_000
TELEPHONE_RATE_HZ = 8_000

# session.created echoes silence 200 (recorded 2026-09-18), although the SDK
# documents 500.
DEFAULT_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}
DEFAULT_SEMANTIC_VAD: Json = {"type": "semantic_vad", "eagerness": "auto"}

_TRANSCRIPTION = "session.audio.input.transcription"
_TURN_DETECTION = "session.audio.input.turn_detection"


@dataclass(slots=True)
class SessionSettings:
    """The audio side of a transcription session, in the GA shape."""

    format: Json = field(
        default_factory=lambda: {"type": "audio/pcm", "rate": PCM_RATE_HZ}
    )
    transcription: Json | None = None
    noise_reduction: Json | None = None
    turn_detection: Json | None = field(
        default_factory=lambda: dict(DEFAULT_SERVER_VAD)
    )
    include: list[str] | None = None

    @property
    def rate(self) -> int:
        """Samples per second of the appended audio, Hz."""
        if self.format["type"] != "audio/pcm":
            return TELEPHONE_RATE_HZ
        return int(self.format["rate"])

    @property
    def profile(self) -> ModelProfile | None:
        if self.transcription is None:
            return None
        return profile_of(self.transcription["model"])

    @property
    def wants_logprobs(self) -> bool:
        return LOGPROBS in (self.include or [])

    def updated(self, session: Any, *, any_model: bool) -> SessionSettings:
        """New settings after a GA ``session.update``; self is unchanged.

        ``any_model``: accept unknown model names (Azure deployments).
        Raises ApiError for the first fault.
        """
        change = check_ga_session(session)
        return self.merged(change, any_model=any_model)

    def merged(self, change: Json, *, any_model: bool) -> SessionSettings:
        """Apply an update whose shape was already checked."""
        new = copy.deepcopy(self)
        if "include" in change:
            new.include = change["include"]
        audio = change.get("audio", {}).get("input", {})
        if "format" in audio:
            new.format = dict(audio["format"])
            if new.format["type"] == "audio/pcm":
                new.format.setdefault("rate", PCM_RATE_HZ)
        if "noise_reduction" in audio:
            new.noise_reduction = _merged_noise_reduction(
                self.noise_reduction, audio["noise_reduction"]
            )
        if "transcription" in audio:
            new.transcription = _merged_transcription(
                self.transcription, audio["transcription"], any_model
            )
        if "turn_detection" in audio:
            turn_detection = audio["turn_detection"]
            profile = new.profile
            if turn_detection and profile and not profile.vad:
                raise invalid_value(
                    _TURN_DETECTION,
                    "Turn detection is not supported for this transcription "
                    "model.",
                )
            new.turn_detection = _merged_vad(
                self.turn_detection, turn_detection
            )
        return new

    def echo(self) -> Json:
        """``audio`` and ``include`` as session events show them."""
        transcription = None
        if self.transcription is not None:
            transcription = {"language": None, "prompt": None}
            transcription |= self.transcription
            # Recorded: `delay` is accepted but not echoed.
            transcription.pop("delay", None)
        return {
            "audio": {
                "input": {
                    "format": dict(self.format),
                    "transcription": transcription,
                    "noise_reduction": self.noise_reduction,
                    "turn_detection": self.turn_detection,
                }
            },
            "include": self.include,
        }


def _merged_transcription(
    old: Json | None, change: Json | None, any_model: bool
) -> Json | None:
    if change is None:
        return None
    if change["model"] not in PROFILES and not any_model:
        raise ApiError(
            f"The model '{change['model']}' does not exist or you do not "
            "have access to it.",
            "model_not_found",
            f"{_TRANSCRIPTION}.model",
            close=CLOSE_MODEL_NOT_FOUND,
        )
    profile = profile_of(change["model"])
    if "language" in change and "languages" in change:
        raise invalid_value(
            f"{_TRANSCRIPTION}.languages",
            "Only one of 'language' and 'languages' may be set.",
        )
    for name, allowed in (
        ("languages", profile.hints),
        ("keywords", profile.hints),
        ("prompt", profile.prompt),
        ("delay", profile.delay),
    ):
        if change.get(name) is not None and not allowed:
            raise invalid_value(
                f"{_TRANSCRIPTION}.{name}",
                f"The '{name}' parameter is not supported for this "
                "transcription model.",
            )
    new = {k: v for k, v in change.items() if v is not None}
    kept = (old or {}).get("language")
    if kept and "language" not in new and "languages" not in new:
        new["language"] = kept
    return new


def _merged_noise_reduction(
    old: Json | None, change: Json | None
) -> Json | None:
    # SDK docstring: an omitted strength is kept.
    if change and old and "strength" in old:
        return {"strength": old["strength"], **change}
    return change


def _merged_vad(old: Json | None, change: Json | None) -> Json | None:
    if change is None:
        return None
    defaults = (
        DEFAULT_SERVER_VAD
        if change["type"] == "server_vad"
        else DEFAULT_SEMANTIC_VAD
    )
    base = old if old and old["type"] == change["type"] else defaults
    return {**base, **change}


def _language(value: Any, path: str) -> str:
    text = a_string(value, path)
    if not re.fullmatch(r"[a-z]{2,3}", text):
        raise invalid_value(
            path,
            f"Invalid language '{text}'. Language parameter must be "
            "specified in ISO-639-1 format.",
        )
    return text


def _languages(value: Any, path: str) -> list[str]:
    languages: list[str] = a_list(_language)(value, path)
    if not languages:
        raise invalid_value(
            path, f"Invalid '{path}': expected at least one language."
        )
    return languages


def _keyword(value: Any, path: str) -> str:
    text = a_string(value, path)
    if not text.strip() or re.search(r"[<>\r\n]", text):
        raise invalid_value(
            path,
            f"Invalid '{path}': keywords must be a single line without "
            "'<' or '>'.",
        )
    return text


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


# Accepted and without effect: they speak about model responses.
_RESPONSE_FIELDS: dict[str, Check] = {
    "create_response": a_boolean,
    "interrupt_response": a_boolean,
}
check_turn_detection = nullable(
    _tagged(
        {
            "server_vad": an_object(
                {
                    "type": a_string,
                    "threshold": a_number(0, 1),
                    "prefix_padding_ms": an_integer(0),
                    "silence_duration_ms": an_integer(0),
                    "idle_timeout_ms": nullable(an_integer(5000, 30_000)),
                    **_RESPONSE_FIELDS,
                }
            ),
            "semantic_vad": an_object(
                {
                    "type": a_string,
                    "eagerness": one_of("low", "medium", "high", "auto"),
                    **_RESPONSE_FIELDS,
                }
            ),
        }
    )
)
check_transcription = nullable(
    an_object(
        {
            "model": a_string,
            "language": nullable(_language),
            "languages": _languages,
            "keywords": a_list(_keyword),
            "prompt": nullable(a_string),
            "delay": one_of("minimal", "low", "medium", "high", "xhigh"),
        },
        required=["model"],
    )
)
check_noise_reduction = nullable(
    an_object(
        {
            "type": one_of("near_field", "far_field"),
            "strength": a_number(0, 1),
        },
        required=["type"],
    )
)
check_include = nullable(a_list(one_of(LOGPROBS)))
_check_audio_input = an_object(
    {
        "format": _tagged(
            {
                "audio/pcm": an_object(
                    {
                        "type": a_string,
                        "rate": an_integer(PCM_RATE_HZ, PCM_RATE_HZ),
                    }
                ),
                "audio/pcmu": an_object({"type": a_string}),
                "audio/pcma": an_object({"type": a_string}),
            }
        ),
        "transcription": check_transcription,
        "noise_reduction": check_noise_reduction,
        "turn_detection": check_turn_detection,
    }
)
_check_session = an_object(
    {
        "type": one_of("transcription"),
        "audio": an_object({"input": _check_audio_input}),
        "include": check_include,
    },
    required=["type"],
)


def check_ga_session(session: Any) -> Json:
    """Check the shape of a GA transcription session; raises ApiError."""
    if isinstance(session, dict) and session.get("type") == "realtime":
        raise ApiError(
            "Passing a realtime session update to a transcription session is "
            "not allowed.",
            "invalid_parameter",
            "session.type",
        )
    checked: Json = _check_session(session, "session")
    return checked

"""Session settings: defaults, atomic update, and how they are echoed.

An update is a merge, applied whole or not at all; the first fault is
reported. null clears ``turn_detection``, ``noise_reduction`` and
``transcription``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from .checks import LOGPROBS, PCM_RATE_HZ, check_ga_session
from .errors import invalid_value, missing_parameter
from .models import LISTED as LISTED_MODELS
from .models import ModelNames, ModelProfile
from .rules import STRICT, Rule, Rules
from .schema import Json
from .transcription import merged_transcription

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

_INPUT = "session.audio.input"
# What session.updated does not show. Recorded for both, `keywords` with
# gpt-live-transcribe.
_NOT_ECHOED = ("delay", "keywords")


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
    models: ModelNames = LISTED_MODELS

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
        return self.models.profile(self.transcription.get("model", ""))

    @property
    def wants_logprobs(self) -> bool:
        return LOGPROBS in (self.include or [])

    def updated(self, session: Any, rules: Rules = STRICT) -> SessionSettings:
        """New settings after a GA ``session.update``; self is unchanged.

        Raises ApiError for the first fault.
        """
        change = check_ga_session(session, rules)
        return self.merged(change, rules)

    def merged(self, change: Json, rules: Rules) -> SessionSettings:
        """Apply an update whose shape was already checked."""
        new = copy.deepcopy(self)
        # Nothing takes `include` away: null or [] keep it.
        if change.get("include") or (
            "include" in change and Rule.DEEP_MERGE not in rules
        ):
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
            new.transcription = merged_transcription(
                self.transcription,
                audio["transcription"],
                rules,
                self.models,
            )
        if "turn_detection" in audio:
            turn_detection = audio["turn_detection"]
            # Only where the update speaks of it: a default that was left
            # alone when such a model was chosen was accepted.
            profile = new.profile if Rule.MODEL_VAD in rules else None
            if turn_detection and profile and not profile.vad:
                raise invalid_value(
                    f"{_INPUT}.turn_detection",
                    "Turn detection is not supported for this transcription "
                    "model.",
                )
            new.turn_detection = _merged_vad(
                self.turn_detection, turn_detection
            )
        return new

    def full(self) -> Json:
        """``audio`` and ``include`` in GA shape, all that is set."""
        return {
            "audio": {
                "input": {
                    "format": dict(self.format),
                    "transcription": self.full_transcription(),
                    "noise_reduction": self.noise_reduction,
                    "turn_detection": self.turn_detection,
                }
            },
            "include": self.include,
        }

    def full_transcription(self) -> Json | None:
        if self.transcription is None:
            return None
        return {"language": None, "prompt": None, **self.transcription}

    def echo(self, rules: Rules) -> Json:
        """``audio`` and ``include`` as session events show them."""
        shown = self.full()
        transcription = shown["audio"]["input"]["transcription"]
        if transcription is not None and Rule.PARTIAL_ECHO in rules:
            for name in _NOT_ECHOED:
                transcription.pop(name, None)
        return shown


def _merged_noise_reduction(
    old: Json | None, change: Json | None
) -> Json | None:
    if change is None:
        return None
    # SDK docstring: an omitted strength is kept; so is the type.
    new = {**(old or {}), **change}
    if "type" not in new:
        raise missing_parameter(f"{_INPUT}.noise_reduction.type")
    return new


def _merged_vad(old: Json | None, change: Json | None) -> Json | None:
    if change is None:
        return None
    for base in (old, DEFAULT_SERVER_VAD):
        if base and base["type"] == change["type"]:
            return {**base, **change}
    return {**DEFAULT_SEMANTIC_VAD, **change}

"""Calls of every combination, and what is expected of each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

from ten_packages.extension.openai_asr_python.service.models import (
    MODEL_NAMES,
    ServerTurns,
    profile_of,
)

UNKNOWN_MODEL = "my-deployment"
MODELS = (*MODEL_NAMES, "gpt-4o-mini-transcribe-2025-12-15", UNKNOWN_MODEL)
#: Turn detection as configured; "" is left to the model.
TURNS: dict[str, dict[str, Any]] = {
    "by model": {},
    "server_vad": {"type": "server_vad"},
    "semantic_vad": {"type": "semantic_vad"},
    "local": {"type": "local"},
    "local, skip": {"type": "local", "silence": "skip"},
    "none": {"type": "none"},
}
WIRES = ("pcm16", "g711_ulaw", "g711_alaw")


@dataclass(frozen=True)
class Input:
    """Frames: rate in Hz, channels, G.711 law of 8-bit frames or ""."""

    rate: int
    channels: int = 1
    law: Literal["", "ulaw", "alaw"] = ""

    def __str__(self) -> str:
        if self.law:
            return f"8-bit {self.law}"
        stereo = " stereo" if self.channels == 2 else ""
        return f"{self.rate // 1000} kHz{stereo}"


INPUTS = (
    Input(8000),
    Input(16000),
    Input(24000),
    Input(44100),
    Input(48000, 2),
    Input(8000, 1, "ulaw"),
    Input(8000, 1, "alaw"),
    Input(4000),
)
#: (the server's dialect, `protocol`)
DIALECTS = (
    ("ga", "auto"),
    ("ga", "ga"),
    ("beta", "auto"),
    ("beta", "beta"),
    ("ga", "beta"),
    ("beta", "ga"),
)

#: The documented errors of impossible cells: (number, beginning or part of
#: the message, what it means).
NO_TURNS = (1, "has no turn detection of its own", "the model has none")
BAD_RATE = (2, "sample_rate: found 4000", "below 8 kHz")
NO_BETA = (3, "Beta API is no longer supported", "the server speaks GA only")
NO_GA = (4, "the server refused the session settings", "it speaks beta only")
ERRORS = (NO_TURNS, BAD_RATE, NO_BETA, NO_GA)


@dataclass(frozen=True)
class Cell:
    """One combination."""

    model: str
    turns: str
    wire: str
    input: Input
    server: str
    protocol: str

    @property
    def expected_error(self) -> tuple[int, str, str] | None:
        """None where it must work."""
        if self.input.rate < 8000:
            return BAD_RATE
        if self._taken == "no":
            return NO_TURNS
        if (self.server, self.protocol) == ("ga", "beta"):
            return NO_BETA
        if (self.server, self.protocol) == ("beta", "ga"):
            return NO_GA
        return None

    @property
    def _taken(self) -> ServerTurns | None:
        """Does the model take the server's turn detection that was chosen?"""
        chosen = self.turns in ("server_vad", "semantic_vad")
        return profile_of(self.model).server_turns if chosen else None

    @property
    def is_doubtful(self) -> bool:
        """Shall a warning say that turns may never come?"""
        return self._taken == "doubtful"

    @property
    def server_turns(self) -> str | None:
        """The type of turn detection that the server shall be told."""
        if self.turns == "by model":
            ends_turns = profile_of(self.model).server_turns == "yes"
            return "server_vad" if ends_turns else None
        return self.turns if self.turns.endswith("_vad") else None

    def properties(self, url: str, name: str) -> dict[str, Any]:
        """The node property; the server finds ``name`` in the query."""
        params = {
            **base_params(self.model, self.protocol, url, name),
            "language": "en-US",
            "languages": ["en", "de"],
            "keywords": "TEN|5, <Agora>",
            "prompt": "A call.",
            "delay": "low",
            "include": ["logprobs"],
            "input_audio_noise_reduction": {
                "type": "near_field",
                "strength": 0.5,
            },
            "input_audio_format": self.wire,
            "sample_rate": self.input.rate,
            "channels": self.input.channels,
        }
        if self.turns != "by model":
            params["turn_detection"] = TURNS[self.turns]
        if self.input.law:
            params["g711_input"] = self.input.law
        return {"params": params}


def base_params(
    model: str, protocol: str, url: str, name: str
) -> dict[str, Any]:
    """What every call has; frames of 8 kHz are the cheapest."""
    params = {
        "api_key": "sk-local-soak",
        "base_url": url,
        "model": model,
        "protocol": protocol,
        "sample_rate": 8000,
        "query": {"cell": name},
    }
    if model == UNKNOWN_MODEL:
        params["auth"] = "api-key"
    return params


def combination_cells() -> list[Cell]:
    """All of them."""
    return [
        Cell(model, turns, wire, given, *dialect)
        for model, turns, wire, given, dialect in itertools.product(
            MODELS, TURNS, WIRES, INPUTS, DIALECTS
        )
    ]

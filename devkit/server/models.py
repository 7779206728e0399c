"""What each transcription model allows and how it answers: one table.

Source: the model columns of OpenAI's realtime transcription guide and of
recorded sessions, state of November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Deltas(Enum):
    """When text pieces come, and how many."""

    WHOLE = "one delta after the commit, the whole text"
    BURST = "several deltas after the commit"
    STREAMING = "deltas while audio is appended, the rest after the commit"


@dataclass(frozen=True, slots=True)
class ModelProfile:
    name: str
    deltas: Deltas
    usage: str  # "tokens" or "duration"
    vad: bool = True  # turn_detection other than null allowed
    prompt: bool = True
    hints: bool = False  # `languages` and `keywords` allowed
    delay: bool = False
    reports_languages: bool = False  # `languages` on completed
    logprobs: bool = False
    segments: bool = False  # diarization: `.segment` before completed
    formats: tuple[str, ...] = ()  # over HTTP; none: realtime only
    longest_s: float = 1500  # of a file over HTTP (recorded for gpt-4o)

    @property
    def sse(self) -> bool:
        """`stream` over HTTP; ignored with whisper-1, as documented."""
        return self.deltas is not Deltas.WHOLE

    @property
    def streaming(self) -> bool:
        return self.deltas is Deltas.STREAMING


def _gpt_4o(name: str) -> ModelProfile:
    return ModelProfile(
        name,
        Deltas.BURST,
        "tokens",
        logprobs=True,
        formats=("json", "text"),
    )


_PROFILES = [
    ModelProfile(
        "whisper-1",
        Deltas.WHOLE,
        "duration",
        formats=("json", "text", "srt", "verbose_json", "vtt"),
        longest_s=7200,  # ours: its limit is that of the size
    ),
    _gpt_4o("gpt-4o-transcribe"),
    _gpt_4o("gpt-4o-mini-transcribe"),
    _gpt_4o("gpt-4o-mini-transcribe-2025-12-15"),
    ModelProfile(
        "gpt-4o-transcribe-diarize",
        Deltas.BURST,
        "tokens",
        prompt=False,
        segments=True,
        formats=("json", "text", "diarized_json"),
    ),
    ModelProfile(
        "gpt-transcribe",
        Deltas.BURST,
        "duration",
        hints=True,
        reports_languages=True,
        formats=("json", "text"),
    ),
    # `delay`: the cookbook and the model page allow it, the SDK's docstring
    # says gpt-realtime-whisper only. Clients ship it, so it is allowed.
    ModelProfile(
        "gpt-live-transcribe",
        Deltas.STREAMING,
        "duration",
        vad=False,
        hints=True,
        delay=True,
    ),
    ModelProfile(
        "gpt-realtime-whisper",
        Deltas.STREAMING,
        "tokens",
        vad=False,
        prompt=False,
        delay=True,
    ),
]
PROFILES = {profile.name: profile for profile in _PROFILES}


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The names that a server takes for a model.

    ``deployments``: names of its user's, as on Azure, and the model behind
    each.  ``any_name``: all others as well.
    """

    deployments: Mapping[str, str] = field(default_factory=dict)
    any_name: bool = False

    def __contains__(self, name: str) -> bool:
        return self.any_name or name in PROFILES or name in self.deployments

    def profile(self, name: str) -> ModelProfile:
        return profile_of(self.deployments.get(name, name))


#: The service's own, and no others.
LISTED = ModelNames()


def profile_of(model: str) -> ModelProfile:
    """The profile for a model name.

    Unknown names (an Azure deployment, a snapshot date) get the profile of
    the longest known model whose name they begin with, else that of
    gpt-4o-transcribe.
    """
    known = [name for name in PROFILES if model.startswith(name)]
    return PROFILES[max(known, key=len, default="gpt-4o-transcribe")]

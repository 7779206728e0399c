"""What each transcription model can and cannot do.

One row per family.  Sources: OpenAI's guide "Realtime transcription", its
model and deprecation pages and the type descriptions of the ``openai``
package 3.57.0, all as of November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

DEFAULT_MODEL = "gpt-live-transcribe"

#: When the text of a turn arrives: in one piece, in a burst after the commit,
#: or while the turn is still spoken.
DeltaStyle = Literal["whole", "burst", "live"]
#: Does the server end turns?  ``doubtful``: it takes the setting, and reports
#: differ on whether a turn ever comes of it.
ServerTurns = Literal["yes", "doubtful", "no"]


@dataclass(frozen=True)
class ModelProfile:
    """The abilities of one model.

    ``server_turns``: only with "yes" the server ends turns by default; else
    the client commits them.  ``languages``: the hint is a list, and the
    singular ``language`` is refused.  ``reports_language``: the last word of
    a turn tells its language.  ``files``: it is to be had at the HTTP
    endpoint for files, where its text comes in pieces with ``file_stream``;
    ``word_times`` and ``speakers`` it tells there only.  ``shutdown`` is an
    ISO date or "".
    ``known`` is False for a name that this table does not list; ``family``
    is then the listed name whose abilities were taken.
    """

    name: str
    server_turns: ServerTurns
    deltas: DeltaStyle
    prompt: bool = True
    languages: bool = False
    keywords: bool = False
    delay: bool = False
    logprobs: bool = False
    reports_language: bool = False
    files: bool = True
    file_stream: bool = False
    word_times: bool = False
    speakers: bool = False
    shutdown: str = ""
    replacement: str = ""
    known: bool = True
    family: str = ""


#: A model from before 2026; for all of them a shutdown was announced on
#: 2026-08-26.
_Older = partial(
    ModelProfile,
    server_turns="yes",
    deltas="burst",
    shutdown="2027-02-26",
    replacement=DEFAULT_MODEL,
)
_FAMILIES: dict[str, ModelProfile] = {
    profile.name: profile
    for profile in (
        ModelProfile(
            "gpt-live-transcribe",
            server_turns="no",
            deltas="live",
            languages=True,
            keywords=True,
            delay=True,
            files=False,
        ),
        ModelProfile(
            # One user got turns out of its server_vad (July 2026), another
            # never (JINGBANZ/jarvis#132); the guide shows client commits.
            "gpt-transcribe",
            server_turns="doubtful",
            deltas="burst",
            languages=True,
            keywords=True,
            reports_language=True,
            file_stream=True,
        ),
        ModelProfile(
            "gpt-realtime-whisper",
            server_turns="no",
            deltas="live",
            prompt=False,
            delay=True,
            files=False,
        ),
        _Older("gpt-4o-transcribe", logprobs=True, file_stream=True),
        _Older("gpt-4o-mini-transcribe", logprobs=True, file_stream=True),
        _Older(
            "gpt-4o-transcribe-diarize",
            prompt=False,
            file_stream=True,
            speakers=True,
        ),
        _Older("whisper-1", deltas="whole", word_times=True),
    )
}
MODEL_NAMES: tuple[str, ...] = tuple(_FAMILIES)
FILE_MODELS: tuple[str, ...] = tuple(
    name for name, profile in _FAMILIES.items() if profile.files
)

#: What takes the place of older ones at the HTTP endpoint.
FILE_REPLACEMENT = "gpt-transcribe"

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")

#: What an unknown name is taken for: the family that compatible servers
#: imitate, and the one with the fewest requests that can be refused.
FALLBACK_FAMILY = "gpt-4o-transcribe"


def profile_of(model: str, family: str = "") -> ModelProfile:
    """The profile of a model name; a dated name is its family's.

    A name that is not listed (a future model, an Azure deployment, a model of
    a compatible server) gets ``known=False`` and the abilities of ``family``,
    a listed name; without one those of the listed name that it starts with,
    else of `FALLBACK_FAMILY`.  No shutdown is announced for it.
    """
    base = _DATED.sub("", model)
    if base in _FAMILIES:
        return replace(_FAMILIES[base], name=model, family=base)
    if not family:
        starts = [name for name in _FAMILIES if base.startswith(name)]
        family = max(starts, key=len, default=FALLBACK_FAMILY)
    like = replace(_FAMILIES[family], shutdown="", replacement="")
    return replace(like, name=model, known=False, family=family)


def file_profile_of(model: str, family: str = "") -> ModelProfile:
    """The same for the HTTP endpoint, where compatible servers are many: a
    name that is not listed is taken for `whisper-1`, if it has "whisper" in
    it, and else for a model that gives its text in one piece."""
    profile = profile_of(model, family)
    if profile.known or family or model.startswith(MODEL_NAMES):
        return profile
    if "whisper" in model.lower():
        return profile_of(model, "whisper-1")
    return replace(profile, file_stream=False)

"""What each transcription model can and cannot do.

One row per family.  Sources: OpenAI's guide "Realtime transcription", its
model and deprecation pages and the type descriptions of the ``openai``
package 3.54.0, all as of November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

DEFAULT_MODEL = "gpt-live-transcribe"

#: When the text of a turn arrives: in one piece, in a burst after the commit,
#: or while the turn is still spoken.
DeltaStyle = Literal["whole", "burst", "live"]


@dataclass(frozen=True)
class ModelProfile:
    """The abilities of one model.

    ``server_turns``: the server's own turn detection is accepted; without it
    the client commits every turn.  ``shutdown`` is an ISO date or "".
    ``known`` is False for a name that this table does not list.
    """

    name: str
    server_turns: bool
    deltas: DeltaStyle
    prompt: bool = True
    languages: bool = False
    keywords: bool = False
    delay: bool = False
    logprobs: bool = False
    shutdown: str = ""
    replacement: str = ""
    known: bool = True


#: Announced on 2026-08-26 for every model from before 2026.
_SHUTDOWN = "2027-02-26"

_FAMILIES: dict[str, ModelProfile] = {
    profile.name: profile
    for profile in (
        ModelProfile(
            "gpt-live-transcribe",
            server_turns=False,
            deltas="live",
            languages=True,
            keywords=True,
            delay=True,
        ),
        ModelProfile(
            # Its server_vad is accepted, yet a user never got a turn out of
            # it (JINGBANZ/jarvis#132); the guide shows client commits.
            "gpt-transcribe",
            server_turns=False,
            deltas="burst",
            languages=True,
            keywords=True,
        ),
        ModelProfile(
            "gpt-realtime-whisper",
            server_turns=False,
            deltas="live",
            prompt=False,
            delay=True,
        ),
        ModelProfile(
            "gpt-4o-transcribe",
            server_turns=True,
            deltas="burst",
            logprobs=True,
            shutdown=_SHUTDOWN,
            replacement=DEFAULT_MODEL,
        ),
        ModelProfile(
            "gpt-4o-mini-transcribe",
            server_turns=True,
            deltas="burst",
            logprobs=True,
            shutdown=_SHUTDOWN,
            replacement=DEFAULT_MODEL,
        ),
        ModelProfile(
            "gpt-4o-transcribe-diarize",
            server_turns=True,
            deltas="whole",
            prompt=False,
            shutdown=_SHUTDOWN,
            replacement=DEFAULT_MODEL,
        ),
        ModelProfile(
            "whisper-1",
            server_turns=True,
            deltas="whole",
            shutdown=_SHUTDOWN,
            replacement=DEFAULT_MODEL,
        ),
    )
}

MODEL_NAMES: tuple[str, ...] = tuple(_FAMILIES)

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def profile_of(model: str) -> ModelProfile:
    """The profile of a model name; a dated name is its family's.

    A name that is not listed (a future model, an Azure deployment, a model of
    a compatible server) gets ``known=False`` and the abilities of the listed
    family whose name it starts with, else of the oldest dialect users:
    server turns and a burst of deltas, which every compatible server has.
    """
    family = _DATED.sub("", model)
    if family in _FAMILIES:
        return replace(_FAMILIES[family], name=model)
    for name in sorted(_FAMILIES, key=len, reverse=True):
        if family.startswith(name):
            return replace(_FAMILIES[name], name=model, known=False)
    return ModelProfile(
        model,
        server_turns=True,
        deltas="burst",
        languages=True,
        keywords=True,
        delay=True,
        logprobs=True,
        known=False,
    )

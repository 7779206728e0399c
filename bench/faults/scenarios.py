"""What goes wrong in a call, and when; the same for every client."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .script import Script

#: Words reach the server so much later, in ms, whatever the client: it sends
#: packets, and resamples.
_ON_THE_WAY_MS = 60
_RESET_EVERY_S = 10
#: On either side of where clients give up by default.
_AWAY_S = (3, 6, 8)
_FROZEN_AT_S = 15
_EXPIRES_AFTER_S = 30

#: Seconds of the call, and what is done then: a method of the server that is
#: called, or ``kill`` and ``start`` of its process.
Strike = tuple[float, str]


def _nothing(script: Script) -> list[Strike]:
    return []


def _resets(
    place: Callable[[Script, float], int], script: Script
) -> list[Strike]:
    end = script.words[-1]
    step = min(_RESET_EVERY_S * 1000, end // 3)
    places = [place(script, at) for at in range(step, end, step)]
    # A short call has few pauses.
    return [
        ((at + _ON_THE_WAY_MS) / 1000, "drop_connections")
        for at in sorted(set(places))
    ]


def _away(seconds: int, script: Script) -> list[Strike]:
    at = (script.middle_of_word(script.words[-1] / 2) + _ON_THE_WAY_MS) / 1000
    return [(at, "kill"), (at + seconds, "start")]


def _early(script: Script, seconds: float) -> int:
    """The middle of a word about there, or in the middle of a short call."""
    return script.middle_of_word(min(seconds * 1000, script.words[-1] / 2))


@dataclass(frozen=True)
class Scenario:
    """``faults``: `devkit.server.Faults` of the server, and when its process
    or a method of it is used."""

    name: str
    about: str
    strikes: Callable[[Script], list[Strike]] = _nothing
    faults: Callable[[Script], Mapping[str, Any]] = field(
        default=lambda script: {}
    )


SCENARIOS = (
    Scenario("none", "no fault: the control"),
    Scenario(
        "resets",
        f"the TCP connection is reset every {_RESET_EVERY_S} s, in the middle"
        " of a word",
        functools.partial(_resets, Script.middle_of_word),
    ),
    Scenario(
        "resets-in-pauses",
        "the same in pauses, when the final of what was said has come",
        functools.partial(_resets, Script.late_in_pause),
    ),
    *(
        Scenario(
            f"away-{seconds}",
            "in the middle of a word the server's process is killed, and"
            f" started again {seconds} s later; it listens within a second",
            functools.partial(_away, seconds),
        )
        for seconds in _AWAY_S
    ),
    Scenario(
        "half-open",
        "from the middle of a word on the first connection is half-open: the"
        f" server neither reads nor writes, once, after {_FROZEN_AT_S} s; new"
        " connections are served",
        faults=lambda script: {
            "freeze_after_audio_ms": _early(script, _FROZEN_AT_S),
            "audio_faults_on": 1,
        },
    ),
    Scenario(
        "failed",
        "each fifth item's transcription ends in `.failed` with"
        " `server_error`; the audio of an item that is sent again is an item",
        faults=lambda script: {"failed": "every:5"},
    ),
    Scenario(
        "expired",
        f"after {_EXPIRES_AFTER_S} s of its audio each session ends with"
        " `session_expired` and CLOSE 1001, in the middle of a word",
        faults=lambda script: {
            "expire_after_audio_ms": _early(script, _EXPIRES_AFTER_S)
        },
    ),
)

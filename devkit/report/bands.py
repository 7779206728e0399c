"""Stretches of audio that were lost, or sent again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from devkit.sessions.lines import Line

from . import fields
from .connections import Connection
from .timeline import Timeline

#: Where lost audio lies, as errors tell it: its length, its start.
DROPPED = re.compile(r"(\d{1,12}) ms(?: of audio)? from (-?\d{1,12}) ms")
#: What is said of audio that a turn without a result had.
TURN_LOST = "its turn was given up"
#: Lines that tell of audio without a text.
_LOSSES = {"dropped": "dropped", "failed": TURN_LOST}
_CAUSES = {
    "overflow": "dropped: the buffer was full",
    "given_up": "dropped: the call had been given up",
    "stopped": "dropped: the call was stopped",
    "unheard": "dropped: the service heard no speech in it",
}


@dataclass(frozen=True)
class Band:
    """A stretch of audio with a meaning, in ms of the call."""

    kind: Literal["dropped", "replayed"]
    start_ms: float
    end_ms: float
    text: str


def bands_of(
    lines: list[Line], connections: list[Connection], timeline: Timeline
) -> list[Band]:
    """Audio that was dropped, or sent again."""
    bands = []
    told = any(line.kind in _LOSSES for line in lines)
    for line in lines:
        if line.kind in _LOSSES:
            start = fields.number(line.fields.get("start_ms"))
            length = fields.number(line.fields.get("duration_ms"))
            cause = fields.text(line.fields.get("cause"), 40)
            text = _CAUSES.get(cause, _LOSSES[line.kind])
            bands.append(Band("dropped", start, start + length, text))
        elif line.kind == "error" and not told:
            # Older logs have no other lines of it.
            message = fields.text(line.fields.get("message"))
            found = DROPPED.search(message)
            if found:
                length, start = float(found[1]), max(0.0, float(found[2]))
                bands.append(Band("dropped", start, start + length, message))
    for one in connections:
        if one.replayed_ms and one.ready_t is not None:
            end = _sent_to(one, connections, timeline)
            start = max(0.0, end - one.replayed_ms)
            text = f"sent again to connection {one.number}"
            bands.append(Band("replayed", start, end, text))
    return bands[:5000]


def _sent_to(
    one: Connection, connections: list[Connection], timeline: Timeline
) -> float:
    """How far the connections before it had got: what came later was not
    sent yet."""
    ends = [
        each.closed_ms
        for each in connections
        if each.closed_t is not None
        and each.closed_ms is not None
        and each.closed_t <= one.opened_t
    ]
    if ends:
        return max(ends)
    return timeline.position(one.opened_t)

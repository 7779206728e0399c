"""What the page's script draws along the time axis, as JSON has it.

Positions are ms of the call's audio, rounded; lists are short, since a call of
an hour has many of them.
"""

from __future__ import annotations

import base64
from typing import Any

from . import numbers
from .session import Session

#: Texts of bars and ticks, in characters; the list of turns has all.
_LONGEST = 300


def axis_of(session: Session, label: str) -> dict[str, Any]:
    """One call; ``label`` tells it from another one, "" for a single one."""
    sound = session.sound
    return {
        "label": label,
        "total": _ms(session.timeline.total_ms),
        "shape": base64.b64encode(sound.shape).decode() if sound else "",
        "step": sound.step_ms if sound else 0,
        "speech": [[_ms(start), _ms(end)] for start, end in session.speech],
        "turns": [
            [
                turn.number,
                _ms(turn.start_ms),
                _ms(turn.end_ms),
                turn.text[:_LONGEST],
                turn.state,
                _ms(turn.final.at_ms) if turn.final else None,
            ]
            for turn in session.turns
        ],
        "texts": sorted(
            [_ms(each.at_ms), int(each.final), each.text[:_LONGEST], number]
            for number, arrivals in (
                (turn.number, [*turn.interims, turn.final])
                for turn in session.turns
            )
            for each in arrivals
            if each is not None
        ),
        "connections": [
            [
                _ms(one.opened_ms),
                _ms(_or_total(session, one.closed_ms)),
                one.number,
                _about(one.code, one.reason),
            ]
            for one in session.connections
        ],
        "outages": [
            [
                _ms(one.start_ms),
                _ms(one.end_ms),
                f"no connection for {numbers.length(one.wall_ms)}",
            ]
            for one in session.outages
            if not one.first or one.end_ms > one.start_ms
        ],
        "bands": [
            [band.kind, _ms(band.start_ms), _ms(band.end_ms), band.text]
            for band in session.bands
        ],
        "marks": sorted(_marks(session), key=lambda mark: mark[1]),
    }


def _marks(session: Session) -> list[list[Any]]:
    marks: list[list[Any]] = []
    for one in session.finalizes[:5000]:
        marks.append(["finalize", _ms(one.asked_ms), "finalize asked"])
        if one.answered_ms is not None:
            text = f"finalize answered after {numbers.length(one.waited_ms)}"
            marks.append(["finalize_end", _ms(one.answered_ms), text])
    for at in session.changes_ms:
        marks.append(["config", _ms(at), "the configuration changed"])
    for entry in session.happenings:
        for place in entry.places:
            text = f"{entry.advice.title}: {place.text}".removesuffix(": ")
            marks.append([entry.severity, _ms(place.at_ms), text[:_LONGEST]])
    return marks


def _or_total(session: Session, at: float | None) -> float:
    return session.timeline.total_ms if at is None else at


def _about(code: int, reason: str) -> str:
    if not code:
        return "open at the end of the log"
    return f"closed with {code}{reason and ': '}{reason}"[:_LONGEST]


def _ms(value: float) -> int:
    return round(value)

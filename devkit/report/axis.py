"""What the page's script draws along the time axis, as JSON has it.

Positions are ms of the call's audio, rounded; lists are short, since a call of
an hour has many of them.
"""

from __future__ import annotations

import base64
from typing import Any

from . import numbers
from .bounds import joined
from .session import Session
from .turns import Turn

#: Texts of bars and ticks, in characters; the list of turns has all.
_LONGEST = 300
#: So many interims of all turns are drawn; each turn has its share.
_MOST_INTERIMS = 50_000


def axis_of(session: Session, label: str) -> dict[str, Any]:
    """One call; ``label`` tells it from another one, "" for a single one."""
    sound = session.sound
    bars = joined(session.turns)
    interims = _MOST_INTERIMS // max(1, len(bars))
    return {
        "label": label,
        "total": _ms(session.timeline.total_ms),
        "shape": base64.b64encode(sound.shape).decode() if sound else "",
        "step": sound.step_ms if sound else 0,
        "speech": [[_ms(start), _ms(end)] for start, end in session.speech],
        "turns": [
            [
                _name(bar),
                _ms(bar[0].start_ms),
                _ms(max(turn.end_ms for turn in bar)),
                _text(bar),
                next((t.state for t in bar if t.state != "final"), "final"),
                _ms(bar[-1].final.at_ms) if bar[-1].final else None,
            ]
            for bar in bars
        ],
        "texts": sorted(
            [
                [_ms(each.at_ms), int(each.final), each.text[:_LONGEST], number]
                for number, arrivals in (
                    (_name(bar), [*bar[-1].interims[:interims], bar[-1].final])
                    for bar in bars
                )
                for each in arrivals
                if each is not None
            ],
            key=lambda text: text[:2],
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


def _name(bar: list[Turn]) -> int | str:
    first, last = bar[0].number, bar[-1].number
    return first if first == last else f"{first} to {last}"


def _text(bar: list[Turn]) -> str:
    return " · ".join(turn.text[:_LONGEST] for turn in bar)[:_LONGEST]


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

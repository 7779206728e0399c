"""The turns of a call: what was said, when, and when its text came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devkit.sessions.lines import Line

from . import fields
from .timeline import Timeline

#: Of words and speakers of a turn, and of its interims, so many are shown.
_MOST_PARTS = 5000
_MOST_INTERIMS = 500
#: Lines of turns that ended without a final.
_WITHOUT = {"empty": "without text", "failed": "given up"}


@dataclass(frozen=True)
class Timed:
    """A text and where it was said, in ms of the call; ``speaker`` where one
    is known."""

    text: str
    start_ms: float
    duration_ms: float
    speaker: str = ""


@dataclass(frozen=True)
class Arrival:
    """A result as it was sent: when (ms of the log), where the audio of the
    call stood then, the text so far."""

    t: float
    at_ms: float
    text: str
    final: bool


@dataclass
class Turn:
    """A stretch of speech; positions in ms of the call.

    ``final`` is None for a turn that has only interims, or that ended
    ``without`` one: "without text", or "given up".
    """

    number: int
    start_ms: float = 0.0
    duration_ms: float = 0.0
    text: str = ""
    language: str = ""
    confidence: float | None = None
    model: str = ""
    item_id: str = ""
    endpoint: str = ""
    early: bool = False
    without: str = ""
    final: Arrival | None = None
    interims: list[Arrival] = field(default_factory=list)
    interim_count: int = 0
    words: list[Timed] = field(default_factory=list)
    speakers: list[Timed] = field(default_factory=list)
    #: From the end of the speech to its final text, from its beginning to the
    #: first text of any kind, in ms; None where one of both is not known.
    final_after_ms: float | None = None
    first_after_ms: float | None = None

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.duration_ms

    @property
    def word_count(self) -> int:
        return len(self.text.split()) if self.final else 0

    @property
    def state(self) -> str:
        """One word about it."""
        if self.without:
            return self.without
        if self.final is None:
            return "no final"
        return "early" if self.early else "final"


def turns_of(lines: Iterable[Line], timeline: Timeline) -> list[Turn]:
    """The turns, in the order of their first result."""
    turns: list[Turn] = []
    #: By the id of their results, until the final.
    open_turns: dict[str, Turn] = {}
    for line in lines:
        if line.kind in _WITHOUT:
            turns.append(_without_text(line, open_turns, turns))
            continue
        result = fields.part(line.fields, "result")
        if line.kind != "result" or not result:
            continue
        name = fields.text(result.get("id")) or fields.text(
            _info(result).get("item_id")
        )
        turn = open_turns.get(name)
        if turn is None:
            turn = open_turns[name] = Turn(len(turns) + 1)
            turns.append(turn)
        _add(turn, line.t, result, timeline)
        if turn.final is not None:
            del open_turns[name]
            _measure(turn, timeline)
    for turn in open_turns.values():
        _measure(turn, timeline)
    return _numbered(turns)


def _numbered(turns: list[Turn]) -> list[Turn]:
    kept = [turn for turn in turns if turn.number]
    for number, turn in enumerate(kept, start=1):
        turn.number = number
    return kept


def _without_text(
    line: Line, open_turns: dict[str, Turn], turns: list[Turn]
) -> Turn:
    """A turn that ended so; its interims, if it had some, are taken back."""
    item_id = fields.text(line.fields.get("item_id"))
    begun = next(
        (n for n, t in open_turns.items() if item_id and t.item_id == item_id),
        None,
    )
    turn = Turn(len(turns) + 1, item_id=item_id)
    if begun is not None:
        earlier = open_turns.pop(begun)
        # It has a new place in the list, with what was known of it.
        turn.interims, turn.text = earlier.interims, earlier.text
        turn.interim_count, turn.model = earlier.interim_count, earlier.model
        earlier.number = 0
    turn.start_ms = fields.number(line.fields.get("start_ms"))
    turn.duration_ms = fields.number(line.fields.get("duration_ms"))
    turn.without = _WITHOUT[line.kind]
    return turn


def _info(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return fields.part(result, "metadata", "asr_info")


def _add(
    turn: Turn, t: float, result: Mapping[str, Any], timeline: Timeline
) -> None:
    """One more result of it; the last one's word counts."""
    final = result.get("final") is True
    text = fields.text(
        result.get("text"), fields.LONGEST if final else fields.SHORT
    )
    arrival = Arrival(t, timeline.position(t), text, final)
    info = _info(result)
    turn.text = text
    turn.start_ms = fields.number(result.get("start_ms"))
    turn.duration_ms = fields.number(result.get("duration_ms"))
    turn.language = fields.text(result.get("language"), 40)
    turn.model = fields.text(info.get("model"), 200)
    turn.item_id = fields.text(info.get("item_id"), 200)
    turn.endpoint = fields.text(info.get("endpoint"), 200)
    if not final:
        turn.interim_count += 1
        if len(turn.interims) < _MOST_INTERIMS:
            turn.interims.append(arrival)
        return
    turn.final = arrival
    turn.early = info.get("early") is True
    certainty = fields.number(info.get("confidence"), 2.0)
    turn.confidence = certainty if certainty <= 1 else None
    turn.words = _timed(result.get("words"), "word")
    turn.speakers = _timed(info.get("speakers"), "text")


def _timed(value: Any, name: str) -> list[Timed]:
    return [
        Timed(
            fields.text(each.get(name)),
            fields.number(each.get("start_ms")),
            fields.number(each.get("duration_ms")),
            fields.text(each.get("speaker"), 100),
        )
        for each in fields.parts(value, _MOST_PARTS)
    ]


def _measure(turn: Turn, timeline: Timeline) -> None:
    """How long its texts took, by the wall clock."""
    if turn.final is not None:
        ended = timeline.came_at(turn.end_ms)
        if ended is not None:
            turn.final_after_ms = max(0.0, turn.final.t - ended)
    first = turn.interims[0] if turn.interims else turn.final
    began = timeline.came_at(turn.start_ms)
    if first is not None and began is not None:
        turn.first_after_ms = max(0.0, first.t - began)

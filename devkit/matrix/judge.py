"""What a call did, and whether that is what its cell expects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from devkit.server.records import ItemRecord, SessionRecord

from .cells import Cell, combination_cells
from .known_speech import call_audio, call_words, sentence_words
from .requests import RequestCell, Told, request_cells
from .updates import UpdateCell, update_cells

AnyCell = Cell | RequestCell | UpdateCell


def all_cells() -> list[AnyCell]:
    """The whole matrix."""
    return [*combination_cells(), *request_cells(), *update_cells()]


_FORMATS = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
}


@dataclass
class Outcome:
    """What a call did: finals, interims before each final, errors, warnings
    about the configuration, and the server's records of it."""

    texts: list[str] = field(default_factory=list)
    interims: list[list[str]] = field(default_factory=lambda: [[]])
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    records: list[SessionRecord] = field(default_factory=list)

    def warns_of(self, parameter: str) -> bool:
        """Does a warning name it?"""
        return any(w.startswith(f"params.{parameter}:") for w in self.warnings)


def complaint(cell: AnyCell, outcome: Outcome) -> str:
    """ "" if the call did what is expected of it."""
    expected = cell.expected_error if isinstance(cell, Cell) else None
    if expected is not None:
        errors = outcome.errors
        if len(errors) == 1 and expected[1] in errors[0]:
            return ""
        return f"expected the error {expected[1]!r}, got {errors}"
    if outcome.errors:
        return f"errors {outcome.errors}"
    if any(record.config is None for record in outcome.records):
        return "no settings reached the server"
    if isinstance(cell, Cell):
        wrong = _wrong_combination(cell, outcome)
    elif isinstance(cell, RequestCell):
        wrong = _wrong_request(cell, outcome)
    else:
        wrong = _wrong_update(cell, outcome)
    return wrong or _wrong_words(outcome)


def _audio_input(record: SessionRecord) -> dict[str, Any]:
    assert record.config is not None
    found: dict[str, Any] = record.config["audio"]["input"]
    return found


def _wrong_words(outcome: Outcome) -> str:
    words = " ".join(outcome.texts).split()
    if words != call_words():
        return f"heard {words}"
    for text, grown in zip(outcome.texts, outcome.interims, strict=False):
        if grown and not all(
            short and long.startswith(short)
            for short, long in zip(grown, [*grown[1:], text], strict=True)
        ):
            return f"interims {grown} before {text}"
    return ""


def _wrong_combination(cell: Cell, outcome: Outcome) -> str:
    if outcome.warns_of("turn_detection.type") is not cell.is_doubtful:
        return f"warnings {outcome.warnings}"
    if not outcome.records:
        # Only in tests of this function.
        return ""
    record = outcome.records[-1]
    told = _audio_input(record)
    turns = (told["turn_detection"] or {}).get("type")
    seen = (told["format"]["type"], told["transcription"]["model"], turns)
    expected = (_FORMATS[cell.wire], cell.model, cell.server_turns)
    if seen != expected:
        return f"the server was told {seen} instead of {expected}"
    length = len(call_audio(8000)) / 8
    if cell.turns == "local, skip":
        # The pauses at both ends and between the sentences are left out.
        fits = record.audio_ms < length - 700
    else:
        fits = abs(record.audio_ms - length) < 30
    if fits:
        return ""
    return f"{record.audio_ms:.0f} ms of {length:.0f} ms were sent"


def _wrong_request(cell: RequestCell, outcome: Outcome) -> str:
    unnamed = [p for p in cell.warned if not outcome.warns_of(p)]
    if unnamed:
        return f"no warning of {unnamed} in {outcome.warnings}"
    items = [item for record in outcome.records for item in record.items]
    wrong = _wrong_items(cell.told, items, call_words())
    return wrong or _wrong_session(cell.told, outcome.records[-1])


def _wrong_update(cell: UpdateCell, outcome: Outcome) -> str:
    records, sessions = outcome.records, cell.sessions
    if len(records) != sessions:
        return f"{len(records)} sessions instead of {sessions}"
    items = [item for record in records for item in record.items]
    first = [item for item in items if "one" in (item.transcript or "")]
    second = [item for item in items if item not in first]
    turns = _audio_input(records[-1])["turn_detection"] or {}
    owner = "server_vad" if cell.owner_after == "server_vad" else None
    if turns.get("type") != owner:
        return f"turn detection {turns} instead of {owner}"
    return (
        _wrong_items(cell.before, first, sentence_words("one"))
        or _wrong_items(cell.after, second, sentence_words("two"))
        or (sessions == 2 and _wrong_session(cell.before, records[0]))
        or _wrong_session(cell.after, records[-1])
    )


def _wrong_items(
    told: Told, items: Iterable[ItemRecord], words: list[str]
) -> str:
    """Were these items, with these words, made under exactly ``told``?"""
    said = []
    for item in items:
        said += (item.transcript or "").split()
        seen = {k: v for k, v in (item.config or {}).items() if v is not None}
        if item.transcript and seen != told.transcription:
            return f"{item.transcript} under {seen}, not {told.transcription}"
    return "" if said == words else f"{said} instead of {words}"


def _wrong_session(told: Told, record: SessionRecord) -> str:
    """Are these the last settings beside those of the items?"""
    assert record.config is not None
    seen = (
        _audio_input(record)["noise_reduction"],
        tuple(record.config["include"] or ()),
    )
    expected = (told.noise_reduction, told.include)
    return "" if seen == expected else f"{seen} instead of {expected}"

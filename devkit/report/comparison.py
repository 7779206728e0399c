"""Two runs of a call side by side: their texts, word by word."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal

from devkit.demo.word_error_rate import word_error_rate, words_of

from .bounds import MOST_LISTED
from .session import Session
from .turns import Turn

#: Longer texts are not compared word by word, in words.
_MOST_WORDS = 1000
#: Of longer ones there is no word error rate, in characters.
_LONGEST = 200_000


@dataclass(frozen=True)
class Run:
    """Words in a row: in both texts, or in one of them."""

    kind: Literal["both", "a", "b"]
    text: str


@dataclass
class Row:
    """Turns of both runs that are about the same stretch of the call."""

    a: list[Turn] = field(default_factory=list)
    b: list[Turn] = field(default_factory=list)
    #: What was said is not to be shown.
    hidden: bool = False

    @property
    def start_ms(self) -> float:
        return min(turn.start_ms for turn in (*self.a, *self.b))

    @property
    def end_ms(self) -> float:
        return max(turn.end_ms for turn in (*self.a, *self.b))

    @property
    def runs(self) -> list[Run]:
        return [] if self.hidden else diff(_text(self.a), _text(self.b))

    @property
    def same(self) -> bool:
        return _text(self.a) == _text(self.b)


@dataclass(frozen=True)
class Comparison:
    """``rows`` in the order of the call; ``error_rate`` is that of B against
    A, None where A has no words, or there are too many.  ``without``: the runs
    that have no texts to compare, ``hidden``: texts are compared, not shown.
    """

    rows: list[Row]
    error_rate: float | None
    without: tuple[str, ...]
    hidden: bool

    @property
    def listed(self) -> list[Row]:
        return self.rows[:MOST_LISTED]

    @property
    def different(self) -> int:
        return sum(not row.same for row in self.rows)


def compare(a: Session, b: Session) -> Comparison:
    """Whatever overlaps in time belongs together."""
    turns = sorted(
        [(turn.start_ms, 0, turn) for turn in a.said if turn.final]
        + [(turn.start_ms, 1, turn) for turn in b.said if turn.final],
        key=lambda entry: entry[:2],
    )
    without = tuple(
        name for name, each in (("A", a), ("B", b)) if not each.has_texts
    )
    redacted = a.redacted or b.redacted
    rows: list[Row] = []
    end = -1.0
    for start, side, turn in turns:
        # Less than a third of a turn does not make it the same one.
        if not rows or start >= end - turn.duration_ms / 3:
            rows.append(Row(hidden=redacted or bool(without)))
            end = turn.end_ms
        (rows[-1].b if side else rows[-1].a).append(turn)
        end = max(end, turn.end_ms)
    return Comparison(
        rows, None if without else _error_rate(a, b), without, redacted
    )


def _error_rate(a: Session, b: Session) -> float | None:
    said, heard = (
        _text([turn for turn in each.said if turn.final]) for each in (a, b)
    )
    if max(len(said), len(heard)) > _LONGEST or not words_of(said):
        return None
    return word_error_rate(said, heard)


def diff(a: str, b: str) -> list[Run]:
    """Both texts, word by word."""
    left, right = a.split(), b.split()
    if max(len(left), len(right)) > _MOST_WORDS:
        both: list[Run] = [Run("a", a), Run("b", b)] if a != b else []
        return both or [Run("both", a)]
    runs = []
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            runs.append(Run("both", " ".join(left[i:j])))
            continue
        if j > i:
            runs.append(Run("a", " ".join(left[i:j])))
        if m > k:
            runs.append(Run("b", " ".join(right[k:m])))
    return runs


def _text(turns: list[Turn]) -> str:
    return " ".join(turn.text for turn in turns)

"""The finalizes that wait for their end signal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from .results import FinalizeEnd
from .states import Machine


class FinalizeState(Enum):
    """What became of a finalize."""

    WAITING = "what was received before it is not all delivered"
    ANSWERED = "it is, and the end signal says so"
    TIMED_OUT = "its time was up first; what is missing follows"


_F = FinalizeState
FINALIZE_MOVES = {
    _F.WAITING: frozenset({_F.ANSWERED, _F.TIMED_OUT}),
    _F.ANSWERED: frozenset[FinalizeState](),
    _F.TIMED_OUT: frozenset[FinalizeState](),
}


#: Is everything before a position delivered?  "if silent": it is, unless the
#: service is about to tell of sound that it may as well take for no speech.
Covered = Literal["yes", "no", "if silent"]
Covers = Callable[[int, float], Covered]
#: So long it has to tell of that, in seconds: half a second until a detector is
#: sure, and as much for the trip.
_TELLS_S = 1.0


@dataclass(eq=False)
class _Finalize:
    token: object
    position: int
    asked_at: float
    deadline: float
    silent_at: float | None = None
    machine: Machine[FinalizeState] = field(
        default_factory=lambda: Machine(FinalizeState.WAITING, FINALIZE_MOVES)
    )

    def is_due(self, covered: Covered, now: float) -> bool:
        """Is it to be answered, whatever its deadline?"""
        if covered != "if silent":
            self.silent_at = None
            return covered == "yes"
        if self.silent_at is None:
            self.silent_at = now + _TELLS_S
        return now >= self.silent_at

    def end(self, state: FinalizeState, now: float) -> FinalizeEnd:
        self.machine.to(state)
        waited_ms = round((now - self.asked_at) * 1000)
        late = state is FinalizeState.TIMED_OUT
        return FinalizeEnd(self.token, waited_ms, late)


class FinalizeQueue:
    """Answers each finalize once, in order, within ``timeout`` seconds."""

    def __init__(self, timeout_ms: int) -> None:
        self.timeout = timeout_ms / 1000
        self._waiting: deque[_Finalize] = deque()

    def ask(self, token: object, position: int, asked_at: float) -> None:
        """A finalize for the audio before ``position``."""
        deadline = asked_at + self.timeout
        self._waiting.append(_Finalize(token, position, asked_at, deadline))

    def answers(self, covers: Covers, now: float) -> Iterator[FinalizeEnd]:
        """The end signals that are due; ``covers`` tells whether everything
        before a position is delivered by now."""
        yield from self.covered(covers, now)
        while self._waiting and now >= self._waiting[0].deadline:
            yield self._waiting.popleft().end(FinalizeState.TIMED_OUT, now)

    def covered(self, covers: Covers, now: float) -> Iterator[FinalizeEnd]:
        """Of those that are due before their deadline."""
        while self._waiting:
            first = self._waiting[0]
            if not first.is_due(covers(first.position, now), now):
                break
            yield self._waiting.popleft().end(FinalizeState.ANSWERED, now)

    @property
    def waiting(self) -> Iterator[tuple[int, float]]:
        """Up to where those that still wait want the audio, and their
        deadlines in s."""
        return ((entry.position, entry.deadline) for entry in self._waiting)

    @property
    def positions(self) -> list[int]:
        """Up to where those that still wait want the audio delivered."""
        return [entry.position for entry in self._waiting]

    def times(self) -> list[float]:
        """When the oldest becomes due."""
        first = (*self._waiting,)[:1]
        return [
            due
            for entry in first
            for due in (entry.deadline, entry.silent_at)
            if due is not None
        ]

"""The finalizes that wait for their end signal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

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


@dataclass(frozen=True, eq=False)
class _Finalize:
    token: object
    position: int
    asked_at: float
    deadline: float
    machine: Machine[FinalizeState] = field(
        default_factory=lambda: Machine(FinalizeState.WAITING, FINALIZE_MOVES)
    )

    def end(self, state: FinalizeState, now: float) -> FinalizeEnd:
        self.machine.to(state)
        waited_ms = round((now - self.asked_at) * 1000)
        late = state is FinalizeState.TIMED_OUT
        return FinalizeEnd(self.token, waited_ms, late)


class FinalizeQueue:
    """Answers each finalize once, in order, within ``timeout_ms``."""

    def __init__(self, timeout_ms: int) -> None:
        self._timeout = timeout_ms / 1000
        self._waiting: deque[_Finalize] = deque()

    def ask(self, token: object, position: int, now: float) -> None:
        """A finalize for the audio before ``position``."""
        deadline = now + self._timeout
        self._waiting.append(_Finalize(token, position, now, deadline))

    def answers(
        self, covers: Callable[[int, float], bool], now: float
    ) -> Iterator[FinalizeEnd]:
        """The end signals that are due; ``covers`` tells whether everything
        before a position is delivered by now."""
        yield from self.covered(covers, now)
        while self._waiting and now >= self._waiting[0].deadline:
            yield self._waiting.popleft().end(FinalizeState.TIMED_OUT, now)

    def covered(
        self, covers: Callable[[int, float], bool], now: float
    ) -> Iterator[FinalizeEnd]:
        """Of those that are due whatever the time."""
        while self._waiting and covers(self._waiting[0].position, now):
            yield self._waiting.popleft().end(FinalizeState.ANSWERED, now)

    def overdue(self, now: float) -> int:
        """Up to which position the time is up, in samples; 0: up to none."""
        position = 0
        for entry in self._waiting:
            if now < entry.deadline:
                break
            position = entry.position
        return position

    @property
    def positions(self) -> list[int]:
        """Up to where those that still wait want the audio delivered."""
        return [entry.position for entry in self._waiting]

    def times(self) -> list[float]:
        """When the oldest must be answered at the latest."""
        return [entry.deadline for entry in (*self._waiting,)[:1]]

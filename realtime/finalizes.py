"""The finalizes that wait for their end signal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .results import FinalizeEnd


@dataclass(frozen=True)
class _Waiting:
    token: object
    position: int
    asked_at: float
    deadline: float


class FinalizeQueue:
    """Answers each finalize once, in order, within ``timeout_ms``."""

    def __init__(self, timeout_ms: int) -> None:
        self._timeout = timeout_ms / 1000
        self._waiting: deque[_Waiting] = deque()

    def ask(self, token: object, position: int, now: float) -> None:
        """A finalize for the audio before ``position``."""
        deadline = now + self._timeout
        self._waiting.append(_Waiting(token, position, now, deadline))

    def answers(
        self, covers: Callable[[int], bool], now: float
    ) -> Iterator[FinalizeEnd]:
        """The end signals that are due; ``covers`` tells whether everything
        before a position is delivered."""
        while self._waiting:
            entry = self._waiting[0]
            covered = covers(entry.position)
            if not covered and now < entry.deadline:
                return
            self._waiting.popleft()
            waited = round((now - entry.asked_at) * 1000)
            yield FinalizeEnd(entry.token, waited, not covered)

    @property
    def positions(self) -> list[int]:
        """Up to where those that still wait want the audio delivered."""
        return [entry.position for entry in self._waiting]

    @property
    def deadline(self) -> float | None:
        """When the oldest must be answered at the latest."""
        return self._waiting[0].deadline if self._waiting else None

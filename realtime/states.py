"""States as tables: which there are, and which may follow which.

Each enum stands with what it is about.  The value of a member is the sentence
that says what it means; ``docs/core.md`` shows them with their tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

State = TypeVar("State", bound=Enum)


class IllegalMove(RuntimeError):
    """A state was to follow another that it cannot follow."""


class Machine(Generic[State]):
    """One thing's state, which moves along its table only."""

    __slots__ = ("_moves", "state")

    def __init__(
        self, first: State, moves: Mapping[State, frozenset[State]]
    ) -> None:
        self._moves = moves
        #: For others to read; only `to` moves it.
        self.state = first

    def to(self, state: State) -> None:
        """Go on to ``state``; raises `IllegalMove`."""
        if state not in self._moves[self.state]:
            raise IllegalMove(f"{self.state} -> {state}")
        self.state = state

    def __repr__(self) -> str:
        return str(self.state)

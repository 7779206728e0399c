"""Why sending waits at a commit mark, and until when."""

from __future__ import annotations

from enum import Enum

from .states import Machine


class HoldState(Enum):
    """What is awaited before it is decided whether a commit goes out."""

    READING = "the PONG that shows that the server has read all audio"
    SETTLING = "the time in which it must notice the speech there is"
    DECIDING = "the PONG of a last PING: what it had to say came before"
    OVER = "nothing; sending goes on"


_H = HoldState
HOLD_MOVES = {
    # Without that PONG the connection is given up.
    _H.READING: frozenset({_H.SETTLING}),
    _H.SETTLING: frozenset({_H.DECIDING, _H.OVER}),
    _H.DECIDING: frozenset({_H.OVER}),
    _H.OVER: frozenset({_H.OVER}),
}


class Hold:
    """Sending waits at ``mark`` for what the server says about the audio from
    ``start`` on, until a time at the latest.

    ``heard_at``: when the PONG came that shows that all was read.
    """

    def __init__(self, mark: int, start: int, until: float) -> None:
        self.mark = mark
        self.start = start
        self.heard_at = 0.0
        self._until = until
        self._decide_at = 0.0
        self._machine = Machine(HoldState.READING, HOLD_MOVES)

    @property
    def state(self) -> HoldState:
        return self._machine.state

    def look_from(self, start: int) -> None:
        """The audio before ``start`` belongs to a turn by now."""
        self.start = start

    def is_on(self, now: float) -> bool:
        """Does sending wait?"""
        return self.state is not HoldState.OVER and now < self._until

    def settle(self, heard_at: float) -> None:
        """The server had read everything when that PONG came."""
        self._machine.to(HoldState.SETTLING)
        self.heard_at = heard_at

    def decide_at(self, time: float) -> None:
        """By then the server must have noticed what speech there is."""
        self._decide_at = time

    def decide(self, now: float) -> bool:
        """Is it time for the last PING?  True once."""
        due = self.state is HoldState.SETTLING and now >= self._decide_at
        if due:
            self._machine.to(HoldState.DECIDING)
        return due

    def end(self) -> None:
        """The server had its say, or its time is up."""
        self._machine.to(HoldState.OVER)

    def times(self) -> list[float]:
        """When something of the above becomes due."""
        if self.state is HoldState.OVER:
            return []
        settling = self.state is HoldState.SETTLING
        return [self._until, self._decide_at] if settling else [self._until]

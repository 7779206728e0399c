"""When the first undelivered turn is sent again."""

from __future__ import annotations

import random
from enum import Enum

from .backoff import Backoff
from .change import PATIENCE_S
from .states import Machine

#: Nothing that failed is sent again sooner, in seconds.
_LEAST_S = 0.5


class ResendState(Enum):
    """What becomes of a turn that got no text."""

    NONE = "the first undelivered turn waits for its text, or for its end"
    WAITS = "it failed; what it was refused for may be over at a certain time"
    PAUSE = "that is over; a pause is waited for, to send it in"
    AGAIN = "it was sent again, and waits for its text once more"


_R = ResendState
RESEND_MOVES = {
    _R.NONE: frozenset({_R.NONE, _R.WAITS, _R.AGAIN}),
    _R.WAITS: frozenset({_R.NONE, _R.PAUSE}),
    _R.PAUSE: frozenset({_R.NONE, _R.AGAIN}),
    _R.AGAIN: frozenset({_R.NONE, _R.WAITS, _R.AGAIN}),
}


class Resend:
    """Plans when, and how often.  Times in s, positions in samples.

    A turn is sent again once in any case, and on until ``timeout_s`` (that of
    the session in use) after it failed first.  ``reach``: the end of what
    failed.
    """

    def __init__(self, rng: random.Random) -> None:
        self.reach = 0
        self.timeout_s = 0.0
        self._at = 0.0
        self._until = 0.0
        self._backoff = Backoff(rng)
        self._grew = self._silent = False
        self._machine = Machine(ResendState.NONE, RESEND_MOVES)

    @property
    def waits(self) -> bool:
        """Did it fail, and is it not on its way again?"""
        return self._machine.state in (_R.WAITS, _R.PAUSE)

    def times(self) -> list[float]:
        """When it must be looked at."""
        if not self.waits:
            return []
        waits = self._machine.state is ResendState.WAITS
        return [self._at if waits else self._at + PATIENCE_S]

    def is_due(self, now: float) -> bool:
        """Has its time come?"""
        if self._machine.state is ResendState.WAITS and now >= self._at:
            self._machine.to(ResendState.PAUSE)
        return self._machine.state is ResendState.PAUSE

    def hurries(self, now: float) -> bool:
        """Is no pause waited for any more?"""
        return now >= self._at + PATIENCE_S

    def plan(
        self, now: float, not_before: float, once: bool, grew: bool = False
    ) -> bool:
        """It failed.  ``once``: a third time it would be no better.  ``grew``:
        more speech belongs to it than at first.  False: it is not sent again.
        """
        if self.waits:
            return True
        anew = self._machine.state is ResendState.NONE
        late = now >= self._until + self.timeout_s / 2
        if grew and not (anew or self._grew or late):
            # But not each time: somebody may speak on and on.
            anew = self._grew = True
        if once and not anew:
            return False
        if anew:
            self._until = now + self.timeout_s
        self._at = max(now + self._backoff.next_delay(_LEAST_S), not_before)
        # A long wait is worth it as long as few were waited for.
        few = now < self._until - self.timeout_s / 2 and not self._grew
        if self._at > self._until + (self.timeout_s if few else 0):
            return False
        self._machine.to(ResendState.WAITS)
        return True

    def once(self, now: float) -> bool:
        """It has no answer: shall it be sent again at once?  Not twice, but
        also where it failed before."""
        if self.waits or self._silent:
            return False
        if self._machine.state is ResendState.NONE:
            self._until = now + self.timeout_s
        self._silent = True
        self._machine.to(ResendState.AGAIN)
        return True

    def sent(self) -> None:
        """It is on its way."""
        self._machine.to(ResendState.AGAIN)

    def over(self) -> None:
        """That turn is delivered, or given up."""
        self._machine.to(ResendState.NONE)
        self._backoff.reset()
        self._grew = self._silent = False

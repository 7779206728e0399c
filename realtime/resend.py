"""When the first undelivered turn is sent again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from .backoff import Backoff
from .change import PATIENCE_S
from .endpoints import Endpoint
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


@dataclass
class _Tries:
    """Of one turn at one endpoint; ``until`` when is it sent again there?
    ``grew``: more speech belongs to it than at first, so that counts anew.
    ``silent``: it had no answer."""

    endpoint: Endpoint
    until: float
    grew: bool = False
    silent: bool = False


class Resend:
    """Plans when, and how often.  Times in s, positions in samples.

    A turn is sent again once in any case, and on until ``timeout_s`` after it
    failed first: by each endpoint that it is sent to, but however often one
    takes over from another.  ``reach``: the end of what failed.
    """

    def __init__(self, rng: random.Random) -> None:
        self.reach = 0
        self._endpoint: Endpoint | None = None
        self._timeout = 0.0
        self._at = 0.0
        self._backoff = Backoff(rng)
        self._tries: list[_Tries] = []
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

    def goes_to(self, endpoint: Endpoint, timeout_s: float) -> bool:
        """This one is fed from now on; is it another than before?  Then it
        failed at nothing just now."""
        self._timeout = timeout_s
        before, self._endpoint = self._endpoint, endpoint
        if before is not None and endpoint.is_at(before):
            return False
        self._machine.to(ResendState.NONE)
        self._backoff.reset()
        return True

    def plan(
        self, now: float, not_before: float, once: bool, grew: bool = False
    ) -> bool:
        """It failed.  ``once``: a third time it would be no better.  ``grew``:
        more speech belongs to it than at first.  False: it is not sent again.
        """
        if self.waits:
            return True
        tries = self._tries_here()
        half = self._timeout / 2
        if tries is None:
            tries = self._begin(now)
        elif grew and not tries.grew and now < tries.until + half:
            # But not each time: somebody may speak on and on.
            tries.until, tries.grew = now + self._timeout, True
        elif once:
            return False
        self._at = max(now + self._backoff.next_delay(_LEAST_S), not_before)
        # A long wait is worth it as long as few were waited for.
        few = now < tries.until - half and not tries.grew
        if self._at > tries.until + (self._timeout if few else 0):
            return False
        self._machine.to(ResendState.WAITS)
        return True

    def once(self, now: float) -> bool:
        """It has no answer: shall it be sent again at once?  Not twice, but
        also where it failed before."""
        if self.waits:
            return False
        tries = self._tries_here() or self._begin(now)
        if tries.silent:
            return False
        tries.silent = True
        self._machine.to(ResendState.AGAIN)
        return True

    def _begin(self, now: float) -> _Tries:
        assert self._endpoint is not None
        tries = _Tries(self._endpoint, now + self._timeout)
        self._tries.append(tries)
        return tries

    def _tries_here(self) -> _Tries | None:
        """Those that there were at the endpoint that is fed."""
        here = self._endpoint
        found = (t for t in self._tries if here and t.endpoint.is_at(here))
        return next(found, None)

    def sent(self) -> None:
        """It is on its way."""
        self._machine.to(ResendState.AGAIN)

    def over(self) -> None:
        """That turn is delivered, or given up."""
        self._machine.to(ResendState.NONE)
        self._backoff.reset()
        self._tries.clear()

"""A timer that knows when it is due.

What a loop's `call_at` returns does not always: for a time that has come
uvloop, which TEN uses, gives a plain `Handle`, without `when`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Who is called later than this, in seconds, was held up, and what came
#: meanwhile waits beside it: that is taken first, in so many seconds, or in so
#: many rounds of the loop where those are long.
_LATE_S = 0.002
_REST_S = 0.005
_ROUNDS = 12


class Alarm:
    """Calls ``ring`` once, at the earliest of the times that were asked for;
    then it may be set anew.  Seconds of the running loop's clock.

    ``last``: where the loop was held meanwhile, what has come until then goes
    first.
    """

    def __init__(self, ring: Callable[[], None], *, last: bool = False) -> None:
        self._ring = ring
        self._last = last
        #: When it rings; None: it is not set.
        self.due: float | None = None
        self._handle: asyncio.Handle | None = None
        self._is_late = False

    def ring_by(self, due: float) -> None:
        """Ring no later than at ``due``."""
        if self.due is None or (due < self.due and not self._is_late):
            self.cancel()
            self.due = due
            loop = asyncio.get_running_loop()
            self._handle = loop.call_at(due, self._on_time)

    def cancel(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self.due = None
        self._is_late = False

    def _on_time(self) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        assert self.due is not None
        self._is_late = self._last and at > self.due + _LATE_S
        if self._is_late:
            rest = at + _REST_S
            self._handle = loop.call_at(rest, self._rested, rest)
        else:
            self._ring_after(0)

    def _rested(self, due: float) -> None:
        busy = asyncio.get_running_loop().time() > due + _LATE_S
        self._ring_after(_ROUNDS if busy else 0)

    def _ring_after(self, rounds: int) -> None:
        if rounds:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_soon(self._ring_after, rounds - 1)
            return
        self._handle = self.due = None
        self._is_late = False
        self._ring()

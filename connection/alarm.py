"""A timer that knows when it is due.

What a loop's `call_at` returns does not always: for a time that has come
uvloop, which TEN uses, gives a plain `Handle`, without `when`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls ``ring`` once, at the earliest of the times that were asked for;
    then it may be set anew.  Seconds of the running loop's clock."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        #: When it rings; None: it is not set.
        self.due: float | None = None
        self._handle: asyncio.Handle | None = None

    def ring_by(self, due: float) -> None:
        """Ring no later than at ``due``."""
        if self.due is None or due < self.due:
            self.cancel()
            self.due = due
            loop = asyncio.get_running_loop()
            self._handle = loop.call_at(due, self._on_time)

    def cancel(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self.due = None

    def _on_time(self) -> None:
        self._handle = self.due = None
        self._ring()

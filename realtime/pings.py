"""The PINGs of one connection, and what their PONGs prove."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass
class Ping:
    """A PING: when it was asked for, and what it covers.

    ``position`` in the call, ``audio`` in samples sent on this connection;
    silence that is skipped moves only the position.  ``commits``: how many of
    them.  ``lag_s``: how long the server may yet be busy with that audio.
    """

    asked_at: float
    position: int = 0
    audio: int = 0
    commits: int = 0
    lag_s: float = 0.0


class Pings:
    """``waiting``: without their PONG, oldest first; PONGs come in the same
    order.  ``wanted``: the client shall send one, and report its PONG.
    ``last``: that which was asked for last.
    """

    def __init__(self, now: float) -> None:
        self.wanted = False
        self.waiting: deque[Ping] = deque()
        self.last = Ping(now)
        #: When that was asked for whose PONG came last.
        self._alive_at = now

    def ask(self, now: float) -> Ping:
        """Another one; it may cover more until it goes out."""
        if not self.wanted:
            self.wanted = True
            self.last = Ping(now)
            self.waiting.append(self.last)
        return self.last

    def take(self) -> bool:
        """Shall one be sent?  Once: it goes out now."""
        wanted, self.wanted = self.wanted, False
        return wanted

    def pong(self) -> Ping | None:
        """The oldest PONG that is awaited came; None: none is."""
        if not self.waiting:
            return None
        ping = self.waiting.popleft()
        self._alive_at = ping.asked_at
        return ping

    def were_asked(self, since: float) -> bool:
        """Was one asked for since then, or does one wait to go out?"""
        return self.wanted or self.last.asked_at >= since

    def prove(self, since: float) -> bool:
        """Did the peer live and read since then?"""
        return self._alive_at >= since

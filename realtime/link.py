"""A session together with the transport's side of it."""

from __future__ import annotations

from .limits import Limits
from .session import Session

#: So many times the bound for a PONG, while events still come.
_EXCUSED = 6


class Link:
    """One connection as the call sees it, with its signs of life.

    ``want_ping``: the client shall send a PING and report the PONG.
    ``closing``: the client shall close the connection now.
    ``for_change``: it tries settings that are not in force yet.
    ``marked_to``: the last commit mark that was dealt with.
    ``held_at``: the mark at which sending waits, until ``hold_until``.
    """

    def __init__(self, session: Session, limits: Limits, now: float) -> None:
        self.session = session
        self.want_ping = False
        self.closing = False
        self.for_change = False
        self.marked_to = 0
        self.held_at: int | None = None
        self.hold_until = 0.0
        self._limits = limits
        self._pinged_at = now
        self._pinged_to = 0
        self._waiting = False
        self._heard: list[tuple[float, int]] = []

    def ask_ping(self, now: float) -> None:
        """Request a PING that covers everything sent so far."""
        self.want_ping = True
        self._waiting = True
        self._pinged_at = now
        self._pinged_to = self.session.sent

    def hold(self, mark: int, now: float) -> None:
        """Send nothing beyond ``mark`` until the server has heard it all."""
        self.held_at = mark
        self.hold_until = now + self._limits.pong_timeout_ms / 1000
        self.ask_ping(now)

    def end_hold(self, now: float) -> None:
        """Do not wake anybody again for a hold that is over; sending goes on
        as soon as the transport takes more."""
        if self.held_at is not None and now >= self.hold_until:
            self.hold_until = 0.0

    def go_on(self, mark: int) -> None:
        """``mark`` is dealt with."""
        self.held_at = None
        self.marked_to = mark

    def pong(self, now: float) -> None:
        """The PONG came: the server has read all that was sent before."""
        self.session.last_heard = now
        if not self._waiting:
            return
        self._waiting = False
        self._heard.append((now, self._pinged_to))
        if self.held_at is not None:
            settle = self._limits.settle_ms / 1000
            self.hold_until = min(self.hold_until, now + settle)

    def is_silent(self, now: float) -> bool:
        """Nothing came from the server although it was asked."""
        return self._waiting and now >= self._silent_at()

    def _silent_at(self) -> float:
        timeout = self._limits.pong_timeout_ms / 1000
        last_sign = max(self._pinged_at, self.session.last_heard)
        # Events excuse a PONG that waits behind a long replay, but a server
        # may also send and not read.
        latest = self._pinged_at + _EXCUSED * timeout
        return min(last_sign + timeout, latest)

    def ping_due(self, now: float) -> bool:
        return not self._waiting and now >= self._ping_at()

    def _ping_at(self) -> float:
        # A PING proves what was heard, so PINGs follow the audio.
        busy = self.session.sent > self._pinged_to
        limits = self._limits
        wait = limits.ping_ms if busy else limits.idle_ping_ms
        return self._pinged_at + wait / 1000

    def take_heard(self, now: float) -> int | None:
        """The position up to which the server has had all audio for at least
        ``quiet_after_ms``."""
        position = None
        after = self._limits.quiet_after_ms / 1000
        while self._heard and now >= self._heard[0][0] + after:
            position = self._heard.pop(0)[1]
        return position

    def times(self) -> list[float]:
        """When something of the above becomes due."""
        times = [self._silent_at() if self._waiting else self._ping_at()]
        session = self.session
        stuck = session.confused or session.updating is not None
        if self.held_at is not None and self.hold_until and not stuck:
            times.append(self.hold_until)
        if self._heard:
            after = self._limits.quiet_after_ms / 1000
            times.append(self._heard[0][0] + after)
        return times

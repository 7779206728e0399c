"""Which session counts, and when to open another.

At most one session is *active*: it gets the audio and its results count.
Beside it, or for want of one, there is a *next* one: planned, on its way, or
ready to take over.  What is sent and delivered is no matter of this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from .backoff import Retries
from .change import Attempt
from .endpoints import EndpointsInUse
from .faults import Fault
from .habits import ServerHabits
from .limits import Limits
from .link import Link
from .results import ServerProblem, SessionLost
from .session import Session
from .states import Machine


class NextState(Enum):
    """How far the session is that comes next."""

    NONE = "none is planned"
    DUE = "a connection is to be opened at a certain time"
    DIALING = "the client is opening it"
    OPENING = "it is open, the handshake is under way"
    READY = "it waits to take over; where no session is active, it does so"


_N = NextState
NEXT_MOVES = {
    _N.NONE: frozenset({_N.NONE, _N.DUE}),
    _N.DUE: frozenset({_N.NONE, _N.DUE, _N.DIALING}),
    _N.DIALING: frozenset({_N.NONE, _N.OPENING}),
    _N.OPENING: frozenset({_N.NONE, _N.READY}),
    _N.READY: frozenset({_N.NONE}),
}


class Sessions:
    """Opens, switches and loses the sessions of a call.

    ``fatal``: why no further attempt is made, or None.  ``reconnects``: how
    many sessions took over after the first one.  ``on_left`` is called with
    each that was active.
    """

    def __init__(self, limits: Limits, in_use: EndpointsInUse) -> None:
        self.fatal: Fault | None = None
        self.stopped = False
        self.active: Link | None = None
        self.standby: Link | None = None
        #: What the client is opening just now.
        self.attempt: Attempt | None = None
        self.reconnects = 0
        self.on_left: Callable[[Link], None] = Link.close
        self._limits = limits
        self._in_use = in_use
        self._next = Machine(NextState.NONE, NEXT_MOVES)
        self._due_at = 0.0
        self._had_one = False
        self._next_refused = False

    # -- what there is ------------------------------------------------------

    @property
    def habits(self) -> ServerHabits:
        """What the service in use is known to do."""
        return self._in_use.known().habits

    def retries(self, tried: Attempt | None = None) -> Retries:
        """When the service that was tried, or the one in use, may be dialed
        again."""
        return self._in_use.known(tried.endpoint if tried else None).retries

    @property
    def next_state(self) -> NextState:
        return self._next.state

    @property
    def over(self) -> bool:
        """Will there be no further session?"""
        return self.stopped or self.fatal is not None

    @property
    def links(self) -> list[Link]:
        """The active one first."""
        both = (self.active, self.standby)
        return [link for link in both if link is not None]

    @property
    def ready(self) -> Link | None:
        """The next session, if it is ready to take over."""
        return self.standby if self.next_state is NextState.READY else None

    def due_at(self) -> float | None:
        """When a connection is to be opened."""
        return self._due_at if self.next_state is NextState.DUE else None

    def rollover_at(self) -> float | None:
        """When to plan the session that follows the active one."""
        if self.active is None or self._next_refused:
            return None
        planned = self.next_state is not NextState.NONE
        return None if planned else self.active.session.rollover_at

    def times(self) -> list[float]:
        """When something of the above becomes due."""
        times = [self.due_at(), self.rollover_at()]
        if self.ready is not None and self.active is not None:
            times.append(self.active.session.switch_at)
        return [time for time in times if time is not None]

    # -- opening ------------------------------------------------------------

    def plan(self, at: float, *, asked: bool = False) -> None:
        """Open a connection at a time, and not before the one that the
        service named, but where a user ``asked`` for it; one that is on its
        way comes first."""
        planned = self.next_state in (NextState.NONE, NextState.DUE)
        if planned and not self.over:
            self._next.to(NextState.DUE)
            self._due_at = at if asked else max(at, self.retries().not_before)

    def plan_unless_due(self, at: float) -> None:
        """The same, but the back-off that there is stays as it is."""
        if self.next_state is not NextState.DUE:
            self.plan(at)

    def dial(self, attempt: Attempt) -> None:
        """The client opens a connection."""
        self._next.to(NextState.DIALING)
        self.attempt = attempt

    def opened(self, now: float, wall: float) -> Link:
        """It came about; ``wall`` is unix time in s."""
        attempt = self.attempt
        assert attempt is not None, "no connection was asked for"
        session = Session(
            attempt.settings,
            attempt.endpoint.protocol,
            self._limits,
            now,
            wall,
            self._in_use.known(attempt.endpoint).habits,
            unproven=attempt.change is not None,
        )
        link = Link(session, attempt, self._limits, now)
        self.attempt, self.standby = None, link
        self._next.to(NextState.OPENING)
        return link

    def not_opened(self) -> Attempt:
        """It did not; returns what was tried."""
        attempt, self.attempt = self.attempt, None
        assert attempt is not None, "no connection was asked for"
        self._next.to(NextState.NONE)
        return attempt

    def look_at_next(self) -> None:
        """Is the handshake of the next session done?"""
        opening = self.next_state is NextState.OPENING
        if opening and self.standby is not None and self.standby.session.ready:
            self._next.to(NextState.READY)

    def take_over(self) -> bool:
        """The next session, which is ready, becomes the active one; True if
        there was one before."""
        self._next.to(NextState.NONE)
        self._leave()
        self.active, self.standby = self.standby, None
        recovered, self._had_one = self._had_one, True
        self.reconnects += recovered
        self.allow_next()
        self.retries().taken_over()
        return recovered

    def allow_next(self) -> None:
        """What a next session was refused for may be mended."""
        self._next_refused = False

    # -- losing ---------------------------------------------------------------

    def drop_standby(self) -> None:
        """The next session is no use any more, if there is one."""
        link, self.standby = self.standby, None
        if link is not None:
            self._next.to(NextState.NONE)
            link.close()

    def drop_next(self, useless: Callable[[Attempt], bool]) -> bool:
        """The same, also while the client opens it, if it is ``useless``;
        True if it was."""
        link = self.standby
        attempt = self.attempt if link is None else link.attempt
        if attempt is None or not useless(attempt):
            return False
        self.drop_standby()
        if self.attempt is not None:
            self.not_opened().over = True
        return True

    def drop_active(self, now: float, *, lost: bool = False) -> None:
        """Leave the active session on purpose; another one is fed again, where
        this one is as good as ``lost`` after the back-off."""
        self._leave()
        delay = self.retries().after_loss(now) if lost else 0.0
        if self.ready is None:
            self.plan(now + delay)

    def remove(self, link: Link) -> bool:
        """A connection is over; True if it was one that counts."""
        link.close()
        counted = link in self.links
        if link is self.active:
            self._leave()
        elif link is self.standby:
            self.drop_standby()
        return counted

    def _leave(self) -> None:
        link, self.active = self.active, None
        if link is not None:
            link.close()
            self.on_left(link)

    def remove_all(self) -> None:
        """All connections are broken off, also those on their way."""
        self._leave()
        self.drop_next(lambda a: True)
        self._next = Machine(NextState.NONE, NEXT_MOVES)

    def lost(
        self, attempt: Attempt | None, fault: Fault, now: float
    ) -> SessionLost | ServerProblem | None:
        """A session or an ``attempt`` at one ended.  Plans what follows, and
        returns what to tell of it."""
        if self.over:
            return None
        if self.active is not None:
            return self._next_lost(self.active.session.expires_at, fault, now)
        retries, delay = self.retries(attempt), 0.0
        replaced = self.ready is not None
        if replaced:
            # Whatever ended this one.
            fault = replace(fault, verdict="retry")
        elif fault.fatal:
            self._end_next()
            self.fatal = fault
        else:
            due_at = now + retries.after_loss(now)
            # Where the next one was refused before, that time stays.
            due_at = max(self.due_at() or due_at, retries.not_before)
            self.plan(due_at, asked=True)
            delay = max(due_at - now, 0.0)
        tries, retry_ms = retries.attempt, round(delay * 1000)
        return SessionLost(fault, retry_ms, tries, self._had_one, replaced)

    def _next_lost(
        self, end: float | None, fault: Fault, now: float
    ) -> ServerProblem | None:
        """The next session did not come about.  Told is what only a person
        can mend, while there is time to do so, and an outage ahead, once."""
        if fault.fatal:
            self._next_refused = True
            self._end_next()
            return _problem(fault, "the next session is refused")
        self.plan(now + self.retries().beside())
        if end is None or not self.retries().is_late(self._due_at, end, now):
            return None
        left, wait = round(end - now), round(self._due_at - now)
        text = f"this session ends in {left} s, the next is tried in {wait} s"
        return _problem(fault, text)

    def _end_next(self) -> None:
        """No session comes next."""
        self.drop_next(lambda a: True)
        if self.next_state is NextState.DUE:
            self._next.to(NextState.NONE)

    # -- the end --------------------------------------------------------------

    def stop(self) -> None:
        """The call is over."""
        self.stopped = True
        for link in self.links:
            # What it may yet say about audio given up comes too late.
            link.session.end()
        self._end_next()


def _problem(fault: Fault, text: str) -> ServerProblem:
    """What to tell of a next session that did not come about."""
    return ServerProblem(
        Fault("report", fault.code, f"{text}: {fault.message}")
    )

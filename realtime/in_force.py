"""The settings in force, and how others are put in force."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .change import ANSWER_S, PATIENCE_S, Attempt, Change, ChangeState
from .endpoints import Endpoint, EndpointsInUse
from .faults import Fault, fault_of_refused_settings
from .feed import Feed
from .link import Link
from .progress import Progress
from .result_queue import ResultQueue
from .results import Applies, SettingsChanged
from .session import Session, SessionState
from .sessions import Sessions
from .settings import needs_new_session

CALL_OVER = Fault("report", "stopped", "the call is over")
_TOO_LATE = Fault("report", "timeout", "the service did not answer in time")


@dataclass(eq=False, repr=False)
class SettingsInForce:
    """Owns the change of endpoints that is under way; one at a time.

    What a running session can take is sent to it in a pause, anything else
    takes a session of its own (docs/core.md).
    """

    _in_use: EndpointsInUse
    _sessions: Sessions
    _feed: Feed
    _queue: ResultQueue
    _progress: Progress
    _change: Change | None = None

    @property
    def changing(self) -> bool:
        """Is a change under way?"""
        return self._change is not None

    # -- from the user ------------------------------------------------------

    def begin(
        self,
        endpoints: tuple[Endpoint, ...],
        now: float,
        within_s: float = ANSWER_S,
        by_session: bool = False,
    ) -> None:
        """Put others in force; a `SettingsChanged` follows."""
        sessions = self._sessions
        if sessions.over:
            fault = sessions.fatal or CALL_OVER
            self._queue.tell(SettingsChanged(fault))
            return
        index = self._in_use.same_place(endpoints)
        endpoint, used = endpoints[index], self._in_use.endpoint
        if endpoint.is_like(used) and not by_session:
            self._in_use.renew(endpoints, index)
            # Nobody would know it when it takes over.
            dropped = sessions.drop_next(self.is_stale)
            if dropped and sessions.active is None:
                sessions.plan(now)
            self._queue.tell(SettingsChanged(None, "at once"))
            return
        active = sessions.active
        by_session = (
            by_session
            or endpoint.address != used.address
            or active is None
            or needs_new_session(active.session.settings, endpoint.settings)
            # A server that confirms nothing would not answer an update.
            or sessions.habits.consents
            or active.session.handshake.on_trial
        )
        self._change = Change(
            endpoints,
            index,
            by_session,
            # Half of the time is the service's.
            now + min(PATIENCE_S, within_s / 2),
            now + within_s,
        )
        if by_session:
            sessions.drop_next(lambda a: a.address != endpoint.address)
            sessions.plan(now, asked=True)

    def hurry(self, now: float) -> None:
        """A change under way waits for no pause any more."""
        if self._change is not None:
            self._change.hurry(now)

    # -- attempts -----------------------------------------------------------

    def attempt(self, now: float) -> Attempt:
        """What a connection is to be opened for now."""
        change, in_use = self._change, self._in_use
        if change is None or not change.by_session:
            return Attempt(in_use.returning or in_use.endpoint, now)
        if change.state is ChangeState.WANTED:
            change.to(ChangeState.STARTED)
        return Attempt(change.endpoint, now, change)

    def is_stale(self, attempt: Attempt) -> bool:
        """Was it made for settings that are not, or no more, wanted?"""
        if attempt.change is not None:
            return attempt.change is not self._change
        return not self._in_use.is_wanted(attempt.endpoint)

    def soften(self, fault: Fault) -> Fault:
        """What ends the call, but not while others are to be tried."""
        change = self._change
        if fault.fatal and change is not None and change.by_session:
            return replace(fault, verdict="retry")
        return fault

    def attempt_failed(
        self, attempt: Attempt | None, fault: Fault, now: float
    ) -> bool:
        """An attempt, or the session it led to, ended; True if that is told.

        While there is no session at all the reason may be the outage, which
        is told and waited for like any other.
        """
        change = None if attempt is None else attempt.change
        if change is None or change is not self._change:
            return False
        if self._sessions.active is None and not fault.fatal:
            change.to(ChangeState.WANTED)
            return False
        self.refuse(fault, now)
        return True

    def forget_attempt(self) -> None:
        """It is broken off; another one follows."""
        change = self._change
        if change is not None and change.state is ChangeState.STARTED:
            change.to(ChangeState.WANTED)

    def use(self, index: int) -> None:
        """Another endpoint is used from now on, also for a change that is
        under way."""
        self._in_use.adopt(self._in_use.endpoints, index)
        change = self._change
        if change is not None:
            change.index = min(index, len(change.endpoints) - 1)
            if change.state is not ChangeState.WANTED:
                change.to(ChangeState.WANTED)
        self._configure()

    def _configure(self) -> None:
        """What goes out and comes in is of the endpoint in use."""
        settings = self._in_use.endpoint.settings
        self._feed.configure(settings)
        self._queue.configure(settings)

    # -- the change -----------------------------------------------------------

    def forces(self, link: Link, now: float) -> bool:
        """Must a session that is ready take over now, pause or not?"""
        change = self._change_of(link)
        return change is not None and now >= change.force_at

    def _change_of(self, link: Link | None) -> Change | None:
        """The change under way, if a session was opened for it."""
        if link is None or link.attempt.change is not self._change:
            return None
        return self._change

    def pursue(self, now: float) -> bool:
        """Go on with the change; False if there is none."""
        change, active = self._change, self._sessions.active
        if change is None:
            return False
        if now >= change.give_up_at:
            self.refuse(_TOO_LATE, now)
        elif change.state is ChangeState.STARTED:
            pass
        elif change.state is ChangeState.WANTED:
            self._plan_session(now)
        elif active is None:
            # The session that was to be updated is gone.
            self._want_session(change, now)
        elif change.state is ChangeState.SENT:
            self._look_for_answer(active.session, now)
        else:
            self._update(active.session, change, now)
        return True

    def _want_session(self, change: Change, now: float) -> None:
        change.to(ChangeState.WANTED)
        self._plan_session(now)

    def _plan_session(self, now: float) -> None:
        sessions = self._sessions
        if sessions.active is None:
            sessions.plan_unless_due(now)
            return
        # One that is on its way, or waits for a pause, is no use any more.
        sessions.drop_next(lambda a: True)
        sessions.plan(now, asked=True)

    def _look_for_answer(self, session: Session, now: float) -> None:
        if session.refused is not None:
            self.refuse(fault_of_refused_settings(session.refused), now)
        elif session.state is not SessionState.UPDATING:
            self._make("next turn")

    def _update(self, session: Session, change: Change, now: float) -> None:
        pause = self._progress.pauses
        if now < change.force_at and not pause:
            return
        owners = session.settings.turn_owner, change.settings.turn_owner
        if not pause and owners[0] != owners[1]:
            # A turn that nobody would end any more: it is sent again.
            self._want_session(change, now)
            return
        change.to(ChangeState.SENT)
        if "client" in owners:
            self._feed.discard_silence(session)
        session.update(change.settings)

    def taken_over(self, link: Link) -> None:
        """A session became the active one."""
        if self._change_of(link) is not None:
            self._make("new session")
        elif (other := self._change) and other.state is ChangeState.SENT:
            # An update that the session before was sent does not count.
            other.to(ChangeState.WAITS)

    def _make(self, applies: Applies) -> None:
        """The change is made."""
        change = self._change
        assert change is not None
        change.to(ChangeState.MADE)
        self._change = None
        self._in_use.adopt(change.endpoints, change.index)
        self._configure()
        self._sessions.allow_next()
        self._sessions.drop_next(self.is_stale)
        self._queue.tell(SettingsChanged(None, applies))

    def refuse(self, fault: Fault, now: float) -> None:
        """The change under way, if there is one, is not made."""
        change, self._change = self._change, None
        if change is None:
            return
        change.to(ChangeState.REFUSED)
        self._queue.tell(SettingsChanged(fault))
        sessions = self._sessions
        sessions.drop_next(self.is_stale)
        active = sessions.active
        if active is None and change.endpoint.is_at(self._in_use.endpoint):
            sessions.plan_unless_due(now)
        elif active is None:
            # What is due may be so because of what the other one said.
            sessions.plan(now)
        elif active.session.state is SessionState.UPDATING:
            # By which settings it works is not known, and no audio goes out
            # before it says so.
            sessions.drop_active(now)

    def times(self) -> list[float]:
        """When something of the above becomes due."""
        change, sessions = self._change, self._sessions
        if change is None:
            return []
        times = [change.give_up_at]
        takes_over = self._change_of(sessions.ready) is not None
        waits = change.state is ChangeState.WAITS
        if sessions.active is not None and (waits or takes_over):
            times.append(change.force_at)
        return times

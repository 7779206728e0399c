"""The service's side of a call: what comes over the connections, and when.

Every input, of the service or of the user, ends in `Exchange.settle`, which
does what the state of things allows, whatever led there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .change import Attempt
from .due import Due
from .events import MalformedEvent, parse_event
from .failover import Failover
from .faults import (
    CLOSED_BY_LINE,
    Fault,
    fault_of_close,
    fault_of_error,
)
from .feed import Feed
from .in_force import SettingsInForce
from .limits import Limits
from .link import Link
from .progress import Progress
from .quiet import Quiet
from .replay import Replay
from .result_queue import ResultQueue
from .results import ServerProblem, SessionLost, SessionReady, TurnCommitted
from .session import SessionState
from .sessions import Sessions

#: Where a connection ends by one of `CLOSED_BY_LINE`, how likely what it was
#: sent is the cause.
_BY_LINE = 0.5


@dataclass(eq=False, repr=False)
class Exchange:
    """Opens, feeds, reads and loses sessions."""

    _sessions: Sessions
    _feed: Feed
    _queue: ResultQueue
    _progress: Progress
    _replay: Replay
    _quiet: Quiet
    _in_force: SettingsInForce
    _failover: Failover
    _limits: Limits
    _due: Due = field(default_factory=Due)

    # -- connections ------------------------------------------------------

    def next_attempt(self, now: float) -> Attempt | None:
        """The connection that the client shall open, once; or None."""
        if (at := self._sessions.due_at()) is None or now < at:
            return None
        attempt = self._in_force.attempt(now)
        self._sessions.dial(attempt)
        return attempt

    def opened(self, now: float, wall: float) -> Link:
        """The WebSocket handshake is done; ``wall`` is unix time in s."""
        link = self._sessions.opened(now, wall)
        self.settle(now)
        return link

    def failed(self, fault: Fault, now: float) -> None:
        """No connection came about."""
        attempt = self._sessions.not_opened()
        self._lost(attempt, fault, now)
        self.settle(now)

    def closed(
        self,
        link: Link,
        close_code: int,
        reason: str,
        now: float,
        lived: bool = True,
    ) -> None:
        """The connection of ``link`` is over.

        ``close_code`` 1006 stands for an end without a CLOSE frame;
        ``reason`` then says what happened.  ``lived``: did the service say a
        word?  Else no audio is to blame.
        """
        behind = link.session.errors.behind(close_code, now)
        fault = fault_of_close(close_code, reason, behind)
        by_audio = _BY_LINE if close_code in CLOSED_BY_LINE else 1.0
        self._broke(link, fault, now, by_audio=by_audio if lived else 0.0)
        self.settle(now)

    def _broke(
        self, link: Link, fault: Fault, now: float, by_audio: float = 0.0
    ) -> None:
        """The connection of ``link`` is no use any more; where it counted,
        that is a loss.  ``by_audio``: may what it was sent be to blame?"""
        if by_audio and link is self._sessions.active:
            self._replay.session_ended(link, by_audio)
        if self._sessions.remove(link):
            self._lost(link.attempt, fault, now)

    def recover(self, fault: Fault, now: float) -> None:
        """Something of ours went wrong, in here or around it.

        Whatever state that has left goes with the connections, which the
        client has broken off; what is undelivered is sent again.
        """
        self._sessions.remove_all()
        self._in_force.forget_attempt()
        self._lost(None, fault, now)
        self.settle(now)

    def _lost(self, attempt: Attempt | None, fault: Fault, now: float) -> None:
        """A session that counted, or an attempt at one, ended: tell it, and
        plan what follows."""
        # A time to wait holds for that address only.
        self._sessions.retries(attempt).heed(fault.retry_after, now)
        if self._in_force.attempt_failed(attempt, fault, now):
            return
        fault = self._in_force.soften(fault)
        if self._failover.lost(attempt, fault, now):
            return
        if told := self._sessions.lost(attempt, fault, now):
            self._queue.tell(told)
        if isinstance(told, SessionLost) and told.fault.fatal:
            self._progress.give_up("given_up")
            self._progress.answer_finalizes(now)
            self._in_force.refuse(fault, now)

    # -- messages -----------------------------------------------------------

    def next_message(self, link: Link, now: float) -> bytes | None:
        """The next message to send on this connection, or None for now."""
        session = link.session
        if session.outbox:
            return session.outbox.popleft()
        counts = link is self._sessions.active and not link.must_close
        if not counts or session.stuck:
            return None
        message = self._feed.next_message(link, now)
        if message is None:
            # A mark may have been passed over as silence.
            self._progress.answer_finalizes(self._due.before(now))
        return message

    def receive(self, link: Link, message: str | bytes, now: float) -> None:
        """Take one message from the server."""
        session = link.session
        if session.state is SessionState.OVER:
            return
        try:
            event = parse_event(message)
        except MalformedEvent:
            self._sessions.habits.unknown_events += 1
            return
        turn = session.receive(event, now)
        link.ask_about_commits(now)
        if turn is not None and not session.turns.by_client:
            link.looked_to(max(turn.begin, session.turns.boundary), now)
        self._look_at_handshake(link, now)
        if turn is not None and link is self._sessions.active:
            self._quiet.heard(turn, now)
            self._replay.heard(turn)
            if event.type == "input_audio_buffer.committed":
                self._queue.tell(TurnCommitted(turn.item_id))
            self._queue.late(turn)
            if event.type.endswith(".failed") and turn.failure is not None:
                self._failover.turn_failed(turn.failure, now)
        self.settle(now)

    def _look_at_handshake(self, link: Link, now: float) -> None:
        """Tell what there is to tell about it; the connection may end."""
        handshake = link.session.handshake
        for fault in handshake.take_notices():
            self._queue.tell(ServerProblem(fault))
        if handshake.failure is not None:
            self._broke(link, handshake.failure, now)

    def pong(self, link: Link, now: float) -> None:
        """The PONG for the PING that was asked for arrived."""
        link.pong(now)
        quiet = link.take_quiet()
        if quiet is not None and link is self._sessions.active:
            self._quiet.on_server_quiet(link, quiet, now)
        self.settle(now)

    # -- time -----------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due, once all is told that came until then."""
        if self._due.was_late(now):
            self._failover.held_up(now)
        self._progress.tick(now)
        for link in self._sessions.links:
            self._tick_link(link, now)
        self.settle(now)

    def _tick_link(self, link: Link, now: float) -> None:
        session = link.session
        if session.state is SessionState.OPENING:
            session.handshake.tick(now)
            session.look_at_handshake(now)
            self._look_at_handshake(link, now)
        if not session.ready:
            return
        for info in session.problems(now, self._limits.close_grace_s):
            self._queue.tell(ServerProblem(fault_of_error(info)))
        fault = link.tick(now)
        if fault is not None:
            self._broke(link, fault, now, by_audio=_BY_LINE)
        elif link is self._sessions.active:
            fault = self._progress.check_answers(link, now)
            self._failover.look_at_answers(link, now)
            if fault := fault or self._quiet.check(link, now):
                self._broke(link, fault, now)
        if (at := self._sessions.rollover_at()) is not None and now >= at:
            self._sessions.plan(now)

    def deadline(self) -> float | None:
        """When `tick` or `next_attempt` has something to do next."""
        times = [*self._in_force.times(), *self._sessions.times()]
        times += self._progress.times() + self._failover.times()
        for link in self._sessions.links:
            times += self._times_of(link)
        return self._due.ask(min(times, default=None))

    def _times_of(self, link: Link) -> list[float]:
        session = link.session
        if not session.ready:
            # One that is over has nothing to do, and is gone soon.
            return [session.handshake.due()]
        times = session.errors.due(self._limits.close_grace_s) + link.times()
        if link is self._sessions.active:
            times += self._progress.times_of(link)
        return times

    # -- whatever led there ---------------------------------------------------

    def settle(self, now: float) -> None:
        """Do whatever the state of things allows by now."""
        now = self._due.before(now)
        if not self._sessions.stopped:
            self._progress.deliver(now)
            self._take_over(now)
            if self._in_force.pursue(now):
                # It may have left the active session.
                self._take_over(now)
            self._progress.pursue(now)
            self._failover.pursue(now)
        self._progress.answer_finalizes(now)

    def _take_over(self, now: float) -> None:
        """Make a ready session the active one when the moment is right.

        While another session is alive that is a moment when nobody speaks and
        nothing is on its way, or the last one before that session expires.
        """
        sessions = self._sessions
        sessions.look_at_next()
        link, old = sessions.ready, sessions.active
        if link is None:
            return
        if old is not None and not self._in_force.forces(link, now):
            switch_at = old.session.switch_at
            forced = switch_at is not None and now >= switch_at
            busy = not self._progress.pauses or old.hold is not None
            if busy and not forced:
                return
            if busy:
                # Its time may be too short for what it is sent.
                self._replay.session_ended(old, 1.0)
        recovered = sessions.take_over()
        # By whose settings silence is kept.
        self._failover.taken_over(link, now)
        self._in_force.taken_over(link)
        self._quiet.begin()
        replayed = self._replay.begin(link, now)
        session = link.session
        self._queue.tell(
            SessionReady(
                session.id,
                round((session.ready_at - link.attempt.at) * 1000),
                recovered,
                self._queue.ms(replayed),
            )
        )

"""What goes over the connections of a call, and when."""

from __future__ import annotations

from .audio_buffer import AudioBuffer
from .connections import Connections
from .delivery import Delivery
from .events import MalformedEvent, parse_event
from .faults import Fault, fault_of_error
from .feed import Feed
from .handshake import NOT_CONFIRMED
from .in_force import SettingsInForce
from .limits import Limits
from .link import Link
from .progress import Progress
from .results import ServerProblem, TurnCommitted
from .session import Session, SessionState
from .sessions import Sessions


class Exchange:
    """Feeds the links, reads what comes over them, and looks at the time.

    ``malformed``: messages that were no events.
    """

    def __init__(
        self,
        buffer: AudioBuffer,
        feed: Feed,
        delivery: Delivery,
        connections: Connections,
        progress: Progress,
        in_force: SettingsInForce,
        sessions: Sessions,
        limits: Limits,
    ) -> None:
        self.malformed = 0
        self._buffer = buffer
        self._feed = feed
        self._delivery = delivery
        self._connections = connections
        self._progress = progress
        self._in_force = in_force
        self._sessions = sessions
        self._grace = limits.close_grace_ms / 1000
        self._turn_timeout = limits.turn_timeout_ms / 1000

    # -- messages -----------------------------------------------------------

    def next_message(self, link: Link, now: float) -> bytes | None:
        """The next message to send on this connection, or None for now."""
        session = link.session
        if session.outbox:
            return session.outbox.popleft()
        counts = link is self._connections.active and not link.must_close
        if not counts or session.stuck:
            return None
        message = self._feed.next_message(link, now)
        if message is None:
            # A mark may have been passed over as silence.
            self._progress.answer_finalizes(now)
        return message

    def receive(self, link: Link, message: str | bytes, now: float) -> None:
        """Take one message from the server."""
        session = link.session
        if session.state is SessionState.OVER:
            return
        try:
            event = parse_event(message)
        except MalformedEvent:
            self.malformed += 1
            return
        turn = session.receive(event, now)
        if turn is not None and not session.turns.by_client:
            link.looked_to(max(turn.begin, session.turns.boundary), now)
        self._look_at_handshake(link, now)
        if link is self._connections.active:
            if turn is not None:
                if event.type == "input_audio_buffer.committed":
                    self._delivery.tell(TurnCommitted(turn.item_id))
                self._progress.deliver(now)
            if session.items.chain.broken:
                self._progress.replay_broken_chain(session, now)
        self._sessions.settle(now)

    def _look_at_handshake(self, link: Link, now: float) -> None:
        """Tell what there is to tell about it; the connection may end."""
        handshake = link.session.handshake
        for fault in handshake.take_notices():
            self._delivery.tell(ServerProblem(fault))
        if handshake.failure is not None:
            self._sessions.broke(link, handshake.failure, now)

    def pong(self, link: Link, now: float) -> None:
        """The PONG for the PING that was asked for arrived."""
        link.pong(now)
        quiet = link.take_quiet()
        if quiet is not None and link is self._connections.active:
            self._progress.on_server_quiet(link, quiet)
        self._sessions.settle(now)

    # -- time -----------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due."""
        for link in self._connections.links:
            self._tick_link(link, now)
        self._sessions.settle(now)

    def _tick_link(self, link: Link, now: float) -> None:
        session = link.session
        if session.state is SessionState.OPENING:
            session.handshake.tick(now)
            session.look_at_handshake(now)
            self._look_at_handshake(link, now)
        if not session.ready:
            return
        for info in session.problems.take(now - self._grace):
            self._delivery.tell(ServerProblem(fault_of_error(info)))
        fault = link.tick(now)
        if fault is not None:
            self._sessions.broke(link, fault, now)
        elif link is self._connections.active:
            if session.handshake.stage == "trial":
                self._tick_trial(link, now)
            else:
                self._progress.check_answers(session, now)
            rollover_at = self._connections.rollover_at()
            if rollover_at is not None and now >= rollover_at:
                self._connections.plan(now)

    def _tick_trial(self, link: Link, now: float) -> None:
        """A server that confirmed nothing must say something about speech."""
        session = link.session
        if now < self._trial_due(session):
            return
        if self._buffer.has_speech(self._buffer.watermark, session.sent):
            text = "the server sent no session.updated, nor a word about audio"
            self._sessions.broke(link, Fault("retry", NOT_CONFIRMED, text), now)
        else:
            session.handshake.extend_trial(now)

    def _trial_due(self, session: Session) -> float:
        return session.handshake.trial_since + self._turn_timeout

    def deadline(self) -> float | None:
        """When `tick` or `next_attempt` has something to do next."""
        connections = self._connections
        times = self._in_force.times()
        for link in connections.links:
            times += self._times_of(link)
        for time in (
            connections.due_at(),
            connections.rollover_at(),
            self._progress.finalizes.deadline,
        ):
            if time is not None:
                times.append(time)
        return min(times, default=None)

    def _times_of(self, link: Link) -> list[float]:
        session = link.session
        if not session.ready:
            # One that is over has nothing to do, and is gone soon.
            return [session.handshake.due()]
        told = [at + self._grace for at in session.problems.oldest_at()]
        times = told + link.times()
        if link is self._connections.active:
            if session.handshake.stage == "trial":
                times.append(self._trial_due(session))
            else:
                times += self._progress.answer_times(session)
            spare, switch_at = self._connections.ready, session.switch_at
            if spare is not None and switch_at is not None:
                times.append(switch_at)
        return times

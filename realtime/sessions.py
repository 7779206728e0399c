"""The life of a call's sessions: opened, lost, taken over, for what reason.

Each input to the core ends in `Sessions.settle`, which does what the state of
things allows, whatever led there.
"""

from __future__ import annotations

from .change import Attempt
from .connections import Connections
from .delivery import Delivery
from .faults import Fault, fault_of_close
from .in_force import SettingsInForce
from .link import Link
from .progress import Progress
from .results import SessionLost, SessionReady


class Sessions:
    """Decides what a session that comes or goes means for the call.

    ``replayed``: samples that were sent to more than one session.
    """

    def __init__(
        self,
        connections: Connections,
        delivery: Delivery,
        progress: Progress,
        in_force: SettingsInForce,
    ) -> None:
        self.replayed = 0
        self._connections = connections
        self._delivery = delivery
        self._progress = progress
        self._in_force = in_force

    def next_attempt(self, now: float) -> Attempt | None:
        """The connection that the client shall open, once; or None."""
        due_at = self._connections.due_at()
        if due_at is None or now < due_at:
            return None
        attempt = self._in_force.attempt(now)
        self._connections.dial(attempt)
        return attempt

    def opened(self, now: float, wall: float) -> Link:
        """The WebSocket handshake is done; ``wall`` is unix time in s."""
        connections = self._connections
        stale = self._in_force.is_stale(connections.attempt)
        link = connections.opened(now, wall, not (stale or connections.over))
        if stale:
            self._connect_again(now)
        self.settle(now)
        return link

    def failed(self, fault: Fault, now: float) -> None:
        """No connection came about."""
        attempt = self._connections.not_opened()
        if self._in_force.is_stale(attempt):
            self._connect_again(now)
        else:
            self._lost(attempt, fault, now)
        self.settle(now)

    def _connect_again(self, now: float) -> None:
        if self._connections.active is None:
            self._connections.plan(now)

    def closed(
        self, link: Link, close_code: int, reason: str, now: float
    ) -> None:
        """The connection of ``link`` is over.

        ``close_code`` 1006 stands for an end without a CLOSE frame;
        ``reason`` then says what happened.
        """
        behind = link.session.problems.behind(close_code, now)
        self.broke(link, fault_of_close(close_code, reason, behind), now)
        self.settle(now)

    def broke(self, link: Link, fault: Fault, now: float) -> None:
        """The connection of ``link`` is over; it is closed if it is not."""
        if self._connections.remove(link):
            self._lost(link.attempt, fault, now)

    def recover(self, fault: Fault, now: float) -> None:
        """Something of ours went wrong, in here or around it.

        Whatever state that has left goes with the connections, which the
        client has broken off; what is undelivered is sent again.
        """
        self._connections.remove_all()
        self._in_force.forget_attempt()
        self._lost(None, fault, now)
        self.settle(now)

    def _lost(self, attempt: Attempt | None, fault: Fault, now: float) -> None:
        """A session, or an attempt at one, ended."""
        if self._in_force.attempt_failed(attempt, fault, now):
            return
        told = self._connections.lost(fault, now)
        if told is not None:
            self._delivery.tell(told)
        if isinstance(told, SessionLost) and told.fault.fatal:
            self._progress.give_up("given_up")
            self._progress.answer_finalizes(now)
            self._in_force.refuse(fault, now)

    # -- whatever led there ---------------------------------------------------

    def settle(self, now: float) -> None:
        """If this is so, do that."""
        if not self._connections.stopped:
            self._take_over(now)
            self._in_force.pursue(now)
            # It may have left the active session.
            self._take_over(now)
        self._progress.answer_finalizes(now)

    def _take_over(self, now: float) -> None:
        """Make a ready session the active one when the moment is right.

        While another session is alive that is a moment when nothing is
        undelivered, or the last one before that session expires.
        """
        connections = self._connections
        connections.look_at_next()
        link, old = connections.ready, connections.active
        if link is None:
            return
        if old is not None and not self._in_force.forces(link, now):
            switch_at = old.session.switch_at
            forced = switch_at is not None and now >= switch_at
            busy = self._progress.undelivered or old.hold is not None
            if busy and not forced:
                return
        recovered = connections.take_over()
        # By whose settings silence is kept.
        self._in_force.taken_over(link)
        replayed = self._progress.begin_replay(link)
        self.replayed += replayed
        session = link.session
        self._delivery.tell(
            SessionReady(
                session.id,
                round((session.ready_at - link.attempt.at) * 1000),
                recovered,
                self._delivery.ms(replayed),
            )
        )

"""A session together with the transport's side of it."""

from __future__ import annotations

import math
from collections import deque

from .change import Attempt
from .commit_answers import CommitAnswers
from .faults import Fault
from .hold import Hold, HoldState
from .limits import Limits
from .pings import Ping, Pings
from .session import Session

#: The slowest server for which silence is let go, in seconds of audio that
#: it looks at in a second.
_SLOWEST = 2.0
#: Positions that wait for a later PONG; only a call that is fed much faster
#: than in real time has more.
_MAX_HEARD = 256


class Link:
    """One connection as the call sees it, with its signs of life.

    Appends are never acknowledged, but WebSocket messages are read in order:
    the PONG proves that all audio before its PING was read.  So audio may go
    out only ``window_ms`` ahead of what is proved; then a PONG never waits
    behind a long replay, and one that does not come in time means a peer
    that does not read, whatever it sends.

    A detector that has had audio and lives on without a word about it found
    no speech in it.  That it lives is proved by the PONG for a later PING;
    that it had the audio, by its having had the time: what reads WebSocket
    messages may be ahead of what looks at their audio.

    ``attempt``: what it was opened for.  ``hold``: why and until when sending
    waits at a mark.  ``answers``: those to our commits.  ``must_close``: the
    client shall close it now.  ``marked_to``: the last mark dealt with.
    """

    def __init__(
        self, session: Session, attempt: Attempt, limits: Limits, now: float
    ) -> None:
        self.session = session
        self.attempt = attempt
        self.hold: Hold | None = None
        self.answers = CommitAnswers(session, limits)
        self.must_close = False
        self.marked_to = 0
        self.pings = Pings(now)
        self._limits = limits
        rate = session.settings.rate
        self._window = limits.window_ms * rate // 1000
        self._looks_at = rate * _SLOWEST
        #: By then the slowest server has looked at all that was sent; the last
        #: event that was about audio.
        self.looked_at = self.heard_at = now
        self._shortest_trip = math.inf
        #: That on whose PONG a hold is decided.
        self._deciding: Ping | None = None
        self._proved = 0
        #: From when on the server must have had the audio up to a position.
        self._heard: deque[tuple[float, int]] = deque(maxlen=_MAX_HEARD)
        self._quiet_to: int | None = None
        #: When it was proved up to where the server has looked.
        self._proofs: deque[tuple[float, int]] = deque(maxlen=_MAX_HEARD)

    def close(self) -> None:
        """Nothing that comes over it counts any more."""
        self.session.end()
        self.must_close = True

    # -- PING and PONG -----------------------------------------------------

    @property
    def wants_ping(self) -> bool:
        """Shall the client send a PING, and report its PONG?"""
        return self.pings.wanted

    def take_ping(self) -> bool:
        """The same, once: it goes out now."""
        return self.pings.take()

    def ask_ping(self, now: float) -> None:
        """Request a PING that covers everything sent so far."""
        session, ping = self.session, self.pings.ask(now)
        ping.position = session.sent
        ping.audio = session.audio.samples
        ping.commits = session.turns.commits_sent
        ping.lag_s = max(self.looked_at - now, 0.0)

    def pong(self, now: float) -> None:
        """The oldest PONG that is awaited came."""
        ping = self.pings.pong()
        if ping is None:
            return
        self._proved = ping.audio
        self.answers.were_read(ping.commits, now + ping.lag_s)
        if self.session.settings.turn_owner == "server":
            after = self._limits.quiet_after_ms / 1000
            while self._heard and ping.asked_at >= self._heard[0][0] + after:
                self._quiet_to = self._heard.popleft()[1]
            self._heard.append((now + ping.lag_s, ping.position))
            self._proofs.append(self._heard[-1])
        trip = now - ping.asked_at
        self._shortest_trip = min(self._shortest_trip, trip)
        self._pong_in_hold(ping, now)
        self._ask_in_time(now)
        self.ask_about_commits(now)

    def tick(self, now: float) -> Fault | None:
        """Do what is due; returns why the connection is given up."""
        if self._is_silent(now):
            text = "the server does not answer, or does not read"
            return Fault("retry", "no_answer", text)
        if not self.pings.waiting and now >= self._ping_at():
            self.ask_ping(now)
        hold = self.hold
        if hold is not None and hold.decide(now):
            self.ask_ping(now)
            self._deciding = self.pings.last
        if hold is not None and not hold.is_on(now):
            # Nobody is waked again for it; sending goes on as soon as the
            # transport takes more.
            hold.end()
        return None

    def _is_silent(self, now: float) -> bool:
        """The peer did not read in time what it was sent."""
        return bool(self.pings.waiting) and now >= self._silent_at()

    def _silent_at(self) -> float:
        timeout = self._limits.pong_timeout_ms / 1000
        return self.pings.waiting[0].asked_at + timeout

    def _ping_at(self) -> float:
        # While the peer owes us an answer, or shall hear what we send.
        session, limits = self.session, self._limits
        ahead = session.audio.samples > self.pings.last.audio
        busy = ahead or session.turns.pending
        wait = limits.ping_ms if busy else limits.idle_ping_ms
        return self.pings.last.asked_at + wait / 1000

    def looked_to(self, position: int, now: float) -> None:
        """An event shows that the server has looked at all audio before."""
        self.heard_at = now
        rest = max(self.session.sent - position, 0) / self._looks_at
        self.looked_at = min(self.looked_at, now + rest)
        self._plan_decision(now)

    # -- the window --------------------------------------------------------

    @property
    def ahead(self) -> int:
        """Samples that were sent, of which no PONG tells yet."""
        return self.session.audio.samples - self._proved

    @property
    def is_full(self) -> bool:
        """No more audio may go out before a PONG."""
        return self.ahead >= self._window

    def audio_sent(self, samples: int, now: float) -> None:
        """An append message goes out."""
        begin = max(self.looked_at, now)
        self.looked_at = begin + samples / self._looks_at
        self._ask_in_time(now)

    def _ask_in_time(self, now: float) -> None:
        """Request a PING before the window is full."""
        if not self.pings.waiting and self.ahead >= self._window // 2:
            self.ask_ping(now)

    # -- marks -------------------------------------------------------------

    def begin_at(self, position: int) -> None:
        """It is fed from ``position`` on; marks before are dealt with."""
        self.session.begin_at(position)
        self.marked_to = position
        self.hold = None

    def rewind(self, position: int) -> None:
        """It is fed again from ``position`` on; what was heard so far proves
        nothing of that."""
        self.session.rewind(position)
        self.marked_to = position
        self.hold = None
        self._heard.clear()
        self._proofs.clear()
        self._quiet_to = None
        for ping in self.pings.waiting:
            ping.position = 0

    def begin_hold(self, mark: int, start: int, now: float) -> None:
        """Send nothing beyond ``mark`` until the server has heard it all and
        said what it has to say."""
        until = now + self._limits.pong_timeout_ms / 1000
        self.hold = Hold(mark, start, until)
        self._deciding = None
        self.ask_ping(now)

    def is_held(self, now: float) -> bool:
        """Does sending wait?"""
        return self.hold is not None and self.hold.is_on(now)

    def _pong_in_hold(self, ping: Ping, now: float) -> None:
        hold = self.hold
        if hold is None:
            return
        if ping is self._deciding:
            hold.end()
        elif hold.state is HoldState.READING and ping.position >= hold.mark:
            hold.settle(now)
            self._plan_decision(now)

    def _plan_decision(self, now: float) -> None:
        """From when on must the server have noticed what there is?"""
        hold = self.hold
        if hold is None or hold.state is not HoldState.SETTLING:
            return
        # A PING arrives as much later as the PONG was on its way.
        read_at = hold.heard_at - self._shortest_trip
        looked_at = max(read_at, self.looked_at)
        hold.decide_at(max(looked_at + self._limits.settle_ms / 1000, now))

    def mark_done(self, mark: int) -> None:
        """``mark`` is dealt with."""
        self.hold = None
        self.marked_to = mark

    # -- commits -----------------------------------------------------------

    def ask_about_commits(self, now: float) -> None:
        """The PONG tells when no more answers to commits come."""
        unread = self.pings.last.commits < self.session.turns.commits_sent
        # Its PONG shall not wait behind more audio than another's.
        if self.answers.are_awaited and unread and not self.pings.waiting:
            self.ask_ping(now)

    # -- time --------------------------------------------------------------

    def take_quiet(self) -> int | None:
        """Before this position the server's detector heard all there is, and
        has said what it had to say; None: nothing new."""
        position, self._quiet_to = self._quiet_to, None
        return position

    def looked_since(self, position: int) -> float:
        """When the server had looked at a position, as far as is known."""
        before = self.session.ready_at
        for at, proved in self._proofs:
            if proved >= position:
                # Live audio came as long before as it is long; of what was
                # sent faster nothing is known but the PONG.
                live = at - (proved - position) / self.session.settings.rate
                return live if live >= before else at
            before = at
        return before

    def times(self) -> list[float]:
        """When something of the above becomes due."""
        times = [self._silent_at() if self.pings.waiting else self._ping_at()]
        if self.hold is not None and not self.session.stuck:
            times += self.hold.times()
        return times + self.answers.times()

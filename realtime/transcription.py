"""The whole call, across all its connections.

One position, the *watermark*, divides the call: everything before it is
delivered (its final went out, or it was silence that the owner of the turns
passed over), everything after it is held.  Finals leave in spoken order, so
the held audio is contiguous.  When a connection dies, its undelivered turns
are forgotten and the next session is fed from the watermark on, with the same
commits of ours at the same positions.  So nothing is delivered twice and
nothing is skipped.

All methods take ``now``, seconds on any monotonic clock.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from typing import Literal

from .backoff import Backoff
from .change import Change, change_at
from .delivery import Delivery
from .events import MalformedEvent, parse_event
from .faults import (
    Fault,
    describe,
    fault_of_close,
    fault_of_error,
    fault_of_refused_settings,
)
from .feed import LEAD_IN_MS, Feed
from .finalizes import FinalizeQueue
from .held_audio import FindSpeech, HeldAudio
from .limits import Limits
from .link import Link
from .results import (
    Result,
    ServerProblem,
    SessionLost,
    SessionReady,
    SettingsChanged,
    TurnCommitted,
)
from .session import ServerHabits, Session, Turn
from .settings import SessionSettings

Protocol = Literal["auto", "ga", "beta"]

#: A turn that fails or stays without an answer is sent again this often.
RESEND = 1
#: So many replays in a row without progress and the server's chain of items
#: is not what it seems.
TRUST = 5


class Transcription:
    """The state of one call.

    ``results`` collects what to tell the user.  ``fatal`` is set when no
    further attempt is made.
    """

    def __init__(
        self,
        settings: SessionSettings,
        limits: Limits,
        *,
        protocol: Protocol,
        find_speech: FindSpeech,
        rng: random.Random,
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.fatal: Fault | None = None
        self.active: Link | None = None
        self.standby: Link | None = None
        self.reconnects = 0
        self.replayed = 0
        self.malformed = 0
        self._protocol: Protocol = protocol
        limit = limits.max_buffer_ms * settings.rate // 1000
        self._held = HeldAudio(settings.sample_bytes, limit, find_speech)
        self._feed = Feed(self._held, settings, limits)
        self._delivery = Delivery(self._held, settings)
        lead_in_ms = LEAD_IN_MS + settings.prefix_padding_ms
        self._lead_in = lead_in_ms * settings.rate // 1000
        self._backoff = Backoff(rng)
        self._connect_at: float | None = None
        self._connecting = False
        self._over = False
        self._connecting_since = 0.0
        self._was_ready = False
        self._habits = ServerHabits()
        self._turn_timeout = limits.turn_timeout_ms / 1000
        self._grace = limits.close_grace_ms / 1000
        self._finalizes = FinalizeQueue(limits.finalize_timeout_ms)
        self._resent = 0
        self._confusions = 0
        self._change: Change | None = None
        #: The attempt under way tries settings that are not in force yet.
        self.connecting_change = False

    @property
    def results(self) -> deque[Result]:
        """What to tell the user, oldest first; the reader pops."""
        return self._delivery.results

    @property
    def received(self) -> int:
        """Samples of the call so far."""
        return self._held.end

    @property
    def watermark(self) -> int:
        """Everything before this position is delivered."""
        return self._held.watermark

    @property
    def dropped(self) -> int:
        """Samples reported as dropped."""
        return self._delivery.dropped

    @property
    def unknown_events(self) -> int:
        """Server events that meant nothing here, on all connections."""
        return self._habits.unknown_events

    @property
    def undelivered(self) -> bool:
        """Is there held audio that is not known to be silent?"""
        held = self._held
        link = self.active
        if link is not None and (link.session.turns or link.session.commits):
            return True
        return held.has_speech(held.watermark, held.end)

    # -- from the user ----------------------------------------------------

    def audio(self, data: bytes) -> bool:
        """Take wire audio; True when there is something to send now."""
        if self.fatal is not None:
            return False
        if self._held.append(data):
            self._on_overflow()
        link = self.active
        return link is not None and self._feed.has_packet(link)

    def _on_overflow(self) -> None:
        """The oldest audio gave way.

        What an open session has already received may still be delivered by
        it; only audio that no session will ever get is dropped for good.
        """
        held = self._held
        link = self.active
        reach = held.watermark if link is None else link.session.sent
        if held.start <= reach:
            return
        self._delivery.dropped_audio(reach, held.start)
        if link is None:
            held.advance(held.start)
        else:
            link.session.sent = held.start

    def commit(self) -> None:
        """End a turn at the audio received so far."""
        if self.fatal is None and self._held.end > self._held.watermark:
            self._held.mark(self._held.end)

    def detect_locally(
        self, on: bool, skip_before_ms: int | None = None
    ) -> None:
        """A local detector will, or will no more, tell where speech is.

        ``skip_before_ms``: send only speech, from so long before its onset.
        """
        self._held.detected = [] if on else None
        padding = None
        if on and skip_before_ms is not None:
            padding = skip_before_ms * self.settings.rate // 1000
        self._feed.skip_silence(padding)
        lead_in_ms = LEAD_IN_MS + self.settings.prefix_padding_ms
        self._lead_in = lead_in_ms * self.settings.rate // 1000 + (padding or 0)

    def speech_started(self, onset: int) -> None:
        """The local detector heard speech from position ``onset`` on."""
        if self._held.detected is not None:
            # Open-ended until it ends.
            self._held.detected.append([onset, sys.maxsize])

    def speech_ended(self, end: int, boundary: int) -> None:
        """That speech ended at ``end``: a turn is over at ``boundary``."""
        if self._held.detected:
            span = self._held.detected[-1]
            span[1] = max(min(span[1], end), span[0] + 1)
        if self.fatal is None and boundary > self._held.watermark:
            self._held.mark(min(boundary, self._held.end))

    def passed_over(self, position: int) -> None:
        """The local detector is sure that no turn is open at `position`."""
        link = self.active
        if link is not None:
            self._feed.pass_quiet(link, position - self._lead_in)
        if link is None or self._held.marks or self._held.detected:
            return
        if not (link.session.turns or link.session.commits):
            quiet = min(position, link.session.sent)
            self._held.advance(quiet - self._lead_in)

    def finalize(self, token: object, now: float) -> None:
        """Deliver everything received so far, then say so with `token`."""
        self._finalizes.ask(token, self._held.end, now)
        self.commit()
        self._answer_finalizes(now)

    def end(self, now: float) -> None:
        """The call is over; what still waits for an answer gets it."""
        self._over = True
        self._connect_at = None
        self._answer_finalizes(now)

    # -- a change of the settings -----------------------------------------

    def change(
        self, settings: SessionSettings, now: float, *, by_session: bool
    ) -> None:
        """Put other settings in force at the next pause.

        A `SettingsChanged` follows, within ten seconds.  ``by_session``: a
        new session takes over; else the running one is updated.
        """
        by_session = by_session or self.active is None
        self._change = change_at(settings, by_session, now)
        self._pursue_change(now)

    def _pursue_change(self, now: float) -> None:
        change = self._change
        if change is None or self._over:
            return
        if now >= change.give_up_at:
            text = "the service did not answer in time"
            self._end_change(Fault("report", "timeout", text), now)
        elif change.by_session:
            if not change.tried:
                self._connect_in(0.0, now)
        elif self.active is None:
            # The session that was to be updated is gone.
            change.by_session, change.tried = True, False
            self._connect_in(0.0, now)
        elif change.tried:
            session = self.active.session
            if session.not_updated is not None:
                refused = fault_of_refused_settings(session.not_updated)
                self._end_change(refused, now)
            elif session.updating is None:
                self._end_change(None, now)
        elif now >= change.force_at or not self.undelivered:
            change.tried = True
            self.active.session.update(change.settings)

    def _end_change(self, refused: Fault | None, now: float) -> None:
        change, self._change = self._change, None
        if change is None:
            return
        if refused is None:
            self.settings = change.settings
            self._feed.configure(change.settings)
            self._delivery.configure(change.settings)
        else:
            self.connecting_change = False
            if self.standby is not None and self.standby.for_change:
                self.standby.closing = True
                self.standby = None
            if self.active is None:
                self._connect_in(0.0, now)
        self.results.append(SettingsChanged(refused))

    def _change_failed(self, fault: Fault, now: float) -> bool:
        """An attempt with settings to try failed; True if that is all.

        While there is no session at all the reason may be the outage, which
        is told and waited for like any other.
        """
        self.connecting_change = False
        if self._change is None:
            return False
        if self.active is None and not fault.fatal:
            self._change.tried = False
            return False
        self._end_change(fault, now)
        return True

    # -- connections ------------------------------------------------------

    def start(self, now: float) -> None:
        """Ask for the first connection."""
        if self._connect_at is None and self.active is None:
            self._connect_at = now

    def take_connect(self, now: float) -> bool:
        """True once whenever the client shall open a connection."""
        if self._connect_at is None or now < self._connect_at:
            return False
        self._connect_at = None
        self._connecting = True
        self._connecting_since = now
        change = self._change
        self.connecting_change = change is not None and change.by_session
        if change is not None and change.by_session:
            change.tried = True
        return True

    def opened(self, now: float, wall: float) -> Link:
        """The WebSocket handshake is done; ``wall`` is unix time in s."""
        self._connecting = False
        settings = self.settings
        if self.connecting_change and self._change is not None:
            settings = self._change.settings
        session = Session(settings, self._protocol, now, wall, self._habits)
        link = Link(session, self.limits, now)
        link.for_change = self.connecting_change
        self.connecting_change = False
        if self.standby is not None:
            self.standby.closing = True
        self.standby = link
        return link

    def failed(self, fault: Fault, now: float) -> None:
        """No connection came about."""
        self._connecting = False
        if not (self.connecting_change and self._change_failed(fault, now)):
            self._lost(fault, now)

    def closed(
        self, link: Link, close_code: int, reason: str, now: float
    ) -> None:
        """The connection of ``link`` is over.

        ``close_code`` 1006 stands for an end without a CLOSE frame;
        ``reason`` then says what happened.
        """
        session = link.session
        session.state = "over"
        if link is self.active:
            self.active = None
        elif link is self.standby:
            self.standby = None
        else:
            return
        if session.refused is not None:
            fault = fault_of_refused_settings(session.refused)
        else:
            fault = fault_of_close(close_code, reason, session.last_problem)
        if not (link.for_change and self._change_failed(fault, now)):
            self._lost(fault, now)

    def _lost(self, fault: Fault, now: float) -> None:
        if self._over:
            return
        if self.active is not None:
            # Only the spare connection failed; the call goes on.
            self._connect_in(self._backoff.next_delay(1.0), now)
            return
        delay = 0.0
        if fault.fatal:
            self.fatal = fault
            self._connect_at = None
        else:
            delay = self._backoff.next_delay(fault.retry_after)
            self._connect_in(delay, now)
        self.results.append(
            SessionLost(
                fault,
                round(delay * 1000),
                self._backoff.attempt,
                self._was_ready,
            )
        )
        if fault.fatal:
            held = self._held
            if held.end > held.watermark:
                self._delivery.dropped_audio(held.watermark, held.end)
                held.advance(held.end)
            self._answer_finalizes(now)

    def _connect_in(self, delay: float, now: float) -> None:
        # An attempt under way, or a session that is opening, comes first.
        if not (self._connecting or self._over) and self.standby is None:
            self._connect_at = now + delay

    def _restart(self, now: float) -> None:
        """Drop the active session on purpose and replay at once."""
        if self.active is not None:
            self.active.session.state = "over"
            self.active.closing = True
            self.active = None
        self._connect_in(0.0, now)
        self._maybe_switch(now)

    def _maybe_switch(self, now: float) -> None:
        """Make a ready standby the active session when the moment is right.

        While another session is alive that is a moment when nothing is
        undelivered, or the last one before that session expires.
        """
        link = self.standby
        if link is None or link.session.state != "ready":
            return
        if self.active is not None:
            old = self.active.session
            forced = old.switch_at is not None and now >= old.switch_at
            if link.for_change and self._change is not None:
                forced = forced or now >= self._change.force_at
            if not forced and (
                self.undelivered or self.active.held_at is not None
            ):
                return
            old.state = "over"
            self.active.closing = True
        self.standby = None
        self._activate(link, now)

    def _activate(self, link: Link, now: float) -> None:
        held = self._held
        session = link.session
        self.active = link
        if link.for_change:
            link.for_change = False
            self._end_change(None, now)
        if not held.complete:
            # Evicted while another session had it; that one is gone now.
            self._delivery.dropped_audio(held.watermark, held.start)
            held.advance(held.start)
        replayed = max(self._feed.peak - held.watermark, 0)
        self.replayed += replayed
        self.reconnects += self._was_ready
        session.begin_at(held.watermark)
        link.marked_to = held.watermark
        for position in self._finalizes.positions:
            # Also where the session before was past its decision.
            if position > held.watermark:
                held.mark(position)
        connect_s = session.ready_at - self._connecting_since
        self.results.append(
            SessionReady(
                session.id,
                round(connect_s * 1000),
                recovered=self._was_ready,
                replayed_ms=self._delivery.ms(replayed),
            )
        )
        self._was_ready = True
        self._pursue_change(now)
        self._answer_finalizes(now)

    # -- the wire ---------------------------------------------------------

    def next_message(self, link: Link, now: float) -> bytes | None:
        """The next message to send on this connection, or None for now."""
        outbox = link.session.outbox
        session = link.session
        stuck = link.closing or session.confused or session.updating
        if not outbox and link is self.active and not stuck:
            message = self._feed.next_message(link, now)
            if message is None:
                # A mark may have been passed over as silence.
                self._answer_finalizes(now)
            return message
        return outbox.popleft() if outbox else None

    def receive(self, link: Link, message: str | bytes, now: float) -> None:
        """Take one message from the server."""
        session = link.session
        if session.state == "over":
            return
        try:
            event = parse_event(message)
        except MalformedEvent:
            self.malformed += 1
            return
        turn = session.receive(event, now)
        if session.refused is not None:
            link.closing = True
            return
        if link is self.active and turn is not None:
            if event.type == "input_audio_buffer.committed":
                self.results.append(TurnCommitted(turn.item_id))
            self._deliver(now)
        if session.confused and link is self.active:
            self._leave_confused(session, now)
        self._maybe_switch(now)
        self._pursue_change(now)

    def _leave_confused(self, session: Session, now: float) -> None:
        """Replay once the turns that can be trusted are delivered."""
        head = session.head()
        if head is None or not head.committed:
            self._confusions += 1
            if self._confusions > TRUST:
                self._habits.chains = False
            delay = self._backoff.next_delay()
            self._restart(now)
            self._connect_in(delay, now)

    def pong(self, link: Link, now: float) -> None:
        """The PONG for the PING that was asked for arrived."""
        link.pong(now)

    # -- delivery ---------------------------------------------------------

    def _deliver(self, now: float) -> None:
        """Deliver the turns at the head that have their last word."""
        while self.active is not None:
            session = self.active.session
            turn = session.head()
            if turn is None or not turn.settled:
                self._delivery.interim(session)
                break
            if turn.failure is None:
                self._delivery.final(turn)
                self._pass(session, turn, now)
                # Before the text of what was said after it.
                self._answer_finalizes(now)
            elif not self._resend(now):
                code = fault_of_error(turn.failure).code
                text = f"transcription failed: {describe(turn.failure)}"
                self._fail(session, turn, Fault("report", code, text), now)
        self._answer_finalizes(now)

    def _resend(self, now: float) -> bool:
        """Send the first undelivered turn again, if that may still help."""
        if self._resent >= RESEND or not self._held.complete:
            return False
        self._resent += 1
        self._restart(now)
        return True

    def _fail(
        self, session: Session, turn: Turn, fault: Fault, now: float
    ) -> None:
        if turn.end is None:
            session.end_by_commit(turn)
        self._delivery.failed(turn, fault)
        self._pass(session, turn, now)

    def _pass(self, session: Session, turn: Turn, now: float) -> None:
        """``turn`` is over: move the watermark behind it."""
        session.finish(turn)
        self._resent = 0
        self._confusions = 0
        self._backoff.reset()
        head = session.head()
        if head is not None:
            head.waiting_since = max(head.waiting_since, now)
        if turn.end is not None:
            self._held.advance(turn.end)
            session.clock.forget_before(self._held.watermark)

    def _answer_finalizes(self, now: float) -> None:
        self.results.extend(self._finalizes.answers(self._covers, now))

    def _covers(self, position: int) -> bool:
        """Is everything said before ``position`` delivered?"""
        over = self._over or self.fatal is not None
        if over or self._held.watermark >= position:
            return True
        link = self.active
        if link is None or link.session.sent < position:
            return False
        mark = self._held.next_mark(link.marked_to)
        if mark is not None and mark <= position:
            return False
        session = link.session
        if any(commit.position <= position for commit in session.commits):
            return False
        return all(turn.begin >= position for turn in session.turns.values())

    # -- time -------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due; call at `deadline`, or any time before."""
        for link in (self.active, self.standby):
            if link is not None:
                self._tick_link(link, now)
        self._maybe_switch(now)
        self._pursue_change(now)
        self._answer_finalizes(now)

    def _tick_link(self, link: Link, now: float) -> None:
        session = link.session
        if session.state != "ready":
            if now >= self._session_due(session):
                self._abort(link, "the server accepted no session", now)
            return
        for info in session.take_problems(now - self._grace):
            self.results.append(ServerProblem(fault_of_error(info)))
        if link.is_silent(now):
            self._abort(link, "the server does not answer", now)
            return
        if link.ping_due(now):
            link.ask_ping(now)
        if link is not self.active:
            return
        link.end_hold(now)
        self._tick_turns(session, now)
        self._forget_quiet(link, now)
        due = self._rollover_due(session)
        if due is not None and now >= due:
            self._connect_at = now

    def _session_due(self, session: Session) -> float:
        return session.opened_at + self.limits.session_timeout_ms / 1000

    def _abort(self, link: Link, detail: str, now: float) -> None:
        link.closing = True
        self.closed(link, 1006, detail, now)

    def _tick_turns(self, session: Session, now: float) -> None:
        """A turn without an answer: send it again once, then report it."""
        if now < min(session.answer_times(self._turn_timeout), default=now + 1):
            return
        if self._resend(now):
            return
        fault = Fault("report", "no_result", "the server sent no result")
        turn = session.head()
        if turn is None:
            commit = session.commits.popleft()
            turn = Turn("", commit.begin, end=commit.position)
        unsure = not turn.item_id or turn.end is None
        self._fail(session, turn, fault, now)
        if unsure:
            # What the server says about it may come yet, and would be taken
            # for the next turn's.
            self._restart(now)
        self._deliver(now)

    def _forget_quiet(self, link: Link, now: float) -> None:
        """Let go of audio in which the server's detector found nothing."""
        position = link.take_heard(now)
        session = link.session
        if position is None or self.settings.turn_owner == "client":
            return
        if session.turns or session.commits or link.held_at is not None:
            return
        quiet = position - self._lead_in
        session.boundary = max(session.boundary, quiet)
        self._held.advance(quiet)
        self._backoff.reset()

    def _rollover_due(self, session: Session) -> float | None:
        """When to open the session that follows this one."""
        if self.standby is not None or self._connecting:
            return None
        return session.rollover_at if self._connect_at is None else None

    @property
    def _standby_ready(self) -> bool:
        link = self.standby
        return link is not None and link.session.state == "ready"

    def deadline(self) -> float | None:
        """When `tick` or `take_connect` has something to do next."""
        times = [
            time
            for time in (self._connect_at, self._finalizes.deadline)
            if time is not None
        ]
        if self._change is not None:
            waiting = self._change.tried or self.active is None
            times.append(self._change.give_up_at)
            if not waiting or self._standby_ready:
                times.append(self._change.force_at)
        for link in (self.active, self.standby):
            if link is None:
                continue
            session = link.session
            if session.state != "ready":
                times.append(self._session_due(session))
                continue
            times.extend(at + self._grace for at, _ in session.problems[:1])
            times.extend(link.times())
        if self.active is not None:
            session = self.active.session
            times.extend(session.answer_times(self._turn_timeout))
            due = self._rollover_due(session)
            if self.standby is not None:
                # One that is still opening tells when it is ready.
                due = session.switch_at if self._standby_ready else None
            if due is not None:
                times.append(due)
        return min(times, default=None)

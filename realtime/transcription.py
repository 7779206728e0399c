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

import sys

from .connections import CALL_OVER, Connections
from .events import MalformedEvent, parse_event
from .faults import Fault, describe, fault_of_error
from .handshake import NOT_CONFIRMED
from .items import Turn
from .link import Link
from .results import (
    ServerProblem,
    TurnCommitted,
)
from .session import MIN_COMMIT_MS, Session

#: A turn that fails or stays without an answer is sent again this often.
RESEND = 1
#: So many replays in a row without progress and the server's chain of items
#: is not what it seems; more where it mostly was.
TRUST = 5
MOST_TRUST = 20


class Transcription(Connections):
    """The state of one call."""

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

    # -- from the user ----------------------------------------------------

    def audio(self, data: bytes) -> bool:
        """Take wire audio; True when there is something to send now."""
        if self.fatal is not None:
            return False
        link = self.active
        sent = self._held.watermark if link is None else link.session.sent
        if self._held.append(data, sent):
            self._on_overflow(sent)
        return link is not None and self._feed.has_packet(link)

    def _on_overflow(self, reach: int) -> None:
        """The oldest audio gave way; a session has what is before ``reach``.

        What an open session has already received may still be delivered by
        it; only audio that no session will ever get is dropped for good.
        """
        held = self._held
        link = self.active
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
        self._take_ownership_of_speech(on)
        padding = None
        if on and skip_before_ms is not None:
            padding = skip_before_ms * self.settings.rate // 1000
        self._feed.skip_silence(padding)
        self._skip_before = padding or 0

    def _take_ownership_of_speech(self, on: bool) -> None:
        """What was said so far belongs to whoever listened until now: its
        turn ends here, if it is ours to end."""
        held = self._held
        # What was marked has its end, unless that is too short to commit.
        least = MIN_COMMIT_MS * self.settings.rate // 1000
        begin = held.watermark
        for mark in held.marks:
            if mark - begin >= least:
                begin = mark
        spoken = held.has_speech(begin, held.end)
        held.listen(on)
        if spoken and self.settings.turn_owner == "client":
            self.commit()

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
        quiet = position - self._lead_in
        if link is not None:
            self._feed.pass_quiet(link, quiet)
            quiet = min(position, link.session.sent) - self._lead_in
            if link.session.turns or link.session.commits:
                return
        if not (self._held.marks or self._held.detected):
            self._held.advance(quiet)

    def finalize(self, token: object, now: float) -> None:
        """Deliver everything received so far, then say so with `token`."""
        self._finalizes.ask(token, self._held.end, now)
        self.commit()
        self._settle(now)

    def end(self, now: float) -> None:
        """The call is over; what still waits for an answer gets it, and what
        is still held is reported."""
        if self._over:
            return
        if self.settings.turn_owner == "client":
            # What no commit was asked for is undelivered as well.
            self.commit()
        if self.undelivered and not self._covers(self._held.end):
            self._give_up_audio("stopped")
        self._over = True
        for link in (self.active, self.standby):
            if link is not None:
                # What it may yet say about audio given up comes too late.
                link.session.state = "over"
        self._connect_at = None
        self._end_change(CALL_OVER, now)
        self._settle(now)

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
        if turn is not None and self.settings.turn_owner == "server":
            link.looked_to(max(turn.begin, session.boundary), now)
        if self._handshake_failed(link, now):
            return
        if link is self.active and turn is not None:
            if event.type == "input_audio_buffer.committed":
                self.results.append(TurnCommitted(turn.item_id))
            self._deliver(now)
        if session.confused and link is self.active:
            self._leave_confused(session, now)
        self._settle(now)

    def _handshake_failed(self, link: Link, now: float) -> bool:
        """Tell what there is to tell about a handshake; True if it failed."""
        handshake = link.session.handshake
        self.results.extend(ServerProblem(f) for f in handshake.notices)
        handshake.notices.clear()
        if handshake.failure is None:
            return False
        self.broke(link, handshake.failure, now)
        return True

    def _leave_confused(self, session: Session, now: float) -> None:
        """Replay once the turns that can be trusted are delivered."""
        head = session.head()
        if head is None or not head.committed:
            self._confusions += 1
            trust = min(max(TRUST, self._habits.links), MOST_TRUST)
            if self._confusions > trust:
                self._habits.chains = False
            self._restart(now, self._backoff.next_delay())

    def pong(self, link: Link, now: float) -> None:
        """The PONG for the PING that was asked for arrived."""
        link.pong(now)
        quiet = link.take_quiet()
        if quiet is not None and link is self.active:
            self._forget_quiet(link, quiet)
        self._settle(now)

    # -- delivery ---------------------------------------------------------

    def _deliver(self, now: float) -> None:
        """Deliver the turns at the head that have their last word."""
        while self.active is not None:
            session = self.active.session
            turn = session.head()
            if session.in_doubt:
                break
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
        self._restart(now, self._backoff.next_delay())
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
        head = session.head()
        if head is not None:
            head.waiting_since = max(head.waiting_since, now)
        if turn.end is not None:
            self._held.advance(turn.end)
            self._on_progress()
            session.clock.forget_before(self._held.watermark)

    # -- time -------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due; call at `deadline`, or any time before."""
        for link in (self.active, self.standby):
            if link is not None:
                self._tick_link(link, now)
        self._settle(now)

    def _tick_link(self, link: Link, now: float) -> None:
        session = link.session
        if not self._is_ready(link, now):
            return
        for info in session.take_problems(now - self._grace):
            self.results.append(ServerProblem(fault_of_error(info)))
        if link.is_silent(now):
            text = "the server does not answer, or does not read"
            self.broke(link, Fault("retry", "no_answer", text), now)
            return
        if link.ping_due(now):
            link.ask_ping(now)
        if link is not self.active:
            return
        link.tick_hold(now)
        if session.handshake.stage == "trial":
            self._tick_trial(link, now)
        else:
            self._tick_turns(session, now)
        due = self._rollover_due(session)
        if link is self.active and due is not None and now >= due:
            self._connect_at = now

    def _is_ready(self, link: Link, now: float) -> bool:
        """Go on with the handshake, unless it is done."""
        session = link.session
        if session.state == "opening":
            session.handshake.tick(now)
            session.look_at_handshake(now)
            self._handshake_failed(link, now)
        return session.state == "ready"

    def _tick_trial(self, link: Link, now: float) -> None:
        """A server that confirmed nothing must say something about speech."""
        session = link.session
        if now < self._trial_due(session):
            return
        if self._held.has_speech(self._held.watermark, session.sent):
            text = "the server sent no session.updated, nor a word about audio"
            self.broke(link, Fault("retry", NOT_CONFIRMED, text), now)
        else:
            session.handshake.trial_since = now

    def _trial_due(self, session: Session) -> float:
        return session.handshake.trial_since + self._turn_timeout

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

    def _forget_quiet(self, link: Link, position: int) -> None:
        """Let go of audio in which the server's detector found nothing."""
        session = link.session
        if self.settings.turn_owner == "client":
            return
        if session.turns or session.commits or link.hold is not None:
            return
        if session.handshake.stage == "trial":
            # Its silence proves nothing.
            return
        quiet = position - self._lead_in
        session.boundary = max(session.boundary, quiet)
        self._held.advance(quiet)
        self._on_progress()

    def _rollover_due(self, session: Session) -> float | None:
        """When to open the session that follows this one."""
        busy = self.standby is not None or self._attempt is not None
        if busy or self._spare_refused or self._connect_at is not None:
            return None
        return session.rollover_at

    def deadline(self) -> float | None:
        """When `tick` or `take_connect` has something to do next."""
        times = [
            time
            for time in (self._connect_at, self._finalizes.deadline)
            if time is not None
        ]
        change, spare = self._change, self.standby
        if change is not None:
            times.append(change.give_up_at)
            takes_over = spare is not None and spare.change is change
            if self.active is not None and (
                change.stage == "waits" or (takes_over and self._standby_ready)
            ):
                times.append(change.force_at)
        for link in (self.active, self.standby):
            if link is None:
                continue
            session = link.session
            if session.state != "ready":
                times.append(session.handshake.due())
                continue
            times.extend(at + self._grace for at, _ in session.problems[:1])
            times.extend(link.times())
        if self.active is not None:
            session = self.active.session
            if session.handshake.stage == "trial":
                times.append(self._trial_due(session))
            else:
                times.extend(session.answer_times(self._turn_timeout))
            due = self._rollover_due(session)
            if self.standby is not None:
                # One that is still opening tells when it is ready.
                due = session.switch_at if self._standby_ready else None
            if due is not None:
                times.append(due)
        return min(times, default=None)

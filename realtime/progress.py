"""What is delivered, what is sent again for it, and what is given up.

The watermark of `AudioBuffer` moves here, but for silence that `feed` discards
before a turn.
"""

from __future__ import annotations

from .audio_buffer import AudioBuffer
from .early_finals import EarlyFinals
from .errors import describe
from .faults import Fault, fault_of_error
from .feed import Feed
from .finalizes import FinalizeQueue
from .handshake import NOT_CONFIRMED
from .limits import Limits
from .link import Link
from .result_queue import ResultQueue
from .results import DropCause
from .session import Session
from .sessions import Sessions
from .turn import Turn

#: A turn that fails or stays without an answer is sent again this often.
RESEND = 1
#: So many replays in a row without progress and the server's chain of items
#: is not what it seems; more where it mostly was.
TRUST = 5
MOST_TRUST = 20
#: So much audio has to be delivered before the back-off begins anew, in ms.
_PROGRESS_MS = 300


class Progress:
    """Takes the turns at the head of the active session, one after the other.

    ``finalizes`` are answered as what they wait for is delivered.  ``early``
    ends turns whose time is up.
    """

    def __init__(
        self,
        buffer: AudioBuffer,
        feed: Feed,
        queue: ResultQueue,
        sessions: Sessions,
        limits: Limits,
    ) -> None:
        self.finalizes = FinalizeQueue(limits.finalize_timeout_ms)
        self.early = EarlyFinals(self.finalizes, limits.final_timeout_ms)
        self._buffer = buffer
        self._feed = feed
        self._queue = queue
        self._sessions = sessions
        self._turn_timeout = limits.turn_timeout_ms / 1000
        #: How often the first undelivered turn was sent again.
        self._resent = 0
        #: Replays for a broken chain since the last turn was delivered.
        self._breaks = 0
        #: What was delivered when the back-off began anew.
        self._progress_at = 0

    # -- what is delivered -----------------------------------------------

    @property
    def undelivered(self) -> bool:
        """Is there held audio that is not known to be silent?"""
        buffer, link = self._buffer, self._sessions.active
        if link is not None and link.session.turns.pending:
            return True
        return buffer.has_speech(buffer.watermark, buffer.end)

    def covers(self, position: int) -> bool:
        """Is everything said before ``position`` delivered, or given up?"""
        sessions = self._sessions
        if sessions.over or self._buffer.watermark >= position:
            return True
        link = sessions.active
        if link is None or link.session.sent < position:
            return False
        mark = self._buffer.next_mark(link.marked_to)
        if mark is not None and mark <= position:
            return False
        turns = link.session.turns
        return not any(
            begun.begin < position for begun in (*turns.commits, *turns)
        )

    def answer_finalizes(self, now: float) -> None:
        """Tell the end of those for which everything is delivered."""
        for end in self.finalizes.covered(self.covers, now):
            self._queue.tell(end)

    def deliver(self, now: float) -> None:
        """Deliver the turns at the head that have their last word, or whose
        time is up; then tell the end of the finalizes that are due."""
        while (link := self._sessions.active) is not None:
            session = link.session
            turn = session.turns.head()
            if session.items.chain.in_doubt:
                break
            self.early.look_at(session, now)
            if turn is None or not turn.decided:
                self._queue.interim(session)
                break
            if turn.failure is None:
                self._queue.final(turn)
                self._pass(session, turn, now)
                # Before the text of what was said after it.
                self.answer_finalizes(now)
            elif not self._resend(now):
                code = fault_of_error(turn.failure).code
                text = f"transcription failed: {describe(turn.failure)}"
                self._fail(session, turn, Fault("report", code, text), now)
        if link is not None and link.session.items.chain.broken:
            self._replay_broken_chain(link.session, now)
        for end in self.finalizes.answers(self.covers, now):
            self._queue.tell(end)

    def _pass(self, session: Session, turn: Turn, now: float) -> None:
        """``turn`` is over: move the watermark behind it."""
        session.turns.finish(turn)
        self._resent = 0
        self._breaks = 0
        head = session.turns.head()
        if head is not None:
            head.wait_from(now)
        if turn.end is not None:
            self._advance(turn.end)
            session.audio.forget_before(self._buffer.watermark)

    def _advance(self, position: int) -> None:
        """Everything before ``position`` is delivered.

        It takes some audio to say that what was lost before has been made up
        for: a server that ends each session with a word or an error would be
        dialed without an end.
        """
        buffer = self._buffer
        buffer.advance(position)
        step = self._queue.samples(_PROGRESS_MS)
        if buffer.watermark - self._progress_at >= step:
            self._progress_at = buffer.watermark
            self._sessions.progressed()

    # -- what is sent again ----------------------------------------------

    def _resend(self, now: float) -> bool:
        """Send the first undelivered turn again, if that may still help."""
        if self._resent >= RESEND or not self._buffer.complete:
            return False
        self._resent += 1
        self._replay(now)
        return True

    def _replay(self, now: float) -> None:
        sessions = self._sessions
        sessions.drop_active(now, sessions.retry_delay())

    def _replay_broken_chain(self, session: Session, now: float) -> None:
        """A notice was lost: replay once the turns that can be trusted are
        delivered."""
        head = session.turns.head()
        if head is not None and head.committed:
            return
        self._breaks += 1
        habits = self._sessions.habits
        if self._breaks > min(max(TRUST, habits.links), MOST_TRUST):
            habits.chains = False
        self._replay(now)

    # -- what is given up ------------------------------------------------

    def answer_times(self, session: Session) -> list[float]:
        """Until when the server should have answered, in seconds."""
        if session.handshake.on_trial:
            return [session.handshake.trial_since + self._turn_timeout]
        return session.turns.answer_times(self._turn_timeout)

    def check_answers(self, session: Session, now: float) -> Fault | None:
        """What no answer comes to: a turn is sent again once, then reported; a
        session on trial is given up, for the reason that is returned."""
        if now < min(self.answer_times(session), default=now + 1):
            return None
        if session.handshake.on_trial:
            return self._check_trial(session, now)
        if self._resend(now):
            return None
        fault = Fault("report", "no_result", "the server sent no result")
        turn = session.turns.head()
        if turn is None:
            commit = session.turns.commits.popleft()
            turn = Turn("", commit.begin, session.settings, commit.end)
        unsure = not turn.item_id or turn.end is None
        self._fail(session, turn, fault, now)
        if unsure:
            # What the server says about it may come yet, and would be taken
            # for the next turn's.
            self._sessions.drop_active(now)
        self.deliver(now)
        return None

    def _check_trial(self, session: Session, now: float) -> Fault | None:
        """A server that confirmed nothing must say something about speech."""
        if self._buffer.has_speech(self._buffer.watermark, session.sent):
            text = "the server sent no session.updated, nor a word about audio"
            return Fault("retry", NOT_CONFIRMED, text)
        session.handshake.extend_trial(now)
        return None

    def _fail(
        self, session: Session, turn: Turn, fault: Fault, now: float
    ) -> None:
        if turn.end is None:
            session.turns.end_by_commit(turn)
        self._queue.failed(turn, fault)
        self._pass(session, turn, now)

    def give_up(self, cause: DropCause) -> None:
        """What is held will not be delivered any more."""
        buffer = self._buffer
        if buffer.end > buffer.watermark:
            self._queue.dropped_audio(buffer.watermark, buffer.end, cause)
            buffer.advance(buffer.end)

    def lost_to_bound(self, reach: int) -> None:
        """The oldest audio gave way; a session has what is before ``reach``.

        What an open session has already received may still be delivered by
        it; only audio that no session will ever get is dropped for good.
        """
        buffer, link = self._buffer, self._sessions.active
        if buffer.start <= reach:
            return
        self._queue.dropped_audio(reach, buffer.start)
        if link is None:
            buffer.advance(buffer.start)
        else:
            link.session.audio.skip_to(buffer.start)

    def begin_replay(self, link: Link) -> int:
        """Feed a session that took over from the watermark on; returns how
        many samples another one had already."""
        buffer = self._buffer
        if not buffer.complete:
            # Evicted while another session had it; that one is gone now.
            self._queue.dropped_audio(buffer.watermark, buffer.start)
            buffer.advance(buffer.start)
        link.begin_at(buffer.watermark)
        for position in self.finalizes.positions:
            # Also where the session before was past its decision.
            if position > buffer.watermark:
                buffer.mark(position)
        return max(self._feed.sent_to - buffer.watermark, 0)

    # -- silence ---------------------------------------------------------

    def on_server_quiet(self, link: Link, position: int) -> None:
        """The server's detector heard all before ``position``, and found
        nothing in what no turn has."""
        session = link.session
        turns = session.turns
        if turns.by_client or turns.pending or link.hold is not None:
            return
        if session.handshake.on_trial:
            # Its silence proves nothing.
            return
        quiet = position - self._feed.lead_in
        turns.begin_at(max(turns.boundary, quiet))
        self._advance(quiet)

    def on_local_quiet(self, position: int) -> None:
        """The local detector is sure that no turn is open at ``position``."""
        buffer, link = self._buffer, self._sessions.active
        quiet = position - self._feed.lead_in
        if link is not None:
            self._feed.skip_quiet(link, quiet)
            quiet = min(position, link.session.sent) - self._feed.lead_in
            if link.session.turns.pending:
                return
        if not (buffer.marks or buffer.detected):
            buffer.advance(quiet)

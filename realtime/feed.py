"""What goes out on the active connection: audio, and commits at marks."""

from __future__ import annotations

from .audio_buffer import AudioBuffer
from .caution import Caution
from .limits import Limits
from .link import Link
from .session import MIN_COMMIT_MS, Session
from .settings import SessionSettings
from .silence_skip import SilenceSkip
from .turn_bound import TurnBound

#: Audio kept before a moment at which no speech is known yet, in ms.
LEAD_IN_MS = 1000
#: Where it is known when speech begins, in ms: that may be found late.
ONSET_MARGIN_MS = 200
#: A local detector looks for the place to cut in the last part of a turn,
#: and reports it at most so late, in ms.
CUT_SEARCH_MS = 4500
CUT_LAG_MS = 450


class Feed:
    """Draws messages from the buffer for one session after the other.

    ``skip``: what is left out.
    """

    def __init__(
        self,
        buffer: AudioBuffer,
        settings: SessionSettings,
        limits: Limits,
        caution: Caution,
    ) -> None:
        def samples(ms: int) -> int:
            return ms * settings.rate // 1000

        self._buffer = buffer
        self._caution = caution
        self._packet = samples(limits.packet_ms)
        # What is resampled comes in blocks of about a packet.
        self._enough = self._packet * 3 // 4
        self._enough_quiet = max(
            samples(limits.quiet_packet_ms) - self._packet // 4, self._enough
        )
        self._replay_packet = samples(limits.replay_packet_ms)
        self._min_commit = samples(MIN_COMMIT_MS)
        self._bound = TurnBound(buffer, limits, settings.rate)
        self._cut_search = samples(limits.max_turn_ms - CUT_SEARCH_MS)
        self._cut_lag = samples(CUT_LAG_MS)
        self._least_lead_in = samples(LEAD_IN_MS)
        self._margin = samples(ONSET_MARGIN_MS)
        self.skip = SilenceSkip(buffer)
        self._is_quiet = False
        self._known_to: int | None = None
        #: The furthest position that any session was sent.
        self.sent_to = 0
        self.configure(settings)

    def configure(self, settings: SessionSettings) -> None:
        """From now on the session works with these settings."""
        self._client_turns = settings.turn_owner == "client"
        self._buffer.trust_detector(self._client_turns)
        self.skip.is_allowed = self._client_turns
        self._padding = settings.prefix_padding_ms * settings.rate // 1000

    @property
    def lead_in(self) -> int:
        """Audio that is kept before a moment without speech, in samples."""
        return self._least_lead_in + self._padding + (self.skip.before or 0)

    @property
    def least_lead_in(self) -> int:
        """The same where it is known when the speech begins."""
        return self._padding + self._margin

    def listened(self, quiet: bool, known_to: int | None) -> None:
        """A local detector's word.

        ``quiet``: nothing stands out just now, so live audio may wait for more
        of it.  ``known_to``: it does not know yet what the open turn has of the
        audio from this position on; None: it has all.
        """
        self._is_quiet, self._known_to = quiet, known_to

    def _knows(self) -> int | None:
        """``known_to``, where it is the detector that ends the turns."""
        return self._known_to if self._client_turns else None

    def skip_quiet(self, link: Link, position: int) -> None:
        """No turn begins before ``position``; so it need not be sent."""
        if self._buffer.next_mark(link.marked_to) is None:
            self.skip.pass_quiet(link.session, position)

    def discard_silence(self, session: Session) -> None:
        """Begin a turn anew where nothing was said since the last one.

        Where the client ends the turns, or will.  Other settings hold for the
        next turn only, and silence that was sent is the beginning of one.
        """
        start = session.turns.boundary
        if session.sent > start and self._bound.is_silence(session):
            # What is said just now may not be recognised as speech yet.
            begin = max(session.sent - self._least_lead_in, start)
            begin = max(begin, self._buffer.start)
            session.clear(begin)
            if not session.turns.pending:
                self._buffer.advance(begin)

    def has_packet(self, link: Link) -> bool:
        """Is there enough audio, and may it be sent now?"""
        if link.is_full or self._caution.holds(link):
            return False
        if self.skip.waits(link.session) or self._is_barred(link):
            return False
        waiting = self._sendable(link) - link.session.sent
        return not (self._is_little(link, waiting) or self._is_held(link))

    def _is_held(self, link: Link) -> bool:
        """Does sending wait at a mark?  What was delivered meanwhile, or gave
        way, may have had that."""
        hold = link.hold
        if hold is None:
            return False
        return hold.mark == self._buffer.next_mark(link.marked_to)

    def next_message(self, link: Link, now: float) -> bytes | None:
        """The next message with audio or a commit, or None for now."""
        session = link.session
        if self._caution.holds(link):
            return None
        while True:
            mark = self._buffer.next_mark(link.marked_to)
            stop = self._caution.stop(link)
            if mark is not None and stop is not None and mark >= stop:
                # What follows waits: an open turn has no other end.
                mark = mark if mark == stop else None
                self._buffer.uncut(stop)
            if not self.skip.go_on(session, mark):
                return None
            limit = self._sendable(link) if mark is None else mark
            waiting = limit - session.sent
            if waiting > 0:
                if link.is_full or (
                    mark is None and self._is_little(link, waiting)
                ):
                    return None
                return self._append(link, waiting, now)
            if mark is None:
                return None
            if self._server_may_notice(link, mark, now):
                return None
            due = self._commit_is_due(session, mark)
            link.answers.wanted = due and session.commits_wait
            if link.answers.wanted:
                link.ask_about_commits(now)
                return None
            link.mark_done(mark)
            if due:
                return session.commit(now)
            if self._is_needless(session, mark):
                self._buffer.unmark(mark)

    def _sendable(self, link: Link) -> int:
        """Up to where audio may go out when no commit is known yet."""
        end = self._buffer.local.end_before_cut(
            self._buffer.end, self._cut_search, self._cut_lag
        )
        for stop in (self._knows(), self._caution.stop(link)):
            end = end if stop is None else min(end, stop)
        return max(end, link.session.sent)

    def _is_little(self, link: Link, waiting: int) -> bool:
        """Is it too early to send so many samples, of a turn without end?"""
        if not self._caution.careful:
            is_quiet = self._is_quiet and self._client_turns
            return waiting < (self._enough_quiet if is_quiet else self._enough)
        # Where a local detector will tell its end, that is waited for.
        told = self._client_turns and self._buffer.local.spans is not None
        return told or self._caution.is_little(link, waiting)

    def _append(self, link: Link, waiting: int, now: float) -> bytes:
        session, caution = link.session, self._caution
        if caution.careful:
            size = caution.next_size(waiting, now)
        else:
            size = self._size(session, waiting)
        data = self._buffer.read(session.sent, session.sent + size)
        message = session.append(data, size)
        link.audio_sent(size, now)
        if caution.careful:
            # The PONG shows that it did not end the session.
            link.ask_ping(now)
        self.sent_to = max(self.sent_to, session.sent)
        if not self._bound.look(session):
            self.discard_silence(session)
        return message

    def _size(self, session: Session, waiting: int) -> int:
        if session.sent >= self.sent_to and waiting <= 4 * self._packet:
            # Live audio all goes out: a rest would be late by a packet.
            return waiting
        size = min(self._replay_packet, waiting)
        soon = self._bound.soon(session)
        # Then a pause is looked for after each packet.
        return size if soon is None else min(size, max(soon, self._packet))

    def _is_barred(self, link: Link) -> bool:
        """Is there a mark that no commit may be sent for yet?"""
        if not link.session.commits_wait:
            return False
        mark = self._buffer.next_mark(link.marked_to)
        return mark is not None and mark <= link.session.sent

    def _commit_is_due(self, session: Session, mark: int) -> bool:
        if not self._client_turns:
            turn = session.turns.open_turn()
            if turn is None or not self._bound.has_made(mark):
                return turn is not None
            return self._bound.is_long(turn.begin, mark)
        # What gave way meanwhile was not sent.
        if session.audio.sent_since(session.turns.boundary) < self._min_commit:
            return False
        turns = session.turns
        return turns.said or self._buffer.has_speech(turns.boundary, mark)

    def mark(self, link: Link | None, position: int) -> None:
        """A commit belongs there; if that was passed over, a turn may be known
        by now."""
        self._buffer.mark(position)
        if link and link.session.turns.uncommitted_turn() is not None:
            link.marked_to = min(link.marked_to, position - 1)

    def _is_needless(self, session: Session, mark: int) -> bool:
        """Is there nothing to commit at a mark in a replay either?"""
        turns = session.turns
        if self._client_turns:
            # What is too short now may not be where a replay begins.
            return not self._buffer.has_speech(turns.boundary, mark)
        if self._bound.has_made(mark):
            return True
        return not turns.pending and (
            self._buffer.sound(turns.boundary, mark) is None
        )

    def _server_may_notice(self, link: Link, mark: int, now: float) -> bool:
        """Wait while the server may be about to notice speech before `mark`.

        A commit without an open turn would cut a tail of noise off as a turn
        of its own, to which models invent text.
        """
        session = link.session
        if self._client_turns:
            return False
        turn = session.turns.open_turn()
        if turn is not None and not self._bound.has_made(mark):
            return False
        start, hold = session.turns.boundary, link.hold
        news = hold is None or (hold.mark, hold.start) != (mark, start)
        if news and turn is None and not self._buffer.has_speech(start, mark):
            return False
        if hold is None or hold.mark != mark:
            link.begin_hold(mark, start, now)
        else:
            hold.look_from(start)
        return link.is_held(now)

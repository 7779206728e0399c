"""What is sent again, when, and how much of it at once."""

from __future__ import annotations

import random

from .audio_buffer import AudioBuffer
from .caution import Caution
from .faults import Fault, passes, wish_s
from .feed import Feed
from .finalizes import FinalizeQueue
from .limits import Limits
from .link import Link
from .resend import Resend
from .result_queue import ResultQueue
from .results import ServerProblem
from .session import Session
from .sessions import Sessions
from .turn import Turn

#: So many replays in a row without progress and the server's chain of items
#: is not what it seems; more where it mostly was.
TRUST = 5
MOST_TRUST = 20
#: Where a turn is passed over, what follows without such a pause goes, too.
_PAUSE_MS = 120


class Replay:
    """Feeds a session from the watermark on: one that takes over, or the same
    once more where a turn failed.

    ``replayed``: samples that were sent more than once.
    """

    def __init__(
        self,
        buffer: AudioBuffer,
        feed: Feed,
        queue: ResultQueue,
        sessions: Sessions,
        finalizes: FinalizeQueue,
        caution: Caution,
        limits: Limits,
        rng: random.Random,
    ) -> None:
        self._buffer = buffer
        self._feed = feed
        self._queue = queue
        self._sessions = sessions
        self._finalizes = finalizes
        self._caution = caution
        self._rng = rng
        self._resend = Resend(limits.turn_timeout_ms / 1000, rng)
        #: Is the active session fed again, and has it delivered nothing?
        self._barren = False
        self.replayed = 0
        #: The furthest that sessions were sent which ended on one turn.
        self._ended_at = 0
        #: Replays for a broken chain since the last turn was delivered.
        self._breaks = 0

    def begin(self, link: Link, now: float) -> int:
        """Feed a session that took over; returns how many samples another one
        had already."""
        buffer = self._buffer
        if not buffer.complete:
            # Evicted while another session had it; that one is gone now.
            self._queue.dropped_audio(buffer.watermark, buffer.start)
            buffer.advance(buffer.start)
        link.begin_at(self._first_position())
        self._repeat_marks()
        self._caution.hold(self._wishes(now))
        replayed = max(self._feed.sent_to - buffer.watermark, 0)
        self._barren = replayed > 0
        self.replayed += replayed
        return replayed

    def _first_position(self) -> int:
        """Where to begin: who is careful spares the session the silence."""
        buffer = self._buffer
        first = None
        if self._caution.careful:
            first = buffer.first_sound(buffer.watermark)
        if first is None:
            return buffer.watermark
        return max(buffer.watermark, first - self._feed.least_lead_in)

    def _wishes(self, now: float) -> list[tuple[int, float]]:
        """What a turn was refused for is no better in another session; but the
        buffer's bound does not wait."""
        buffer = self._buffer
        if buffer.nearly_full:
            return []
        return self._resend.wishes(buffer.watermark, now)

    def _repeat_marks(self) -> None:
        for position in self._finalizes.positions:
            # Also where the session was past its decision.
            if position > self._buffer.watermark:
                self._buffer.mark(position)

    def again(self, now: float) -> None:
        """Leave the active session; another one is fed."""
        self._sessions.drop_active(now, self._sessions.retry_delay(now))

    def turn_is_over(self) -> None:
        """The first undelivered turn got its final, or is given up."""
        self._resend.over()
        self._breaks = 0

    def delivered(self) -> None:
        """A final went out."""
        self._barren = False
        self._caution.delivered()

    # -- turns that fail ----------------------------------------------------

    @property
    def waits(self) -> bool:
        """Did a turn fail that is to be sent again?"""
        return self._resend.waits

    def times(self) -> list[float]:
        """When something of this becomes due."""
        return self._resend.times()

    def heard(self, turn: Turn) -> None:
        """The service said something about a turn: perhaps when to try
        again."""
        wish = 0.0 if turn.failure is None else wish_s(turn.failure)
        if wish:
            wish *= self._rng.uniform(1.0, 1.1)
            self._resend.wish(turn, turn.failed_at + wish)

    def turn_failed(self, turn: Turn, now: float) -> bool:
        """The first undelivered turn failed; will it be sent again?"""
        buffer, failure = self._buffer, turn.failure
        assert failure is not None
        if not buffer.complete or buffer.nearly_full:
            return False
        wishes = self._resend.wishes(buffer.watermark, now)
        not_before = max(
            (at for position, at in wishes if position <= turn.begin),
            default=now,
        )
        return self._resend.plan(now, not_before, not passes(failure))

    def no_answer(self, now: float) -> bool:
        """The first undelivered turn has no answer; is it sent again?"""
        if not self._buffer.complete or not self._resend.once(now):
            return False
        text = "the server sent no result for a turn; it is sent again"
        self._queue.tell(ServerProblem(Fault("report", "no_result", text)))
        self.again(now)
        return True

    def pursue(self, now: float) -> None:
        """Send what failed again, if its time has come.  A pause is the time
        for the same session; where none comes, another one gets it."""
        resend, link = self._resend, self._sessions.active
        if link is None or not resend.is_due(now):
            return
        failed = link.session.turns.head()
        if failed is None or failed.failure is None:
            # Another session than that in which it failed.
            resend.sent()
        elif self._is_pause(link.session):
            resend.sent()
            self.replayed += self._feed.sent_to - self._buffer.watermark
            link.rewind(self._first_position())
            self._repeat_marks()
            self._caution.hold(self._wishes(now))
        elif resend.hurries(now):
            resend.sent()
            self.again(now)

    def _is_pause(self, session: Session) -> bool:
        """Is nothing on its way that could be taken for what comes next?"""
        turns = session.turns
        if session.stuck or session.items.chain.in_doubt or turns.commits:
            return False
        if not all(turn.decided for turn in turns):
            return False
        return self._buffer.sound(turns.boundary, session.sent) is None

    def check_commits(self, link: Link, now: float) -> bool:
        """Is there no answer to a commit?  The service swallowed it, or its
        notice was lost, and all answers are a turn off: then all that is not
        delivered is sent again."""
        until = link.answers.until()
        if until is None or now < until:
            return False
        habits = self._sessions.habits
        habits.misses = habits.one_by_one = True
        text = "the server did not answer a commit; it is sent again"
        self._queue.tell(ServerProblem(Fault("report", "no_result", text)))
        self.again(now)
        return True

    def chain_broke(self, session: Session, now: float) -> None:
        """A notice was lost: replay once the turns that can be trusted are
        delivered."""
        head = session.turns.head()
        if head is not None and head.committed:
            return
        self._breaks += 1
        habits = self._sessions.habits
        if self._breaks > min(max(TRUST, habits.links), MOST_TRUST):
            habits.chains = False
        self.again(now)

    # -- sessions that end --------------------------------------------------

    def session_ended(self, link: Link, weight: float) -> None:
        """The active one, not by our wish.  ``weight``: how likely what it
        was sent is to blame, 0 to 1."""
        begin, sent = self._buffer.watermark, link.session.sent
        if not self._barren:
            return
        if not self._caution.careful:
            self._caution.replay_ended()
            self._ended_at = 0
        elif self._buffer.has_speech(begin, sent):
            self._ended_at = max(self._ended_at, sent)
            if self._caution.turn_ended(weight):
                self._pass_over(link.session, self._ended_at)
                self._ended_at = 0

    def _pass_over(self, session: Session, sent: int) -> None:
        """Report the first undelivered turn, and go on behind it."""
        buffer = self._buffer
        end = self._end_of_first(session, sent)
        turn = Turn("", buffer.watermark, session.settings, end)
        text = "each session ends while it transcribes this turn"
        self._queue.failed(turn, Fault("report", "turn_ends_sessions", text))
        self._resend.over()
        buffer.advance(end)

    def _end_of_first(self, session: Session, sent: int) -> int:
        """Where the first undelivered turn ends, as far as is known."""
        buffer, head = self._buffer, session.turns.head()
        if session.turns.by_client:
            mark = buffer.next_mark(buffer.watermark)
            if mark is not None:
                return mark
        elif head is not None and head.end is not None:
            return head.end
        longest = self._queue.samples(session.settings.longest_pause_ms)
        begin = buffer.first_sound(buffer.watermark)
        if begin is not None and longest:
            pause = buffer.first_pause(begin, sent, longest)
            if pause is not None:
                return pause
        return buffer.pause_after(sent, self._queue.samples(_PAUSE_MS))

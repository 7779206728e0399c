"""What is sent again, when, and how much of it at once."""

from __future__ import annotations

import random

from .audio_buffer import AudioBuffer
from .caution import Caution
from .faults import Fault, fault_of_turn, passes
from .feed import Feed
from .finalizes import FinalizeQueue
from .first_turn import PAUSE_MS, end_of_first
from .link import Link
from .resend import Resend
from .result_queue import ResultQueue
from .results import ServerProblem
from .session import Session
from .sessions import Sessions
from .settings import SessionSettings
from .turn import Turn
from .wishes import Wishes

#: So many replays in a row without progress and the server's chain of items
#: is not what it seems; more where it mostly was.
TRUST = 5
MOST_TRUST = 20


class Replay:
    """Feeds a session from the watermark on: one that takes over, or the same
    once more where a turn failed.  ``replayed``: samples that were sent again.
    """

    def __init__(
        self,
        buffer: AudioBuffer,
        feed: Feed,
        queue: ResultQueue,
        sessions: Sessions,
        finalizes: FinalizeQueue,
        caution: Caution,
        rng: random.Random,
    ) -> None:
        self._buffer = buffer
        self._feed = feed
        self._queue = queue
        self._sessions = sessions
        self._finalizes = finalizes
        self._caution = caution
        self._wishes = Wishes(buffer, feed, rng)
        self._resend = Resend(rng)
        #: Is the active session one that is fed again, for nothing yet?
        self._barren = False
        self.replayed = 0
        #: The furthest that sessions were sent which ended on one turn.
        self._ended_at = 0
        #: Replays for a broken chain since the last turn was delivered.
        self._breaks = 0

    def begin(self, link: Link, now: float) -> int:
        """Feed a session; returns how many samples another one had already."""
        self._drop_gone()
        if self._resend.goes_to(link.attempt.endpoint, link.session.answer_s):
            # Another service named none of these times.
            self._wishes.clear()
        link.begin_at(self._first_position())
        self._prepare(now)
        replayed = max(self._feed.sent_to - self._buffer.watermark, 0)
        self._barren = replayed > 0
        self.replayed += replayed
        return replayed

    def _begin_again(self, link: Link, now: float) -> None:
        """Feed the active session from the watermark on once more."""
        self._drop_gone()
        link.rewind(self._first_position())
        self._prepare(now)

    def _drop_gone(self) -> None:
        """What gave way while a session had it will not come from that."""
        buffer = self._buffer
        if not buffer.complete:
            self._queue.dropped_audio(buffer.watermark, buffer.start)
            buffer.advance(buffer.start)

    def _prepare(self, now: float) -> None:
        """What a session is fed from the watermark on, and what not."""
        self._caution.anew()
        self._hold(now)
        for position in self._finalizes.positions:
            # Also where the session was past its decision.
            if position > self._buffer.watermark:
                self._buffer.mark(position)

    def _first_position(self) -> int:
        """Where to begin: who is careful spares the session the silence."""
        buffer = self._buffer
        careful = self._caution.careful
        first = buffer.first_sound(buffer.watermark) if careful else None
        lead_in = self._feed.least_lead_in
        return max(buffer.watermark, (first or 0) - lead_in)

    def _hold(self, now: float) -> None:
        """What a turn was refused for is no better in another session; but the
        buffer's bound does not wait."""
        full = self._buffer.nearly_full
        self._caution.hold([] if full else self._wishes.holds(now))

    def again(self, now: float) -> None:
        """Leave the active session; another one is fed."""
        self._sessions.drop_active(now, lost=True)

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

    def times(self, link: Link) -> list[float]:
        """When something of this becomes due."""
        return self._resend.times() if self.waits else self._wishes.times(link)

    def heard(self, turn: Turn) -> None:
        """The service said something about a turn."""
        self._wishes.heard(turn)

    def turn_failed(self, turn: Turn, now: float) -> bool:
        """The first undelivered turn failed; will it be sent again?"""
        buffer, failure = self._buffer, turn.failure
        assert failure is not None
        if not buffer.complete or buffer.nearly_full:
            return False
        not_before = self._wishes.not_before(turn, now)
        resend, end = self._resend, turn.end or turn.begin
        # Another session may hear one turn where the one before heard two.
        grew = buffer.sound(min(resend.reach, end), end) is not None
        resend.reach = end
        return resend.plan(now, not_before, not passes(failure), grew)

    def no_answer(self, now: float) -> bool:
        """The first undelivered turn has no answer; is it sent again?"""
        if not self._buffer.complete or not self._resend.once(now):
            return False
        text = "the server sent no result for a turn; it is sent again"
        self._queue.tell(ServerProblem(Fault("report", "no_result", text)))
        if (link := self._sessions.active) is not None:
            self._mark_first(link.session)
        self.again(now)
        return True

    def _mark_first(self, session: Session) -> None:
        """A turn that the server began and only we ended may be more than one;
        the next session is asked for the first of it alone."""
        turns = session.turns
        if turns.by_client or not turns.commits:
            return
        if turns.head() is turns.open_turn():
            end = end_of_first(self._buffer, session, session.sent)
            tail = self._queue.samples(PAUSE_MS)
            self._buffer.mark(min(end + tail, session.sent))

    def pursue(self, now: float) -> None:
        """Send what failed again, if its time has come.  A pause is the time
        for the same session; where none comes, another one gets it."""
        resend, link = self._resend, self._sessions.active
        if link is None:
            return
        self._look_at_unsent(link, now)
        if not resend.is_due(now):
            return
        failed = link.session.turns.head()
        if failed is None or failed.failure is None:
            # Another session than that in which it failed.
            resend.sent()
        elif self._is_pause(link.session):
            resend.sent()
            self.replayed += self._feed.sent_to - self._buffer.watermark
            self._begin_again(link, now)
        elif resend.hurries(now) or link.session.items.refused.unsure:
            resend.sent()
            self.again(now)

    def _look_at_unsent(self, link: Link, now: float) -> None:
        """The first undelivered turn may be one that waits to be sent: from
        now on that blocks what follows, so it is as if it failed just now."""
        if self._wishes.forget(now) or self._buffer.nearly_full:
            self._hold(now)
        wish = self._wishes.next(link, now)
        if wish is None or self.turn_failed(wish.turn, now):
            return
        assert wish.turn.failure is not None
        fault = fault_of_turn(wish.turn.failure)
        self._give_up(wish.turn.settings, wish.end, fault)
        if self._is_pause(link.session):
            self._begin_again(link, now)
        else:
            self.again(now)

    def _give_up(self, by: SessionSettings, end: int, fault: Fault) -> None:
        """Report what is held before ``end``, and go on behind it."""
        turn = Turn("", self._buffer.watermark, by, end)
        self._queue.failed(turn, fault)
        self._resend.over()
        self._buffer.advance(end)

    def _is_pause(self, session: Session) -> bool:
        """Is nothing on its way that could be taken for what comes next?"""
        turns, items = session.turns, session.items
        unsure = session.stuck or items.chain.in_doubt or items.refused.unsure
        if unsure or turns.commits or not all(turn.decided for turn in turns):
            return False
        says = session.settings.live or items.habits.detects
        if turns.by_client and not says:
            # What is not committed is cleared, and nobody says a word of it.
            return True
        return self._buffer.sound(turns.boundary, session.sent) is None

    def check_commits(self, link: Link, now: float) -> bool:
        """Is there no answer to a commit?  The service swallowed it, or its
        notice was lost, and all answers are a turn off: then all that is not
        delivered is sent again."""
        if now < min(link.answers.times(), default=now + 1):
            return False
        refused = link.session.items.refused
        if refused.first is not None:
            refused.fail(now)
            return True
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
        sent = link.session.sent
        if not self._barren:
            return
        if not self._caution.careful:
            self._caution.replay_ended()
            self._ended_at = 0
        elif self._buffer.may_be_speech(sent):
            self._ended_at = max(self._ended_at, sent)
            if self._caution.turn_ended(weight, link.attempt.endpoint):
                self._pass_over(link.session, self._ended_at)
                self._ended_at = 0

    def _pass_over(self, session: Session, sent: int) -> None:
        """Report the first undelivered turn, and go on behind it."""
        end = end_of_first(self._buffer, session, sent)
        text = "each session ends while it transcribes this turn"
        fault = Fault("report", "turn_ends_sessions", text)
        self._give_up(session.settings, end, fault)

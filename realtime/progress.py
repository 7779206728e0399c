"""What is delivered, and what is given up.

The watermark of `AudioBuffer` moves here, but for silence (`quiet`, and `feed`
before a turn) and for a turn that is passed over (`replay`).
"""

from __future__ import annotations

import json

from .audio_buffer import AudioBuffer
from .caution import Caution
from .early_finals import EarlyFinals
from .faults import Fault, fault_of_turn
from .finalizes import Covered, FinalizeQueue
from .limits import Limits
from .link import Link
from .quiet import Quiet
from .replay import Replay
from .result_queue import ResultQueue
from .results import DropCause
from .session import Session
from .sessions import Sessions
from .text_allowance import TextAllowance, written_size
from .turn import Turn
from .turn_list import Commit, TurnList

#: What comes with a word, in bytes of a log.
_TIMES = 100


class Progress:
    """Takes the turns at the head of the active session, one after the other.

    Finalizes are answered as what they wait for is delivered.
    """

    def __init__(
        self,
        buffer: AudioBuffer,
        queue: ResultQueue,
        sessions: Sessions,
        replay: Replay,
        quiet: Quiet,
        caution: Caution,
        finalizes: FinalizeQueue,
        limits: Limits,
    ) -> None:
        self._early = EarlyFinals(
            finalizes, limits.final_timeout_ms, self._is_before
        )
        self._buffer = buffer
        self._queue = queue
        self._sessions = sessions
        self._replay = replay
        self._caution = caution
        self._quiet = quiet
        self._finalizes = finalizes
        self._finals = TextAllowance()

    # -- what is delivered -----------------------------------------------

    @property
    def undelivered(self) -> bool:
        """Is there held audio that is not known to be silent?"""
        buffer = self._buffer
        return self._pending or buffer.has_speech(buffer.watermark, buffer.end)

    @property
    def pauses(self) -> bool:
        """Does nobody speak, as far as is known, and nothing is on its way?"""
        buffer = self._buffer
        return not (self._pending or buffer.may_be_speech(buffer.end))

    @property
    def _pending(self) -> bool:
        link = self._sessions.active
        return link is not None and link.session.turns.pending

    def covers(self, position: int, now: float) -> Covered:
        """Is everything said before ``position`` delivered, or given up?"""
        link = self._sessions.active
        if self._sessions.over or self._buffer.watermark >= position:
            return "yes"
        if link is None or link.session.items.chain.broken:
            return "no"
        mark = self._buffer.next_mark(link.marked_to) or position + 1
        if link.session.sent < position or mark <= position:
            return "no"
        turns = link.session.turns
        begun = (*turns.commits, *turns)
        if any(self._is_before(turn, position, turns) for turn in begun):
            return "no"
        return "yes" if turns.by_client else self._quiet.covers(position, now)

    def _is_before(
        self, turn: Turn | Commit, position: int, turns: TurnList
    ) -> bool:
        """Is some of it said before a position, and not only its padding?"""
        if turn.begin >= position:
            return False
        if turn.end is not None and turn.end <= position:
            return True
        if turns.by_client:
            return self._buffer.has_speech(turn.begin, position)
        return self._buffer.sound(turn.begin, position) is not None

    def answer_finalizes(self, now: float) -> None:
        """Tell the end of those for which everything is delivered."""
        for end in self._finalizes.covered(self.covers, now):
            self._queue.tell(end)

    def deliver(self, now: float) -> None:
        """Deliver the turns at the head that have their last word, or whose
        time is up; then tell the end of the finalizes that are due."""
        while (link := self._sessions.active) is not None:
            session = link.session
            turn = session.turns.head()
            if session.items.chain.in_doubt:
                break
            self._early.look_at(link, now)
            if turn is not None and self._is_silence(turn):
                self._pass(session, turn, now)
                continue
            if turn is None or not turn.decided:
                self._queue.interim(session)
                break
            if turn.failure is None:
                finals = self._finals
                if finals.times() or not finals.takes(_size_of(turn), now):
                    # More than anybody says in a second.
                    break
                self._queue.final(turn)
                self._quiet.delivered(turn)
                self._replay.delivered()
                self._pass(session, turn, now)
                # Before the text of what was said after it.
                self.answer_finalizes(now)
            elif self._replay.turn_failed(turn, now):
                break
            else:
                self._fail(session, turn, fault_of_turn(turn.failure), now)
                if turn.refused is not None:  # The next item may have it.
                    self._sessions.drop_active(now)
        if link is not None and link.session.items.chain.broken:
            self._replay.chain_broke(link.session, now)
        for end in self._finalizes.answers(self.covers, now):
            self._queue.tell(end)

    def _is_silence(self, turn: Turn) -> bool:
        """Had the server nothing to commit, and rightly so?"""
        buffer, end = self._buffer, turn.end
        return (
            turn.refused is not None
            and end is not None
            and turn.begin >= buffer.start
            and not (turn.text or buffer.has_speech(turn.begin, end))
        )

    def _pass(self, session: Session, turn: Turn, now: float) -> None:
        """``turn`` is over: move the watermark behind it."""
        session.turns.finish(turn)
        self._replay.turn_is_over()
        head = session.turns.head()
        if head is not None:
            head.wait_from(now)
        if turn.end is not None:
            self._buffer.advance(turn.end)
            self._sessions.retries().progressed(
                self._buffer.watermark, session.settings.rate
            )
            session.audio.forget_before(self._buffer.watermark)

    # -- what is given up ------------------------------------------------

    def pursue(self, now: float) -> None:
        """Do what has waited for this moment."""
        self._pass_gap()
        self._replay.pursue(now)
        if self._caution.careful and self.pauses:
            self._caution.over()

    def tick(self, now: float) -> None:
        """What may go out from now on?"""
        self._caution.tick(now)
        self._finals.tick(now)

    def times(self) -> list[float]:
        """When something becomes due, whichever session there is."""
        times = self._finalizes.times() + self._caution.times()
        return times + self._finals.times()

    def times_of(self, link: Link) -> list[float]:
        """When something becomes due that the active session owes."""
        return [
            *self._answer_times(link),
            *self._early.times(link),
            *self._quiet.times(link),
            *self._replay.times(link),
        ]

    def _answer_times(self, link: Link) -> list[float]:
        """Until when the server should have answered, in seconds."""
        session = link.session
        if self._replay.waits:
            return []
        if session.handshake.on_trial:
            return [session.handshake.trial_since + session.answer_s]
        return link.answers.bounds()

    def check_answers(self, link: Link, now: float) -> Fault | None:
        """What no answer comes to: a turn is sent again once, then reported; a
        session on trial is given up, for the reason that is returned."""
        session = link.session
        if self._replay.check_commits(link, now):
            return None
        if now < min(self._answer_times(link), default=now + 1):
            return None
        if session.handshake.on_trial:
            return self._quiet.check_trial(session, now)
        if self._replay.no_answer(now):
            return None
        if self._early.end(session, now):
            # Better than nothing.
            self.deliver(now)
            return None
        fault = Fault("report", "no_result", "the server sent no result")
        turn = session.turns.head()
        if turn is None:
            commit = session.turns.commits.popleft()
            turn = Turn("", commit.begin, session.settings, commit.end)
        unsure = not turn.item_id or turn.end is None
        self._fail(session, turn, fault, now)
        if unsure or not any(later.decided for later in session.turns):
            # What the server says about it may come yet, and would be taken
            # for the next turn's; or it has nothing to say any more.
            self._sessions.drop_active(now)
        self.deliver(now)
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
        elif reach <= link.session.turns.boundary:
            # No turn was begun to be sent.
            link.begin_at(buffer.start)
        else:
            link.session.audio.skip_to(buffer.start)

    def _pass_gap(self) -> None:
        """What gave way is behind us once no turn has a part of it."""
        buffer, link = self._buffer, self._sessions.active
        if link is None or buffer.complete:
            return
        turns = link.session.turns
        if not turns.pending and turns.boundary >= buffer.start:
            buffer.advance(buffer.start)


def _size_of(turn: Turn) -> int:
    """How many bytes of a log what is told of it takes."""
    timed = (*turn.words, *turn.speakers)
    size = sum(
        written_size(part.text + part.speaker) + _TIMES for part in timed
    )
    size += written_size(json.dumps(turn.usage))
    return written_size(turn.transcript) + size

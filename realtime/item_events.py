"""What the server's events about its items mean for the turns of a session.

The rules: an item that was not announced is not guessed at, an event is used
once, and a lost notice is noticed.
"""

from __future__ import annotations

from .chain import ItemChain
from .errors import ErrorInfo, error_of
from .events import ServerEvent, clean_id
from .habits import ServerHabits
from .refused_commits import RefusedCommits
from .sent_audio import SentAudio
from .turn import Turn, TurnState
from .turn_list import TurnList

_NOTICES = (
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.done",
)
_TRANSCRIPTION = "conversation.item.input_audio_transcription."


class ItemEvents:
    """Reads events into a `TurnList`; ``chain`` tells whether one was lost,
    ``refused`` has the commits that were refused."""

    def __init__(
        self, turns: TurnList, audio: SentAudio, habits: ServerHabits
    ) -> None:
        self.chain = ItemChain(habits)
        self.refused = RefusedCommits(turns)
        self._turns = turns
        self._audio = audio
        self.habits = habits

    def receive(self, event: ServerEvent, now: float) -> Turn | None:
        """Take an event about what the server hears; returns the turn that it
        changed."""
        kind = event.type
        if kind in _NOTICES:
            return self._on_notice(event, now)
        if kind == "input_audio_buffer.speech_started":
            return self._on_speech_started(event, now)
        if kind == "input_audio_buffer.speech_stopped":
            return self._on_speech_stopped(event, now)
        if kind.startswith(_TRANSCRIPTION):
            part = kind[len(_TRANSCRIPTION) :]
            return self._on_transcription(part, event, now)
        self.habits.unknown_events += 1
        return None

    def on_commit_refused(self, error: ErrorInfo, now: float) -> None:
        """The one that the error names, or the oldest where it names none."""
        commit = self._turns.drop_commit(error.event_id)
        if commit is None:
            return
        self._settle()
        if not self.chain.broken and not self.refused.add(commit, error, now):
            # Its item may come behind those of others: one after the other.
            self.habits.one_by_one = True
            self.break_off()

    # -- the server's detector ----------------------------------------------

    def _on_speech_started(self, event: ServerEvent, now: float) -> Turn | None:
        turn = self._turns.turn(event.identity("item_id"))
        if turn is None or turn.from_server or turn.closed:
            return None
        self.habits.detects |= self._turns.by_client
        turn.speech_started()
        start = event.position_ms("audio_start_ms")
        if start is not None:
            turn.begin = self._audio.position_of_ms(start)
            turn.clipped = start == 0
            if not (turn.clipped or self._turns.is_edge(turn.begin)):
                padding = turn.settings.prefix_padding_ms
                turn.onset = self._audio.position_of_ms(start + padding)
        self._close_before(turn, now)
        turn.begin = max(turn.begin, self._turns.ended)
        return turn

    def _close_before(self, turn: Turn, now: float) -> None:
        """No turn is open when the next begins: the notice of the end of the
        one before was lost."""
        for before in list(self._turns):
            if before is turn:
                return
            if before.from_server and not before.closed:
                self._turns.end_by_commit(before)
                before.waiting_since = now
                before.commit(now)

    def _on_speech_stopped(self, event: ServerEvent, now: float) -> Turn | None:
        turn = self._turns.turn(event.identity("item_id"))
        if turn is None or (turn.closed and not turn.end_is_guess):
            return None
        stop = event.position_ms("audio_end_ms")
        end = 0 if stop is None else self._audio.position_of_ms(stop)
        # One that lies before its begin is no time.
        self._turns.stop(
            turn, end if end > turn.begin else self._audio.end, now
        )
        return turn

    # -- items --------------------------------------------------------------

    def _on_notice(self, event: ServerEvent, now: float) -> Turn | None:
        """The notice of an item, by one of its several names."""
        item_id = event.identity("item_id")
        if not item_id:
            item_id = clean_id(event.object("item").get("id"))
        if not item_id:
            self.habits.unknown_events += 1
            return None
        self.habits.announces = True
        previous = event.identity("previous_item_id")
        self.chain.check(item_id, previous, self._turns)
        if self.chain.broken:
            if self._turns.by_client and len(self._turns.commits) > 1:
                # They may change places, which one commit alone cannot.
                self.habits.one_by_one = True
            self.break_off()
            return None
        if not self._turns.by_client:
            self._turns.drop_unannounced(item_id)
        return self._commit(item_id, now)

    def _commit(self, item_id: str, now: float) -> Turn | None:
        """The item exists; None where that is no news."""
        turns = self._turns
        if (turn := self.refused.item_of(item_id)) is not None:
            self.habits.answers_refused = True
            return turn
        turn = turns.turn(item_id)
        if turn is None or turn.committed:
            return None
        if self.chain.is_stray(turn, turns):
            turns.drop(turn)
            self.break_off()
            return None
        turn.commit(now)
        if turn.end is None:
            self._answer(turn, now)
        self._settle()
        if turns.by_client:
            turns.sort_out_early_text(turn)
        return None if self.chain.broken else turn

    def _answer(self, turn: Turn, now: float) -> None:
        """An item whose end nobody told: a commit of ours ended it."""
        turns, chain = self._turns, self.chain
        waiting = list(turns.commits)
        turns.end_by_commit(turn)
        if not (turns.by_client and turn.by_commit):
            return
        waited = now - waiting[0].sent_at
        self.habits.commit_in_s = max(self.habits.commit_in_s, waited)
        if len(waiting) > 1:
            chain.doubt_count(now)
        else:
            # None is missing, so this was its answer.
            self.habits.misses = False

    def _settle(self) -> None:
        if self._turns.commits:
            return
        if self.chain.has_no_order:
            self.break_off()
        else:
            self.chain.settle_doubt()

    def break_off(self) -> None:
        """A notice was lost, or a commit of ours swallowed: only what was
        never in doubt is believed."""
        if self.chain.break_off():
            # Where they are many, it could go on like that.
            self.habits.one_by_one = True
            self._turns.drop_all()

    # -- texts --------------------------------------------------------------

    def _on_transcription(
        self, part: str, event: ServerEvent, now: float
    ) -> Turn | None:
        item_id = event.identity("item_id")
        early = self._turns.finished.get(item_id)
        if early is not None:
            return self._on_late(early, part, event, now)
        if self.chain.is_proved_item(item_id) or self._is_proof(item_id, part):
            self.break_off()
        if not self._is_plausible(item_id, part):
            self.chain.was_unannounced(item_id)
            self.habits.unknown_events += 1
            return None
        turn = self._turns.turn(item_id)
        if turn is None or turn.decided:
            return None
        if part == "delta":
            turn.add_text(event, now)
            return turn
        if part not in ("completed", "failed"):
            return None
        self._commit(item_id, now)
        # It may be that of a commit that was refused.
        turn = self._turns.by_id.get(item_id, turn)
        if part == "failed":
            turn.fail(error_of(event.fields), now)
        else:
            turn.complete(event, self._audio.position_of_ms)
        return turn

    def _on_late(
        self, turn: Turn, part: str, event: ServerEvent, now: float
    ) -> Turn | None:
        """A word about a turn whose final was early; returns it with the
        last one."""
        if turn.state is not TurnState.EARLY:
            return None
        if part == "delta":
            turn.add_text(event, now)
        elif part == "completed":
            turn.complete(event, self._audio.position_of_ms)
            return turn
        elif part == "failed":
            turn.fail(error_of(event.fields), now)
        return None

    def ended_at(self, turn: Turn) -> float | None:
        """Since when, in seconds, no more audio goes into a turn, so that its
        text so far could be its final; None where that is not sure, or its
        last word is there.
        """
        guess = self.chain.broken and not turn.committed
        if turn.decided or self.chain.in_doubt or guess:
            return None
        return turn.ended_at if turn.closed and turn.refused is None else None

    def _is_proof(self, item_id: str, part: str) -> bool:
        """Is this the last word about an item whose notice was lost?  So it is
        where items are announced, and a commit of ours waits for one."""
        turns, habits = self._turns, self.habits
        turn = turns.by_id.get(item_id)
        return (
            turns.by_client
            and bool(item_id and turns.commits)
            and part in ("completed", "failed")
            and habits.announces
            and habits.chains
            and item_id not in turns.finished
            and not (turn and turn.committed)
        )

    def _is_plausible(self, item_id: str, part: str) -> bool:
        """Does a transcription event name an item that it may name?

        An item that was not announced may be the early text of a live model
        or, where the server announces nothing, the answer to the only commit
        or the only turn.  Anything else is left to a replay: a guess could
        deliver words twice.
        """
        turns = self._turns
        turn = turns.by_id.get(item_id)
        if self.chain.broken:
            return turn is not None and turn.committed
        if not turns.by_client:
            first = not turns and not self.habits.announces
            return turn is not None or first
        if part == "delta" or (turn is not None and turn.committed):
            return True
        return len(turns.commits) == 1 and not self.habits.announces

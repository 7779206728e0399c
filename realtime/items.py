"""The items of a session: turns of speech and the events about them.

Positions are samples of the call.  The rules: an item that was not announced
is not guessed at, an event is used once, and a lost notice is noticed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .clock import SessionClock
from .events import (
    MAX_TEXT,
    MAX_TOKENS,
    ServerEvent,
    clean_id,
    clean_language,
)
from .faults import ErrorInfo, error_of
from .habits import ServerHabits
from .settings import SessionSettings

#: How many finished items are remembered to tell a repeated event from a new
#: one (about one in ten items was completed twice in OpenWhispr#790).
_REMEMBERED_ITEMS = 512
#: Turns without their last word; more than this is a server that runs wild.
MAX_TURNS = 256
#: Names of what is before an item; a server with more has one for each.
_MAX_ROOTS = 64
#: Languages that are told of one turn.
_MAX_LANGUAGES = 8


@dataclass
class Commit:
    """A commit of ours that the server has not answered yet."""

    begin: int
    position: int
    event_id: str
    at: float


@dataclass
class Turn:
    """One item: a stretch of audio and its text.  Positions in samples.

    ``begin``: where the turn's audio starts, padding included.  ``end``: the
    boundary after its audio, None while it is open.  ``from_server``: the
    server's detector found it (``speech_started`` was seen).  ``settings``:
    those in force when its audio began.
    """

    item_id: str
    begin: int
    from_server: bool = False
    stopped: bool = False
    end: int | None = None
    committed: bool = False
    waiting_since: float = 0.0
    text: str = ""
    transcript: str | None = None
    failure: ErrorInfo | None = None
    languages: tuple[str, ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    logprobs: list[Mapping[str, Any]] = field(default_factory=list)
    start: int | None = None
    settings: SessionSettings | None = None

    @property
    def closed(self) -> bool:
        """No more audio goes into this turn."""
        return self.stopped or self.committed

    @property
    def settled(self) -> bool:
        """The server said its last word about this turn."""
        return self.transcript is not None or self.failure is not None


class Items:
    """The turns of one session, in spoken order, and our open commits.

    ``sent`` is the position up to which audio was sent, ``boundary`` the end
    of the last turn.  ``confused``: the notice of an item was lost, so that
    only the turns known so far can be trusted.
    """

    def __init__(self, settings: SessionSettings, habits: ServerHabits) -> None:
        self.settings = settings
        self._settings_before = settings
        self._settings_from = 0
        self.clock = SessionClock(settings.rate)
        self.sent = 0
        self.boundary = 0
        self.turns: dict[str, Turn] = {}
        self.commits: deque[Commit] = deque()
        self.unknown_events = 0
        self.confused = False
        self._last_item = ""
        self._root = ""
        self._chained = False
        self._unannounced: deque[str] = deque(maxlen=_REMEMBERED_ITEMS)
        self._habits = habits
        self._finished: deque[str] = deque(maxlen=_REMEMBERED_ITEMS)
        self._finished_set: set[str] = set()

    def take_settings(self, settings: SessionSettings) -> None:
        """The server accepted other settings.  They hold for turns that begin
        from now on, also where more audio follows (measured in July 2026)."""
        self._settings_before = self.settings
        self._settings_from = self.sent
        self.settings = settings

    def _settings_at(self, begin: int) -> SessionSettings:
        """Those by which a turn is heard whose audio begins here and now."""
        if self._client_turns and begin < self._settings_from:
            return self._settings_before
        return self.settings

    @property
    def _client_turns(self) -> bool:
        return self.settings.turn_owner == "client"

    def open_turn(self) -> Turn | None:
        """The turn whose audio is still growing, if there is one."""
        for turn in reversed(self.turns.values()):
            if not turn.closed:
                return turn
        return None

    def head(self) -> Turn | None:
        """The first undelivered turn in spoken order."""
        return next(iter(self.turns.values()), None)

    def end_of_open(self, turn: Turn) -> int:
        """Where a turn ends that the server never ended."""
        later = False
        for other in self.turns.values():
            if later:
                return max(other.begin, turn.begin)
            later = other is turn
        return self.sent

    def finish(self, turn: Turn) -> None:
        """``turn`` is delivered or given up."""
        self.turns.pop(turn.item_id, None)
        if len(self._finished) == self._finished.maxlen:
            self._finished_set.discard(self._finished[0])
        self._finished.append(turn.item_id)
        self._finished_set.add(turn.item_id)

    def awaited(self) -> Turn | None:
        """The first turn whose audio is complete."""
        return next((t for t in self.turns.values() if t.closed), None)

    def answer_times(self, timeout: float) -> list[float]:
        """Until when the server should have answered, in seconds."""
        times = [commit.at + timeout for commit in self.commits]
        turn = self.awaited()
        if turn is not None:
            times.append(turn.waiting_since + timeout)
        return times

    # -- events -----------------------------------------------------------

    def _count_unknown(self) -> None:
        self.unknown_events += 1
        self._habits.unknown_events += 1

    def _drop_commit(self, event_id: str) -> None:
        for commit in self.commits:
            if commit.event_id == event_id:
                self.commits.remove(commit)
                return
        if self.commits and not event_id:
            self.commits.popleft()

    def _turn(self, item_id: str) -> Turn | None:
        """The turn of an item; a new one where the id is plausible."""
        if not item_id or item_id in self._finished_set:
            return None
        turn = self.turns.get(item_id)
        if turn is None:
            if len(self.turns) >= MAX_TURNS:
                return None
            begin = self.boundary
            if self._client_turns and self.commits and not self.open_turn():
                # Not announced, but a commit is waiting for its item.
                begin = self.commits[0].begin
            turn = Turn(item_id, begin, settings=self._settings_at(begin))
            self.turns[item_id] = turn
        return turn

    def _on_speech_started(self, event: ServerEvent, now: float) -> Turn | None:
        turn = self._turn(event.identity("item_id"))
        if turn is None or turn.from_server or turn.closed:
            return None
        turn.from_server = True
        start = event.position_ms("audio_start_ms")
        if start is not None:
            turn.begin = self.clock.position_of_ms(start)
        self._close_before(turn, now)
        turn.begin = max(turn.begin, self.boundary)
        return turn

    def _close_before(self, turn: Turn, now: float) -> None:
        """No turn is open when the next begins: the notice of the end of the
        one before was lost."""
        for before in list(self.turns.values()):
            if before is turn:
                return
            if before.from_server and not before.closed:
                self.end_by_commit(before)
                before.committed = True
                before.waiting_since = now

    def _on_speech_stopped(self, event: ServerEvent, now: float) -> Turn | None:
        turn = self._turn(event.identity("item_id"))
        if turn is None or turn.closed:
            return None
        stop = event.position_ms("audio_end_ms")
        turn.from_server = turn.stopped = True
        end = self.sent if stop is None else self.clock.position_of_ms(stop)
        turn.end = max(end, turn.begin)
        turn.waiting_since = now
        self.boundary = turn.end
        return turn

    def _on_item(self, event: ServerEvent, now: float) -> Turn | None:
        item_id = event.identity("item_id")
        if not item_id:
            item_id = clean_id(event.object("item").get("id"))
        self._habits.announces = True
        self._check_chain(item_id, event.identity("previous_item_id"))
        if self.confused:
            return None
        if self.settings.turn_owner == "server":
            self._drop_unannounced(item_id)
        return self._commit_item(item_id, now)

    def _drop_unannounced(self, item_id: str) -> None:
        """Who announces items has none but those; text for another id was a
        mistake and must not hold up the turns."""
        for turn in list(self.turns.values()):
            if turn.item_id != item_id and not (
                turn.from_server or turn.closed
            ):
                del self.turns[turn.item_id]

    def _commit_item(self, item_id: str, now: float) -> Turn | None:
        turn = self._turn(item_id)
        if turn is None or turn.committed:
            return None
        turn.committed = True
        turn.waiting_since = turn.waiting_since or now
        if turn.end is None:
            self.end_by_commit(turn)
        self._settle_doubt()
        assert turn.end is not None
        if self.settings.turn_owner == "client":
            self._sort_out_early_text(turn, turn.end)
        return turn

    def end_by_commit(self, turn: Turn) -> None:
        """No speech_stopped told the end: the turn answers the oldest commit
        of ours, or it comes from a server that sends no speech events."""
        # The server's times are whole ms, a commit's position is exact.
        rounding = self.settings.rate // 1000
        limit = self.end_of_open(turn)
        if turn.from_server:
            # Whatever answers to earlier commits there were are lost.
            begin = turn.begin + rounding
            while self.commits and self.commits[0].position <= begin:
                self.commits.popleft()
        if self.commits and self.commits[0].position <= limit + rounding:
            commit = self.commits.popleft()
            turn.end = commit.position
            if self._client_turns:
                # The boundary moved on when the commit was sent.
                turn.begin = min(turn.begin, commit.begin)
        else:
            turn.end = limit
        self.boundary = max(self.boundary, turn.end)

    def _sort_out_early_text(self, turn: Turn, end: int) -> None:
        """Text of a live model may come before the notice of its item.

        Under the same id it is already there; under another one for audio
        before this commit it is this turn's; the rest is a later turn's.
        """
        for other in list(self.turns.values()):
            if other.committed:
                continue
            del self.turns[other.item_id]
            if other.begin < end:
                turn.text = turn.text or other.text
            else:
                self.turns[other.item_id] = other

    def _check_chain(self, item_id: str, previous: str) -> None:
        """Notice that the notice of an item was lost: its successor names
        it as the one before.

        A server may have names of its own for what precedes the first item,
        or any.  So an unknown one is a lost item only where the chain of this
        session held before; else it is in doubt.
        """
        if item_id == self._last_item:
            return
        first, self._last_item = not self._last_item, item_id
        before = self.turns.get(previous)
        if previous in ("", item_id) or not self._habits.chains:
            return
        if before is not None and not before.closed:
            self.confused = True
        elif before is not None or previous in self._finished_set:
            self._chained = True
            self._habits.links += 1
        elif previous in self._habits.roots:
            return
        elif (self._chained and not first) or previous in self._unannounced:
            self.confused = True
        else:
            self._root = previous

    @property
    def in_doubt(self) -> bool:
        """Was what an item named as the one before an item as well?

        Then each commit is taken for answered by the item of the next one,
        and one always has no answer.  So once there is none left it was not,
        and until then nothing may be delivered.
        """
        return bool(self._root)

    def _settle_doubt(self) -> None:
        if self._root and not self.commits:
            if len(self._habits.roots) < _MAX_ROOTS:
                self._habits.roots.add(self._root)
            self._root = ""

    def _on_transcription(
        self, part: str, event: ServerEvent, now: float
    ) -> Turn | None:
        item_id = event.identity("item_id")
        if item_id and item_id == self._root:
            # It is an item, whose notice was lost.
            self.turns.clear()
            self.confused = True
        if not self._is_plausible(item_id, part):
            self._unannounced.append(item_id)
            self._count_unknown()
            return None
        turn = self._turn(item_id)
        if turn is None or turn.settled:
            return None
        if part == "delta":
            turn.text = (turn.text + event.text("delta"))[:MAX_TEXT]
            free = MAX_TOKENS - len(turn.logprobs)
            turn.logprobs.extend(event.logprobs()[:free])
            return turn
        if part not in ("completed", "failed"):
            return None
        self._commit_item(item_id, now)
        if part == "failed":
            turn.failure = error_of(event.fields)
            return turn
        # Without a transcript of its own the deltas are the text.
        told = isinstance(event.fields.get("transcript"), str)
        turn.transcript = event.text("transcript") if told else turn.text
        turn.usage = event.counts("usage")
        turn.languages = tuple(
            code
            for entry in event.objects("languages")[:_MAX_LANGUAGES]
            if (code := clean_language(entry.get("code")))
        )
        logprobs = event.logprobs()
        if logprobs:
            turn.logprobs = logprobs
        return turn

    def _is_plausible(self, item_id: str, part: str) -> bool:
        """Does a transcription event name an item that it may name?

        An item that was not announced may be the early text of a live model
        or, where the server announces nothing, the answer to the only commit
        or the only turn.  Anything else is left to a replay: a guess could
        deliver words twice.
        """
        turn = self.turns.get(item_id)
        if self.confused:
            return turn is not None and turn.committed
        if self.settings.turn_owner == "server":
            first = not self.turns and not self._habits.announces
            return turn is not None or first
        if part == "delta" or (turn is not None and turn.committed):
            return True
        return len(self.commits) == 1 and not self._habits.announces

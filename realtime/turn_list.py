"""The turns of a session, in spoken order.  Positions are samples of the call.

What the server's events mean for them is decided in `item_events`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .sent_audio import SentAudio
from .settings import SessionSettings
from .turn import Turn, TurnState

#: Turns without their last word; more than this is a server that runs wild.
MAX_TURNS = 256
#: How many finished items are remembered to tell a repeated event from a new
#: one (about one in ten items was completed twice in OpenWhispr#790).
_REMEMBERED_ITEMS = 512


@dataclass(frozen=True, eq=False)
class Commit:
    """A commit of ours, of what began at ``begin``, without an answer yet."""

    begin: int
    end: int
    event_id: str
    sent_at: float


class TurnList:
    """The turns of one session, and our open commits.

    ``boundary`` is the end of the last turn, also of one that a commit asks
    for; ``ended`` that of the last one which the server told.
    ``commits_sent``: how many there were in all.  ``settings`` are those that
    the server works by.  ``by_id`` and ``finished``: the items that have no
    last word yet, and those that are delivered or given up; these with their
    turn where its final was early.
    """

    def __init__(self, settings: SessionSettings, audio: SentAudio) -> None:
        self.settings = settings
        self.boundary = self.ended = 0
        self.commits_sent = 0
        self.commits: deque[Commit] = deque()
        self._settings_before = settings
        self._settings_from = 0
        self._audio = audio
        self._turns: dict[str, Turn] = {}
        self._finished: dict[str, Turn | None] = {}

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._turns.values())

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def by_id(self) -> Mapping[str, Turn]:
        return self._turns

    @property
    def finished(self) -> Mapping[str, Turn | None]:
        return self._finished

    @property
    def pending(self) -> bool:
        """Is the server to say something about what was sent?"""
        return bool(self._turns or self.commits)

    @property
    def by_client(self) -> bool:
        """Do commits of ours end the turns, and no detector of the server?"""
        return self.settings.turn_owner == "client"

    def open_turn(self) -> Turn | None:
        """The turn whose audio is still growing, if there is one."""
        turns = reversed(self._turns.values())
        return next((turn for turn in turns if not turn.closed), None)

    def uncommitted_turn(self) -> Turn | None:
        """The same, where no commit of ours is out that ends it."""
        turn, commits = self.open_turn(), self.commits
        known = turn and not (commits and turn.begin < commits[-1].end)
        return turn if known else None

    @property
    def said(self) -> bool:
        """Is there a word that no commit of ours is out for?"""
        turn = self.uncommitted_turn()
        return turn is not None and bool(turn.text)

    def head(self) -> Turn | None:
        """The first undelivered turn."""
        return next(iter(self), None)

    # -- from us ----------------------------------------------------------

    def take_settings(self, settings: SessionSettings) -> None:
        """The server accepted other settings.  They hold for turns that begin
        from now on, also where more audio follows (measured in July 2026)."""
        self._settings_before = self.settings
        self._settings_from = self._audio.end
        self.settings = settings

    def _settings_at(self, begin: int) -> SessionSettings:
        """Those by which a turn is heard whose audio begins here and now."""
        if self.by_client and begin < self._settings_from:
            return self._settings_before
        return self.settings

    def begin_at(self, position: int) -> None:
        """No turn begins before ``position``, but what was committed."""
        self.boundary = position
        # What is sent again is heard by the settings there are now.
        self._settings_from = min(self._settings_from, position)
        if not (self.by_client and self.commits):
            self.ended = position

    def commit(self, event_id: str, now: float) -> None:
        """A commit of what was sent so far goes out."""
        end = self._audio.end
        self.commits_sent += 1
        self.commits.append(Commit(self.boundary, end, event_id, now))
        if self.by_client:
            self.boundary = end

    def is_edge(self, position: int) -> bool:
        """May what lies before belong to another turn, so that one that begins
        there has less padding than it should?"""
        rounding = self.settings.rate // 1000
        edges = (abs(c.end - position) <= rounding for c in self.commits)
        return position <= self.ended + rounding or any(edges)

    def drop_commit(self, event_id: str) -> Commit | None:
        """The server found nothing to commit; ``event_id`` may be ""."""
        for commit in self.commits:
            if event_id in (commit.event_id, ""):
                self.commits.remove(commit)
                return commit
        return None

    def drop_open(self) -> None:
        """What no commit was sent for will get another item."""
        if (turn := self.uncommitted_turn()) is not None:
            self.drop(turn)

    def begin_again(self, position: int) -> None:
        """The audio from ``position`` on gets other items."""
        for turn in list(self):
            self.finish(turn)
        self.commits.clear()
        self.begin_at(position)

    def end_early(self, turn: Turn, now: float) -> None:
        """The text so far of ``turn`` is its final."""
        if not turn.committed:
            turn.commit(now)
        turn.end_early()

    def finish(self, turn: Turn) -> None:
        """``turn`` is delivered or given up."""
        self._turns.pop(turn.item_id, None)
        early = turn.state is TurnState.EARLY
        if early:
            turn.logprobs = []
        self._finished[turn.item_id] = turn if early else None
        if len(self._finished) > _REMEMBERED_ITEMS:
            del self._finished[next(iter(self._finished))]

    # -- from the server --------------------------------------------------

    def rename(self, turn: Turn, item_id: str) -> None:
        """The item of ``turn`` has another id."""
        turns, turn.item_id = list(self), item_id
        self._turns = {other.item_id: other for other in turns}

    def turn(self, item_id: str) -> Turn | None:
        """The turn of an item; a new one where the id is plausible."""
        if not item_id or item_id in self._finished:
            return None
        if (turn := self._turns.get(item_id)) is None:
            if len(self._turns) >= MAX_TURNS:
                return None
            begin = self.boundary
            if self.by_client and self.commits and not self.open_turn():
                # Not announced, but a commit is waiting for its item.
                begin = max(self.commits[0].begin, self.ended)
            turn = Turn(item_id, begin, self._settings_at(begin))
            self._turns[item_id] = turn
        return turn

    def drop(self, turn: Turn) -> None:
        """It was none, or another item has its audio."""
        del self._turns[turn.item_id]

    def drop_unannounced(self, item_id: str) -> None:
        """This item is announced.  Who announces items has none but those;
        text for another id was a mistake and must not hold up the turns."""
        for turn in list(self):
            known = turn.from_server or turn.closed
            if turn.item_id != item_id and not known:
                self.drop(turn)

    def drop_all(self) -> None:
        """None of them can be trusted."""
        self._turns.clear()

    def stop(self, turn: Turn, end: int, now: float) -> None:
        """The server's detector heard the end of ``turn``."""
        guess = turn.end
        turn.speech_stopped(end, now)
        if guess not in (None, self.ended):
            # There is another one behind it.
            return
        self.ended = max(end, turn.begin)
        # Where the client ends the turns it may have moved on.
        self.boundary = max(self.ended, self.boundary if self.by_client else 0)

    def end_by_commit(self, turn: Turn) -> None:
        """No speech_stopped told the end: the turn answers the oldest commit
        of ours, or it comes from a server that sends no speech events."""
        # The server's times are whole ms, a commit's position is exact.
        rounding = self.settings.rate // 1000
        limit = _end_of_open(turn, self, self._audio.end)
        if turn.from_server:
            # Whatever answers to earlier commits there were are lost, or late.
            begin = max(turn.begin, turn.onset) + rounding
            while self.commits and self.commits[0].end <= begin:
                self.commits.popleft()
        if self.commits and self.commits[0].end <= limit + rounding:
            commit = self.commits.popleft()
            turn.end, turn.by_commit = commit.end, True
            turn.ended_at = commit.sent_at
            self._put_before(turn, commit.end - rounding)
            if self.by_client and not turn.from_server:
                # The boundary moved on when the commit was sent.
                begin = min(turn.begin, commit.begin)
                turn.begin = min(max(begin, self.ended), commit.end)
        else:
            turn.end = limit
        self.ended = max(self.ended, turn.end)
        self.boundary = max(self.boundary, turn.end)

    def _put_before(self, turn: Turn, end: int) -> None:
        """The notice of what a commit ended may come when the next turn began
        by the word of the server's detector, or its commit was refused."""
        for later in list(self):
            ahead = end <= max(later.begin, later.onset)
            known = later.from_server or later.refused is not None
            if ahead and known and not turn.from_server:
                later.begin = max(later.begin, end)
                self._turns[later.item_id] = self._turns.pop(later.item_id)

    def sort_out_early_text(self, turn: Turn) -> None:
        """Text of a live model may come before the notice of its item.

        Under the same id it is already there; under another one for audio
        before this commit it is this turn's; the rest is a later turn's, as may
        be what came first when the commit was sent.
        """
        assert turn.end is not None
        for other in list(self):
            if other.committed or other.from_server:
                continue
            self.drop(other)
            late = other.settings.live and other.text_since > turn.ended_at
            if late or other.begin >= turn.end:
                other.begin = max(other.begin, turn.end)
                self._turns[other.item_id] = other
            else:
                turn.text = turn.text or other.text


def _end_of_open(turn: Turn, turns: Iterable[Turn], sent: int) -> int:
    """Where a turn ends that the server never ended."""
    later = False
    for other in turns:
        if later:
            # It may be of a commit that was to end this one as well.  One
            # without an end is a guess, perhaps of the same audio.
            told = other.from_server or other.begin > turn.begin
            end = other.begin if told else other.end
            if end is not None:
                return max(end, turn.begin)
        later = later or other is turn
    return sent

"""Commits of ours of which the server says that there is nothing to commit."""

from __future__ import annotations

from .errors import ErrorInfo
from .turn import Turn
from .turn_list import Commit, TurnList

#: Of a turn that goes on the server may have too little for a commit, in ms:
#: 100, and what its times are uncertain by.
_LEAST_MS = 500


class RefusedCommits:
    """A detector of the server's own ended the turn first; or the server lost
    the audio; or it makes an item of it all the same: its notice may come
    behind the error.  So what no turn of its own has of that audio waits.
    """

    def __init__(self, turns: TurnList) -> None:
        self._turns = turns
        self._least = turns.settings.rate * _LEAST_MS // 1000

    @property
    def first(self) -> Turn | None:
        """The oldest turn that waits."""
        waits = (
            turn
            for turn in self._turns
            if turn.refused is not None and not turn.decided
        )
        return next(waits, None)

    @property
    def unsure(self) -> bool:
        """May an item yet come for one that was refused, and be taken for the
        next commit's; or that of a live model go on with whatever is sent?"""
        return any(turn.refused is not None for turn in self._turns)

    def add(self, commit: Commit, error: ErrorInfo, now: float) -> bool:
        """One was refused; False: others wait, whose items may be its own."""
        turns = self._turns
        own, begin = turns.open_turn(), max(commit.begin, turns.ended)
        goes_on = own is not None and own.from_server and own.begin < commit.end
        if own is not None and (goes_on or not turns.by_client):
            if own.begin + self._least < commit.end:
                # That was to be its end.
                own.unended_since = own.unended_since or now
            return True
        if begin >= commit.end or not turns.by_client:
            return True
        others = turns.commits or self.first is not None
        if others and begin == commit.begin:
            # No turn of the server's has taken any of it.
            return False
        # A live model may have said words of it, and of what comes behind it.
        heard = (t for t in turns if not (t.closed or t.from_server))
        turn = next((t for t in heard if t.begin < commit.end), None)
        turn = turn or turns.turn(commit.event_id)
        if turn is not None and not turn.committed:
            turn.begin, turn.end = begin, commit.end
            turn.ended_at = commit.sent_at
            turn.commit(now)
            turn.refused = error
        return True

    def item_of(self, item_id: str) -> Turn | None:
        """The notice of an item came; the turn that waited for it, if one
        did."""
        turns, turn = self._turns, self.first
        named = turns.by_id.get(item_id)
        if turn is None or item_id in turns.finished:
            return None
        if any(commit.end <= turn.begin for commit in turns.commits):
            # The error came before the notices of those.
            return None
        if named is not None and named is not turn:
            if named.closed or named.from_server:
                return None
            # A live model has said words of it, under its name.
            turns.drop(named)
            turn.text = turn.text or named.text
        turns.rename(turn, item_id)
        turn.refused = None
        return turn

    def fail(self, now: float) -> None:
        """None of them gets an item any more."""
        while (turn := self.first) is not None:
            assert turn.refused is not None
            turn.fail(turn.refused, now)

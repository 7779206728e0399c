"""Until when our commits must be answered."""

from __future__ import annotations

from .limits import Limits
from .session import Session


class CommitAnswers:
    """Of one session, where something depends on them.

    A service answers in order: what it has to say about a commit comes soon
    after the PONG of a PING behind it, or not at all.  ``wanted``: another
    commit waits for them.
    """

    def __init__(self, session: Session, limits: Limits) -> None:
        self.wanted = False
        self._session = session
        self._settle = limits.settle_ms / 1000
        #: How many were read, and when their audio had been looked at.
        self._read, self._read_at = 0, 0.0

    def were_read(self, commits: int, at: float) -> None:
        """So many commits were read, and their audio was looked at by then."""
        if commits > self._read:
            self._read, self._read_at = commits, at

    @property
    def are_awaited(self) -> bool:
        """Is it in doubt whose answer was whose, or does a commit wait?"""
        session = self._session
        asked = session.turns.by_client and bool(session.turns.commits)
        doubt = session.items.chain.in_doubt or self.wanted
        return session.ready and asked and doubt

    def times(self) -> list[float]:
        """When the last must be there, in seconds; [] where that is not known,
        or nothing depends on it.  A service that is slower is given time the
        second time, up to the bound of a turn's answer."""
        turns, items = self._session.turns, self._session.items
        habits = items.habits
        unread = self._read < turns.commits_sent
        if unread or habits.misses or not self.are_awaited:
            return []
        slowest = turns.commits[-1].sent_at + 2 * habits.commit_in_s
        # Late answers may come one after the other.
        since = max(self._read_at, items.chain.doubted_at)
        return [max(since + self._settle, slowest)]

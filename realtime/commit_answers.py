"""Until when the answers to our commits must have come."""

from __future__ import annotations

from .limits import Limits
from .session import Session


class CommitAnswers:
    """An answer may be missing where it is in doubt which commit an item
    answers, and where one commit at a time is sent for that reason.  Messages
    are read in order, so the PONG of a PING behind the last commit tells when
    no more answers come."""

    def __init__(self, session: Session, limits: Limits, now: float) -> None:
        self._session = session
        self._settle = limits.settle_ms / 1000
        #: How many commits were read, and when their audio was looked at.
        self._read, self._read_at = 0, now

    def read(self, commits: int, at: float) -> None:
        """So many were read, by a PONG; by ``at`` their audio was looked at."""
        if commits > self._read:
            self._read, self._read_at = commits, at

    def asks(self, commits: int) -> bool:
        """Is a PING wanted, where the last one covers so many commits?"""
        return self._due and commits < self._session.turns.commits_sent

    @property
    def _due(self) -> bool:
        session, items = self._session, self._session.items
        asked = session.turns.by_client and bool(session.turns.commits)
        doubt = items.chain.in_doubt or items.habits.one_by_one
        return session.ready and asked and doubt

    def times(self) -> list[float]:
        """By then every commit must be answered; [] where that is not known,
        or there is no doubt.  A service that is slower is given time the second
        time, up to the bound of a turn's answer."""
        turns, habits = self._session.turns, self._session.items.habits
        read = self._read >= turns.commits_sent
        if not (self._due and read) or habits.misses:
            return []
        slowest = turns.commits[-1].sent_at + 2 * habits.commit_in_s
        return [max(self._read_at + self._settle, slowest)]

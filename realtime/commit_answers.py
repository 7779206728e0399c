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
        session, turns = self._session, self._session.turns
        asked = turns.by_client and bool(turns.commits)
        doubt = session.items.chain.in_doubt or self.wanted
        refused = session.items.refused.first is not None
        return session.ready and (refused or (asked and doubt))

    def bounds(self) -> list[float]:
        """Until when the server should have said the last word, in seconds,
        of the first commit, and of the first turn that is to have one."""
        turns, timeout = self._session.turns, self._session.answer_s
        times = [commit.sent_at + timeout for commit in turns.commits]
        # What has its last word may yet wait to be delivered.
        waits = (turn for turn in turns if turn.closed and not turn.decided)
        closed = next(waits, None)
        if closed is not None:
            times.append(closed.waiting_since + timeout)
        opened = turns.open_turn()
        if opened is not None and opened.unended_since:
            times.append(opened.unended_since + timeout)
        return times

    def times(self) -> list[float]:
        """When the last must be there, in seconds; [] where that is not known,
        or nothing depends on it.  A service that is slower is given time the
        second time, up to the bound of a turn's answer."""
        turns, items = self._session.turns, self._session.items
        habits = items.habits
        unread, refused = self._read < turns.commits_sent, items.refused.first
        if unread or not self.are_awaited:
            return []
        if refused is None:
            if habits.misses:
                return []
            # Late answers may come one after the other.
            sent_at, since = turns.commits[-1].sent_at, items.chain.doubted_at
        elif habits.answers_refused:
            return []
        else:
            sent_at, since = refused.ended_at, refused.waiting_since
        slowest = sent_at + 2 * habits.commit_in_s
        return [max(max(self._read_at, since) + self._settle, slowest)]

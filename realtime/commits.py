"""Commits of ours that the server has not answered yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Commit:
    """It ends a turn that began at ``begin``; positions in samples."""

    begin: int
    end: int
    event_id: str
    sent_at: float


class OpenCommits:
    """In the order in which they were sent, which is that of the answers."""

    def __init__(self) -> None:
        self._commits: deque[Commit] = deque()

    def __iter__(self) -> Iterator[Commit]:
        return iter(self._commits)

    def __len__(self) -> int:
        return len(self._commits)

    def add(self, commit: Commit) -> None:
        """It goes out now."""
        self._commits.append(commit)

    def refuse(self, event_id: str) -> None:
        """The server found nothing to commit; ``event_id`` may be ""."""
        for commit in self._commits:
            if commit.event_id == event_id:
                self._commits.remove(commit)
                return
        if self._commits and not event_id:
            self._commits.popleft()

    def forget_before(self, position: int) -> None:
        """Whatever answers to those up to ``position`` there were are lost."""
        while self._commits and self._commits[0].end <= position:
            self._commits.popleft()

    def answer(self, limit: int) -> Commit | None:
        """The oldest is answered, if it ended a turn before ``limit``."""
        if self._commits and self._commits[0].end <= limit:
            return self._commits.popleft()
        return None

    def give_up(self) -> Commit:
        """The oldest will not be answered any more."""
        return self._commits.popleft()

    @property
    def first(self) -> Commit:
        return self._commits[0]

    @property
    def last_end(self) -> int:
        """Where the newest ended a turn; -1 where there is none."""
        return self._commits[-1].end if self._commits else -1

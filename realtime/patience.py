"""How long an endpoint may be without a ready session."""

from __future__ import annotations

#: Where all are tried in vain each has twice the time, and no more than this:
#: one that is back is to be found soon.
_LONGEST_S = 8.0


class Patience:
    """Times in s; ``after_s`` is how long it is at first."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self._limit = after_s
        #: Since when there is no session, while one is wanted.
        self._since: float | None = None
        self._excused = False

    def begin(self, now: float) -> None:
        """Another endpoint is waited for, or this one once more."""
        self._since, self._excused = now, False

    def served(self) -> None:
        """There is a session."""
        self._since, self._excused = None, False
        self._limit = self.after_s

    def lengthen(self) -> None:
        """All were tried once more."""
        self._limit = min(2 * self._limit, max(self.after_s, _LONGEST_S))

    def held_up(self, now: float) -> None:
        """We were, so that no session could become ready: once there is half
        of the time more."""
        if self._since is not None and not self._excused:
            self._excused = True
            self._since = max(self._since, now - self._limit / 2)

    def waited(self, now: float) -> float | None:
        """A session is wanted: for how long, if that is too long?"""
        if self._since is None:
            self.begin(now)
        assert self._since is not None
        over = now >= self._since + self._limit
        return now - self._since if over else None

    def times(self) -> list[float]:
        """When it is over."""
        return [] if self._since is None else [self._since + self._limit]

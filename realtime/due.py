"""By which time things are judged."""

from __future__ import annotations

#: What is due is not due yet so long before, in s.
_JUST_BEFORE = 1e-6
#: Who comes later than this was held up, in s.
_HELD_S = 0.1


class Due:
    """Only who is called because a time is over says that it is.

    Where we were held up, what came meanwhile may be told only now: it came in
    time.  Times in s.
    """

    def __init__(self) -> None:
        self._at: float | None = None
        self._judged_at = 0.0

    def ask(self, at: float | None) -> float | None:
        """Something is due then; None: nothing is."""
        self._at = at
        return at

    def before(self, now: float) -> float:
        """The time for whoever is called for another reason."""
        if self._at is not None:
            now = min(now, self._at - _JUST_BEFORE)
        self._judged_at = max(self._judged_at, now)
        return self._judged_at

    def was_late(self, now: float) -> bool:
        """What was asked for is due; were we held up until now?"""
        at, self._at = self._at, None
        return at is not None and now > at + _HELD_S

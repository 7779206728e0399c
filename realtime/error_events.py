"""The ``error`` events of one session."""

from __future__ import annotations

from .errors import ErrorInfo
from .faults import REFUSALS

#: Of the last moment; the others of a flood say no more.
MAX_PROBLEMS = 32
#: An ``error`` event explains a CLOSE that comes so much later, in seconds; a
#: refusal by the service always has one, also where this machine slept.
_CLOSE_FOLLOWS_S, _REFUSAL_FOLLOWS_S = 2.0, 60.0


class ErrorEvents:
    """``error`` events that are no answer to anything, with their times."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, ErrorInfo]] = []
        self._last: ErrorInfo | None = None
        self._last_at = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, info: ErrorInfo, now: float) -> None:
        """It is to be told unless a CLOSE follows that it explains."""
        self.notice(info, now)
        if len(self._waiting) < MAX_PROBLEMS:
            self._waiting.append((now, info))

    def notice(self, info: ErrorInfo, now: float) -> None:
        """It need not be told, but may explain a CLOSE."""
        self._last, self._last_at = info, now

    def forget(self) -> None:
        """What was said so far explains no CLOSE any more."""
        self._last = None

    def take(self, now: float, grace: float) -> list[ErrorInfo]:
        """Those that no CLOSE has followed within ``grace`` seconds."""
        taken = []
        # By the same sum as `due`.
        while any(at <= now for at in self.due(grace)):
            taken.append(self._waiting.pop(0)[1])
        return taken

    def due(self, grace: float) -> list[float]:
        """When the first that is not yet told is to be; [] if there is
        none."""
        return [at + grace for at, _ in self._waiting[:1]]

    def behind(self, close_code: int, now: float) -> ErrorInfo | None:
        """The one that explains a CLOSE, or None."""
        age = now - self._last_at
        refusal = close_code in REFUSALS and age <= _REFUSAL_FOLLOWS_S
        return self._last if age <= _CLOSE_FOLLOWS_S or refusal else None

"""How much text a server may have told in a second."""

from __future__ import annotations

import json


class TextAllowance:
    """A server may send texts without an end, or what makes a thousand times
    what it sends; TEN's log and the session log have each of them."""

    #: Bytes of a log in a second; a turn of 30 s has some 500.  And what comes
    #: around a text there.
    A_SECOND = 131_072
    AROUND = 500

    def __init__(self) -> None:
        self._left = float(self.A_SECOND)
        self._at = 0.0
        self._ready_at: float | None = None

    def takes(self, size: int, at: float) -> bool:
        """May a text of so many bytes, as `written_size` counts them, go out
        at this time, in s?  One too long for a second may when nothing else
        did for that long, and those after it wait for the rest."""
        left = self._left + (at - self._at) * self.A_SECOND
        self._left, self._at = min(left, self.A_SECOND), at
        needed = size + self.AROUND
        lacking = min(needed, self.A_SECOND) - self._left
        if lacking > 0:
            # A little later than it will do, for the sake of rounding.
            self._ready_at = at + lacking / self.A_SECOND + 0.001
            return False
        self._ready_at = None
        self._left -= needed
        return True

    def tick(self, at: float) -> None:
        """Is that time there?  Whoever waited may be gone by then."""
        if self._ready_at is not None and at >= self._ready_at:
            self._ready_at = None

    def times(self) -> list[float]:
        """When the one will be taken that was not, in s; until then none is
        worth a try."""
        return [] if self._ready_at is None else [self._ready_at]


def written_size(text: str) -> int:
    """How many bytes a text has in a log, at most, but for ends of lines."""
    return len(json.dumps(text))

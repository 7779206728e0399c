"""When which audio came in, so that captions can tell how late they are."""

from collections import deque

#: Older audio is forgotten: longer than an extension keeps any, in ms.
_KEPT_MS = 300_000


class Arrivals:
    """Times of a call's audio at `rate` Hz, 16 bits, mono.

    Times are seconds of any one clock, positions ms of the call's audio.
    """

    def __init__(self, rate: int) -> None:
        self._bytes_per_ms = rate * 2 / 1000
        self._bytes = 0
        self._ends: deque[tuple[float, float]] = deque()

    @property
    def position_ms(self) -> float:
        """How much audio has come."""
        return self._bytes / self._bytes_per_ms

    def add(self, size: int, now: float) -> None:
        """Audio of so many bytes has come at `now`."""
        self._bytes += size
        self._ends.append((self.position_ms, now))
        while self._ends[0][0] < self.position_ms - _KEPT_MS:
            self._ends.popleft()

    def since_ms(self, position_ms: int, now: float) -> int | None:
        """Ms from the arrival of this place in the audio until `now`; None
        where it is not known (any more)."""
        found = None
        for end_ms, at in reversed(self._ends):
            if end_ms < position_ms:
                break
            found = at
        return None if found is None else round((now - found) * 1000)

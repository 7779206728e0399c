"""Where a session's audio time lies in the call."""

from __future__ import annotations


class SessionClock:
    """Translates a session's audio time to positions of the call.

    A session counts the audio appended to it, from 0 with each connection.
    Where audio had to be skipped, a further anchor is kept.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._sent = 0
        self._anchors: list[tuple[int, int]] = []

    def sent(self, position: int, samples: int) -> None:
        """``samples`` from ``position`` on were appended to the session."""
        if not self._anchors or self.position(self._sent) != position:
            self._anchors.append((self._sent, position))
        self._sent += samples

    def position(self, session_sample: int) -> int:
        """The call's position of a sample of the session."""
        base = (0, 0)
        for anchor in self._anchors:
            if anchor[0] > session_sample:
                break
            base = anchor
        return base[1] + session_sample - base[0]

    def position_of_ms(self, session_ms: int) -> int:
        """The call's position of a session time in ms.

        A time beyond what was sent is a server's mistake and is taken as the
        end of what was sent.
        """
        sample = min(session_ms * self._rate // 1000, self._sent)
        for anchor, _ in self._anchors:
            if sample < anchor < sample + self._rate // 1000:
                # Whole ms are rounded down: it may be the first of a stretch.
                sample = anchor
        return self.position(sample)

    def forget_before(self, position: int) -> None:
        """No time before ``position`` will be asked for again."""
        while len(self._anchors) > 1 and self._anchors[1][1] <= position:
            del self._anchors[0]

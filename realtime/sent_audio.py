"""What a session was sent, and where its audio time lies in the call."""

from __future__ import annotations


class SentAudio:
    """The audio of one session, in samples of the call.

    ``end``: everything before it was sent, or skipped as silence.
    ``samples``: those of all append messages.  A session counts the audio
    appended to it, from 0 with each connection; where audio was skipped, a
    further anchor is kept.
    """

    def __init__(self, rate: int) -> None:
        self.end = 0
        self.samples = 0
        self._rate = rate
        self._anchors: list[tuple[int, int]] = []
        #: What was appended before was committed, or discarded.
        self._fresh_from = 0

    def skip_to(self, position: int) -> None:
        """The next audio is that from ``position`` on, also once more."""
        if position < self.end:
            self._fresh_from = self.samples
        self.end = position

    def rewind(self, position: int) -> None:
        """The same once more; whatever came before is not asked for again."""
        self.end = position
        self._anchors = [(self.samples, position)]

    def append(self, samples: int) -> None:
        """The next ``samples`` were appended to the session."""
        if not self._anchors or self.position(self.samples) != self.end:
            self._anchors.append((self.samples, self.end))
        self.samples += samples
        self.end += samples

    def position(self, session_sample: int) -> int:
        """The call's position of a sample of the session."""
        base = self._anchors[0] if self._anchors else (0, 0)
        for anchor in self._anchors:
            if anchor[0] > session_sample:
                break
            base = anchor
        return base[1] + max(session_sample - base[0], 0)

    def position_of_ms(self, session_ms: int) -> int:
        """The call's position of a session time in ms.

        A time beyond what was sent is a server's mistake and is taken as the
        end of what was sent.
        """
        sample = min(session_ms * self._rate // 1000, self.samples)
        for anchor, _ in self._anchors:
            if sample < anchor < sample + self._rate // 1000:
                # Whole ms are rounded down: it may be the first of a stretch.
                sample = anchor
        return self.position(sample)

    def sent_since(self, position: int) -> int:
        """How many samples from a position of the call on were sent, and not
        discarded."""
        if not self._anchors:
            return 0
        fresh = self._fresh_from
        ends = [anchor for anchor, _ in self._anchors[1:]] + [self.samples]
        return sum(
            max(min(end - max(begin, fresh), at + end - begin - position), 0)
            for (begin, at), end in zip(self._anchors, ends, strict=True)
        )

    def forget_before(self, position: int) -> None:
        """No time before ``position`` will be asked for again."""
        while len(self._anchors) > 1 and self._anchors[1][1] <= position:
            del self._anchors[0]

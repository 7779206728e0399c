"""What a local detector says about the audio that is held."""

from __future__ import annotations

import sys
from bisect import bisect_right, insort

from .spans import Span


class LocalSpeech:
    """The stretches [onset, end] in which a local detector heard speech, from
    ``heard_from`` on, and where it ended turns.

    ``counts``: it is to end the turns.  Where it is not, such as while a
    service with turns of its own is used, its word is kept all the same.
    ``ends``: those that nobody else asked for.
    """

    def __init__(self) -> None:
        self.counts = True
        self.heard_from = 0
        self.ends: list[int] = []
        self._spans: list[list[int]] | None = None

    def listen(self, on: bool, position: int) -> None:
        """It hears what comes from ``position`` on, or there is none."""
        if not on:
            self._spans = None
            if not self.counts:
                self.ends.clear()
        elif self._spans is None:
            self._spans = []
            self.heard_from = position

    @property
    def spans(self) -> list[list[int]] | None:
        """Those that count; None where no detector's word does."""
        return self._spans if self.counts else None

    def started(self, onset: int) -> None:
        """Speech from ``onset`` on, open-ended until it ends."""
        if self._spans is not None:
            self._spans.append([onset, sys.maxsize])

    def ended(self, end: int) -> None:
        """The speech that began last ended at ``end``."""
        if self._spans:
            span = self._spans[-1]
            span[1] = max(min(span[1], end), span[0] + 1)

    def heard_elsewhere(self, start: int, stop: int) -> None:
        """Somebody else heard speech in a stretch in which it heard none."""
        if self._spans is not None and start < stop:
            insort(self._spans, [start, stop])

    def turn_ended(self, position: int) -> None:
        """A turn is over there."""
        if position not in self.ends:
            insort(self.ends, position)

    def asked(self, position: int) -> None:
        """Somebody else asks for the end of a turn there as well, or nobody
        does any more."""
        if position in self.ends:
            self.ends.remove(position)

    def forget_before(self, watermark: int) -> None:
        """All before is delivered."""
        del self.ends[: bisect_right(self.ends, watermark)]
        while self._spans and self._spans[0][1] <= watermark:
            del self._spans[0]

    def span(self, start: int, stop: int) -> Span | None:
        """From the first to the last speech in a stretch."""
        inside = [
            (max(onset, start), min(end, stop))
            for onset, end in self.spans or ()
            if onset < stop and end > start
        ]
        return (inside[0][0], inside[-1][1]) if inside else None

    def covers(self, position: int) -> bool:
        """Does speech go on there that began before?"""
        return any(onset < position < end for onset, end in self.spans or ())

    def next_after(self, position: int) -> int | None:
        """The onset of the first speech that does not end before."""
        for onset, end in self.spans or ():
            if end > position:
                return onset
        return None

    def end_before_cut(self, end: int, late: int, lag: int) -> int:
        """Up to where, of audio up to ``end``, no turn may yet be cut.

        An endless turn is cut at its quietest place, which lies a little in
        the past by the time it is found.  So ``late`` samples into such a turn
        the newest ``lag`` are left out.
        """
        if self.spans:
            onset, speech_end = self.spans[-1]
            if speech_end > end > onset + late:
                return end - lag
        return end

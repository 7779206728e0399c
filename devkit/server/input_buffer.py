"""The input audio buffer: samples by their position since session start."""

from __future__ import annotations

import numpy as np
import soxr  # type: ignore[import-untyped]

from .wire_audio import Int16Array


class InputBuffer:
    """Uncommitted audio. Positions are samples since session start.

    ``start`` is the position of the first sample held, ``end`` the position
    after the last one appended. Neither commit nor clear resets positions.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate  # Hz
        self.start = 0
        self.end = 0
        self._chunks: list[Int16Array] = []

    def append(self, samples: Int16Array) -> None:
        if len(samples):
            self._chunks.append(samples)
            self.end += len(samples)

    def take(self, start: int, end: int) -> Int16Array:
        """Samples [start, end); everything before ``end`` is forgotten."""
        audio = self.peek()
        start = min(max(start, self.start), self.end)
        end = min(max(end, start), self.end)
        taken = audio[start - self.start : end - self.start]
        self.discard_before(end)
        return taken

    def discard_before(self, position: int) -> None:
        """Forget samples before ``position`` (which may lie ahead)."""
        position = min(position, self.end)
        while self._chunks and (self.start + len(self._chunks[0]) <= position):
            self.start += len(self._chunks.pop(0))
        if position > self.start:
            # A copy: a view would keep the whole chunk alive.
            self._chunks[0] = self._chunks[0][position - self.start :].copy()
            self.start = position

    def change_rate(self, rate: int) -> None:
        """Go on at another rate; the time axis in ms stays continuous."""
        if rate == self.rate:
            return
        held = self.peek()
        self.start = round(self.start * rate / self.rate)
        self.end = round(self.end * rate / self.rate)
        length = self.end - self.start
        if len(held):
            held = soxr.resample(held, self.rate, rate)
            held = np.pad(held[:length], (0, max(0, length - len(held))))
        self._chunks = [held] if length else []
        self.rate = rate

    def milliseconds(self, position: int) -> int:
        """A position on the audio time axis, whole ms."""
        return round(position * 1000 / self.rate)

    def peek(self) -> Int16Array:
        """All samples held; nothing is forgotten."""
        if len(self._chunks) != 1:
            joined = (
                np.concatenate(self._chunks)
                if self._chunks
                else np.zeros(0, np.int16)
            )
            self._chunks = [joined] if len(joined) else []
            return joined
        return self._chunks[0]

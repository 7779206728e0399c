"""Planar audio: the channels of a frame stand one after the other."""

from __future__ import annotations

import numpy as np


class Planes:
    """Puts the samples of one moment of planar frames side by side.

    ``channels``, and ``width`` of a sample in bytes.  A frame that is no whole
    number of samples waits for the next one.  Where both together are, and
    are not equally long, they are one frame that was cut in two.  Else it
    stands by itself: its channels are equal parts of it, and what is left,
    less than a sample of each, is lost.
    """

    def __init__(self, channels: int, width: int) -> None:
        self._channels, self._width = channels, width
        self._unit = channels * width
        self._waiting = b""
        self._lost = 0

    @property
    def samples(self) -> int:
        """How many of each channel wait for the next frame."""
        return len(self._waiting) // self._unit

    def push(self, frame: bytes) -> bytes:
        """Take a frame; returns interleaved audio of whole samples."""
        both = self._waiting + frame
        whole = not len(frame) % self._unit
        if (
            not whole
            and len(frame) != len(self._waiting)
            and not len(both) % self._unit
        ):
            self._waiting = b""
            return self._interleaved(both)
        earlier = self.flush()
        if whole:
            return earlier + self._interleaved(frame)
        self._waiting = frame
        return earlier

    def flush(self) -> bytes:
        """No other half will come of what waits; what is whole of it."""
        if not self._waiting:
            return b""
        frame, self._waiting = self._waiting, b""
        rest = len(frame) % self._unit
        self._lost += rest
        return self._interleaved(frame[: len(frame) - rest])

    def take_lost(self) -> int:
        """How many bytes were lost since the last look."""
        count, self._lost = self._lost, 0
        return count

    def _interleaved(self, frame: bytes) -> bytes:
        planes = np.frombuffer(frame, f"V{self._width}")
        return bytes(planes.reshape(self._channels, -1).T.tobytes())

"""Where in the call's audio something happened."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from devkit.sessions.recording import Frames

#: What the product's converter takes; other frames are refused, and are not
#: part of the call's audio.
_RATES, _CHANNELS, _WIDTHS = (4000, 192_000), (1, 8), (1, 2)


class Timeline:
    """Maps times of the log (ms since its start) to positions in the audio of
    the call (ms), and back.

    Frames that share a line are spread evenly over it.  Where no audio came,
    as of a muted caller, all times have one position.  ``rate`` (Hz) and
    ``channels`` are those of frames that do not say their own.
    """

    def __init__(
        self, frames: Iterable[Frames], rate: int, channels: int
    ) -> None:
        #: Rate and channels of frames that do not say their own; a log may
        #: tell of some that nobody can have used.
        self.default = (
            rate if _RATES[0] <= rate <= _RATES[1] else 16_000,
            channels if _CHANNELS[0] <= channels <= _CHANNELS[1] else 1,
        )
        #: At each time so much had come: at the first frame of a line (with
        #: it), and at the last one.  Both never fall.
        self._times: list[float] = []
        self._positions: list[float] = []
        at = came = 0.0
        for line in frames:
            frame_ms = self.frame_ms(line)
            if frame_ms <= 0:
                continue
            start = max(at, line.start)
            at = max(start, line.until)
            self._times += (start, at)
            self._positions += (
                came + frame_ms,
                came + frame_ms * line.count,
            )
            came += frame_ms * line.count
        #: The audio of the call, in ms.
        self.total_ms = came

    def frame_ms(self, frames: Frames) -> float:
        """How long each of them is, 0 for those that nobody takes."""
        rate, channels, width = self.form(frames)
        taken = (
            _RATES[0] <= rate <= _RATES[1]
            and _CHANNELS[0] <= channels <= _CHANNELS[1]
            and width in _WIDTHS
        )
        if not taken:
            return 0.0
        return frames.size * 1000 / (rate * channels * width)

    def form(self, frames: Frames) -> tuple[int, int, int]:
        """Rate, channels and width (bytes), the configured ones for 0."""
        rate, channels = self.default
        return (
            frames.rate or rate,
            frames.channels or channels,
            frames.width or 2,
        )

    @property
    def first_at(self) -> float:
        """When the first frame came."""
        return self._times[0] if self._times else 0.0

    @property
    def last_at(self) -> float:
        """When the last frame came."""
        return self._times[-1] if self._times else 0.0

    def position(self, at: float) -> float:
        """How much audio had come by then."""
        index = bisect_right(self._times, at)
        if index == 0:
            return 0.0
        if index % 2 == 0 or index == len(self._times):
            return self._positions[index - 1]
        return self._between(at, self._times, self._positions, index)

    def came_at(self, position: float) -> float | None:
        """When all audio up to there had come; None where it never did."""
        if not self._times or position > self.total_ms + 1:
            return None
        index = bisect_left(self._positions, min(position, self.total_ms))
        if index % 2 == 0:
            return self._times[index]
        return self._between(position, self._positions, self._times, index)

    @staticmethod
    def _between(
        x: float, across: list[float], up: list[float], index: int
    ) -> float:
        left, right = across[index - 1], across[index]
        share = (x - left) / (right - left) if right > left else 1.0
        share = min(max(share, 0.0), 1.0)
        return up[index - 1] + share * (up[index] - up[index - 1])

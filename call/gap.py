"""Notices that no frame comes any more: mute, packet loss, no microphone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..connection.driver import now

#: None came for so long while the loop was free, in seconds: where it was held,
#: frames wait that came in time.
_FREE_S = 0.1


class GapTimer:
    """Calls ``on_gap`` once when no frame has come for ``gap_s`` seconds of
    wall time, and again after the next gap; 0: never."""

    def __init__(self, gap_s: float, on_gap: Callable[[], None]) -> None:
        self._gap_s = gap_s
        self._on_gap = on_gap
        #: When the last one came; None where its gap was told, or none came.
        self._frame_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: Since when the loop may have been free, once the rest of a gap is
        #: looked at.
        self._free_from: float | None = None

    def frame(self) -> None:
        """A frame came."""
        self._frame_at = now()
        if self._timer is None:
            self._look_again(self._frame_at)

    def change(self, gap_s: float) -> None:
        """From now on a gap is that long, the one under way as well."""
        if gap_s == self._gap_s:
            return
        self._gap_s = gap_s
        self._cancel()
        if self._frame_at is not None:
            self._look_again(self._frame_at)

    def stop(self) -> None:
        """None is missed any more."""
        self._frame_at = None
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self, frame_at: float) -> None:
        # One timer for many frames: it looks when the gap would be over.
        if self._gap_s:
            self._free_from = None
            self._look_at(frame_at + self._gap_s - self._rest_s)

    def _look_at(self, time: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(time, self._look)

    def _look(self) -> None:
        self._timer = None
        frame_at, at = self._frame_at, now()
        assert frame_at is not None
        rest_s, since = self._rest_s, self._free_from
        if at < frame_at + self._gap_s - rest_s:
            self._look_again(frame_at)
        elif since is None or at > since + 1.5 * rest_s:
            self._free_from = at
            self._look_at(at + rest_s)
        else:
            self._frame_at = None
            self._on_gap()

    @property
    def _rest_s(self) -> float:
        """The part of a gap in which the loop must be free."""
        return min(_FREE_S, self._gap_s / 2)

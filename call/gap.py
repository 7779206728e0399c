"""Notices that no frame comes any more: mute, packet loss, no microphone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..connection.driver import now


class GapTimer:
    """Calls ``on_gap`` once when no frame has come for ``gap_s()`` seconds of
    wall time, and again after the next gap; 0: never."""

    def __init__(
        self, gap_s: Callable[[], float], on_gap: Callable[[], None]
    ) -> None:
        self._gap_s = gap_s
        self._on_gap = on_gap
        self._frame_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def frame(self) -> None:
        """A frame came."""
        self._frame_at = now()
        if self._timer is None:
            self._look_again()

    def stop(self) -> None:
        """None is missed any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self) -> None:
        gap_s = self._gap_s()
        if gap_s:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._frame_at + gap_s, self._look)

    def _look(self) -> None:
        # One timer for many frames: it looks when the gap would be over.
        self._timer = None
        gap_s = self._gap_s()
        if now() < self._frame_at + gap_s:
            self._look_again()
        elif gap_s:
            self._on_gap()

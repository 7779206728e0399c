"""When the captions are complete and the app may end.

Pure: messages and the time (seconds, monotonic) go in, a reason to end
comes out. The normal end is "the source is done and the ASR extension
answered `asr_finalize`". If the connection is down at that moment, the
ASR extension still holds audio, so the app waits (bounded) until it is
up again and no more text comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .notices import is_fatal

Ending = Literal[
    "finished",
    "finalize_timeout",
    "disconnected",
    "fatal_error",
    "source_error",
    "bad_settings",
    "stopped",
]

# A message on its way when the module stopped may explain more.
_FATAL_GRACE_S = 0.3
# Quiet after a late reconnect that means "nothing more to come". Longer
# than the transcription of a replayed turn takes.
_SETTLED_S = 5.0


@dataclass
class RunState:
    """Follows one run; `ending(now)` says whether it is over.

    Args:
        finalize_wait_s: how long the answer to `asr_finalize` may take.
        reconnect_wait_s: how long to wait for a lost connection once the
            source is done.
    """

    finalize_wait_s: float
    reconnect_wait_s: float
    lost: bool = False
    fatal_error: Mapping[str, Any] | None = None
    last_error: Mapping[str, Any] | None = None
    errors: int = 0
    _done_at: float | None = None
    _finalized: bool = False
    _settling: bool = False
    _fatal_at: float | None = None
    _active_at: float = 0.0
    _source_failed: bool = False
    _status_known: bool = False

    def source_done(self, now: float) -> None:
        """The source has sent its last frame and `asr_finalize`."""
        if self._done_at is None:
            self._done_at = now

    def source_failed(self) -> None:
        """The source has nothing to send."""
        self._source_failed = True

    def finalize_ended(self) -> None:
        """`asr_finalize_end` came."""
        self._finalized = True
        self._settling = self.lost

    def result(self, now: float) -> None:
        """Any `asr_result` came: so the connection works."""
        self._active_at = now
        if not self._status_known:
            self.lost = False

    def connected(self, now: float) -> bool:
        """The connection is up; True if it had been down before."""
        self._active_at = now
        was_lost, self.lost = self.lost, False
        return was_lost

    def error(self, message: Mapping[str, Any], now: float) -> None:
        """An `error` of the ASR extension came."""
        self.errors += 1
        self.last_error = message
        if is_fatal(message):
            if self._fatal_at is None:
                self._fatal_at, self.fatal_error = now, message
        elif not self._status_known:
            # Not every error is a lost connection, but what comes next
            # (a result, a connect) tells.
            self.lost = True

    def status(self, current: str, now: float) -> bool:
        """`connection_status_changed` (newer base classes) came.

        Returns whether a lost connection is up again.
        """
        self._status_known = True
        if current == "connected":
            return self.connected(now)
        if current == "disconnected":
            self.lost = True
        return False

    @property
    def waiting(self) -> bool:
        """The audio is over but the connection is down."""
        return self._done_at is not None and self.lost

    def ending(self, now: float, *, interim: bool = False) -> Ending | None:
        """Why the run is over at `now`, or None while it is not.

        `interim` says that text is on display that is not final yet.
        """
        if self._source_failed:
            return "source_error"
        if self._fatal_at is not None:
            over = now >= self._fatal_at + _FATAL_GRACE_S
            return "fatal_error" if over else None
        if self._done_at is None:
            return None
        waited = now - self._done_at
        if self.lost:
            over = waited >= self.reconnect_wait_s
            return "disconnected" if over else None
        if not self._finalized:
            over = waited >= self.finalize_wait_s
            return "finalize_timeout" if over else None
        if self._settling:
            quiet = now - self._active_at >= _SETTLED_S and not interim
            return "finished" if quiet or waited >= self._limit() else None
        return "finished"

    def _limit(self) -> float:
        return max(self.finalize_wait_s, self.reconnect_wait_s)

"""When the captions are complete and the app may end.

The normal end: the source is done and `asr_finalize` was answered. If the
connection is down then, the ASR extension still holds audio: so the app
waits (bounded) until it is up again and no more text comes.
"""

from dataclasses import dataclass, field
from typing import Any

# A message on its way when the module stopped may explain more.
_FATAL_GRACE_S = 0.3
# Longer than the transcription of a replayed turn takes.
_SETTLED_S = 5.0


@dataclass
class RunState:
    """Follows one run by its messages; times are monotonic seconds."""

    finalize_wait_s: float
    reconnect_wait_s: float
    lost: bool = False
    errors: list[dict[str, Any]] = field(default_factory=list)
    fatal_error: dict[str, Any] | None = None
    bad_settings: bool = False
    _source_failed: bool = False
    _has_status: bool = False  # of the connection: newer base classes
    _finalized: bool = False
    _settling: bool = False
    _done_at: float | None = None
    _fatal_at: float = 0.0
    _active_at: float = 0.0

    def message(self, name: str, body: dict[str, Any], now: float) -> bool:
        """Take a message in; True if a lost connection is up again."""
        was_lost, status = self.lost, body.get("current")
        if name == "source_error":
            self._source_failed = True
        elif name == "source_progress" and body.get("done"):
            self._done_at = now
        elif name == "asr_finalize_end":
            self._finalized, self._settling = True, self.lost
        elif name == "asr_result":
            self._active_at, self.lost = now, self.lost and self._has_status
        elif name == "error":
            self.errors.append(body)
            if not is_fatal(body):
                # Perhaps no lost connection, but what comes next tells.
                self.lost = self.lost or not self._has_status
            elif not self.fatal_error:
                self._fatal_at, self.fatal_error = now, body
        elif name == "connection_status_changed":
            self._has_status = True
            self.lost = self.lost or status == "disconnected"
        up = status == "connected" or "connect_delay" in body.get("metrics", "")
        if up:
            self._active_at, self.lost = now, False
        return up and was_lost

    @property
    def waiting(self) -> bool:
        """The audio is over but the connection is down."""
        return self._done_at is not None and self.lost

    def ending(self, now: float, *, interim: bool = False) -> str | None:
        """Why the run is over; `interim`: text on display is not final."""
        if self.bad_settings:
            return "bad_settings"
        if self._source_failed:
            return "source_error"
        if self.fatal_error:
            why, at = "fatal_error", self._fatal_at + _FATAL_GRACE_S
        elif self._done_at is None:
            return None
        elif self.lost:
            why, at = "disconnected", self._done_at + self.reconnect_wait_s
        elif not self._finalized:
            why, at = "finalize_timeout", self._done_at + self.finalize_wait_s
        else:
            longest = max(self.finalize_wait_s, self.reconnect_wait_s)
            why, at = "finished", self._done_at + longest * self._settling
            if not interim:
                at = min(at, self._active_at + _SETTLED_S)
        return why if now >= at else None


def is_fatal(error: dict[str, Any]) -> bool:
    """Whether a TEN `error` says that its module has stopped."""
    return str(error.get("code")) == "-1000"

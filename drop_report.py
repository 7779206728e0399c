"""When to report dropped audio: at once, then at growing distance."""

from __future__ import annotations

from collections.abc import Mapping

from .realtime.results import DropCause

#: The second report comes after so many more ms, the next after twice that.
_FIRST_STEP_MS = 1000
_CAUSES: Mapping[DropCause, str] = {
    "overflow": "the buffer is full",
    "given_up": "the call was given up",
    "stopped": "the call was stopped before it was transcribed",
}


class DropReport:
    """Sums up dropped stretches; every millisecond is in one report."""

    def __init__(self) -> None:
        self._start_ms = 0
        self._cause: DropCause = "overflow"
        self._unreported_ms = 0
        self._step_ms = 0

    def add(
        self,
        start_ms: int,
        duration_ms: int,
        cause: DropCause = "overflow",
    ) -> str:
        """Take a dropped stretch; the report if one is due, else ""."""
        if not self._unreported_ms:
            self._start_ms = start_ms
        self._cause = cause
        self._unreported_ms += duration_ms
        if self._unreported_ms < self._step_ms:
            return ""
        self._step_ms = max(2 * self._step_ms, _FIRST_STEP_MS)
        return self._report()

    def rest(self) -> str:
        """The report of what is left, or ""; the next drop is a first."""
        self._step_ms = 0
        return self._report() if self._unreported_ms else ""

    def _report(self) -> str:
        dropped, self._unreported_ms = self._unreported_ms, 0
        return (
            f"audio dropped: {dropped} ms from {self._start_ms} ms on;"
            f" {_CAUSES[self._cause]}"
        )

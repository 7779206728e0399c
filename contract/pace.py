"""When to report what goes on: at once, then at growing distance."""

from __future__ import annotations

from collections.abc import Mapping

from ..realtime.faults import Fault
from ..realtime.results import DropCause

#: The second report comes after so many more ms, the next after twice that.
_FIRST_STEP_MS = 1000
#: What stays away for so long is over, in seconds.
_FORGET_S = 60.0
#: So many kinds are told apart.
_MOST_KINDS = 32
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
    ) -> Fault | None:
        """Take a dropped stretch; the report if one is due."""
        if not self._unreported_ms:
            self._start_ms = start_ms
        self._cause = cause
        self._unreported_ms += duration_ms
        if self._unreported_ms < self._step_ms:
            return None
        self._step_ms = max(2 * self._step_ms, _FIRST_STEP_MS)
        return self._report()

    def rest(self) -> Fault | None:
        """The report of what is left, if any; the next drop is a first."""
        self._step_ms = 0
        return self._report() if self._unreported_ms else None

    def _report(self) -> Fault:
        dropped, self._unreported_ms = self._unreported_ms, 0
        return Fault(
            "report",
            "audio_dropped",
            f"audio dropped: {dropped} ms from {self._start_ms} ms on;"
            f" {_CAUSES[self._cause]}",
        )


class Repeats:
    """Which of what comes again and again is told: of each kind the 1st, 2nd,
    4th, 8th … time."""

    def __init__(self) -> None:
        #: By kind: how often, and when last.
        self._seen: dict[str, tuple[int, float]] = {}

    def count(self, kind: str, now: float) -> int:
        """How often that has come, with this time, if it is to be told; else
        0.  ``now`` in seconds; a kind that stayed away begins anew."""
        if kind not in self._seen and len(self._seen) >= _MOST_KINDS:
            self._forget(now)
            if len(self._seen) >= _MOST_KINDS:
                # They differ each time: a flood, too.
                kind = ""
        count, last = self._seen.get(kind, (0, now))
        count = 1 if now - last > _FORGET_S else count + 1
        self._seen[kind] = count, now
        return count if is_told(count) else 0

    def _forget(self, now: float) -> None:
        self._seen = {
            kind: (count, last)
            for kind, (count, last) in self._seen.items()
            if now - last <= _FORGET_S
        }


def is_told(count: int) -> bool:
    """Is this the 1st, 2nd, 4th, 8th … time?"""
    return count & (count - 1) == 0

"""What happened in a call, in plain words and with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .remedies import Advice
from .timeline import Timeline

#: ``bad``: something was lost, or the call ended; ``warn``: somebody should
#: look at it; ``info``: it is good to know.
Severity = Literal["bad", "warn", "info"]
_ORDER: tuple[Severity, ...] = ("bad", "warn", "info")


@dataclass(frozen=True)
class Place:
    """When (ms of the log) and where in the audio (ms) it happened; ``text``
    is what was said about it."""

    t: float
    at_ms: float
    text: str = ""


@dataclass
class Happening:
    """What happened, once or several times; ``count`` of all, ``places`` of
    the first ones."""

    severity: Severity
    advice: Advice
    places: list[Place] = field(default_factory=list)
    count: int = 0


#: So many places of one kind are shown, and so many kinds.
_MOST_PLACES, MOST_KINDS = 20, 200


class Happenings:
    """Collects what happened; the like is one entry."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._found: dict[tuple[str, str], Happening] = {}
        #: Kinds that were left out, as there are too many.
        self.more = 0

    def add(
        self,
        severity: Severity,
        advice: Advice,
        t: float,
        text: str = "",
        at_ms: float | None = None,
    ) -> None:
        key = severity, advice.title
        entry = self._found.get(key)
        if entry is None:
            if len(self._found) >= MOST_KINDS:
                self.more += 1
                return
            entry = self._found[key] = Happening(severity, advice)
        entry.count += 1
        if len(entry.places) < _MOST_PLACES:
            at = self._timeline.position(t) if at_ms is None else at_ms
            entry.places.append(Place(t, at, text))

    def sorted(self) -> list[Happening]:
        """The worst first, then by time."""
        return sorted(
            self._found.values(),
            key=lambda h: (_ORDER.index(h.severity), h.places[0].at_ms),
        )

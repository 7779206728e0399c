"""The finalizes of a call, and their answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from devkit.sessions.lines import Line

from . import fields
from .timeline import Timeline

#: An answer after this part of the bound came as the time was up.
_NEARLY = 0.95


@dataclass
class Finalize:
    """Asked and answered at these times (ms of the log) and positions in the
    audio (ms); None: no answer is in the log."""

    name: str
    asked_t: float
    asked_ms: float
    bound_ms: float
    answered_t: float | None = None
    answered_ms: float | None = None

    @property
    def waited_ms(self) -> float | None:
        if self.answered_t is None:
            return None
        return self.answered_t - self.asked_t

    @property
    def at_bound(self) -> bool:
        waited = self.waited_ms
        return waited is not None and waited >= _NEARLY * self.bound_ms


def finalizes_of(
    lines: Iterable[Line], timeline: Timeline, bound_ms: float
) -> list[Finalize]:
    found: list[Finalize] = []
    waiting: dict[str, list[Finalize]] = {}
    for line in lines:
        name = fields.text(line.fields.get("finalize_id"), 200)
        at = timeline.position(line.t)
        if line.kind == "finalize":
            one = Finalize(name, line.t, at, bound_ms)
            found.append(one)
            waiting.setdefault(name, []).append(one)
        elif line.kind == "finalize_end" and waiting.get(name):
            one = waiting[name].pop(0)
            one.answered_t, one.answered_ms = line.t, at
    return found

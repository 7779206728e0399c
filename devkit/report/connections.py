"""The connections of a call, and the times without one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from devkit.sessions.lines import Line

from . import fields
from .timeline import Timeline

#: More are not drawn one by one.
_MOST = 2000


@dataclass
class Connection:
    """From ``opened`` to ``closed`` (ms of the log; None: it was open at the
    end of the log), and the positions of the audio then (ms).

    ``ready_t`` is when its session was ready, ``replayed_ms`` how much audio
    was sent again then; both are only in newer logs.
    """

    number: int
    opened_t: float
    opened_ms: float
    closed_t: float | None = None
    closed_ms: float | None = None
    code: int = 0
    reason: str = ""
    session_id: str = ""
    ready_t: float | None = None
    connect_ms: float | None = None
    replayed_ms: float = 0.0
    recovered: bool = False


@dataclass(frozen=True)
class Outage:
    """No connection was open: from when to when (ms of the log; the positions
    of the audio), and how many attempts failed meanwhile."""

    start_t: float
    end_t: float
    start_ms: float
    end_ms: float
    failed: int
    reason: str
    #: It is the time before the first connection, or there was none at all.
    first: bool
    never: bool
    #: There was no other connection after it.
    to_end: bool

    @property
    def wall_ms(self) -> float:
        return self.end_t - self.start_t


def connections_of(
    lines: Iterable[Line], timeline: Timeline
) -> list[Connection]:
    """In the order in which they were opened."""
    #: A call that is revived counts from 1 again.
    found: list[Connection] = []
    numbered: dict[int, Connection] = {}
    last: Connection | None = None
    for line in lines:
        number = fields.count(line.fields.get("connection"))
        if line.kind == "opened" and len(found) < _MOST:
            at = timeline.position(line.t)
            last = numbered[number] = Connection(number, line.t, at)
            found.append(last)
        elif line.kind == "closed" and number in numbered:
            one = numbered[number]
            one.closed_t, one.closed_ms = line.t, timeline.position(line.t)
            one.code = fields.count(line.fields.get("code"))
            one.reason = fields.text(line.fields.get("reason"))
        elif line.kind == "ready" and last is not None:
            last.ready_t = line.t
            last.session_id = fields.text(line.fields.get("session_id"), 200)
            last.connect_ms = fields.number(line.fields.get("connect_ms"))
            last.replayed_ms = fields.number(line.fields.get("replayed_ms"))
            last.recovered = line.fields.get("recovered") is True
    return found


def outages_of(
    lines: Iterable[Line],
    connections: list[Connection],
    timeline: Timeline,
    end_t: float,
) -> list[Outage]:
    """The times without a connection up to ``end_t``, the end of the log;
    what comes behind the last frame is no outage but the end of the call."""
    failures = sorted(
        (line.t, fields.text(line.fields.get("reason")))
        for line in lines
        if line.kind == "connect_failed"
    )
    gaps: list[tuple[float, float]] = []
    covered = 0.0
    for one in sorted(connections, key=lambda one: one.opened_t):
        if one.opened_t > covered:
            gaps.append((covered, one.opened_t))
        closed = end_t if one.closed_t is None else one.closed_t
        covered = max(covered, closed)
    to_end = covered < timeline.last_at
    if to_end:
        gaps.append((covered, end_t))
    outages = []
    for index, (start, end) in enumerate(gaps, start=1):
        first = bisect_left(failures, (start,))
        failed = bisect_left(failures, (end, "\U0010ffff")) - first
        reason = failures[first + failed - 1][1] if failed else ""
        outages.append(
            Outage(
                start,
                end,
                timeline.position(start),
                timeline.position(end),
                failed,
                reason,
                start == 0,
                not connections,
                to_end and index == len(gaps),
            )
        )
    return outages

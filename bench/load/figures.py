"""What the notes of a run mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median_low
from typing import Any

import numpy as np
import numpy.typing as npt

from .plan import FRAME_MS, Plan

#: The wire's PCM16 at 24 kHz.
_FRAME_ON_WIRE = 24 * 2 * FRAME_MS
#: Frames that go in later than this, in ms, in the last quarter of a run: then
#: the process does not keep up, and its figures mean nothing.
_OVERLOAD_MS = 100
#: The last frames of a call wait for more that never come, in ms.
_LAST_MS = 300

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Of times in ms; NaN where there are none."""

    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, times_ms: Iterable[float] | Times) -> Spread:
        times = np.fromiter(times_ms, float)
        if not len(times):
            return cls(*[float("nan")] * 3)
        found = *np.percentile(times, (50, 99)), times.max()
        return cls(*map(float, found))

    def __str__(self) -> str:
        if np.isnan(self.p50):
            return "-"
        return " / ".join(f"{t:.1f}" for t in (self.p50, self.p99, self.worst))


@dataclass(frozen=True)
class Figures:
    """One run.

    ``cpu``: ms of the process per second and call; ``memory_mb``: of the
    process at the end; ``late_ms``: how late the frames of the last quarter
    went in (median); ``held``: the loop, by a tick each 5 ms; ``busy``: that,
    but by this process alone; ``to_wire``: from a frame with speech that goes
    in to its message at the service; ``to_result``: from an event of the
    service to what comes of it; ``to_commit``: from the end of speech to the
    commit; ``messages``: with audio, per second and call; ``words``,
    ``results``: events with a text, and what came out for them (several at once
    may come as one); ``lost``: finals that never came out; ``cores``,
    ``service_cores``: CPU of the process and of the service.
    """

    cpu: float
    memory_mb: float
    late_ms: float
    held: Spread
    busy: Spread
    to_wire: Spread
    to_result: Spread
    to_commit: Spread
    messages: float
    words: int
    results: int
    lost: int
    cores: float
    service_cores: float

    @property
    def overloaded(self) -> bool:
        """Did frames go in ever later?"""
        return self.late_ms > _OVERLOAD_MS


def figures(
    plan: Plan, notes: dict[str, Any], heard: dict[str, Any]
) -> Figures:
    """What a run's notes (`feed.Feed`, `service.Session`) say."""
    calls, groups = len(plan.starts), notes["groups"]
    pushed = np.array(notes["pushed"], float) / 1000
    # A feed that gave up did so anywhere.
    pushed = pushed[: len(pushed) // groups * groups].reshape(-1, groups)
    step = FRAME_MS / groups
    due = notes["begin"] / 1000 + FRAME_MS * np.arange(len(pushed))
    late = pushed - due[:, None] - step * np.arange(groups)
    at_service = heard["sessions"] or [None] * calls
    to_wire: list[Times] = []
    to_commit: list[float] = []
    words = {}
    messages = 0
    for call, session in enumerate(at_service):
        if session is None:
            continue
        frames = pushed[:, call % groups]
        said = plan.said(call)
        to_wire.append(_to_wire(frames, said, session["appends"]))
        messages += len(session["appends"])
        to_commit += _to_commit(frames, said, session["commits"])
        for at, word, final in session["words"]:
            words[call, word, final] = at
    # A turn that the end of the feed ended may have its final after the run.
    until = notes["pushed"][-1] + _LAST_MS * 1000
    finals = {cell for cell, at in words.items() if cell[2] and at <= until}
    lost = finals - {(call, word, f) for call, _, word, f in notes["results"]}
    to_result = [
        (at - sent) / 1000
        for call, at, word, final in notes["results"]
        if (sent := words.get((call, word, final))) is not None
    ]
    call_seconds = calls * plan.seconds
    return Figures(
        cpu=notes["cpu_s"] * 1000 / call_seconds,
        memory_mb=notes["rss_mb"],
        late_ms=float(np.median(late[-len(late) // 4 :])),
        held=Spread.of(np.array(notes["held"]) / 1000),
        busy=Spread.of(np.array(notes["busy"]) / 1000),
        to_wire=Spread.of(np.concatenate(to_wire) if to_wire else []),
        to_result=Spread.of(to_result),
        to_commit=Spread.of(to_commit),
        messages=messages / call_seconds,
        words=len(words),
        results=len(to_result),
        lost=len(lost),
        cores=notes["cpu_s"] / notes["wall_s"],
        service_cores=heard["cpu_s"] / notes["wall_s"],
    )


def _to_wire(
    frames: Times,
    said: Sequence[tuple[int, int]],
    appends: Sequence[tuple[int, int]],
) -> Times:
    """For each frame with speech, until the message came that has its last
    sample."""
    if not appends:
        return np.array([])
    at, size = np.array(appends, float).T
    frames = frames[: -_LAST_MS // FRAME_MS]
    spoken = np.zeros(len(frames), bool)
    for start, end in said:
        spoken[start // FRAME_MS : -(-end // FRAME_MS)] = True
    ends = _FRAME_ON_WIRE * np.arange(1, len(frames) + 1)
    which = np.searchsorted(size, ends)
    there = spoken & (which < len(at))
    delays: Times = at[which[there]] / 1000 - frames[there]
    return delays


def _to_commit(
    frames: Times, said: Sequence[tuple[int, int]], commits: Sequence[int]
) -> list[float]:
    """For each turn, until the first commit that came after its end and
    before the next turn began."""
    found = []
    starts = [start for start, _ in said[1:]] + [len(frames) * FRAME_MS]
    for (_, end), following in zip(said, starts, strict=True):
        if end >= len(frames) * FRAME_MS:
            continue
        spoken = frames[end // FRAME_MS]
        until = frames[min(following // FRAME_MS, len(frames) - 1)]
        after = [c / 1000 for c in commits if spoken <= c / 1000 <= until]
        found += [after[0] - spoken] if after else []
    return found


def middle(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over several runs; the lower one of two."""

    def of(name: str) -> Any:
        values = [getattr(run, name) for run in rounds]
        if isinstance(values[0], Spread):
            return Spread(
                *(
                    median_low([getattr(v, part) for v in values])
                    for part in asdict(values[0])
                )
            )
        return median_low(values)

    return Figures(**{name: of(name) for name in Figures.__annotations__})

"""Compare detected turns with the true ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from ten_packages.extension.openai_asr_python.audio.turns import (
    TurnEnded,
    TurnStarted,
)

from .at_once import DetectorAtOnce
from .scenes import Scene


@dataclass
class Score:
    """Counts and errors (ms) over some scenes."""

    turns: int = 0
    missed: int = 0
    split: int = 0
    merged: int = 0
    false: int = 0
    onset_ms: list[float] = field(default_factory=list)
    clipped_ms: list[float] = field(default_factory=list)
    commit_ms: list[float] = field(default_factory=list)

    @property
    def faults(self) -> int:
        return self.missed + self.split + self.merged + self.false

    def add(self, other: Score) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Found:
    """A detected turn, ms."""

    start: float
    onset: float
    end: float
    committed: float


def detected(scene: Scene, settings: dict[str, float]) -> list[Found]:
    """The turns that the detector finds.

    The recording is pushed in frames of 10 ms, as a call delivers it.
    """
    detector = DetectorAtOnce(scene.rate, **settings)  # type: ignore[arg-type]
    frame = scene.rate // 100
    events: list[TurnStarted | TurnEnded] = []
    for position in range(0, len(scene.samples), frame):
        events += detector.hear(scene.samples[position : position + frame])
    last = detector.finalize()
    if last is not None:
        events.append(last)
    found = []
    ms = 1000 / scene.rate
    for event in events:
        if isinstance(event, TurnStarted):
            start = event
        else:
            found.append(
                Found(
                    start.start_sample * ms,
                    start.onset_sample * ms,
                    event.end_of_speech_sample * ms,
                    event.at_sample * ms,
                )
            )
    return found


def score(scene: Scene, settings: dict[str, float]) -> Score:
    """Match turns by overlap of the speech; see docs/turn_detection.md."""
    found = detected(scene, settings)
    result = Score(turns=len(scene.turns))
    overlap = np.array(
        [[f.onset < b and f.end > a for f in found] for a, b in scene.turns],
        dtype=bool,
    ).reshape(len(scene.turns), len(found))
    per_turn, per_found = overlap.sum(axis=1), overlap.sum(axis=0)
    result.missed = int((per_turn == 0).sum())
    result.split = int(np.maximum(per_turn - 1, 0).sum())
    result.merged = int(np.maximum(per_found - 1, 0).sum())
    result.false = int((per_found == 0).sum())
    for turn, (begin, end) in enumerate(scene.turns):
        if per_turn[turn] != 1:
            continue
        match = found[int(np.argmax(overlap[turn]))]
        if per_found[found.index(match)] == 1:
            result.onset_ms.append(match.onset - begin)
            result.clipped_ms.append(max(match.start - begin, 0.0))
            result.commit_ms.append(match.committed - end)
    return result

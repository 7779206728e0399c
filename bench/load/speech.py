"""A plan of recordings: the committed voices, or a directory of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from bench.turns.scenes import SPEECH

from .plan import FRAME_MS, RATE, Plan

#: Of the time of a call.
SPEECH_SHARE = 0.4
_LEVEL = 10 ** (-23 / 20)
_HISS = 10 ** (-68 / 20)
#: A recording begins and ends where it is louder than this, below its peak.
_EDGE = 10 ** (-35 / 20)
_STEP = RATE * FRAME_MS // 1000
#: So much of a directory of recordings is used, in seconds of speech.
_MOST_S = 180
_SHORTEST_S = 1.0
#: The calls begin at different places in a pause: the golden section spreads
#: any number of them.
_SPREAD = 0.618

Signal = npt.NDArray[np.float64]


def _recordings(directory: Path) -> Iterator[Signal]:
    """What is said in each file, at 16 kHz, with an RMS of 1."""
    for path in sorted(directory.rglob("*")):
        if path.suffix not in (".wav", ".flac", ".ogg"):
            continue
        samples, rate = soundfile.read(path, always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, RATE)
        steps = mono[: len(mono) // _STEP * _STEP].reshape(-1, _STEP)
        power = np.sqrt((steps**2).mean(axis=1))
        if not power.any():
            continue
        loud = np.flatnonzero(power > power.max() * _EDGE)
        spoken = steps[loud[0] : loud[-1] + 1].reshape(-1)
        if len(spoken) >= _SHORTEST_S * RATE:
            yield spoken / np.sqrt(np.mean(spoken**2))


def make_plan(
    calls: int, seconds: int, folder: Path, recordings: Path = SPEECH
) -> Plan:
    """Write the track into ``folder``.  Raises FileNotFoundError where there
    are no recordings."""
    pieces: list[Signal] = []
    utterances: list[tuple[int, int]] = []
    at = spoken_s = 0.0
    pauses = []
    for speech in _recordings(recordings):
        gap = round(len(speech) * (1 / SPEECH_SHARE - 1) / _STEP) * _STEP
        start = at + gap
        at = start + len(speech)
        pieces += [np.zeros(gap), speech]
        utterances.append((round(start * 1000 / RATE), round(at * 1000 / RATE)))
        pauses.append(gap * 1000 // RATE)
        spoken_s += len(speech) / RATE
        if spoken_s > _MOST_S:
            break
    if not pieces:
        raise FileNotFoundError(f"{recordings}: no recordings")
    signal = np.concatenate(pieces) * _LEVEL
    signal += np.random.default_rng(1).normal(0, _HISS, len(signal))
    samples = np.rint(np.clip(signal, -1, 1) * 32767).astype("<i2")
    track = folder / "track.pcm"
    track.write_bytes(samples.tobytes())
    starts = []
    for call in range(calls):
        which = call * 7 % len(utterances)
        before = pauses[which] * (1 - call * _SPREAD % 1)
        first = utterances[which][0] - before
        starts.append(int(first) // FRAME_MS * FRAME_MS)
    return Plan(str(track), utterances, starts, seconds)

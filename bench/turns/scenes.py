"""Recordings whose turns are known, composed from committed speech.

Everything is drawn from seeded generators: the same scenes on every machine.
Levels are dBFS of the RMS over the speech, noise is added in dB below it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

SPEECH = Path(__file__).resolve().parent / "speech"
RATE = 16000
VOICES = ("rms", "slt", "awb")

Signal = npt.NDArray[np.float64]
NoiseMaker = Callable[[int, np.random.Generator], Signal]


@dataclass(frozen=True)
class Scene:
    """One recording: int16 `samples` at `rate` Hz, turns as (from, to) ms."""

    name: str
    samples: npt.NDArray[np.int16]
    rate: int
    turns: list[tuple[float, float]]


@cache
def utterances(voice: str) -> list[Signal]:
    """The committed sentences of `voice`, each with an RMS of 1."""
    found = []
    for path in sorted(SPEECH.glob(f"{voice}_*.flac")):
        samples, rate = soundfile.read(path, dtype="float64")
        if rate != RATE:
            raise ValueError(f"{path.name}: {rate} Hz instead of {RATE}")
        found.append(samples / np.sqrt(np.mean(samples**2)))
    if not found:
        raise FileNotFoundError(f"{SPEECH}: no {voice}_*.flac")
    return found


def white(count: int, random: np.random.Generator) -> Signal:
    return random.standard_normal(count)


def pink(count: int, random: np.random.Generator) -> Signal:
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return np.asarray(np.fft.irfft(spectrum, count))


def hum(count: int, random: np.random.Generator) -> Signal:
    """Mains at 50 Hz with harmonics, and a fan's breath under it."""
    time = np.arange(count) / RATE
    tones = sum(
        np.sin(2 * np.pi * 50 * k * time + random.uniform(0, 7)) / k
        for k in range(1, 9)
    )
    return np.asarray(tones) + 0.05 * random.standard_normal(count)


def babble(count: int, random: np.random.Generator) -> Signal:
    """Eight talkers who never pause, from random places on."""
    total = np.zeros(count)
    for _ in range(8):
        voice = VOICES[int(random.integers(3))]
        parts = utterances(voice)
        order = random.permutation(len(parts))
        talk = np.concatenate([parts[k] for k in order])
        talk = np.roll(talk, int(random.integers(len(talk))))
        total += np.resize(talk, count)
    return total


def keyboard(count: int, random: np.random.Generator) -> Signal:
    """Key strokes, 3 to 8 a second: a click and a thump, then again."""
    signal = np.zeros(count)
    at = 0
    while True:
        at += int(random.uniform(0.12, 0.35) * RATE)
        length = int(random.uniform(0.008, 0.04) * RATE)
        if at + 2 * length + RATE // 10 >= count:
            return signal
        for start, gain in ((at, 1.0), (at + RATE // 12, 0.5)):
            fade = np.exp(-np.arange(length) / (length / 5))
            click = random.standard_normal(length) * fade
            time = np.arange(length) / RATE
            thump = np.sin(2 * np.pi * random.uniform(90, 250) * time) * fade
            signal[start : start + length] += gain * (click + thump)


def knocks(count: int, random: np.random.Generator) -> Signal:
    """Single knocks of 60 to 120 ms (door, cup), about one a second."""
    signal = np.zeros(count)
    at = 0
    while True:
        at += int(random.uniform(0.6, 1.5) * RATE)
        length = int(random.uniform(0.06, 0.12) * RATE)
        if at + length >= count:
            return signal
        time = np.arange(length) / RATE
        fade = np.exp(-np.arange(length) / (length / 4))
        tone = np.sin(2 * np.pi * random.uniform(120, 600) * time)
        body = tone + 0.3 * random.standard_normal(length)
        signal[at : at + length] += body * fade


NOISES: dict[str, NoiseMaker] = {
    "white": white,
    "pink": pink,
    "hum": hum,
    "babble": babble,
    "keyboard": keyboard,
    "knocks": knocks,
}


def noise(kind: str, count: int, seed: int) -> Signal:
    """`count` samples of noise with an RMS of 1."""
    signal = NOISES[kind](count, np.random.default_rng(seed))
    return np.asarray(signal / np.sqrt(np.mean(signal**2)))


def _finished(
    name: str, signal: Signal, rate: int, turns: list[tuple[float, float]]
) -> Scene:
    if rate != RATE:
        signal = soxr.resample(signal, RATE, rate, "HQ")
    scaled = np.rint(np.clip(signal, -1, 1) * 32767).astype(np.int16)
    return Scene(name, scaled, rate, turns)


def spoken(
    name: str,
    voice: str,
    *,
    level_db: float = -23.0,
    pause_ms: int = 1000,
    inner_pause_ms: int = 0,
    noise_kind: str = "white",
    snr_db: float = 45.0,
    rate: int = 24000,
) -> Scene:
    """All sentences of `voice`, each a turn, `pause_ms` apart.

    With `inner_pause_ms` two sentences with that pause make one turn.
    """
    random = np.random.default_rng(crc32(name.encode()))
    parts = utterances(voice)
    order = [parts[k] for k in random.permutation(len(parts))]
    if inner_pause_ms:
        gap = np.zeros(inner_pause_ms * RATE // 1000)
        pairs = zip(order[::2], order[1::2], strict=True)
        order = [np.concatenate((a, gap, b)) for a, b in pairs]
    pieces = [np.zeros(int(random.uniform(0.7, 1.3) * RATE))]
    turns = []
    position = len(pieces[0])
    for part in order:
        end = position + len(part)
        turns.append((position * 1000 / RATE, end * 1000 / RATE))
        # Not always the same place in the detector's windows.
        pause = pause_ms * RATE // 1000 + int(random.integers(0, RATE // 30))
        pieces += [part, np.zeros(pause)]
        position = end + pause
    pieces.append(np.zeros(RATE))
    signal = np.concatenate(pieces)
    seed = int(random.integers(2**31))
    hiss = noise(noise_kind, len(signal), seed) * 10 ** (-snr_db / 20)
    return _finished(name, (signal + hiss) * 10 ** (level_db / 20), rate, turns)


def wordless(
    name: str,
    kind: str,
    *,
    level_db: float,
    seconds: int = 30,
    rate: int = 24000,
) -> Scene:
    """Noise alone, from the first sample."""
    signal = noise(kind, seconds * RATE, crc32(name.encode()))
    # A door that opens: the level rises by 10 dB in the middle.
    signal[len(signal) // 2 :] *= 10**0.5
    return _finished(name, signal * 10 ** (level_db / 20), rate, [])


def _spoken_by_all(title: str, **shape: Any) -> list[Scene]:
    return [spoken(f"{title} {v}", v, **shape) for v in VOICES]


def _wordless_levels(kind: str) -> list[Scene]:
    return [
        wordless(f"only {kind} {level}", kind, level_db=level)
        for level in (-60, -40, -25)
    ]


def groups() -> dict[str, Callable[[], list[Scene]]]:
    """The benchmark's scenes by the row of its table."""
    rows: dict[str, Callable[[], list[Scene]]] = {}

    def row(title: str, **shape: Any) -> None:
        rows[title] = partial(_spoken_by_all, title, **shape)

    for level in (-10, -20, -30, -40):
        row(f"level {level} dBFS", level_db=level)
    for pause in (700, 1000, 2000):
        row(f"pauses {pause} ms", pause_ms=pause)
    row("pauses 300 ms inside a turn", inner_pause_ms=300)
    for kind in ("white", "pink", "hum", "babble"):
        for snr in (30, 20, 10, 5):
            row(f"{kind} noise, SNR {snr} dB", noise_kind=kind, snr_db=snr)
    for kind in ("keyboard", "knocks"):
        row(f"{kind}, SNR 10 dB", noise_kind=kind, snr_db=10)
    row("8 kHz", rate=8000)
    row("8 kHz, white noise, SNR 10 dB", rate=8000, snr_db=10)
    for kind in NOISES:
        rows[f"only {kind}"] = partial(_wordless_levels, kind)
    return rows

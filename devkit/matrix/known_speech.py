"""Two spoken sentences, and an engine that hears exactly which parts came.

Local turn detection wants real speech, and a matrix wants an exact answer.
So the engine looks for the waveform of the two sentences, in pieces of
150 ms: each piece that arrived whole is a word of the text, ``one03`` or
``two01``.  What was cut off, doubled or damaged shows in the text.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from devkit.server.engine import Engine, Stream, Word

Int16Array = npt.NDArray[np.int16]
Signal = npt.NDArray[np.float64]

_SPEECH = Path(__file__).parents[2] / "bench" / "turns" / "speech"
_SENTENCES = {"one": "rms_01.flac", "two": "awb_05.flac"}
_RATE = 8000
_PIECE = _RATE * 150 // 1000
#: Quieter pieces than this, of the sentence's RMS, say nothing.
_QUIET = 0.25
#: Correlation of a piece that arrived whole, of the sentence if it is there.
_WHOLE, _THERE = 0.85, 0.4
_PAUSES_MS = (700, 1200, 1300)
_LEVEL = 0.1


@cache
def _sentence(name: str, rate: int) -> Signal:
    samples, own = soundfile.read(_SPEECH / _SENTENCES[name], dtype="float64")
    resampled: Signal = np.asarray(soxr.resample(samples, own, rate))
    loudness = float(np.sqrt(np.mean(resampled**2)))
    return np.asarray(resampled * (_LEVEL / loudness))


@cache
def call_audio(rate: int) -> Int16Array:
    """The call: both sentences with pauses, int16 mono at ``rate`` Hz."""
    pauses = [np.zeros(rate * ms // 1000) for ms in _PAUSES_MS]
    parts = [pauses[0], _sentence("one", rate), pauses[1]]
    parts += [_sentence("two", rate), pauses[2]]
    hiss = np.random.default_rng(1).standard_normal(sum(map(len, parts)))
    signal = np.concatenate(parts) + hiss * 1e-4
    return np.rint(np.clip(signal, -1, 1) * 32767).astype(np.int16)


def middle(rate: int) -> int:
    """A sample in the pause, long after the first sentence's turn is over."""
    before = rate * (_PAUSES_MS[0] + _PAUSES_MS[1] * 2 // 3) // 1000
    return before + len(_sentence("one", rate))


def call_words() -> list[str]:
    """What the call says."""
    return [word for name in _SENTENCES for word in sentence_words(name)]


def sentence_words(name: str) -> list[str]:
    """What the sentence ``one`` or ``two`` says."""
    return [f"{name}{number:02d}" for number, _ in _pieces(name)]


@cache
def _pieces(name: str) -> tuple[tuple[int, int], ...]:
    """(number, first sample) of a sentence's pieces that say something."""
    signal = _sentence(name, _RATE)
    starts = range(0, len(signal) - _PIECE + 1, _PIECE)
    return tuple(
        (number, start)
        for number, start in enumerate(starts)
        if np.sqrt(np.mean(signal[start : start + _PIECE] ** 2))
        > _QUIET * _LEVEL
    )


def words_in(samples: Int16Array, rate: int) -> list[str]:
    """The words of a stretch of audio, in order; each sentence once."""
    return [word.text for word in timed_words_in(samples, rate)]


def timed_words_in(samples: Int16Array, rate: int) -> list[Word]:
    """The same, with where they lie."""
    heard = samples.astype(np.float64) / 32768
    if rate != _RATE:
        heard = np.asarray(soxr.resample(heard, rate, _RATE))
    found = []
    for name in _SENTENCES:
        sentence = _sentence(name, _RATE)
        size = len(heard) + len(sentence)
        spectrum = np.fft.rfft(heard, size) * np.conj(
            np.fft.rfft(sentence, size)
        )
        match = np.fft.irfft(spectrum, size)
        peak = int(np.argmax(match))
        if match[peak] < _THERE * float(sentence @ sentence):
            # Less than a part of it: not even a stump is reported.
            continue
        offset = peak - size if peak >= len(heard) else peak
        for number, start in _pieces(name):
            begin = offset + start
            piece = sentence[start : start + _PIECE]
            if _likeness(heard, begin, piece) >= _WHOLE:
                found.append((begin, f"{name}{number:02d}"))
    scale = rate / _RATE
    return [
        Word(name, round(begin * scale), round((begin + _PIECE) * scale))
        for begin, name in sorted(found)
    ]


def _likeness(heard: Signal, begin: int, piece: Signal) -> float:
    if begin < 0 or begin + len(piece) > len(heard):
        return 0.0
    part = heard[begin : begin + len(piece)]
    size = float(np.sqrt((part @ part) * (piece @ piece)))
    return float(part @ piece) / size if size else 0.0


class KnownSpeechEngine(Engine):
    """It knows these two sentences."""

    def warm_up(self) -> None:
        call_words()

    async def transcribe(self, samples: Int16Array, rate: int) -> str:
        return " ".join(words_in(samples, rate))

    async def words(self, samples: Int16Array, rate: int) -> list[Word]:
        return timed_words_in(samples, rate)

    def stream(self, rate: int) -> KnownSpeechStream:
        return KnownSpeechStream(rate)


class KnownSpeechStream(Stream):
    """Text while the item grows: a look every second of audio."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._parts: list[Int16Array] = []
        self._looked_at = 0
        self._said: list[str] = []

    async def feed(self, samples: Int16Array) -> str:
        self._parts.append(samples)
        length = sum(map(len, self._parts))
        if length - self._looked_at < self._rate:
            return ""
        self._looked_at = length
        words = words_in(np.concatenate(self._parts), self._rate)
        if words[: len(self._said)] != self._said:
            return ""
        new = words[len(self._said) :]
        lead = " " if self._said and new else ""
        self._said = words
        return lead + " ".join(new)

    async def finish(self) -> str:
        if not self._parts:
            return ""
        return " ".join(words_in(np.concatenate(self._parts), self._rate))

"""Where in a file somebody speaks, and what is said there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import numpy as np

from ..engine import Engine
from ..schema import Json
from ..vad import WINDOW_MS, EnergyVad, SpeechStarted, SpeechStopped
from ..wire_audio import Int16Array

_BLOCK_S = 10
# Quiet speech is brought to 15 dB above what a threshold of 0.5 takes for
# speech, so that a line's noise 20 dB below it stays out.
_LOUD_PERCENT = 99.9  # of the windows; clicks are shorter
_LOUD_DBFS = -30.0
_MAX_GAIN_DB = 30.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """Samples, ``start`` to ``end``: the speech itself; ``begin`` to
    ``close``: what is given to the engine, with some of the pauses."""

    start: int
    end: int
    begin: int
    close: int


@dataclass(frozen=True, slots=True)
class Segment:
    """``start`` and ``end`` in seconds of the file."""

    start: float
    end: float
    text: str
    words: tuple[TimedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class TimedWord:
    """``start`` and ``end`` in seconds of the file."""

    text: str
    start: float
    end: float


def spoken_parts(
    samples: Int16Array, rate: int, detector: Json, *, loudness: bool
) -> list[Spoken]:
    """``detector``: a server_vad object; slow for long files."""
    prefix = rate * int(detector["prefix_padding_ms"]) // 1000
    # At least one window, as the detector has it; at most the file.
    silence_ms = min(
        max(int(detector["silence_duration_ms"]), WINDOW_MS),
        len(samples) * 1000 // rate + WINDOW_MS,
    )
    silence = rate * silence_ms // 1000
    # Prefix and silence are taken off again, so that the times are those of
    # the speech.
    vad = EnergyVad(
        {
            **detector,
            "prefix_padding_ms": 0,
            "silence_duration_ms": silence_ms,
        },
        rate,
    )
    gain = _gain(samples, rate) if loudness else 1.0
    parts: list[Spoken] = []
    start = before = 0
    for block in _blocks(samples, rate, silence):
        loud = np.clip(block * np.float32(gain), -32768, 32767)
        for event in vad.push(loud.astype(np.int16)):
            if isinstance(event, SpeechStarted):
                start = event.start
                continue
            assert isinstance(event, SpeechStopped)
            close = min(event.end, len(samples))
            end = min(event.end - silence, len(samples))
            begin = max(before, start - prefix)
            parts.append(Spoken(start, end, begin, close))
            before = close
    return parts


async def segments_of(
    parts: list[Spoken],
    samples: Int16Array,
    rate: int,
    engine: Engine,
    *,
    words: bool = False,
) -> AsyncIterator[Segment]:
    """One after the other; parts without text are left out."""
    for part in parts:
        piece = samples[part.begin : part.close]
        text = await engine.transcribe(piece, rate)
        found = await engine.words(piece, rate) if text and words else None
        if text:
            yield Segment(
                part.start / rate,
                part.end / rate,
                text,
                tuple(
                    TimedWord(
                        word.text,
                        (part.begin + word.start) / rate,
                        (part.begin + word.end) / rate,
                    )
                    for word in found or ()
                ),
            )


def _blocks(
    samples: Int16Array, rate: int, silence: int
) -> Iterator[Int16Array]:
    """The file in pieces, then what ends its last part."""
    for at in range(0, len(samples), _BLOCK_S * rate):
        yield samples[at : at + _BLOCK_S * rate]
    yield np.zeros(silence + rate, np.int16)


def _gain(samples: Int16Array, rate: int) -> float:
    window = rate * WINDOW_MS // 1000
    powers = [
        np.square(block.astype(np.float32)).mean(1)
        for at in range(0, len(samples), _BLOCK_S * rate)
        if len(block := _windows(samples[at : at + _BLOCK_S * rate], window))
    ]
    if not powers:
        return 1.0
    loud = float(np.percentile(np.concatenate(powers), _LOUD_PERCENT))
    level_db = 10 * np.log10(max(loud, 1e-9) / 32768.0**2)
    gain_db = min(max(_LOUD_DBFS - level_db, 0.0), _MAX_GAIN_DB)
    return float(10 ** (gain_db / 20))


def _windows(block: Int16Array, window: int) -> Int16Array:
    count = len(block) // window
    return block[: count * window].reshape(count, window)

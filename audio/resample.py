"""Streaming sample-rate conversion that can be flushed and goes on.

`soxr` does the filtering. It holds some audio back (its filter looks ahead),
which must be flushed before a commit or the end of the last word is missing;
and a flushed soxr stream is finished. So `Resampler` never flushes its stream:
it converts the last input by itself, and drops what the stream brings later.

soxr's int16 path adds dither whose noise depends on the chunk sizes; its
float32 path gives the same bits for every chunking. So float32 it is, with
rounding and clipping here. Measurements: docs/resampling.md.
"""

from __future__ import annotations

from collections import deque
from math import gcd
from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]

from .g711 import Int16Array

FloatArray = npt.NDArray[np.float32]
Quality = Literal["QQ", "LQ", "MQ", "HQ", "VHQ"]

# What is remembered for that, in samples of the lower of the two rates: soxr
# holds back 1400 of them, and must have heard 400 before the first of these
# for the output to be that of an uninterrupted stream (measured).
_MEMORY = 2000
# The signal is continued past a flush by linear prediction, so that the last
# samples do not fade towards silence and click when the audio goes on.
_FIT_MS = 20
_ORDER = 24
_AHEAD_MS = 5


class Resampler:
    """Converts one mono stream from `in_rate` to `out_rate` (positive, Hz).

    Output sample k is the input at time k / out_rate. After a flush exactly
    floor(total_in * out_rate / in_rate) samples have been delivered, over the
    whole life of the object: nothing drifts, nothing comes twice.
    The result does not depend on how the input was divided into pushes.
    """

    def __init__(
        self, in_rate: int, out_rate: int, quality: Quality = "HQ"
    ) -> None:
        for field, rate in (("in_rate", in_rate), ("out_rate", out_rate)):
            if rate <= 0:
                raise ValueError(f"{field}: {rate} Hz is not positive")
        self.in_rate = in_rate
        self.out_rate = out_rate
        self.total_in = 0
        self.total_out = 0
        self._quality = quality
        # soxr's output 0 falls on its input 0, so what is converted by itself
        # begins at an input sample on which an output sample falls.
        self._step = in_rate // gcd(in_rate, out_rate)
        memory = _MEMORY * in_rate // min(in_rate, out_rate)
        self._keep = memory + self._step
        #: Blocks of the input, the last `_keep` samples at least.
        self._recent: deque[FloatArray] = deque()
        self._remembered = 0
        self._stream = soxr.ResampleStream(
            in_rate, out_rate, 1, dtype="float32", quality=quality
        )
        #: What the stream will bring was delivered already.
        self._skip = 0

    @property
    def held(self) -> int:
        """Output samples that a flush would deliver now."""
        return self.total_in * self.out_rate // self.in_rate - self.total_out

    def push(self, samples: Int16Array) -> Int16Array:
        """Take int16 `samples` (1-D), return the output ready so far."""
        self.total_in += len(samples)
        if self.in_rate == self.out_rate:
            self.total_out += len(samples)
            return samples
        if not len(samples):
            return np.zeros(0, np.int16)
        block = samples.astype(np.float32)
        ready = self._stream.resample_chunk(block)
        if self._skip:
            skipped = min(self._skip, len(ready))
            self._skip -= skipped
            ready = ready[skipped:]
        self._recent.append(block)
        self._remembered += len(block)
        while self._remembered - len(self._recent[0]) >= self._keep:
            self._remembered -= len(self._recent.popleft())
        return self._delivered(ready)

    def flush(self) -> Int16Array:
        """Return everything held back. The next push joins without a gap."""
        held = self.held
        if not held:
            return np.zeros(0, np.int16)
        recent = np.concatenate(self._recent)[-self._keep :]
        ahead = _continued(
            recent[-(self.in_rate * _FIT_MS // 1000) :],
            max(self.in_rate * _AHEAD_MS // 1000, 8),
        )
        oldest = self.total_in - len(recent)
        # First input sample that is both remembered and on the output grid.
        begin = -(-oldest // self._step) * self._step
        end = np.concatenate((recent[begin - oldest :], ahead))
        ready = soxr.resample(end, self.in_rate, self.out_rate, self._quality)
        first = self.total_out - begin * self.out_rate // self.in_rate
        self._skip += held
        return self._delivered(ready[first : first + held])

    def _delivered(self, ready: FloatArray) -> Int16Array:
        self.total_out += len(ready)
        rounded = np.rint(ready)
        # `np.clip` does the same at twice the price.
        np.maximum(rounded, -32768, out=rounded)
        np.minimum(rounded, 32767, out=rounded)
        return rounded.astype(np.int16)


def _continued(recent: FloatArray, count: int) -> FloatArray:
    """Predict `count` samples after `recent` (Burg's method: always stable)."""
    forward = recent[1:].astype(np.float64)
    backward = recent[:-1].astype(np.float64)
    coefficients = np.zeros(0)
    for _ in range(min(_ORDER, len(recent) // 3)):
        power = forward @ forward + backward @ backward
        if power < 1e-3:
            break
        reflection = 2.0 * (forward @ backward) / power
        coefficients = np.concatenate(
            (coefficients - reflection * coefficients[::-1], [reflection])
        )
        forward, backward = (
            (forward - reflection * backward)[1:],
            (backward - reflection * forward)[:-1],
        )
    order = len(coefficients)
    signal = np.zeros(order + count)
    signal[:order] = recent[len(recent) - order :]
    newest_last = coefficients[::-1]
    for position in range(order, order + count):
        signal[position] = newest_last @ signal[position - order : position]
    return signal[order:].astype(np.float32)

"""How loud a call is, and whether it sounds as it should."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Samples at or beyond this are at the end of the scale.
_CLIPPED = 32_700
#: A look at the spectrum in pieces of this length.
_WINDOW_MS = 32


@dataclass
class Levels:
    """Collects what the samples of a call (int16, mono) say.

    dBFS: 0 is the end of the scale.
    """

    rate: int
    samples: int = 0
    peak: int = 0
    clipped: int = 0
    _total: float = 0.0
    #: Windows that are loud (RMS above -40 dBFS), and those of them that sound
    #: like noise.
    loud: int = 0
    noisy: int = 0

    def add(self, samples: npt.NDArray[np.int16]) -> None:
        if not len(samples):
            return
        values = samples.astype(np.float64)
        size = np.abs(values)
        self.samples += len(values)
        self.peak = max(self.peak, int(size.max()))
        self.clipped += int((size >= _CLIPPED).sum())
        self._total += float(values.sum())
        window = self.rate * _WINDOW_MS // 1000
        pieces = values[: len(values) // window * window].reshape(-1, window)
        level = np.sqrt((pieces**2).mean(axis=1))
        pieces = pieces[level > 327.68]
        if not len(pieces):
            return
        self.loud += len(pieces)
        # Within this time speech hardly moves; bytes that are read as the
        # wrong thing do, whatever the rate was (8, 16, 24, 48 kHz).
        lag = self.rate // 8000
        energy = (pieces**2).sum(axis=1)
        related = (pieces[:, lag:] * pieces[:, :-lag]).sum(axis=1)
        self.noisy += int((related < 0.25 * energy).sum())

    @property
    def peak_dbfs(self) -> float:
        """-inf for nothing but zeros."""
        return 20 * math.log10(self.peak / 32768) if self.peak else -math.inf

    @property
    def clipped_share(self) -> float:
        """Of all samples, 0 to 1."""
        return self.clipped / self.samples if self.samples else 0.0

    @property
    def offset_share(self) -> float:
        """How far the mean is from 0, as a part of the scale."""
        return abs(self._total / self.samples) / 32768 if self.samples else 0.0

    @property
    def noise_share(self) -> float:
        """How much of what is loud is no more than noise, 0 to 1."""
        return self.noisy / self.loud if self.loud else 0.0

"""Adaptive energy gate: tells when it is worth asking the speech model.

The floor is the quietest window of the last seconds (minimum statistics,
after R. Martin 2001, without the smoothing): speech has gaps within that
time, steady noise has not, so both find their own floor. The gate errs on
the open side; it saves CPU and decides nothing about speech.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]

FULL_SCALE_DB = 90.3  # 20 log10(32768): level 0 dB is one LSB
_ABSOLUTE_DB = 18.0  # -72 dBFS: below, it is silence whatever the floor
_MARGIN_DB = 4.0  # speech at 5 dB SNR stands 6 dB above its noise
_MEMORY = 80  # windows of 32 ms: 2.6 s
_HANG_OVER = 8  # windows that stay open after a loud one: 256 ms


class EnergyGate:
    """Decides per window whether it may hold speech."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._levels: deque[float] = deque(maxlen=_MEMORY)
        self._open_for = 0

    @property
    def floor_db(self) -> float:
        """Level of the background, dB over one LSB.

        Until the memory is full speech may be all there was, so the floor
        is taken to be low.
        """
        if len(self._levels) < _MEMORY:
            return _ABSOLUTE_DB - _MARGIN_DB
        return max(min(self._levels), _ABSOLUTE_DB - _MARGIN_DB)

    def is_open(self, level_db: float) -> bool:
        """Take the next window's level (dB over one LSB)."""
        if level_db >= self.floor_db + _MARGIN_DB:
            self._open_for = _HANG_OVER + 1
        self._levels.append(level_db)
        self._open_for = max(self._open_for - 1, -1)
        return self._open_for >= 0


def levels_db(samples: Int16Array, parts: int) -> npt.NDArray[np.float64]:
    """Level of each of `parts` equal stretches, dB over one LSB.

    Each stretch is freed of its mean first: neither an offset nor most of
    the mains hum counts as sound. Digital silence is 0 dB.
    """
    stretches = samples.reshape(parts, -1).astype(np.float64)
    power: npt.NDArray[np.float64] = stretches.var(axis=1)
    return 10 * np.log10(np.maximum(power, 1.0))

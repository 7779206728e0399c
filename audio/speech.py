"""How loud a stretch of audio is, and whether it stands out.

`loud_span_finder` tells a turn from the silence behind it and finds times that
no detector reports; `sound_finder` finds what a detector must say something
about, `pause_finder` where a voice pauses. `EnergyGate` saves CPU: it tells
when it is worth asking the speech model, and errs on the open side. Its floor
is the quietest window of the last seconds (minimum statistics, after R. Martin
2001, without the smoothing): speech has gaps within that time, and steady noise
has not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .converter import samples_of
from .g711 import Int16Array

_BLOCK_MS = 10
#: Quieter than this is silence whatever surrounds it: -55 dBFS, RMS.
_FLOOR = 32768 * 10 ** (-55 / 20)
#: Quieter than the loudest block by this much is silence: 30 dB.
_BELOW_PEAK = 10 ** (-30 / 20)
#: Sound stands out where it is so much above the quietest tenth of a stretch.
_STANDS_OUT = 10 ** (10 / 20)  # 10 dB
#: What stands out for less than this is no voice, in blocks.
_LEAST_VOICE = 15
#: The first of a voice tells how loud it is: so many times its pause.
_VOICE_PAUSES = 4
#: One sample in so many is enough to tell the level of 10 ms.
_STRIDE = 4

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


def pause_finder(
    wire_format: str, rate: int
) -> Callable[[bytes, int, bool], tuple[int, int] | None]:
    """A function that finds the first pause of a voice.  It takes the same
    audio, which begins with the voice, and how long a pause is at least, in
    samples; it returns the samples (first, after the last) of the first one
    behind a voice, to 10 ms, or None.  A pause is what is 30 dB below the
    voice, or silence; and with ``in_noise`` what does not stand out from the
    background, where the voice does: as soft words and music do not, either."""
    block = rate * _BLOCK_MS // 1000

    def pause(
        data: bytes, least: int, in_noise: bool
    ) -> tuple[int, int] | None:
        signal = samples_of(data, wire_format)
        levels = _block_levels(signal[::_STRIDE], block // _STRIDE)
        count = max(-(-least // block), 1)
        if len(levels) < count:
            return None
        voice = float(levels[: _VOICE_PAUSES * count].max())
        quiet = max(_FLOOR, voice * _BELOW_PEAK)
        above = max(float(np.quantile(levels, 0.1)) * _STANDS_OUT, quiet)
        if in_noise and np.count_nonzero(levels >= above) >= _LEAST_VOICE:
            quiet = above
        loud = np.flatnonzero(levels >= quiet)
        edges = np.concatenate((loud, [len(levels)]))
        pauses = np.flatnonzero(np.diff(edges) > count)
        if len(pauses) == 0:
            return None
        before, after = (int(edges[pauses[0] + n]) for n in (0, 1))
        end = len(signal) if after == len(levels) else after * block
        return (before + 1) * block, end

    return pause


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
        self._levels: deque[float] = deque(maxlen=_MEMORY)
        self._open_for = 0
        #: Level of the background, dB over one LSB; low until the memory is
        #: full, since speech may be all there was.
        self.floor_db = _LOWEST_DB

    def is_open(self, level_db: float) -> bool:
        """Take the next window's level (dB over one LSB)."""
        if level_db >= self.floor_db + _MARGIN_DB:
            self._open_for = _HANG_OVER + 1
        self._levels.append(level_db)
        if len(self._levels) == _MEMORY:
            self.floor_db = max(min(self._levels), _LOWEST_DB)
        is_open = self._open_for > 0
        self._open_for -= is_open
        return is_open


def levels_db(samples: Int16Array, parts: int) -> npt.NDArray[np.float64]:
    """Level of each of `parts` equal stretches, dB over one LSB; digital
    silence is 0. Each is freed of its mean first: neither an offset nor most
    of the mains hum counts as sound."""
    stretches = samples.reshape(parts, -1).astype(np.float64)
    size = stretches.shape[1]
    mean = stretches.sum(axis=1) / size
    power = np.einsum("ij,ij->i", stretches, stretches) / size - mean * mean
    decibels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(power, 1.0))
    return decibels

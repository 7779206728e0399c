"""Where a stretch of wire audio is louder than silence.

Used for times that no detector reports and to tell a turn from the silence
behind it.  It is a measure of level, not a speech detector.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .g711 import Law, decode

_BLOCK_MS = 10
#: Quieter than this is silence whatever surrounds it: -55 dBFS, RMS.
_FLOOR = 32768 * 10 ** (-55 / 20)
#: Quieter than the loudest block by this much is silence: 30 dB.
_BELOW_PEAK = 10 ** (-30 / 20)

SpanFinder = Callable[[bytes], "tuple[int, int] | None"]


def loud_span_finder(wire_format: str, rate: int) -> SpanFinder:
    """A function that finds the loud part of audio in ``wire_format``.

    It takes bytes (``pcm16`` little-endian, ``g711_ulaw`` or ``g711_alaw``,
    mono, ``rate`` Hz) and returns the samples (first, after the last) of the
    part that is not silence, to 10 ms, or None.
    """
    block = rate * _BLOCK_MS // 1000

    def samples(data: bytes) -> npt.NDArray[np.float32]:
        if wire_format != "pcm16":
            law: Law = "ulaw" if wire_format == "g711_ulaw" else "alaw"
            codes = np.frombuffer(data, np.uint8)
            return decode(codes, law).astype(np.float32)
        return np.frombuffer(data, "<i2").astype(np.float32)

    def loud_span(data: bytes) -> tuple[int, int] | None:
        signal = samples(data)
        count = len(signal) // block
        if count == 0:
            return None
        blocks = signal[: count * block].reshape(count, block)
        levels = np.sqrt(np.einsum("ij,ij->i", blocks, blocks) / block)
        threshold = max(_FLOOR, float(levels.max()) * _BELOW_PEAK)
        loud = np.flatnonzero(levels >= threshold)
        if len(loud) == 0:
            return None
        last = int(loud[-1]) + 1
        # The rest that fills no block belongs to the block before it.
        end = len(signal) if last == count else last * block
        return int(loud[0]) * block, end

    return loud_span

"""G.711 companding of int16 samples, by table.

µ-law works on the 14-bit and A-law on the 13-bit uniform scale of ITU-T
G.711 (11/88), tables 1a-2b; an int16 sample is that value scaled to 16 bits
by left alignment. Negative samples are folded by one's complement, as the
ITU's own software (ITU-T G.191, module g711) does, so that every int16 has
one code and -32768 needs no special case.

Codes are the bytes that travel in RTP (and OpenAI's `audio/pcmu`,
`audio/pcma`): µ-law all bits inverted, A-law even bits inverted.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Law = Literal["ulaw", "alaw"]
Int16Array = npt.NDArray[np.int16]
Uint8Array = npt.NDArray[np.uint8]

#: By law: where the scale begins, the width of the 16 steps of each segment,
#: int16 values per unit of the scale, and the bits of a code's magnitude that
#: travel inverted. µ-law begins half a step below 0, so that 0 is a value.
_LAWS = {
    "ulaw": (-1, (2, 4, 8, 16, 32, 64, 128, 256), 4, 0x7F),
    "alaw": (0, (2, 2, 4, 8, 16, 32, 64, 128), 8, 0x55),
}
#: Of a code: the sample is positive.
_POSITIVE = 0x80


def encode(samples: Int16Array, law: Law) -> Uint8Array:
    """Compand `samples` (int16, any shape) to G.711 codes (uint8, same shape).
    Raises ValueError for another law, TypeError for another dtype."""
    if samples.dtype != np.int16:
        raise TypeError(f"samples: int16 expected, got {samples.dtype}")
    codes, _ = _tables(law)
    # The bit pattern of an int16, read as unsigned, is its table index.
    return codes[samples.view(np.uint16)]


def decode(codes: Uint8Array, law: Law) -> Int16Array:
    """Expand G.711 `codes` (uint8, any shape) to int16 samples, same shape.
    Raises ValueError for another law, TypeError for another dtype."""
    if codes.dtype != np.uint8:
        raise TypeError(f"codes: uint8 expected, got {codes.dtype}")
    _, values = _tables(law)
    return values[codes]


@cache
def _tables(law: Law) -> tuple[Uint8Array, Int16Array]:
    """The codes of all 65,536 int16 bit patterns, 64 KiB, and the values of
    all 256 codes: the middle of each step."""
    if law not in _LAWS:
        raise ValueError(f"law: {law!r} is neither 'ulaw' nor 'alaw'")
    begin, widths, scale, inverted = _LAWS[law]
    steps = np.repeat(widths, 16)
    ends = begin + np.cumsum(steps)
    every = np.arange(65536, dtype=np.uint16).view(np.int16)
    magnitude = np.where(every < 0, ~every, every) // scale
    # What is above the last step belongs to it.
    step = np.searchsorted(ends[:-1], magnitude, side="right")
    codes = (step ^ inverted) | np.where(every < 0, 0, _POSITIVE)
    code = np.arange(256)
    middle = (ends - steps // 2)[code & 0x7F ^ inverted] * scale
    values = np.where(code & _POSITIVE, middle, -middle)
    tables = codes.astype(np.uint8), values.astype(np.int16)
    for table in tables:
        # They are shared by every stream: nobody may write to them.
        table.setflags(write=False)
    return tables

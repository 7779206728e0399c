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

_ULAW_BIAS = 33  # shifts the segment edges of table 2a to powers of two
_ULAW_TOP = 0x1FFF  # largest biased magnitude: 8191, the virtual edge
_LAWS = ("ulaw", "alaw")


def encode(samples: Int16Array, law: Law) -> Uint8Array:
    """Compand `samples` (int16, any shape) to G.711 codes (uint8, same shape).

    Raises ValueError for another law, TypeError for another dtype.
    """
    if samples.dtype != np.int16:
        raise TypeError(f"samples: int16 expected, got {samples.dtype}")
    # The bit pattern of an int16, read as unsigned, is its table index.
    codes: Uint8Array = _encode_table(_known(law))[samples.view(np.uint16)]
    return codes


def decode(codes: Uint8Array, law: Law) -> Int16Array:
    """Expand G.711 `codes` (uint8, any shape) to int16 samples, same shape.

    Raises ValueError for another law, TypeError for another dtype.
    """
    if codes.dtype != np.uint8:
        raise TypeError(f"codes: uint8 expected, got {codes.dtype}")
    samples: Int16Array = _decode_table(_known(law))[codes]
    return samples


def _known(law: Law) -> Law:
    if law not in _LAWS:
        raise ValueError(f"law: {law!r} is neither 'ulaw' nor 'alaw'")
    return law


@cache
def _encode_table(law: Law) -> Uint8Array:
    """The codes of all 65,536 int16 bit patterns, 64 KiB."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    folded = np.where(sample < 0, ~sample, sample)
    if law == "ulaw":
        biased = np.minimum((folded >> 2) + _ULAW_BIAS, _ULAW_TOP)
        segment = _bit_length(biased) - 6
        step = (biased >> (segment + 1)) & 0x0F
        sign = np.where(sample < 0, 0x80, 0)
        code = ~(sign | segment << 4 | step)
    else:
        magnitude = folded >> 4
        # The two lowest segments share one step size.
        segment = np.maximum(_bit_length(magnitude) - 4, 0)
        step = (magnitude >> np.maximum(segment - 1, 0)) & 0x0F
        sign = np.where(sample < 0, 0, 0x80)
        code = (sign | segment << 4 | step) ^ 0x55
    return _frozen((code & 0xFF).astype(np.uint8))


@cache
def _decode_table(law: Law) -> Int16Array:
    """The int16 value of all 256 codes: the middle of each interval."""
    code = np.arange(256, dtype=np.int32)
    if law == "ulaw":
        code = ~code & 0xFF
        segment, step = code >> 4 & 7, code & 0x0F
        value = ((2 * step + _ULAW_BIAS) << segment) - _ULAW_BIAS
        value = np.where(code & 0x80, -value, value) << 2
    else:
        code = code ^ 0x55
        segment, step = code >> 4 & 7, code & 0x0F
        low = 2 * step + 1
        value = np.where(
            segment == 0, low, (low + 32) << np.maximum(segment - 1, 0)
        )
        value = np.where(code & 0x80, value, -value) << 3
    table = value.astype(np.int16)
    table.setflags(write=False)
    return table


def _bit_length(value: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """`int.bit_length` of each non-negative element."""
    return np.asarray(np.frexp(value.astype(np.float64))[1], dtype=np.int32)


def _frozen(table: Uint8Array) -> Uint8Array:
    # Tables are shared by every stream: nobody may write to them.
    table.setflags(write=False)
    return table

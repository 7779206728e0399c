"""Appended bytes to samples: 16-bit PCM and G.711 (ITU-T G.711, tables)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]


def _mulaw_table() -> Int16Array:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent = code >> 4 & 7
    magnitude = (((code & 0xF) << 3) + 0x84 << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> Int16Array:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = code >> 4 & 7
    mantissa = ((code & 0xF) << 4) + 8
    # Segment 0 is linear; the others carry an implied leading one.
    magnitude = np.where(
        exponent == 0,
        mantissa,
        (mantissa + 0x100) << np.maximum(exponent - 1, 0),
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_TABLES = {"audio/pcmu": _mulaw_table(), "audio/pcma": _alaw_table()}


class WireDecoder:
    """Bytes of one session's audio format to int16 mono samples.

    A sample that is split between two appends is put together again.
    """

    def __init__(self, format_type: str) -> None:
        """``format_type``: audio/pcm (16-bit LE), audio/pcmu, audio/pcma."""
        self._table = _TABLES.get(format_type)
        self._rest = b""

    def decode(self, data: bytes) -> Int16Array:
        if self._table is not None:
            return self._table[np.frombuffer(data, np.uint8)]
        data = self._rest + data
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], "<i2").astype(np.int16)

"""Wire audio as a WAV file: PCM of 16 bits, mono (RIFF, Microsoft 1994)."""

from __future__ import annotations

import struct

import numpy as np

from .g711 import Law, decode

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _MONO, _SAMPLE_BYTES = 1, 1, 2


def wav_file(data: bytes, rate: int, law: Law | None = None) -> bytes:
    """``data``: little-endian int16 samples, or G.711 codes of a ``law``, at
    ``rate`` Hz.  Raises ``ValueError`` for another law."""
    if law is not None:
        codes = np.frombuffer(data, np.uint8)
        data = decode(codes, law).astype("<i2").tobytes()
    header = _HEADER.pack(
        b"RIFF",
        _HEADER.size - 8 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        _MONO,
        rate,
        rate * _SAMPLE_BYTES,
        _SAMPLE_BYTES,
        8 * _SAMPLE_BYTES,
        b"data",
        len(data),
    )
    return header + data

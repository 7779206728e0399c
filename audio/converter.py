"""Input frames to the wire format of the realtime API.

Wire formats (OpenAI, `session.audio.input.format`): `pcm16` is 24 kHz signed
16-bit little-endian mono, `g711_ulaw` and `g711_alaw` are 8 kHz mono.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np

from . import g711
from .g711 import Int16Array
from .planes import Planes
from .resample import Resampler

Wire = Literal["pcm16", "g711_ulaw", "g711_alaw"]
#: Rate (Hz), channels, bytes per sample, and whether they are interleaved.
_Format = tuple[int, int, int, bool]

_MIN_RATE, _MAX_RATE = 4000, 192000
_MAX_CHANNELS = 8
_WIRE: dict[str, tuple[int, g711.Law | None]] = {
    "pcm16": (24000, None),
    "g711_ulaw": (8000, "ulaw"),
    "g711_alaw": (8000, "alaw"),
}


class FrameConverter:
    """Converts the frames of one stream; format changes lose nothing.

    A frame may end in the middle of a sample, whose bytes wait for the next
    one; where that has another format they are lost (`take_lost_bytes`), as is
    what planar frames lose by themselves (`Planes`).

    `wire`: format of the bytes returned. `default_rate` (Hz) and
    `default_channels` hold for frames that leave them 0, as TEN frames may.
    `g711_input`: companding of 8-bit frames; the wire's own if not given,
    else µ-law. `batch_ms`: convert not before so much has come, because a
    conversion costs almost the same whatever its length. Raises ValueError that
    names the argument.
    """

    def __init__(
        self,
        wire: Wire,
        default_rate: int,
        default_channels: int = 1,
        *,
        g711_input: g711.Law | None = None,
        batch_ms: int = 0,
    ) -> None:
        if wire not in _WIRE:
            raise ValueError(f"wire: {wire!r} is none of {', '.join(_WIRE)}")
        if g711_input not in (None, "ulaw", "alaw"):
            raise ValueError(
                f"g711_input: {g711_input!r} is neither 'ulaw' nor 'alaw'"
            )
        _check(default_rate, default_channels, "default_")
        self.wire_rate, self._wire_law = _WIRE[wire]
        self.bytes_per_sample_wire = 1 if self._wire_law else 2
        self.wire_samples = 0
        self._default = (default_rate, default_channels)
        self._input_law: g711.Law = g711_input or self._wire_law or "ulaw"
        self._resampler = Resampler(default_rate, self.wire_rate)
        self._earlier_ms = Fraction(0)
        self._samples = 0
        self._batch_ms = batch_ms
        #: What no batch had yet; it may end in the middle of a sample.
        self._waiting = bytearray()
        self._cut_bytes = self._uneven_bytes = 0
        self._use((default_rate, default_channels, 2, True))

    @property
    def input_ms(self) -> float:
        """Milliseconds of audio received, from exact counts (no drift)."""
        rate = self._format[0]
        samples = self._samples + len(self._waiting) // self._unit
        if self._planes is not None:
            samples += self._planes.samples
        if not self._earlier_ms:
            return samples * 1000 / rate
        return float(self._earlier_ms + Fraction(samples * 1000, rate))

    def push(
        self,
        data: bytes | bytearray | memoryview,
        rate: int = 0,
        channels: int = 0,
        bytes_per_sample: int = 0,
        interleaved: bool = True,
    ) -> bytes:
        """Take one frame, return the wire bytes ready so far.

        `rate` Hz, 4000 to 192000; `channels` 1 to 8, mixed down by their
        mean; `bytes_per_sample` 2 (s16le) or 1 (G.711); 0 is the default.
        `interleaved` False means that each channel's samples stand together.
        Raises ValueError that names the field; the frame is then not taken
        at all.
        """
        if not memoryview(data).nbytes:
            return b""
        rate = rate or self._default[0]
        channels = channels or self._default[1]
        width = bytes_per_sample or 2
        new_format = (rate, channels, width, interleaved)
        changes = new_format != self._format
        if changes:
            bytes_of_a_second(rate, channels, width)
        early = self._change(new_format) if changes else b""
        if self._planes is not None:
            data = self._planes.push(bytes(data))
        self._waiting += data
        if len(self._waiting) < self._batch:
            return early
        return early + self._drained()

    def take_lost_bytes(self) -> tuple[int, int]:
        """How many bytes were lost since the last look: of samples whose rest
        never came, as the format changed; and of planar frames, those that no
        channel had."""
        if self._planes is not None:
            self._uneven_bytes += self._planes.take_lost()
        lost = self._cut_bytes, self._uneven_bytes
        self._cut_bytes = self._uneven_bytes = 0
        return lost

    def flush(self) -> bytes:
        """Return, as wire bytes, what this and the resampler hold back."""
        self._join()
        return self._drained() + self._encoded(self._resampler.flush())

    def _join(self) -> None:
        """No other half of a planar frame is waited for."""
        if self._planes is not None:
            self._waiting += self._planes.flush()
            self._uneven_bytes += self._planes.take_lost()

    def _drained(self) -> bytes:
        """Convert what waits for more."""
        count = len(self._waiting) // self._unit
        if not count:
            return b""
        self._samples += count
        data = bytes(self._waiting[: count * self._unit])
        del self._waiting[: count * self._unit]
        if self._is_wire:
            self.wire_samples += len(data)
            return data
        _, channels, width, _ = self._format
        samples = _samples(data, self._input_law if width == 1 else None)
        if channels > 1:
            samples = _mixed_down(samples, channels)
        return self._encoded(self._resampler.push(samples))

    def _change(self, new_format: _Format) -> bytes:
        """Switch to another input format; return the old one's tail."""
        self._join()
        old_rate, new_rate = self._format[0], new_format[0]
        if old_rate == new_rate:
            tail = self._drained()
        else:
            tail = self.flush()
            self._earlier_ms += Fraction(self._samples * 1000, old_rate)
            self._samples = 0
            self._resampler = Resampler(new_rate, self.wire_rate)
        # The rest of a sample will not come.
        self._cut_bytes += len(self._waiting)
        self._waiting.clear()
        self._use(new_format)
        return tail

    def _use(self, new_format: _Format) -> None:
        self._format = new_format
        rate, channels, width, interleaved = new_format
        apart = channels > 1 and not interleaved
        self._planes = Planes(channels, width) if apart else None
        self._unit = channels * width
        self._batch = rate * self._batch_ms // 1000 * self._unit
        self._is_wire = (
            new_format[:3] == (self.wire_rate, 1, 1)
            and self._input_law == self._wire_law
        )

    def _encoded(self, samples: Int16Array) -> bytes:
        self.wire_samples += len(samples)
        if self._wire_law:
            return g711.encode(samples, self._wire_law).tobytes()
        return samples.astype("<i2", copy=False).tobytes()


def bytes_of_a_second(rate: int, channels: int, width: int) -> int:
    """In frames of this format: Hz, and bytes per sample.  Raises ValueError
    that names the field where no converter takes such frames."""
    _check(rate, channels)
    if width not in (1, 2):
        raise ValueError(
            f"bytes_per_sample: {width} is neither 2 (PCM) nor 1 (G.711)"
        )
    return rate * channels * width


def samples_of(data: bytes, wire: str) -> Int16Array:
    """The samples of audio in the format `wire`."""
    return _samples(data, _WIRE[wire][1])


def _samples(data: bytes, law: g711.Law | None) -> Int16Array:
    """The samples of G.711 codes, or of PCM where there is no `law`."""
    if law is None:
        return np.frombuffer(data, "<i2")
    return g711.decode(np.frombuffer(data, np.uint8), law)


def _mixed_down(samples: Int16Array, channels: int) -> Int16Array:
    """The mean of the channels, rounded to nearest (halves up)."""
    total = samples.reshape(-1, channels).sum(axis=1, dtype=np.int32)
    mean: Int16Array = (2 * total + channels) // (2 * channels)
    return mean.astype(np.int16)


def _check(rate: int, channels: int, prefix: str = "") -> None:
    """Raise ValueError that names the field, which begins with `prefix`."""
    if not _MIN_RATE <= rate <= _MAX_RATE:
        raise ValueError(
            f"{prefix}rate: {rate} Hz is outside {_MIN_RATE} to {_MAX_RATE}"
        )
    if not 1 <= channels <= _MAX_CHANNELS:
        raise ValueError(
            f"{prefix}channels: {channels} is outside 1 to {_MAX_CHANNELS}"
        )

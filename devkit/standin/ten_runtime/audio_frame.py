"""Audio frames."""

from __future__ import annotations

from enum import IntEnum

from ._buffer import check_size, check_view
from ._core import AudioCore
from .msg import Msg


class AudioFrameDataFmt(IntEnum):
    """Order of the samples of several channels."""

    INTERLEAVE = 1
    NON_INTERLEAVE = 2


class AudioFrame(Msg):
    """Samples with their format. No field is set unless somebody set it."""

    @classmethod
    def create(cls, name: str) -> AudioFrame:
        """A new frame: all fields 0, interleaved, no buffer."""
        return cls._wrap(AudioCore(name))

    def clone(self) -> AudioFrame:
        """A deep copy."""
        return self._clone()

    def _audio(self, what: str = "an AudioFrame field") -> AudioCore:
        core = self._native(what)
        assert isinstance(core, AudioCore)
        return core

    def alloc_buf(self, size: int) -> None:
        """Allocate ``size`` bytes in place of an earlier buffer."""
        core = self._audio("alloc_buf()")
        check_size(size)
        core.alloc(size)

    def lock_buf(self) -> memoryview:
        """A writable view; ``RuntimeError`` without a buffer."""
        view = self._audio("lock_buf()").lock()
        if view is None:
            raise RuntimeError("Failed to lock buffer.")
        return view

    def unlock_buf(self, buf: memoryview) -> None:
        """Give the view back; it must not be used afterwards."""
        core = self._audio("unlock_buf()")
        if not core.unlock(check_view(buf)):
            raise RuntimeError("The buffer is not locked.")

    def get_buf(self) -> bytearray:
        """A copy of the samples; ``SystemError`` without a buffer."""
        buf = self._audio("get_buf()").buf
        if buf is None:
            raise SystemError("Failed to get buffer.")
        return bytearray(buf)

    def get_timestamp(self) -> int:
        """Timestamp, in the sender's unit."""
        return self._audio().timestamp

    def set_timestamp(self, timestamp: int) -> None:
        """Set the timestamp (int64)."""
        self._audio().timestamp = int(timestamp)

    def get_sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self._audio().sample_rate

    def set_sample_rate(self, sample_rate: int) -> None:
        """Set the sample rate in Hz."""
        self._audio().sample_rate = int(sample_rate)

    def get_samples_per_channel(self) -> int:
        """Samples of each channel."""
        return self._audio().samples_per_channel

    def set_samples_per_channel(self, samples_per_channel: int) -> None:
        """Set the samples of each channel."""
        self._audio().samples_per_channel = int(samples_per_channel)

    def get_bytes_per_sample(self) -> int:
        """Bytes of one sample of one channel."""
        return self._audio().bytes_per_sample

    def set_bytes_per_sample(self, size: int) -> None:
        """Set the bytes of one sample of one channel."""
        self._audio().bytes_per_sample = int(size)

    def get_number_of_channels(self) -> int:
        """Number of channels."""
        return self._audio().number_of_channels

    def set_number_of_channels(self, number: int) -> None:
        """Set the number of channels."""
        self._audio().number_of_channels = int(number)

    def get_data_fmt(self) -> int:
        """An :class:`AudioFrameDataFmt` as a plain int."""
        return self._audio().data_fmt

    def set_data_fmt(self, data_fmt: AudioFrameDataFmt) -> None:
        """Set the order of the samples."""
        self._audio().data_fmt = int(data_fmt)

    def get_line_size(self) -> int:
        """Bytes of one line."""
        return self._audio().line_size

    def set_line_size(self, line_size: int) -> None:
        """Set the bytes of one line."""
        self._audio().line_size = int(line_size)

    def is_eof(self) -> bool:
        """Whether this is the last frame."""
        return self._audio().eof

    def set_eof(self, is_eof: bool) -> None:
        """Mark the last frame."""
        self._audio().eof = bool(is_eof)

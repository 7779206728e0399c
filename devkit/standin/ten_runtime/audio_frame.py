"""Audio frames."""

from __future__ import annotations

from enum import IntEnum

from ._buffer import FrameMsg, int_field
from ._core import AudioCore


class AudioFrameDataFmt(IntEnum):
    """Order of the samples of several channels."""

    INTERLEAVE = 1
    NON_INTERLEAVE = 2


class AudioFrame(FrameMsg):
    """Samples with their format. No field is set unless somebody set it."""

    _a_field = "an AudioFrame field"
    _cannot_lock = RuntimeError

    @classmethod
    def create(cls, name: str) -> AudioFrame:
        """A new frame: all fields 0, interleaved, no buffer."""
        return cls._wrap(AudioCore(name))

    get_sample_rate, set_sample_rate = int_field(
        "sample_rate", "sample rate in Hz"
    )
    get_samples_per_channel, set_samples_per_channel = int_field(
        "samples_per_channel", "samples of each channel"
    )
    get_bytes_per_sample, set_bytes_per_sample = int_field(
        "bytes_per_sample", "bytes of one sample of one channel"
    )
    get_number_of_channels, set_number_of_channels = int_field(
        "number_of_channels", "number of channels"
    )
    get_data_fmt, set_data_fmt = int_field(
        "data_fmt", ":class:`AudioFrameDataFmt`, as a plain int"
    )
    get_line_size, set_line_size = int_field("line_size", "bytes of one line")

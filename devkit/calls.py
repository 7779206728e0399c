"""Messages that a tester sends to the extension.

Call `devkit.bootstrap.ensure_ten` before importing this.
"""

from __future__ import annotations

from ten_runtime import AudioFrame, Data


def pcm_frame(
    data: bytes | memoryview,
    rate: int,
    channels: int = 1,
    width: int = 2,
    *,
    fields: bool = True,
) -> AudioFrame:
    """A frame of ``width`` bytes a sample at ``rate`` Hz.

    ``fields``: say so in the frame, as not every sender does.
    """
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(len(data))
    view = frame.lock_buf()
    view[:] = data
    frame.unlock_buf(view)
    if fields:
        frame.set_sample_rate(rate)
        frame.set_number_of_channels(channels)
        frame.set_bytes_per_sample(width)
        if channels * width:
            frame.set_samples_per_channel(len(data) // (channels * width))
    return frame


def finalize_request(finalize_id: str) -> Data:
    """``asr_finalize`` with this id."""
    data = Data.create("asr_finalize")
    data.set_property_string("finalize_id", finalize_id)
    return data

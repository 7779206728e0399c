"""Video frames."""

from __future__ import annotations

from enum import IntEnum

from ._abort import native_abort
from ._buffer import FrameMsg, int_field
from ._core import VideoCore


class PixelFmt(IntEnum):
    """Layout of the pixels."""

    RGB24 = 1
    RGBA = 2
    BGR24 = 3
    BGRA = 4
    I422 = 5
    I420 = 6
    NV21 = 7
    NV12 = 8


class VideoFrame(FrameMsg):
    """Pixels with their format."""

    _a_field = "a VideoFrame field"

    @classmethod
    def create(cls, name: str) -> VideoFrame:
        """A new frame without a buffer."""
        return cls._wrap(VideoCore(name))

    get_width, set_width = int_field("width", "width in pixels")
    get_height, set_height = int_field("height", "height in pixels")
    get_pixel_fmt, set_pixel_fmt = int_field(
        "pixel_fmt", ":class:`PixelFmt`, as a plain int"
    )

    def _bad_size(self) -> Exception:
        return native_abort("VideoFrame.alloc_buf() without a positive size")

    def _no_buffer(self) -> bytearray:
        raise native_abort("VideoFrame.get_buf() without a buffer")

"""Video frames."""

from __future__ import annotations

from enum import IntEnum

from ._abort import native_abort
from ._buffer import check_view
from ._core import VideoCore
from .msg import Msg


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


class VideoFrame(Msg):
    """Pixels with their format."""

    @classmethod
    def create(cls, name: str) -> VideoFrame:
        """A new frame without a buffer."""
        return cls._wrap(VideoCore(name))

    def clone(self) -> VideoFrame:
        """A deep copy."""
        return self._clone()

    def _video(self, what: str = "a VideoFrame field") -> VideoCore:
        core = self._native(what)
        assert isinstance(core, VideoCore)
        return core

    def alloc_buf(self, size: int) -> None:
        """Allocate ``size`` bytes."""
        core = self._video("alloc_buf()")
        if not isinstance(size, int) or size <= 0:
            raise native_abort("VideoFrame.alloc_buf() without a positive size")
        core.alloc(size)

    def lock_buf(self) -> memoryview:
        """A writable view; ``SystemError`` without a buffer."""
        view = self._video("lock_buf()").lock()
        if view is None:
            raise SystemError("Failed to lock buffer.")
        return view

    def unlock_buf(self, buf: memoryview) -> None:
        """Give the view back; it must not be used afterwards."""
        core = self._video("unlock_buf()")
        if not core.unlock(check_view(buf)):
            raise RuntimeError("The buffer is not locked.")

    def get_buf(self) -> bytearray:
        """A copy of the pixels."""
        buf = self._video("get_buf()").buf
        if buf is None:
            raise native_abort("VideoFrame.get_buf() without a buffer")
        return bytearray(buf)

    def get_width(self) -> int:
        """Width in pixels."""
        return self._video().width

    def set_width(self, width: int) -> None:
        """Set the width in pixels."""
        self._video().width = int(width)

    def get_height(self) -> int:
        """Height in pixels."""
        return self._video().height

    def set_height(self, height: int) -> None:
        """Set the height in pixels."""
        self._video().height = int(height)

    def get_timestamp(self) -> int:
        """Timestamp, in the sender's unit."""
        return self._video().timestamp

    def set_timestamp(self, timestamp: int) -> None:
        """Set the timestamp (int64)."""
        self._video().timestamp = int(timestamp)

    def get_pixel_fmt(self) -> int:
        """A :class:`PixelFmt` as a plain int."""
        return self._video().pixel_fmt

    def set_pixel_fmt(self, pixel_fmt: PixelFmt) -> None:
        """Set the layout of the pixels."""
        self._video().pixel_fmt = int(pixel_fmt)

    def is_eof(self) -> bool:
        """Whether this is the last frame."""
        return self._video().eof

    def set_eof(self, is_eof: bool) -> None:
        """Mark the last frame."""
        self._video().eof = bool(is_eof)

"""Messages with a buffer; what misuse does differs from kind to kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ._abort import native_abort
from ._core import BufferCore
from .msg import Msg


class BufferMsg(Msg):
    """What data, audio and video have in common."""

    #: Of a frame a second buffer takes the place of the first.
    _cannot_lock: ClassVar[type[Exception]] = SystemError
    _allocates_once: ClassVar[bool] = False
    _not_locked: ClassVar[type[Exception]] = RuntimeError

    def alloc_buf(self, size: int) -> None:
        """Allocate ``size`` bytes; a frame's in place of earlier ones."""
        core = self._buffer("alloc_buf()")
        if not isinstance(size, int) or size <= 0:
            raise self._bad_size()
        if core.buf is not None and self._allocates_once:
            raise native_abort("a second alloc_buf() on a Data")
        core.alloc(size)

    def lock_buf(self) -> memoryview:
        """A writable view; raises without a buffer."""
        view = self._buffer("lock_buf()").lock()
        if view is None:
            raise self._cannot_lock("Failed to lock buffer.")
        return view

    def unlock_buf(self, buf: memoryview) -> None:
        """Give the view back; it must not be used afterwards.

        ``ValueError`` if it is no view; another error if it is not locked.
        """
        core = self._buffer("unlock_buf()")
        if not isinstance(buf, memoryview) or _is_empty(buf):
            raise ValueError("unlock_buf() needs the memoryview of lock_buf()")
        if not core.unlock(buf):
            raise self._not_locked("The buffer is not locked.")

    def get_buf(self) -> bytearray:
        """A copy of the bytes."""
        buf = self._buffer("get_buf()").buf
        return self._no_buffer() if buf is None else bytearray(buf)

    def _bad_size(self) -> Exception:
        return ValueError("a buffer needs a positive size in bytes")

    def _no_buffer(self) -> bytearray:
        raise SystemError("Failed to get buffer.")

    def _buffer(self, what: str) -> BufferCore:
        core = self._native(what)
        assert isinstance(core, BufferCore)
        return core


def _is_empty(view: memoryview) -> bool:
    try:
        return len(view) == 0
    except ValueError:
        return False  # released before: not locked, as the caller will find


Getter = Callable[[Any], int]
Setter = Callable[[Any, int], None]


def int_field(name: str, about: str) -> tuple[Getter, Setter]:
    """Getter and setter of a frame's field."""

    def get(frame: FrameMsg) -> int:
        value: int = getattr(frame._fields(), name)
        return value

    def put(frame: FrameMsg, value: int) -> None:
        setattr(frame._fields(), name, int(value))

    get.__doc__, put.__doc__ = f"The {about}.", f"Set the {about}."
    return get, put


class FrameMsg(BufferMsg):
    """A frame: a buffer and the fields that say what is in it."""

    _a_field: ClassVar[str]

    get_timestamp, set_timestamp = int_field(
        "timestamp", "timestamp (int64), in the sender's unit"
    )

    def is_eof(self) -> bool:
        """Whether this is the last frame."""
        eof: bool = self._fields().eof
        return eof

    def set_eof(self, is_eof: bool) -> None:
        """Mark the last frame."""
        self._fields().eof = bool(is_eof)

    def _fields(self) -> Any:
        return self._native(self._a_field)

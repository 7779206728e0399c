"""Data messages."""

from __future__ import annotations

from ._abort import native_abort
from ._buffer import check_size, check_view
from ._core import DataCore
from .msg import Msg


class Data(Msg):
    """A named bag of properties with an optional buffer."""

    @classmethod
    def create(cls, name: str) -> Data:
        """A new message."""
        return cls._wrap(DataCore(name))

    def clone(self) -> Data:
        """A deep copy."""
        return self._clone()

    def _data(self, what: str) -> DataCore:
        core = self._native(what)
        assert isinstance(core, DataCore)
        return core

    def alloc_buf(self, size: int) -> None:
        """Allocate ``size`` bytes, once."""
        core = self._data("alloc_buf()")
        check_size(size)
        if core.buf is not None:
            raise native_abort("a second alloc_buf() on a Data")
        core.alloc(size)

    def lock_buf(self) -> memoryview:
        """A writable view; ``SystemError`` without a buffer."""
        view = self._data("lock_buf()").lock()
        if view is None:
            raise SystemError("Failed to lock buffer.")
        return view

    def unlock_buf(self, buf: memoryview) -> None:
        """Give the view back; it must not be used afterwards."""
        core = self._data("unlock_buf()")
        if not core.unlock(check_view(buf)):
            raise SystemError("The buffer is not locked.")

    def get_buf(self) -> bytearray:
        """A copy of the buffer; empty if there is none."""
        return bytearray(self._data("get_buf()").buf or b"")

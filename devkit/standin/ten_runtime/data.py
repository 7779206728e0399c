"""Data messages."""

from __future__ import annotations

from ._buffer import BufferMsg
from ._core import DataCore


class Data(BufferMsg):
    """A named bag of properties with an optional buffer."""

    _allocates_once = True
    _not_locked = SystemError

    @classmethod
    def create(cls, name: str) -> Data:
        """A new message."""
        return cls._wrap(DataCore(name))

    def _no_buffer(self) -> bytearray:
        return bytearray()

"""Collects audio into chunks of a minimum size."""

from __future__ import annotations


class AudioBufferManager:
    """Hands bytes on once there are at least ``threshold`` of them."""

    def __init__(self, ten_env: object = None, threshold: int = 3200) -> None:
        self.ten_env = ten_env
        self.threshold = threshold
        self._buffer = bytearray()

    def push_audio(self, data: bytes) -> None:
        """Add bytes."""
        self._buffer += data

    def pull_chunk(self, force: bool = False) -> bytes:
        """All bytes if there are enough (or ``force``), else none."""
        if len(self._buffer) < self.threshold and not force:
            return b""
        chunk = bytes(self._buffer)
        self._buffer.clear()
        return chunk

    def __len__(self) -> int:
        return len(self._buffer)

"""Bytes to a file, off the event loop."""

from __future__ import annotations

import asyncio
import os
from typing import BinaryIO


class Dumper:
    """Writes ``path``; what was pushed is surely there after :meth:`stop`.

    A bare file name fails in :meth:`start`, for it has no directory to make.
    """

    def __init__(self, path: str) -> None:
        self.dump_file_path = path
        self._file: BinaryIO | None = None

    async def start(self) -> None:
        """Create the directory and an empty file; no-op if open."""
        if self._file is not None:
            return
        os.makedirs(os.path.dirname(self.dump_file_path), exist_ok=True)
        self._file = await asyncio.to_thread(self._open)

    def _open(self) -> BinaryIO:
        return open(self.dump_file_path, "wb")

    async def push_bytes(self, data: bytes) -> None:
        """Append; ``RuntimeError`` before :meth:`start`."""
        if self._file is None:
            raise RuntimeError("the dumper was not started")
        await asyncio.to_thread(self._file.write, bytes(data))

    async def stop(self) -> None:
        """Close; no-op if closed."""
        file, self._file = self._file, None
        if file is not None:
            await asyncio.to_thread(file.close)

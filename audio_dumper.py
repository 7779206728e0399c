"""What was heard, on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

#: Written in pieces of this size, in bytes: about a second of speech.
_PIECE = 32 * 1024
#: A disk that falls behind by more is given up: four minutes of speech.
_LIMIT = 8 * 1024 * 1024


class AudioDumper:
    """Writes received audio to ``path``, byte for byte, from the first frame.

    Disk access happens in worker threads, one at a time, so that a slow disk
    never holds up the loop.  The first failure is told to ``on_error`` (one
    line of text) and ends the dump; nothing is ever raised.
    """

    def __init__(self, path: Path, on_error: Callable[[str], None]) -> None:
        self.path = path
        self._on_error = on_error
        self._pending = bytearray()
        self._file: BinaryIO | None = None
        self._worker: asyncio.Task[None] | None = None
        self._failed = False

    def push(self, data: bytes | bytearray) -> None:
        """Add audio; writes happen in the background."""
        if self._failed:
            return
        self._pending += data
        if len(self._pending) > _LIMIT:
            self._fail("the disk is too slow")
        elif len(self._pending) >= _PIECE and self._worker is None:
            self._start_worker()

    def _start_worker(self) -> None:
        self._worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        try:
            while len(self._pending) >= _PIECE and not self._failed:
                await self._write_pending()
        finally:
            self._worker = None

    async def _write_pending(self) -> None:
        data = bytes(self._pending)
        self._pending.clear()
        try:
            await asyncio.to_thread(self._write, data)
        except OSError as error:
            self._fail(error.strerror or str(error))

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "wb")  # noqa: SIM115
        self._file.write(data)

    def _fail(self, reason: str) -> None:
        if not self._failed:
            self._failed = True
            self._pending.clear()
            self._on_error(f"cannot write the audio dump {self.path}: {reason}")

    async def stop(self) -> None:
        """Write the rest and close the file."""
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)
        if self._pending and not self._failed:
            await self._write_pending()
        file, self._file = self._file, None
        if file is not None:
            try:
                await asyncio.to_thread(file.close)
            except OSError as error:
                self._fail(error.strerror or str(error))

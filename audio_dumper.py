"""What was heard, on disk: the audio and the session log beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .session_log import SessionLog

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Pending bytes at which the writer is woken; else it looks by itself.
_WAKE_AT = 64 * 1024
_LOOK_EVERY_S = 0.25
#: A disk that falls behind by more is given up, in bytes: about four minutes
#: of speech.
_LIMIT = 8 * 1024 * 1024
#: What an entry counts beside its bytes.
_ENTRY_COST = 200
#: A larger message of the service is logged by its size only.
_MESSAGE_LIMIT = 256 * 1024
#: How long `AudioDumper.stop` waits for a disk that does not answer.
_STOP_S = 2.0
#: So many calls at once may dump to one path.
_MOST_NUMBERS = 1000

_Entry = Callable[[SessionLog, "_Files"], None]


class AudioDumper:
    """Writes received audio to ``path`` as it came, and a log beside it.

    The log has the same name with the suffix ``.jsonl``.  When another call
    is writing to ``path``, a number is added to both names.  Writing is the
    work of a thread of its own: nothing here waits for the disk, but `stop`
    for a moment.  The first failure is told to ``on_error`` in the loop, as
    one line of text, and ends the dump; nothing is ever raised.

    The methods belong to the event loop in which the dumper was made.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        secrets: list[str],
        on_error: Callable[[str], None],
    ) -> None:
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        self._start = time.monotonic()
        self._changed = threading.Condition()
        # Below: shared with the thread, under the lock.
        self._entries: list[_Entry] = []
        self._pending = 0
        self._ending = False
        self._failed = False
        started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._files = _Files(path)
        log = SessionLog(secrets)

        def begin(log: SessionLog, files: _Files) -> None:
            files.open()
            log.header(started, files.audio.name, config)

        self._entries.append(begin)
        # A thread of the loop's pool would be waited for at the end of the
        # process, for ever if the disk hangs.
        self._thread = threading.Thread(
            target=self._write_all,
            args=(log, self._files),
            name="openai_asr dump",
            daemon=True,
        )
        try:
            self._thread.start()
        except RuntimeError as error:
            self._closed.set()
            self._fail(str(error))

    # -- in the loop ------------------------------------------------------

    def frame(
        self, data: bytes | bytearray, rate: int, channels: int, width: int
    ) -> None:
        """Add the audio of a frame, which must not change afterwards.

        ``rate`` (Hz), ``channels`` and ``width`` (bytes per sample) are the
        frame's own, 0 where it does not say.
        """
        at = self._now()

        def write(log: SessionLog, files: _Files) -> None:
            files.write_audio(data)
            log.frame(at, len(data), rate, channels, width)

        self._add(write, len(data))

    def message(
        self, kind: str, connection: int, message: bytes | str
    ) -> None:
        """Log a WebSocket message that was ``sent`` or ``received``."""
        if len(message) > _MESSAGE_LIMIT:
            event = {"bytes": len(message)}
            self.note(kind, {"connection": connection, "event": event})
            return
        at = self._now()
        self._add(
            lambda log, files: log.message(at, kind, connection, message),
            len(message),
        )

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Log anything else; ``fields`` must not change afterwards."""
        at = self._now()
        self._add(lambda log, files: log.note(at, kind, fields), 1000)

    async def stop(self) -> None:
        """Write the rest and close the files; waits two seconds at most."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        try:
            await asyncio.wait_for(self._closed.wait(), _STOP_S)
        except asyncio.TimeoutError:
            self._fail("the disk does not answer; the end may be missing")

    def _now(self) -> float:
        return (time.monotonic() - self._start) * 1000

    def _add(self, entry: _Entry, size: int) -> None:
        with self._changed:
            if self._failed or self._ending:
                return
            self._entries.append(entry)
            self._pending += size + _ENTRY_COST
            if self._pending >= _WAKE_AT:
                self._changed.notify()
            if self._pending <= _LIMIT:
                return
        self._fail("the disk is too slow")

    def _fail(self, reason: str) -> None:
        with self._changed:
            if self._failed:
                return
            self._failed = self._ending = True
            self._entries.clear()
            self._changed.notify()
        path = self._files.audio
        self._on_error(f"cannot write the audio dump {path}: {reason}")

    # -- in the thread ----------------------------------------------------

    def _write_all(self, log: SessionLog, files: _Files) -> None:
        try:
            while self._write_some(log, files):
                pass
        except Exception as error:
            self._end_log(log, files, _reason(error))
            self._tell(lambda: self._fail(_reason(error)))
        else:
            if self._failed:
                self._end_log(log, files, "the disk was too slow")
        try:
            files.close()
        except OSError as error:
            reason = _reason(error)
            self._tell(lambda: self._fail(reason))
        self._tell(self._closed.set)

    def _write_some(self, log: SessionLog, files: _Files) -> bool:
        """Write what is pending; False when it was the last."""
        with self._changed:
            if not self._ending and self._pending < _WAKE_AT:
                self._changed.wait(_LOOK_EVERY_S)
            entries, self._entries = self._entries, []
            ending = self._ending
        for entry in entries:
            # Still counted as pending until it is written.
            if self._failed:
                return False
            entry(log, files)
        ...
        return not ending

    def _tell(self, call: Callable[[], None]) -> None:
        # The loop is closed when nobody waited for the end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

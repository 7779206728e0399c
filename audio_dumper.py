"""What was heard, on disk: the audio and the session log beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .realtime.shown import harmless
from .recording.dump_files import DumpFiles
from .recording.session_log import SessionLog
from .safety.redaction import Redactor

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

#: What the writer thread does with an entry.
_Work = Callable[[SessionLog, DumpFiles], None]


class AudioDumper:
    """Writes received audio to ``path`` as it came, and a log beside it.

    The log has the same name with the suffix ``.jsonl``.  When another call
    is writing to ``path``, or what lies there is no dump of ours, a number is
    added to both names; ``on_open`` is told the audio's.  Writing is the work
    of a thread of its own: nothing here waits for the disk, but `stop` for a
    moment.  The first failure is told to ``on_error``, as one line of text,
    and ends the dump; nothing is ever raised.  Both are called in the loop.

    The methods belong to the event loop in which the dumper was made.
    ``config`` goes into the log's header; what ``redactor`` knows, nowhere.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        redactor: Redactor,
        on_error: Callable[[str], None],
        on_open: Callable[[Path], None],
    ) -> None:
        #: Where audio goes, but for a number where that name is taken.
        self.path = path
        self._on_error = on_error
        self._reported = False
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        self._start = time.monotonic()
        self._changed = threading.Condition()
        # Shared with the thread, under the lock: what is to be written, how
        # much of it is not on disk yet, and whether more may come.
        self._entries: list[tuple[int, _Work]] = []
        self._pending = 0
        self._ending = False
        self._failed = ""
        started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")

        def begin(log: SessionLog, files: DumpFiles) -> None:
            files.open()
            self._tell(lambda: on_open(files.path))
            log.header(started, files.path.name, config)

        # A thread of the loop's pool would be waited for at the end of the
        # process, for ever if the disk hangs.
        thread = threading.Thread(
            target=self._write_all,
            args=(SessionLog(redactor), DumpFiles(path), begin),
            name="openai_asr dump",
            daemon=True,
        )
        try:
            thread.start()
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

        def write(log: SessionLog, files: DumpFiles) -> None:
            files.add_audio(data)
            log.frame(at, len(data), rate, channels, width)

        self._add(len(data), write)

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """Log a WebSocket message that was ``sent`` or ``received``."""
        if len(message) > _MESSAGE_LIMIT:
            event = {"bytes": len(message)}
            self.note(kind, {"connection": connection, "event": event})
            return
        at = self._now()
        self._add(
            len(message),
            lambda log, files: log.message(at, kind, connection, message),
        )

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Log anything else; ``fields`` must not change afterwards."""
        at = self._now()
        self._add(1000, lambda log, files: log.note(at, kind, fields))

    async def stop(self) -> None:
        """Write the rest and close the files; waits two seconds at most.

        A disk that takes longer gets the rest while the process lives.
        """
        with self._changed:
            self._ending = True
            self._changed.notify()
        try:
            await asyncio.wait_for(self._closed.wait(), _STOP_S)
        except asyncio.TimeoutError:
            self._report("the disk is too slow; the end may be missing")

    def _now(self) -> float:
        return (time.monotonic() - self._start) * 1000

    def _add(self, size: int, work: _Work) -> None:
        size += _ENTRY_COST
        with self._changed:
            if self._ending:
                return
            full = self._pending + size > _LIMIT
            if not full:
                self._entries.append((size, work))
                self._pending += size
                if self._pending >= _WAKE_AT:
                    self._changed.notify()
        if full:
            self._fail("the disk is too slow")

    def _fail(self, reason: str) -> None:
        """End the dump; from any thread."""
        with self._changed:
            if self._failed:
                return
            self._failed = reason
            self._ending = True
            self._entries.clear()
            self._changed.notify()
        self._tell(lambda: self._report(reason))

    def _report(self, reason: str) -> None:
        if not self._reported:
            self._reported = True
            text = f"cannot write the audio dump {self.path}: {reason}"
            self._on_error(harmless(text))

    def _tell(self, call: Callable[[], None]) -> None:
        # The loop is closed when nobody waited for the end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    # -- in the thread ----------------------------------------------------

    def _write_all(
        self, log: SessionLog, files: DumpFiles, begin: _Work
    ) -> None:
        try:
            # At once: from now on the name is ours.
            begin(log, files)
            while self._write_some(log, files):
                pass
            log.flush()
            files.add_lines(log.take())
        except Exception as error:
            self._fail(_reason(error, self.path))
        try:
            if self._failed:
                log.note(self._now(), "dump_failed", {"reason": self._failed})
                files.add_lines(log.take())
        except Exception:
            # It is reported already.
            pass
        try:
            files.close()
        except Exception as error:
            self._fail(_reason(error, self.path))
        self._tell(self._closed.set)

    def _write_some(self, log: SessionLog, files: DumpFiles) -> bool:
        """Write what is pending; False when it was the last."""
        with self._changed:
            if not self._ending and self._pending < _WAKE_AT:
                self._changed.wait(_LOOK_EVERY_S)
            entries, self._entries = self._entries, []
            ending = self._ending
        written = 0
        for size, work in entries:
            work(log, files)
            written += size
        # First the audio: the log never tells of audio that is not there.
        files.write_audio()
        files.add_lines(log.take())
        with self._changed:
            self._pending -= written
        return not ending


def _reason(error: Exception, audio: Path) -> str:
    """``error`` in words, with the name of a file that is not ``audio``."""
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    text = error.strerror or str(error)
    name = os.path.basename(error.filename or "")
    return text if name in ("", audio.name) else f"{name}: {text}"

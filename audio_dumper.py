"""What was heard, on disk: the audio and the session log beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .audio.planes import Planes
from .realtime.shown import harmless
from .recording.dump_files import DumpFiles
from .recording.session_log import SessionLog
from .safety.redaction import Redactor

#: Pending bytes at which the writer is woken; else it looks by itself.
_WAKE_AT = 64 * 1024
_LOOK_EVERY_S = 0.25
#: A disk that falls behind by more bytes (4 min of speech) is given up.
_LIMIT = 8 * 1024 * 1024
#: What an entry counts beside its bytes.
_ENTRY_COST = 200
#: A larger message of the service is logged by its size only.
_MESSAGE_LIMIT = 256 * 1024
#: So much of what the service says is logged whole in a second; to log a flood
#: would take the interpreter from the calls.
_WHOLE_A_SECOND = 128 * 1024
#: Makes lines of something at a time (ms), and returns its audio.
_Work = Callable[[float], "bytes | bytearray | None"]
#: How long `AudioDumper.stop` waits for a disk that does not answer.
_STOP_S = 2.0


class AudioDumper:
    """Writes received audio to ``path`` as it came, and a log beside it.

    The log has the same name with the suffix ``.jsonl``.  When another call
    is writing to ``path``, what lies there is no dump of ours, or it is
    ``written``, a number is added to both names; ``on_open`` is told the
    audio's.  Writing is the work of a thread of its own: nothing here waits
    for the disk, but `stop` for a moment.  The first failure is told to
    ``on_error``, as one line of text, and ends the dump; nothing is ever
    raised.  Both are called in the loop.

    The methods belong to the event loop in which the dumper was made.
    ``config`` goes into the log's header; what ``redactor`` knows, nowhere.
    Without ``texts_kept`` what was said goes nowhere either: the log tells only
    how long it was, and the file of the audio stays empty.  It begins ``after``
    another one, which is stopped, and has what comes meanwhile.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        redactor: Redactor,
        on_error: Callable[[str], None],
        on_open: Callable[[Path], None],
        *,
        texts_kept: bool = True,
        written: set[tuple[int, int]] | None = None,
        after: AudioDumper | None = None,
    ) -> None:
        #: Where audio goes; a number is added where that name is taken.
        self._used = path
        self._on_error = on_error
        self._reported = False
        self._allowance = _Allowance()
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        self._start = time.monotonic()
        # Of the thread alone.
        self._audio_kept = texts_kept
        self._log = SessionLog(redactor, texts_kept)
        self._files = DumpFiles(path, written)
        self._form = (0, 0, 0)
        self._planes: Planes | None = None
        self._audio_bytes = 0
        # Shared with the thread: what is to be written, and whether more may
        # come.  Each of the two counts is written by one side alone.
        self._entries: deque[tuple[int, float, _Work]] = deque()
        self._added = 0
        self._written = 0
        self._ending = False
        self._failed = ""
        self._wake = threading.Event()
        started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")

        def begin() -> None:
            if after is not None and after._thread.ident is not None:
                after._thread.join(_STOP_S)
            self._files.open()
            self._used = used = self._files.path
            self._tell(lambda: on_open(used))
            self._log.header(started, used.name, config)

        # A thread of the loop's pool would be waited for at the end of the
        # process, for ever if the disk hangs.
        self._thread = threading.Thread(
            target=self._write_all,
            args=(begin,),
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
        self,
        data: bytes | bytearray,
        rate: int,
        channels: int,
        width: int,
        planar: bool = False,
    ) -> None:
        """Add the audio of a frame, which must not change afterwards.  ``rate``
        (Hz), ``channels`` and ``width`` (bytes per sample) are its own, 0 where
        it does not say.  ``planar``: its channels stand one after the other;
        they are written as all others, side by side, as `Planes` does it."""
        form = rate, channels, width
        apart = planar and channels > 1 and width >= 0
        self._add(
            len(data), lambda at: self._write_frame(at, data, form, apart)
        )

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """Log a WebSocket message that was ``sent`` or ``received``."""
        size = len(message)
        if kind == "received":
            if self._allowance.begins_anew(time.monotonic()):
                self._note_flood()
            if not self._allowance.take(size, connection):
                return
        if size > _MESSAGE_LIMIT:
            event = {"bytes": size}
            self.note(kind, {"connection": connection, "event": event})
            return
        log = self._log.message
        self._add(size, lambda at: log(at, kind, connection, message))

    def _note_flood(self) -> None:
        flood = self._allowance.passed_over()
        if flood is not None:
            self.note("received", flood)

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Log anything else; ``fields`` must not change afterwards."""
        self._add(1000, lambda at: self._log.note(at, kind, fields))

    async def stop(self) -> None:
        """Write the rest and close the files; waits two seconds at most.  A
        disk that takes longer gets the rest while the process lives."""
        self._note_flood()
        self._ending = True
        self._wake.set()
        try:
            await asyncio.wait_for(self._closed.wait(), _STOP_S)
        except asyncio.TimeoutError:
            self._report("the disk is too slow; the end may be missing")

    def _now(self) -> float:
        return (time.monotonic() - self._start) * 1000

    def _add(self, size: int, work: _Work) -> None:
        if self._ending:
            return
        size += _ENTRY_COST
        pending = self._added + size - self._written
        if pending > _LIMIT:
            self._fail("the disk is too slow")
            return
        self._entries.append((size, self._now(), work))
        self._added += size
        if pending >= _WAKE_AT:
            self._wake.set()

    def _fail(self, reason: str) -> None:
        """End the dump; from any thread."""
        if not self._failed:
            self._failed = reason
            self._ending = True
            self._entries.clear()
            self._wake.set()
            self._tell(lambda: self._report(reason))

    def _report(self, reason: str) -> None:
        if not self._reported:
            self._reported = True
            text = f"cannot write the audio dump {self._used}: {reason}"
            self._on_error(harmless(text))

    def _tell(self, call: Callable[[], None]) -> None:
        # The loop is closed when nobody waited for the end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    # -- in the thread ----------------------------------------------------

    def _write_all(self, begin: Callable[[], None]) -> None:
        with self._failing():
            # At once: from now on the name is ours.
            begin()
            while not self._ending:
                self._wake.wait(_LOOK_EVERY_S)
                self._wake.clear()
                self._write_some()
            # What came while it wrote.
            self._write_some()
            rest = self._end_planes(self._now())
            self._write(rest if self._audio_kept else b"")
            if not self._failed:
                self._log.end(self._now(), self._audio_bytes)
            self._log.flush()
            self._write(b"")
        if self._failed:
            # Where that fails as well: it is reported already.
            with self._failing():
                reason = {"reason": self._failed}
                self._log.note(self._now(), "dump_failed", reason)
                self._files.write(b"", self._log.take())
        with self._failing():
            self._files.close()
        self._tell(self._closed.set)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """What is raised in here ends the dump."""
        try:
            yield
        except Exception as error:
            self._fail(_reason(error, self._used))

    def _write_frame(
        self,
        at: float,
        data: bytes | bytearray,
        form: tuple[int, int, int],
        apart: bool,
    ) -> bytes:
        if form != self._form or apart != (self._planes is not None):
            rest = self._end_planes(at)
            _, channels, width = self._form = form
            self._planes = Planes(channels, width or 2) if apart else None
        else:
            rest = b""
        audio = bytes(data)
        if self._planes is not None:
            audio = self._planes.push(audio)
        self._log_frame(at, audio)
        return rest + audio

    def _end_planes(self, at: float) -> bytes:
        """What waits for another half that will not come."""
        rest = b"" if self._planes is None else self._planes.flush()
        self._log_frame(at, rest)
        return rest

    def _log_frame(self, at: float, audio: bytes) -> None:
        if audio:
            self._log.frame(at, len(audio), *self._form)

    def _write_some(self) -> None:
        """Write what is there by now."""
        audio, written = bytearray(), self._written
        for _ in range(len(self._entries)):
            # None is left where the dump was given up meanwhile.
            size, at, work = self._entries.popleft()
            piece = work(at) or b""
            audio += piece if self._audio_kept else b""
            written += size
        self._write(audio)
        self._written = written

    def _write(self, audio: bytes | bytearray) -> None:
        self._files.write(audio, self._log.take())
        self._audio_bytes += len(audio)


def _reason(error: Exception, audio: Path) -> str:
    """``error`` in words, with the name of a file that is not ``audio``."""
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    text = error.strerror or str(error)
    name = os.path.basename(error.filename or "")
    return text if name in ("", audio.name) else f"{name}: {text}"


class _Allowance:
    """What of the service's messages is logged whole, in each second."""

    def __init__(self) -> None:
        self._until = 0.0
        self._left = 0
        self._messages = self._bytes = self._connection = 0

    def begins_anew(self, now: float) -> bool:
        """Is it another second?"""
        if now < self._until:
            return False
        self._until, self._left = now + 1, _WHOLE_A_SECOND
        return True

    def take(self, size: int, connection: int) -> bool:
        """May a message of so many bytes be logged?  Else it is counted."""
        if self._left > 0:
            self._left -= size
            return True
        self._messages += 1
        self._bytes += size
        self._connection = connection
        return False

    def passed_over(self) -> dict[str, Any] | None:
        """The log's line of what was counted since this was asked last."""
        if not self._messages:
            return None
        event = {"messages": self._messages, "bytes": self._bytes}
        self._messages = self._bytes = 0
        return {"connection": self._connection, "event": event}

"""The two files of a dump: the audio, and the session log beside it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from io import FileIO
from pathlib import Path

from ..safety.private_files import (
    NotOurs,
    made_beside,
    make_directory,
    open_private,
    require_name,
    size_of,
)
from .session_log import is_ours

#: So many calls at once, and files of others, may be in the way of a path.
_MOST_NUMBERS = 1000
#: No header is longer, nor the last line, in bytes.
_HEADER_LIMIT = 1024 * 1024
_END_LIMIT = 1024


class DumpFiles:
    """The two files of a dump; every method may raise ``OSError``.

    ``written``: the audio of other dumps, by device and inode, which is not
    overwritten though it is ours; that of this one is added.
    """

    def __init__(
        self, path: Path, written: set[tuple[int, int]] | None = None
    ) -> None:
        self.path = path
        self._written = set() if written is None else written
        #: The audio and the log.
        self._files: tuple[FileIO, FileIO] | None = None
        self._identity = (0, 0)

    def open(self) -> None:
        """Take the first name that is free or ours; its files begin anew."""
        wanted = self.path
        make_directory(wanted.parent)
        for number in range(1, _MOST_NUMBERS + 1):
            if number > 1:
                self.path = wanted.with_stem(f"{wanted.stem}-{number}")
            with contextlib.suppress(NotOurs):
                if self._open_pair():
                    return
        raise OSError(errno.EBUSY, "no number is free for this path")

    def _open_pair(self) -> bool:
        """Open both files; False if others are in the way."""
        log_path = self.path.with_suffix(".jsonl")
        # Looked at before, so that nothing new is left where one is refused.
        size = size_of(self.path)
        if size and not size_of(log_path):
            return False
        with contextlib.ExitStack() as opened, contextlib.ExitStack() as old:
            log = old.enter_context(open_private(log_path))
            head = log.read(_HEADER_LIMIT).partition(b"\n")[0]
            log.seek(max(log.seek(0, os.SEEK_END) - _END_LIMIT, 0))
            tail = log.read(_END_LIMIT)
            if tail and not is_ours(head, tail, self.path.name, size):
                return False
            audio = old.enter_context(open_private(self.path))
            taken = _take(audio)
            if taken is None:
                return False
            old.callback(_release, taken)
            if taken in self._written:
                return False
            # Both are ours before anybody can find them by name.
            new_audio, audio_name = _made_beside(self.path, opened)
            new_log, log_name = _made_beside(log_path, opened)
            taken = _take(new_audio)
            if taken is None:
                return False
            opened.callback(_release, taken)
            # Whoever had it may have put another one there.
            require_name(self.path, audio)
            os.replace(audio_name, self.path)
            os.replace(log_name, log_path)
            opened.pop_all()
        self._identity, self._files = taken, (new_audio, new_log)
        self._written.add(taken)
        return True

    def write(self, audio: bytes | bytearray, lines: bytes) -> None:
        """First the audio: the log never tells of audio that is not there."""
        if self._files is not None:
            for file, data in zip(self._files, (audio, lines), strict=True):
                _write(file, data)

    def close(self) -> None:
        try:
            for file in self._files or ():
                file.close()
        finally:
            _release(self._identity)


def _made_beside(
    path: Path, opened: contextlib.ExitStack
) -> tuple[FileIO, Path]:
    """As `made_beside` does it; ``opened`` closes and removes what is made."""
    file, name = made_beside(path)
    opened.enter_context(file)
    opened.callback(name.unlink, missing_ok=True)
    return file, name


def _take(file: FileIO) -> tuple[int, int] | None:
    """Make the file ours; None if it is another call's."""
    status = os.fstat(file.fileno())
    identity = (status.st_dev, status.st_ino)
    with _taken_lock:
        if identity in _taken:
            return None
        # Other processes; not every file system can do it.
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError:
            pass
        _taken.add(identity)
    return identity


def _release(identity: tuple[int, int]) -> None:
    with _taken_lock:
        _taken.discard(identity)


#: Files that calls of this process are writing to.
_taken: set[tuple[int, int]] = set()
_taken_lock = threading.Lock()


def _write(file: FileIO, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]

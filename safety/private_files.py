"""Files for their owner only: what a call leaves on disk is what was said.
And files of others, of which nobody knows how long they are.

Every function here may wait for the disk, so none belongs into the event loop.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import time
from io import FileIO
from pathlib import Path

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700
#: Nothing is followed, waited for, or made a terminal of this process.
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: A file in use is waited for so long, in seconds, and looked at so often.
_LEASE_S, _LOOK_EVERY_S = 5.0, 0.05
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class NotOurs(OSError):
    """The file is another user's or process's, or has another name as well:
    writing to it would hand over what was said, or destroy what somebody
    linked."""


def make_directory(path: Path) -> None:
    """Make a directory and those missing above it; what exists stays as it
    is, whatever it is.  Raises ``OSError``."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        make_directory(path.parent)
        # It may be there by now, as what ends in "..".
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, _DIRECTORY_MODE)
            _give_to_owner(path)


def _give_to_owner(path: Path) -> None:
    """The umask may take from the owner of a new directory, too.

    By the place that was looked at, not by its name: somebody may have put
    another directory there, or a link to one.
    """
    by_place = getattr(os, "O_PATH", None)
    if (
        stat.S_IMODE(os.lstat(path).st_mode) == _DIRECTORY_MODE
        or by_place is None
    ):
        return
    number = os.open(path, by_place | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(number)
        less = stat.S_IMODE(status.st_mode) & ~_DIRECTORY_MODE == 0
        if less and status.st_uid == os.geteuid():
            os.chmod(f"/proc/self/fd/{number}", _DIRECTORY_MODE)
    finally:
        os.close(number)


def size_of(path: Path) -> int:
    """Bytes in a file, 0 where there is none; opens nothing.  Raises `NotOurs`,
    and ``OSError`` for what is no regular file."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0
    _require_ours(path, status)
    return status.st_size


def open_private(path: Path) -> FileIO:
    """Open a file for reading and writing, as it is, or make one.  Raises
    `NotOurs`, and ``OSError`` for what is no regular file."""
    try:
        number = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    except FileExistsError:
        # Not even opened: that can start a tape, or wake who reads a pipe.
        _require_ours(path, os.lstat(path))
        try:
            number = os.open(path, _FLAGS)
        except BlockingIOError:
            # Another process has a lease on it.
            raise NotOurs(errno.EPERM, "is in use", str(path)) from None
    file = FileIO(number, "r+b")
    try:
        # By its name, so that kind, owner and number of names are those of
        # one moment: what was opened may have had another name then.
        _require_ours(path, require_name(path, file))
    except OSError:
        file.close()
        raise
    return file


def require_name(path: Path, file: FileIO) -> os.stat_result:
    """Raise `NotOurs` where ``path`` is another file's name by now, and
    ``OSError`` where there is none; else the status of ``file``."""
    status = os.lstat(path)
    if not os.path.samestat(status, os.fstat(file.fileno())):
        raise NotOurs(errno.EPERM, "was replaced", str(path))
    return status


def made_beside(path: Path) -> tuple[FileIO, Path]:
    """A new file in the same directory, and its name until it takes the place
    of ``path``: whoever had opened that before it was ours alone would read
    on.  Raises ``OSError``."""
    number, name = tempfile.mkstemp(prefix=".dump-", dir=path.parent)
    file = FileIO(number, "r+b")
    try:
        # The umask may take from the owner, too.
        os.fchmod(number, _FILE_MODE)
    except BaseException:
        file.close()
        os.unlink(name)
        raise
    return file, Path(name)


def require_file(path: Path, status: os.stat_result | None = None) -> None:
    """Raise ``OSError`` for what is no regular file; links are followed where
    no ``status`` is given."""
    kind = stat.S_IFMT((status or os.stat(path)).st_mode)
    if kind != stat.S_IFREG:
        text = f"is {_KINDS.get(kind, 'something else')}, not a file"
        raise OSError(errno.EINVAL, text, str(path))


def read_whole(path: Path, most: int) -> bytes:
    """All of a regular file, links followed, of at most so many bytes; no more
    are read, whatever its size is said to be.  Raises ``OSError``, that of
    EFBIG where there are more."""
    require_file(path)
    with open(_opened_to_read(path), "rb") as file:
        # What was looked at may have been replaced.
        status = os.fstat(file.fileno())
        require_file(path, status)
        size = status.st_size
        if size <= most:
            # Some say 0; and none where it would have to be waited for.
            data = file.read(most + 1) or b""
            size = len(data)
    if size > most:
        text = f"is larger than {most >> 20} MB"
        raise OSError(errno.EFBIG, text, str(path))
    return data


def _opened_to_read(path: Path) -> int:
    """Another process may have a lease on it, which it gives up when asked."""
    until = time.monotonic() + _LEASE_S
    while True:
        try:
            return os.open(path, _READ_FLAGS)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_EVERY_S)


def _require_ours(path: Path, status: os.stat_result) -> None:
    require_file(path, status)
    if status.st_uid != os.geteuid() or status.st_nlink > 1:
        raise NotOurs(errno.EPERM, "is not only ours", str(path))

"""What a host is told to log, and what it writes: on either runtime."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ten_runtime import AsyncTenEnv, LogLevel

from devkit.session_app import SessionApp

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LEVELS = {
    "log_debug": LogLevel.DEBUG,
    "log_info": LogLevel.INFO,
    "log_warn": LogLevel.WARN,
    "log_error": LogLevel.ERROR,
}


@dataclass(frozen=True)
class LogCall:
    """One call of an extension (or of the base) to ``ten_env.log_*``."""

    level: LogLevel
    category: str
    text: str


@contextlib.contextmanager
def log_calls(hear: Callable[[LogCall], Any]) -> Iterator[None]:
    """``hear`` gets what async extensions log while the block lasts.

    Not every host writes the category, so it can only be heard here.
    """
    inside = threading.local()
    patch = pytest.MonkeyPatch()

    def tap(name: str) -> None:
        real = getattr(AsyncTenEnv, name)

        def tapped(self: AsyncTenEnv, *args: Any, **kwargs: Any) -> Any:
            if getattr(inside, "call", False):
                return real(self, *args, **kwargs)
            inside.call = True
            try:
                hear(_call(name, args, kwargs))
                return real(self, *args, **kwargs)
            finally:
                inside.call = False

        patch.setattr(AsyncTenEnv, name, tapped)

    for name in ("log", *_LEVELS):
        tap(name)
    try:
        yield
    finally:
        patch.undo()


def _call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> LogCall:
    given = list(args)
    level = _LEVELS.get(name)
    if level is None:
        level = given.pop(0) if given else kwargs["level"]
    text = given.pop(0) if given else kwargs["msg"]
    category = given.pop(0) if given else kwargs.get("category")
    return LogCall(level, category or "", text)


class HostLog:
    """The lines that the host has written since `listening` began.

    They come from the file that the session's App configures, and from the
    process's stderr where the host does not follow that configuration (one
    that was built without TEN's Rust part).
    """

    #: Seconds until a line must be there that was logged.
    LIMIT_S = 30

    def __init__(self, app: SessionApp, spare: Path) -> None:
        """``spare`` is a file that this may write."""
        self._app = app
        self._file = spare
        self._from = 0

    @property
    def text(self) -> str:
        """All of it, without colours."""
        # A line of our own comes out after all that was logged before it.
        mark = f"mark {uuid.uuid4().hex}"
        self._app.log(mark)
        pause = threading.Event()
        for _ in range(self.LIMIT_S * 100):
            text = self._read()
            if mark in text:
                return _COLOURS.sub("", text)
            pause.wait(0.01)
        end = self._read()[-2000:]
        raise RuntimeError(f"{mark!r} is not in the host's log: …{end!r}")

    @property
    def lines(self) -> list[str]:
        """The same, line by line."""
        return self.text.splitlines()

    def _read(self) -> str:
        with self._file.open("rb") as file:
            file.seek(self._from)
            return file.read().decode("utf-8", "replace")

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """To be entered for the call of the test alone: between its phases
        pytest puts its own capture in the place of stderr."""
        if self._app.follows_log:
            assert self._app.log_file is not None
            self._file = self._app.log_file
            self._from = self._file.stat().st_size
            yield
            return
        # Not pytest's capfd: it empties its file when that is read, and with
        # it what another thread writes at that moment.
        stderr = os.dup(2)
        into = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(into, 2)
        os.close(into)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            with os.fdopen(stderr, "wb") as shown:
                shown.write(self._file.read_bytes())

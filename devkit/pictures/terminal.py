"""A command in a terminal of its own, and a picture of what it shows."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS = 80
#: Endless for what is shown here; empty rows at the end are not drawn.
_ROWS = 120
#: A scene that takes longer is broken, in seconds.
_PATIENCE_S = 180.0
#: In place of the directory in which the command runs.
_HERE = b"~/openai_asr_python"
#: pyte's names for what rich calls otherwise.
_COLORS = {"brown": "yellow", "brightblack": "bright_black"}


class SceneError(Exception):
    """What a picture should show did not come about; one line."""


class Terminal:
    """Runs ``command`` and knows what would be on its screen."""

    def __init__(
        self, command: Sequence[str], directory: Path, **environment: str
    ) -> None:
        self._directory = directory
        self._screen = pyte.Screen(COLUMNS, _ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = pty.openpty()
        size = struct.pack("HHHH", _ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        try:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env=_plain(os.environ)
                | {"TERM": "xterm-256color"}
                | environment,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        os.close(self._ours)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def until(self, met: Callable[[str], object]) -> None:
        """Let it run until ``met`` is true of the text on the screen."""
        deadline = time.monotonic() + _PATIENCE_S
        while not met(self.text):
            if not self._read(deadline):
                raise SceneError(f"ended before its time:\n{self.text}")

    def finish(self) -> int:
        """Let it run to its end; the exit status."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._read(deadline):
            pass
        return self._process.wait()

    def _read(self, deadline: float) -> bool:
        """Take in what comes next; False: nothing will."""
        left = deadline - time.monotonic()
        if not select.select([self._ours], [], [], max(left, 0))[0]:
            raise SceneError(f"nothing more came:\n{self.text}")
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # Linux says so where the other end is closed
            data = b""
        # Nothing of where the picture is made is on it.
        self._stream.feed(data.replace(str(self._directory).encode(), _HERE))
        return bool(data)

    def picture(self, title: str) -> str:
        """What is on the screen, as SVG that asks no other server."""
        console = Console(
            record=True,
            width=COLUMNS,
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
            legacy_windows=False,
        )
        for row in range(self.text.rstrip().count("\n") + 1):
            console.print(self._row(row), soft_wrap=True)
        begin = CONSOLE_SVG_FORMAT.index("@font-face")
        end = CONSOLE_SVG_FORMAT.index(".{unique_id}-matrix")
        form = CONSOLE_SVG_FORMAT[:begin] + CONSOLE_SVG_FORMAT[end:]
        return console.export_svg(
            title=title, code_format=form, unique_id="terminal"
        )

    def _row(self, number: int) -> Text:
        line, row = Text(), self._screen.buffer[number]
        width = len(self._screen.display[number].rstrip())
        cells = [row[column] for column in range(width)]
        for style, alike in groupby(cells, _style):
            line.append("".join(cell.data for cell in alike), style)
        return line


def _style(cell: pyte.screens.Char) -> Style:
    return Style(color=_color(cell.fg), bold=cell.bold, reverse=cell.reverse)


def _color(name: str) -> str | None:
    if name == "default":
        return None
    if len(name) == 6 and all(c in "0123456789abcdef" for c in name):
        return f"#{name}"
    return _COLORS.get(name, name.replace("bright", "bright_"))


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Nothing of who makes the picture is on it."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV")
    return {k: v for k, v in environment.items() if k in kept}

"""Captions on a terminal, or as plain lines where there is none."""

import io
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from ten_packages.extension.openai_asr_python.realtime.shown import one_line


class View(Live):
    """Lines scroll up; interim text and progress stay below them.

    All texts are made harmless here, and none is read as rich's markup.
    """

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        super().__init__(
            console=_Console(file=stream),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self.start()

    def line(self, label: str, text: str, style: str) -> None:
        """Show a finished line."""
        line = Text.assemble((label, style), " ", one_line(text))
        self.console.print(line, soft_wrap=not self.console.is_terminal)

    def show(
        self, interim: str, position_ms: int, duration_ms: int, note: str = ""
    ) -> None:
        """Set what stays below the lines, on a terminal."""
        below: list[RenderableType] = []
        if interim:
            text = Text(f"▸ {one_line(interim)}", "dim")
            lines = text.wrap(self.console, self.console.width)
            below += lines[-3:]  # the newest words matter
        if note:
            below.append(Text(f"… {note}", "yellow"))
        if duration_ms:
            bar = Table.grid(padding=(0, 1))
            bar.width = self.console.width - 2  # "^C" is echoed there
            progress = ProgressBar(
                duration_ms, position_ms, complete_style="cyan"
            )
            bar.add_row(clock(position_ms), progress, clock(duration_ms))
            below.append(bar)
        self.update(Group(*below), refresh=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        self.quiet = True  # rich would end the process


def clock(ms: int) -> str:
    """A position in the audio: ``00:03.2``."""
    minutes, rest_ms = divmod(ms, 60_000)
    return f"{minutes:02d}:{rest_ms // 100 / 10:04.1f}"

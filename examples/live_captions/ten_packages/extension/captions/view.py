"""Captions on a terminal, or as plain lines where there is none."""

import contextlib
import io
from typing import TextIO

from rich.console import Console
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text
from ten_packages.extension.openai_asr_python.realtime.shown import one_line

_ASCII = str.maketrans("–…━─▸✗✓", "-.#->!+")
_UP = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))


class View:
    """Lines scroll up; interim text and progress stay below them.

    All texts are made harmless here, and none is read as rich's markup.
    """

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self.console = Console(
            file=_Output(stream),
            force_terminal=not stream.closed and stream.isatty(),
            color_system="auto" if color else None,
        )
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._below: tuple[str, int, int, int, int] | None = None
        self._drawn: list[Text] = []
        self._last, self._repeats = ("", ""), 0
        if self.console.is_interactive:
            self._live.start()

    def line(self, label: str, text: str, *, style: str) -> None:
        """Show a finished line; the same again is counted on a terminal.

        A mark, such as "✗", shares its style with the text.
        """
        if self._live.is_started and self._last == (label, text):
            self._repeats += 1
            return
        self._end_repeats()
        self._last = (label, text)
        rest = Text(one_line(text), style if len(label) == 1 else "")
        if self._live.is_started:
            indent = len(label) + 1
            lines = rest.wrap(self.console, max(2, self._width() - indent))
            rest = Text("\n" + " " * indent).join(lines)
        self._print(Text.assemble((label, style), " ", rest))

    def update(self, interim: str, position_ms: int, duration_ms: int) -> None:
        """Set what stays below; also follows changes of the window."""
        now = (interim, position_ms, duration_ms, self._repeats, self._width())
        if self._live.is_started and now != self._below:
            self._below = now
            self._clear_wrapped()
            self._drawn = self._lines(interim, position_ms, duration_ms)
            self._live.update(Text("\n").join(self._drawn), refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was found; may be called twice."""
        self._end_repeats()
        if self._below:
            self.update("", *self._below[1:3])
        self._live.stop()

    def _print(self, text: Text) -> None:
        self._clear_wrapped()
        self.console.print(text, soft_wrap=True)

    def _end_repeats(self) -> None:
        if self._repeats:
            self._print(self._repeated())
        self._last, self._repeats = ("", ""), 0

    def _clear_wrapped(self) -> None:
        """A narrower window has wrapped lines; rich counts each as one."""
        for line in self._drawn if self._live.is_started else ():
            if rows := (max(1, line.cell_len) - 1) // self.console.width:
                self.console.control(Control(*_UP * rows))

    def _width(self) -> int:
        # Terminals differ in when they wrap after the last column.
        return max(10, self.console.width - 1)

    def _lines(self, interim: str, position_ms: int, end_ms: int) -> list[Text]:
        width, lines = self._width(), list[Text]()
        if interim:
            text = Text(f"▸ {one_line(interim)}", "dim")
            lines = list(text.wrap(self.console, width))
            if len(lines) > 3:  # the newest words matter
                lines = [Text("… ", "dim") + lines[-3], *lines[-2:]]
        if self._repeats:
            lines.append(self._repeated())
        if end_ms:
            position_ms = min(position_ms, end_ms)
            before, after = f"{clock(position_ms)} ", f" {clock(end_ms)}"
            # Two cells are left free: "^C" is echoed there.
            cells = max(0, width - 2 - len(before) - len(after))
            done = cells * position_ms // end_ms
            bar = (("━" * done, "cyan"), ("─" * (cells - done), "dim"))
            lines.append(Text.assemble(before, *bar, after))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def _repeated(self) -> Text:
        s = "s" if self._repeats > 1 else ""
        return Text(f"  ({self._repeats} more time{s})", "red")


class _Output(io.StringIO):
    """Passes text on to a stream that may be gone or know no Unicode."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        if not encoding.lower().startswith("utf"):
            text = text.translate(_ASCII)
        data = text.encode(encoding, "backslashreplace")
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(data.decode(encoding))
            self._stream.flush()
        return len(text)


def clock(ms: int) -> str:
    """A position in the audio: ``00:03.2``, from an hour on ``1:00:03.2``."""
    seconds, tenth = divmod(max(0, ms) // 100, 10)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    start = f"{hours}:" if hours else ""
    return f"{start}{minute:02d}:{second:02d}.{tenth}"

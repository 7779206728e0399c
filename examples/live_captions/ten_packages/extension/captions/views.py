"""Captions on a terminal, or as plain lines where there is none.

`TerminalView` keeps a *live area* of a few lines at the bottom (interim
text, state, progress bar) and redraws it in place; finished lines scroll
up above it. `PlainView` writes finished lines only. Both take a text
stream and are free of TEN, so tests can read what they wrote.
"""

import shutil
from collections.abc import Callable
from typing import Protocol, TextIO

from ten_packages.extension.openai_asr_python.realtime.shown import one_line

from .cells import text_width, truncate, wrap
from .notices import clock, times
from .transcript import Result

# Lines of interim text that stay visible: the newest words matter.
INTERIM_LINES = 3

_ASCII = str.maketrans(
    {"–": "-", "…": ".", "━": "#", "─": "-", "▸": ">", "✗": "!", "✓": "+"}
)


class View(Protocol):
    """What the captions extension draws on."""

    def final(self, result: Result) -> None:
        """A turn's text is known."""

    def interim(self, text: str) -> None:
        """Text that may still change; replaces the interim before it."""

    def progress(self, position_ms: int, duration_ms: int) -> None:
        """How much of the audio was played (ms)."""

    def error(self, text: str) -> None:
        """Something went wrong; `text` is one safe line."""

    def notice(self, text: str) -> None:
        """Something worth a line happened; `text` is one safe line."""

    def hint(self, text: str) -> None:
        """Why nothing happens at the moment; `text` is one safe line."""

    def refresh(self) -> None:
        """Redraw if the terminal changed its size."""

    def close(self) -> None:
        """Leave the output as it was found; may be called twice."""


class _Output:
    """A text stream whose reader may go away or know no Unicode."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self.unicode = self._can_encode("–…━─▸✗✓")

    def _can_encode(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def write(self, text: str) -> None:
        if self._gone:
            return
        if not self.unicode:
            text = text.translate(_ASCII)
        if not self._can_encode(text):
            text = text.encode("ascii", "backslashreplace").decode("ascii")
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The reader of a pipe is gone, or the stream was closed: the
            # transcript must still be written to its file.
            self._gone = True


class PlainView:
    """Finals and errors as lines, for files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._out = _Output(stream)

    def final(self, result: Result) -> None:
        self._out.write(f"{times(result)} {one_line(result.text)}\n")

    def interim(self, text: str) -> None:
        pass

    def progress(self, position_ms: int, duration_ms: int) -> None:
        pass

    def error(self, text: str) -> None:
        self._out.write(f"✗ {text}\n")

    def notice(self, text: str) -> None:
        self._out.write(f"✓ {text}\n")

    def hint(self, text: str) -> None:
        self._out.write(f"… {text}\n")

    def refresh(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Style:
    """SGR sequences (ECMA-48), or nothing where colour is unwanted."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and text else text

    def time(self, text: str) -> str:
        return self._sgr("36", text)

    def faint(self, text: str) -> str:
        return self._sgr("2", text)

    def error(self, text: str) -> str:
        return self._sgr("31", text)

    def good(self, text: str) -> str:
        return self._sgr("32", text)


class TerminalView:
    """Live captions in place.

    Args:
        stream: the terminal.
        color: whether to use colours.
        columns: gives the terminal's width in cells, asked on each draw
            so that a resize takes effect.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        color: bool = True,
        columns: Callable[[], int] | None = None,
    ) -> None:
        self._out = _Output(stream)
        self._style = _Style(color)
        self._columns = columns or _terminal_columns
        self._live_widths: list[int] = []  # cells of the lines on display
        self._drawn_columns = 0
        self._interim = ""
        self._position_ms = 0
        self._duration_ms = 0
        self._last_error = ""
        self._repeats = 0
        self._closed = False
        self._out.write("\x1b[?25l")  # hide the cursor

    def final(self, result: Result) -> None:
        label = times(result)
        text = one_line(result.text)
        indent = len(label) + 1
        lines = wrap(text, self._width() - indent)
        style = self._style
        self._end_repeats()
        self._scroll(
            [
                (f"{style.time(label)} {lines[0]}"),
                *(" " * indent + line for line in lines[1:]),
            ]
        )

    def interim(self, text: str) -> None:
        if text != self._interim:
            self._interim = text
            self._draw()

    def progress(self, position_ms: int, duration_ms: int) -> None:
        self._position_ms, self._duration_ms = position_ms, duration_ms
        self._draw()

    def error(self, text: str) -> None:
        # A client that tries again and again fails again and again: the
        # same line is counted, not repeated.
        if text == self._last_error:
            self._repeats += 1
            self._draw()
            return
        self._end_repeats()
        self._last_error = text
        self._message("✗", text, self._style.error)

    def notice(self, text: str) -> None:
        self._end_repeats()
        self._message("✓", text, self._style.good)

    def hint(self, text: str) -> None:
        self._end_repeats()
        self._message("…", text, self._style.faint)

    def refresh(self) -> None:
        if self._live_widths and self._columns() != self._drawn_columns:
            self._draw()

    def close(self) -> None:
        if self._closed:
            return
        self._end_repeats()
        self._interim = ""
        # The progress bar stays as the last line: how far it came.
        self._draw()
        self._closed = True
        end = "\n" if self._live_widths else ""
        self._live_widths = []
        self._out.write(f"{end}\x1b[?25h")

    def _message(
        self, mark: str, text: str, style: Callable[[str], str]
    ) -> None:
        first, *others = wrap(text, self._width() - 2)
        self._scroll(
            [style(f"{mark} {first}"), *(style(f"  {line}") for line in others)]
        )

    def _end_repeats(self) -> None:
        repeats, self._repeats, self._last_error = self._repeats, 0, ""
        if repeats:
            self._scroll([self._style.error(_repeated(repeats))])

    def _width(self) -> int:
        # The last column stays free: writing there makes some terminals
        # wrap at once and some not.
        return max(10, self._columns() - 1)

    def _scroll(self, lines: list[str]) -> None:
        self._draw(above=lines)

    def _draw(self, above: list[str] | None = None) -> None:
        if self._closed:
            return
        columns = self._columns()
        erase = self._erase(columns)
        live = self._live_lines(self._width())
        self._live_widths = [text_width(plain) for plain, _ in live]
        self._drawn_columns = columns
        done = "".join(f"{line}\n" for line in above or ())
        shown = "\n".join(styled for _, styled in live)
        # One write: a terminal that draws between two would flicker.
        self._out.write(f"{erase}{done}{shown}")

    def _erase(self, columns: int) -> str:
        if not self._live_widths:
            return "\r"
        # After the window became narrower the terminal has re-wrapped
        # the lines that are on display.
        rows = sum(
            max(1, -(-width // max(1, columns))) for width in self._live_widths
        )
        up = f"\x1b[{rows - 1}A" if rows > 1 else ""
        return f"\r{up}\x1b[J"

    def _live_lines(self, width: int) -> list[tuple[str, str]]:
        """The lines of the live area: as plain text, and styled."""
        style = self._style
        live: list[tuple[str, str]] = []
        if self._interim:
            lines = wrap(f"▸ {one_line(self._interim)}", width)
            if len(lines) > INTERIM_LINES:
                lines = lines[-INTERIM_LINES:]
                lines[0] = truncate(f"… {lines[0]}", width)
            live += [(line, style.faint(line)) for line in lines]
        if self._repeats:
            line = truncate(_repeated(self._repeats), width)
            live.append((line, style.error(line)))
        if self._duration_ms:
            # The cursor rests behind the bar, where terminals echo the
            # "^C" of Ctrl-C: it must not wrap.
            live.append(self._bar(width - 2))
        return live

    def _bar(self, width: int) -> tuple[str, str]:
        duration = self._duration_ms
        position = min(self._position_ms, duration)
        before, after = f"{clock(position)} ", f" {clock(duration)}"
        cells = width - len(before) - len(after)
        if cells < 4:
            line = truncate(before.strip(), width)
            return line, line
        done = cells * position // duration
        full, rest = "━" * done, "─" * (cells - done)
        style = self._style
        return (
            f"{before}{full}{rest}{after}",
            f"{before}{style.time(full)}{style.faint(rest)}{after}",
        )


def make_view(stream: TextIO, *, color: bool) -> View:
    """The view that fits what `stream` is."""
    try:
        terminal = stream.isatty()
    except ValueError:  # closed
        terminal = False
    return TerminalView(stream, color=color) if terminal else PlainView(stream)


def _repeated(times: int) -> str:
    return f"  ({times} more time{'s' if times > 1 else ''})"


def _terminal_columns() -> int:
    return shutil.get_terminal_size().columns

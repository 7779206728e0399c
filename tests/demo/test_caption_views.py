"""What captions look like, read back from a small terminal."""

import io
import re
from typing import Any, TextIO, cast

import pytest
from rich.console import ConsoleDimensions
from terminal_screen import Screen

from examples.live_captions.ten_packages.extension.captions.extension import (
    error_text,
)
from examples.live_captions.ten_packages.extension.captions.view import (
    View,
    clock,
)

TIMES = "[00:03.2 – 00:05.9]"


class Captions(View):
    """On a screen, whose width it follows; each message names what is new."""

    def __init__(self, screen: io.TextIOBase, *, color: bool = True) -> None:
        super().__init__(cast(TextIO, screen), color=color)
        self._live_text: tuple[str, int, int] = ("", 0, 0)

    def show(
        self,
        interim: str | None = None,
        progress: tuple[int, int] | None = None,
    ) -> None:
        text, *times = self._live_text
        position_ms, duration_ms = times if progress is None else progress
        text = text if interim is None else interim
        self._live_text = (text, position_ms, duration_ms)
        self.update(*self._live_text)

    def final(self, text: str) -> None:
        self.line(TIMES, text, style="cyan")

    def error(self, text: str) -> None:
        self.line("✗", text, style="red")
        self.show()


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def view_on(screen: Screen) -> Captions:
    view = Captions(screen)
    view.console.size = ConsoleDimensions(screen.columns, 25)
    return view


def test_an_interim_is_rewritten_in_place() -> None:
    screen = Screen()
    view = view_on(screen)
    view.show("hello")
    view.show("hello wor")
    view.show("hello world")
    assert screen.lines() == ["▸ hello world"]


def test_a_final_stays_above_the_live_area() -> None:
    screen = Screen(60)
    view = view_on(screen)
    view.show(progress=(1000, 4000))
    view.show("hello wor")
    view.show("")
    view.final("Hello world.")
    view.show("next")
    lines = screen.lines()
    assert lines[0] == "[00:03.2 – 00:05.9] Hello world."
    assert lines[1] == "▸ next"
    assert lines[2].startswith("00:01.0 ━")
    assert lines[2].endswith(" 00:04.0")
    assert len(lines) == 3


def test_the_bar_shows_the_share_of_the_audio() -> None:
    screen = Screen(60)
    view = view_on(screen)
    view.show(progress=(0, 4000))
    assert "━" not in screen.lines()[0]
    view.show(progress=(1000, 4000))
    bar = screen.lines()[0]
    full, rest = bar.count("━"), bar.count("─")
    assert full == (full + rest) // 4
    view.show(progress=(9000, 4000))  # the silence after the end
    assert "─" not in screen.lines()[0]
    assert len(screen.lines()[0]) == full + rest + 16


@pytest.mark.parametrize("columns", [12, 30, 41, 80])
@pytest.mark.parametrize(
    "text",
    [
        "some words of an everyday call that take more than one line " * 3,
        "電話の会話は文字になります" * 6,
        "one" + "x" * 200,
    ],
)
def test_no_line_is_wider_than_the_terminal(columns: int, text: str) -> None:
    screen = Screen(columns)
    view = view_on(screen)
    view.show(progress=(500, 1000))
    for cut in range(0, len(text), 7):
        view.show(text[:cut])
    view.show("")
    view.final(text)
    view.error(text)
    view.close()
    lines = screen.lines()
    shown = "".join("".join(lines).split())
    assert "".join(text.split()) in shown
    assert not any("▸" in line for line in lines)
    assert sum("━" in line or line.startswith("00:0") for line in lines) == 1


def test_a_long_interim_shows_its_newest_words() -> None:
    screen = Screen(40)
    view = view_on(screen)
    words = " ".join(f"word{number}" for number in range(100))
    view.show(words)
    lines = screen.lines()
    assert len(lines) == 3
    assert lines[0].startswith("… ")
    assert lines[-1].endswith("word99")


@pytest.mark.parametrize("columns", [30, 55, 120])
def test_after_a_resize_nothing_is_left_over(columns: int) -> None:
    screen = Screen(80)
    view = view_on(screen)
    view.final("short")
    view.show("an interim that is longer than thirty cells")
    view.show(progress=(1000, 4000))
    screen.resize(columns)
    view.console.width = columns
    view.show()
    lines = screen.lines()
    assert lines[0] == "[00:03.2 – 00:05.9] short"
    assert sum("▸" in line for line in lines) == 1
    assert sum("━" in line for line in lines) == 1
    assert all(len(line) < columns for line in lines)


def test_refresh_draws_only_after_a_resize() -> None:
    screen = Screen(80)
    view = view_on(screen)
    view.show("hello")
    written = []
    screen.write = lambda text: written.append(text) or 0  # type: ignore
    view.show()
    assert written == []
    view.console.width = 70
    view.show()
    assert len(written) == 1


def test_the_same_error_is_counted_not_repeated() -> None:
    screen = Screen(80)
    view = view_on(screen)
    for _ in range(4):
        view.error("asr error 1000: connection refused")
    assert screen.lines() == [
        "✗ asr error 1000: connection refused",
        "  (3 more times)",
    ]
    view.line("✓", "connected again", style="green")
    view.show()
    assert screen.lines() == [
        "✗ asr error 1000: connection refused",
        "  (3 more times)",
        "✓ connected again",
    ]


def test_the_cursor_comes_back_once() -> None:
    screen = Screen(60)
    view = view_on(screen)
    assert not screen.cursor_visible
    view.show(progress=(1000, 4000))
    view.show("left open")
    view.close()
    assert screen.cursor_visible
    lines = screen.lines()
    assert len(lines) == 1
    assert lines[0].startswith("00:01.0")
    screen.write("prompt")
    view.close()
    view.show(progress=(2000, 4000))
    assert screen.lines() == [lines[0], "prompt"]


def test_the_echo_of_ctrl_c_leaves_nothing_behind() -> None:
    screen = Screen(60)
    view = view_on(screen)
    view.show(progress=(1000, 4000))
    screen.write("^C")
    view.close()
    assert len(screen.lines()) == 1
    assert "^C" not in screen.lines()[0]


def test_without_color_no_color_is_sent() -> None:
    for color in (True, False):
        stream = io.StringIO()
        stream.isatty = lambda: True  # type: ignore[method-assign]
        view = Captions(stream, color=color)
        view.show(progress=(1000, 4000))
        view.final("text")
        view.error("broken")
        assert ("\x1b[31m" in stream.getvalue()) is color
        assert ("\x1b[36m" in stream.getvalue()) is color
        assert (
            "m" in re.findall(r"\x1b\[[\d;]*(\w)", stream.getvalue())
        ) is color


def test_text_from_the_network_cannot_move_the_cursor() -> None:
    screen = Screen(80)  # fails on control characters
    view = view_on(screen)
    view.show("a\x1b[2Jb\x07\nc")
    view.final("a\x1b]0;title\x07\x9b31m b\u202ec")
    lines = screen.lines()
    assert lines[0].endswith(r"a\u001b]0;title\u0007\u009b31m b\u202ec")
    assert lines[1] == r"▸ a\u001b[2Jb\u0007 c"


def test_markup_is_shown_and_not_obeyed() -> None:
    text = (
        "[red]a[/red] [link=http://x]b[/link] [/] [bold :smile: \\[x] 0x1 'q'"
    )
    screen = Screen(120)
    view = view_on(screen)
    view.final(text)
    view.error(text)
    view.show(text)
    assert screen.lines() == [f"{TIMES} {text}", f"✗ {text}", f"▸ {text}"]
    stream = io.StringIO()
    Captions(stream).final(text)
    assert stream.getvalue() == f"{TIMES} {text}\n"


def test_a_line_goes_on_below_its_text() -> None:
    screen = Screen(40)
    view_on(screen).final("some words of an everyday call")
    assert screen.lines() == [
        f"{TIMES} some words of an",
        f"{' ' * len(TIMES)} everyday call",
    ]


def test_without_a_terminal_no_line_is_broken() -> None:
    stream = io.StringIO()
    text = "word " * 100 + "電話" * 100
    Captions(stream).final(text)
    assert stream.getvalue() == f"{TIMES} {text}\n"


def test_a_terminal_without_a_cursor_gets_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen(80)
    view = Captions(screen)
    view.show("hel", (1, 4))
    view.final("hello")
    view.close()
    assert screen.lines() == [f"{TIMES} hello"]
    assert screen.cursor_visible


def test_without_a_terminal_only_finals_and_errors_are_lines() -> None:
    stream = io.StringIO()
    view = Captions(stream)
    view.show("hel")
    view.show(progress=(10, 100))
    view.error("asr error 1000: gone")
    view.error("asr error 1000: gone")
    view.final("hello\nthere")
    view.close()
    assert stream.getvalue().splitlines() == [
        "✗ asr error 1000: gone",
        "✗ asr error 1000: gone",
        "[00:03.2 – 00:05.9] hello there",
    ]


def test_a_stream_without_unicode_gets_ascii() -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    view = Captions(stream)
    view.final("naïve")
    assert data.getvalue() == b"[00:03.2 - 00:05.9] na\\xefve\n"


def test_a_reader_that_is_gone_does_no_harm() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    view = Captions(Broken())
    view.final("text")
    view.final("more")
    view.close()
    closed = io.StringIO()
    closed.close()
    Captions(closed).error("nobody sees it")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "00:00.0"),
        (99, "00:00.0"),
        (3200, "00:03.2"),
        (3_599_999, "59:59.9"),
        (3_600_000, "1:00:00.0"),
        (-5, "00:00.0"),
    ],
)
def test_clock(ms: int, text: str) -> None:
    assert clock(ms) == text


def shown_error(message: dict[str, Any]) -> str:
    stream = io.StringIO()
    Captions(stream).error(error_text(message))
    return stream.getvalue().removeprefix("✗ ").removesuffix("\n")


def test_error_lines_name_module_code_and_vendor() -> None:
    vendor = {"vendor": "openai", "code": "1006", "message": "no close frame"}
    message = {
        "module": "asr",
        "code": 1000,
        "message": "connection\nlost",
        "vendor_info": vendor,
    }
    assert (
        shown_error(message)
        == "asr error 1000: connection lost (openai 1006: no close frame)"
    )
    message["message"] = "connection lost: no close frame"
    assert (
        shown_error(message)
        == "asr error 1000: connection lost: no close frame (openai 1006)"
    )
    fatal = {"code": -1000, "message": "bad key\x1b[0m", "vendor_info": {}}
    assert shown_error(fatal) == r"? fatal error -1000: bad key\u001b[0m"

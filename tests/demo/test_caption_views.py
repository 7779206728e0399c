"""What captions look like, read back from a small terminal."""

import io
import re
from typing import TextIO, cast

import pytest
from rich.console import ConsoleDimensions
from terminal_screen import Screen

from examples.live_captions.ten_packages.extension.captions.view import (
    View,
    clock,
)

TIMES = "[00:03.2 – 00:05.9]"


class Captions(View):
    """On a screen; each call names what is new."""

    def __init__(self, stream: io.TextIOBase) -> None:
        super().__init__(cast(TextIO, stream))
        self._below: tuple[str, int, int] = ("", 0, 0)

    def below(
        self,
        interim: str | None = None,
        progress: tuple[int, int] | None = None,
    ) -> None:
        text, *times = self._below
        position_ms, duration_ms = times if progress is None else progress
        text = text if interim is None else interim
        self._below = (text, position_ms, duration_ms)
        self.show(*self._below)

    def final(self, text: str) -> None:
        self.line(TIMES, text, "cyan")

    def error(self, text: str) -> None:
        self.line("✗", text, "red")


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
    view.below("hello")
    view.below("hello wor")
    view.below("hello world")
    assert screen.lines() == ["▸ hello world"]


def test_a_final_stays_above_the_live_area() -> None:
    screen = Screen(60)
    view = view_on(screen)
    view.below(progress=(1000, 4000))
    view.below("hello wor")
    view.below("")
    view.final("Hello world.")
    view.below("next")
    lines = screen.lines()
    assert lines[0] == "[00:03.2 – 00:05.9] Hello world."
    assert lines[1] == "▸ next"
    assert lines[2].startswith("00:01.0 ━")
    assert lines[2].endswith(" 00:04.0")
    assert len(lines) == 3


def test_the_bar_shows_the_share_of_the_audio() -> None:
    screen = Screen(60)
    view = view_on(screen)
    view.console.no_color = True  # then the rest is left blank
    view.below(progress=(0, 4000))
    assert "━" not in screen.lines()[0]
    view.below(progress=(1000, 4000))
    bar = screen.lines()[0]
    assert bar.count("━") == (60 - 2 - 16) // 4
    view.below(progress=(4000, 4000))
    assert screen.lines()[0].count("━") == 60 - 2 - 16


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
    view.below(progress=(500, 1000))
    for cut in range(0, len(text), 7):
        view.below(text[:cut])
    view.below("")
    view.final(text)
    view.error(text)
    view.stop()
    lines = screen.lines()
    shown = "".join("".join(lines).split())
    assert "".join(text.split()) in shown
    assert not any("▸" in line or "━" in line for line in lines)


def test_a_long_interim_shows_its_newest_words() -> None:
    screen = Screen(40)
    view = view_on(screen)
    words = " ".join(f"word{number}" for number in range(100))
    view.below(words)
    lines = screen.lines()
    assert len(lines) == 3
    assert lines[-1].endswith("word99")


def test_the_cursor_comes_back_once() -> None:
    screen = Screen(60)
    view = view_on(screen)
    assert not screen.cursor_visible
    view.below(progress=(1000, 4000))
    view.below("left open")
    view.stop()
    assert screen.cursor_visible
    assert screen.lines() == []
    screen.write("prompt")
    view.stop()
    view.below(progress=(2000, 4000))
    assert screen.lines() == ["prompt"]


def test_the_echo_of_ctrl_c_leaves_nothing_behind() -> None:
    screen = Screen(60)
    view = view_on(screen)
    view.below(progress=(1000, 4000))
    screen.write("^C")
    view.stop()
    assert screen.lines() == []


def test_without_color_no_color_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for color in (True, False):
        if not color:
            monkeypatch.setenv("NO_COLOR", "1")
        stream = io.StringIO()
        stream.isatty = lambda: True  # type: ignore[method-assign]
        view = Captions(stream)
        view.below("interim", (1000, 4000))
        view.final("text")
        view.error("broken")
        codes = set(re.findall(r"\x1b\[([\d;]*)m", stream.getvalue()))
        assert ({"31", "36"} <= codes) is color
        assert color or codes <= {"0", "2"}  # dim is no colour


def test_text_from_the_network_cannot_move_the_cursor() -> None:
    screen = Screen(80)  # fails on control characters
    view = view_on(screen)
    view.below("a\x1b[2Jb\x07\nc")
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
    view.below(text)
    assert screen.lines() == [f"{TIMES} {text}", f"✗ {text}", f"▸ {text}"]
    stream = io.StringIO()
    Captions(stream).final(text)
    assert stream.getvalue() == f"{TIMES} {text}\n"


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
    view.below("hel", (1, 4))
    view.final("hello")
    view.stop()
    assert screen.lines() == [f"{TIMES} hello"]
    assert screen.cursor_visible


def test_without_a_terminal_only_finals_and_errors_are_lines() -> None:
    stream = io.StringIO()
    view = Captions(stream)
    view.below("hel")
    view.below(progress=(10, 100))
    view.error("asr error 1000: gone")
    view.error("asr error 1000: gone")
    view.final("hello\nthere")
    view.stop()
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
    assert data.getvalue() == b"[00:03.2 \\u2013 00:05.9] na\\xefve\n"


def test_a_reader_that_is_gone_does_no_harm() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    view = Captions(Broken())
    view.final("text")
    view.final("more")
    view.stop()


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "00:00.0"),
        (99, "00:00.0"),
        (3200, "00:03.2"),
        (3_599_999, "59:59.9"),
        (3_600_000, "60:00.0"),
    ],
)
def test_clock(ms: int, text: str) -> None:
    assert clock(ms) == text

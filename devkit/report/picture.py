"""``python -m devkit.report.picture``: the pictures of docs/report.md anew.

Plays samples/call.wav as a live call to the local speech server, which loses
the connection, makes a report of its dump, and one that compares it with
another run, and takes pictures of them in Chromium. Takes two minutes. Exit
status: 0 ok, 1 the call failed, 2 something is missing.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import sync_playwright

from devkit.bootstrap import ensure_ten
from devkit.sessions.recording import Frames, Recording

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: A connection is lost in the middle of a turn, the next attempt is refused,
#: the one after it takes its time; and one turn fails at first.
_FAULTS: dict[str, Any] = {
    "drop_after_audio_ms": 14_000,
    "audio_faults_on": 1,
    "refused": "2",
    "slow_handshake": "3",
    "slow_handshake_ms": 2000,
    "failed": "6",
}
#: Each run with its faults, and what it has otherwise than the first one.
_RUNS: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("call", _FAULTS, ()),
    ("longer-pause", {}, ("turn_detection.silence_duration_ms=1000",)),
)


@dataclass(frozen=True)
class Picture:
    """``size`` in CSS pixels with ``scale`` real ones each, ``scheme`` of
    colours, and the last part of the page that is to be seen."""

    page: str
    size: tuple[int, int]
    scale: float
    scheme: Literal["light", "dark"]
    last: str


_PICTURES = {
    "report": Picture("call", (1120, 900), 1.5, "light", ".happenings"),
    "report-phone": Picture("call", (360, 740), 2, "dark", ".legend"),
    "report-compared": Picture("both", (1120, 900), 1.5, "light", ".axis"),
}


def dumped_call(
    path: Path, faults: Mapping[str, Any], changes: Sequence[str]
) -> str:
    """The call, dumped to ``path``; what went wrong with it, or ""."""
    ensure_ten()
    from devkit.rerun.changes import Wishes as Run
    from devkit.rerun.changes import parse_change
    from devkit.rerun.playback import play
    from devkit.server import Faults, ServerThread

    with wave.open(str(ROOT / "samples" / "call.wav")) as sample:
        rate = sample.getframerate()
        audio = sample.readframes(sample.getnframes())
    size = rate // 100 * 2
    count = len(audio) // size
    request = {"model": "gpt-live-transcribe", "language": "en"}
    call = Recording(
        path,
        "",
        "",
        {"input_audio_transcription": request},
        [Frames(0, (count - 1) * 10, count, size, rate, 1, 2)],
    )
    with ServerThread(engine="speech", faults=Faults(**faults)) as server:
        otherwise = tuple(map(parse_change, changes))
        run = Run(1.0, otherwise, path)
        outcome = play(call, audio, server.url, "sk-local", run)
    return outcome.problem or ("" if outcome.finals else "no text came")


def take(pages: Mapping[str, Path], browser: str) -> None:
    """The pictures of the pages."""
    with sync_playwright() as playwright:
        # Root may have no sandbox; the page is ours.
        opened = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox"]
        )
        for name, wanted in _PICTURES.items():
            width, height = wanted.size
            context = opened.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=wanted.scale,
                color_scheme=wanted.scheme,
            )
            view = context.new_page()
            view.goto(pages[wanted.page].as_uri())
            view.locator("#axis").focus()
            for _ in range(14):
                view.keyboard.press("ArrowRight")
            view.mouse.move(0, 0)
            view.evaluate("document.activeElement.blur()")
            bottom = view.evaluate(
                "(name) => document.querySelector(name)"
                ".getBoundingClientRect().bottom + scrollY + 20",
                wanted.last,
            )
            picture = view.screenshot(
                full_page=True,
                clip={
                    "x": 0,
                    "y": 0,
                    "width": width,
                    "height": bottom,
                },
            )
            context.close()
            _save(picture, IMAGES / f"{name}.png")
        opened.close()


def _save(picture: bytes, path: Path) -> None:
    """With the colours that most pixels have, so that areas keep theirs, and
    as few bytes."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    found: Any = image.getcolors(image.width * image.height)
    most = sorted(found, reverse=True)[:256]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in most for part in colour])
    few = image.quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main() -> int:
    """Make the pictures; returns the exit status."""
    # Before TEN is imported, which reads it then.
    os.environ.setdefault("TEN_LOG_LEVEL", "off")
    from .page import page_of
    from .session import Wishes, read_session

    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        print("devkit.report.picture: no Chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        sessions = []
        for name, faults, changes in _RUNS:
            path = Path(directory) / f"{name}.pcm"
            problem = dumped_call(path, faults, changes)
            if problem:
                print(f"devkit.report.picture: {problem}", file=sys.stderr)
                return 1
            log = path.with_suffix(".jsonl")
            sessions.append(read_session(log, Wishes()))
        pages = {}
        for name, shown in (("call", sessions[:1]), ("both", sessions)):
            pages[name] = Path(directory) / f"{name}.html"
            pages[name].write_text(page_of(shown), encoding="utf-8")
        take(pages, browser)
    for name in _PICTURES:
        print(f"docs/images/{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())

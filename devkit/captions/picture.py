"""`python -m devkit.captions.picture [--dark] [-o FILE.png]`: the page in use.

Needs what the tests of pages need: Playwright, and Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from devkit.demo.service import ROOT

_PICTURE = ROOT / "docs" / "images" / "captions.png"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Take it; 0, or 2 where there is no browser."""
    parser = argparse.ArgumentParser(prog="python -m devkit.captions.picture")
    parser.add_argument("-o", type=Path, default=_PICTURE, metavar="FILE.png")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1240)
    parser.add_argument("--height", type=int, default=1090)
    options = parser.parse_args()
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        print("picture: no Chromium", file=sys.stderr)
        return 2
    with _server() as address, sync_playwright() as playwright:
        page = playwright.chromium.launch(
            executable_path=browser,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        ).new_page(
            viewport={"width": options.width, "height": options.height},
            color_scheme="dark" if options.dark else "light",
        )
        page.goto(address)
        _use(page)
        options.o.parent.mkdir(parents=True, exist_ok=True)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=options.o)
    print(options.o)
    return 0


def _use(page: Page) -> None:
    """A call that loses its connection, and has it back."""
    page.get_by_role("button", name="Play the sample").click()
    said = page.locator("#finals li")
    said.nth(1).wait_for(timeout=60_000)
    page.get_by_role("button", name="Cut", exact=True).click()
    page.locator("#outage").wait_for()
    page.locator("#outage").wait_for(state="hidden", timeout=60_000)
    said.nth(3).wait_for(timeout=60_000)
    page.get_by_label("Silence, ms").fill("400")
    page.get_by_role("button", name="Apply now").click()
    said.nth(5).wait_for(timeout=60_000)
    page.locator("#interim").wait_for(timeout=60_000)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "devkit.captions", "--no-browser"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.match(r"page\s+(\S+)", line):
                yield found[1]
                break
        process.terminate()


if __name__ == "__main__":
    sys.exit(main())

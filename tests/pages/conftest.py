"""Pages in a real browser: Debian's Chromium, without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_MISSING = "no Chromium (Debian, Ubuntu: apt install chromium)"
#: A microphone that is allowed, and no window. Root may have no sandbox.
_SWITCHES = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)

OpenBrowser = Callable[..., Browser]
Check = Callable[[Page], None]


@pytest.fixture(scope="module")
def open_browser() -> Iterator[OpenBrowser]:
    """Starts Chromium with further switches.

    It ends with the file: while it runs no other loop can in this thread.
    Without a Chromium the tests are skipped, but in CI they fail.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    with sync_playwright() as playwright:

        def start(*switches: str) -> Browser:
            return playwright.chromium.launch(
                executable_path=found, args=[*_SWITCHES, *switches]
            )

        yield start


@pytest.fixture(scope="module")
def browser(open_browser: OpenBrowser) -> Iterator[Browser]:
    opened = open_browser()
    yield opened
    opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own that fails the test where the page's scripts do."""
    context = browser.new_context()
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console",
        lambda said: (
            problems.append(said.text) if said.type == "error" else None
        ),
    )
    yield opened
    context.close()
    assert problems == []


@pytest.fixture(scope="module")
def accessible() -> Check:
    """Fails for whatever axe-core finds in a page, with where it is."""
    axe = Axe()

    def check(page: Page) -> None:
        found = axe.run(page).response["violations"]
        assert [
            (broken["id"], node["html"])
            for broken in found
            for node in broken["nodes"]
        ] == []

    return check

"""The page of live captions in a browser: it hears words that are coded in
samples, so what it shows is known exactly."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import soundfile
from captions_command import captions, eventually, has_ended
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from devkit.script_audio import speak, word_ids, word_text
from devkit.server import ServerThread

RATE = 16000
TURNS = [[1, 2], [3], [4, 5], [6]]
TEXTS = [" ".join(map(word_text, turn)) for turn in TURNS]
LIMIT_MS = 40_000

OpenBrowser = Callable[..., Browser]
Check = Callable[[Page], None]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples, _ = speak(TURNS, RATE, 700)
    path = tmp_path_factory.mktemp("sound") / "call.wav"
    soundfile.write(path, samples, RATE)
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def address(spoken: Path, kept: Path) -> Iterator[str]:
    with (
        ServerThread(engine="script") as server,
        captions(
            *("--server", server.url, "--audio", spoken, "--keep", kept)
        ) as (found, _),
    ):
        yield found


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def enter(button: Locator) -> None:
    """By the keyboard, which does not wait as a click does."""
    expect(button).to_be_enabled(timeout=LIMIT_MS)
    button.press("Enter")


def finals(page: Page) -> list[str]:
    return page.locator("#finals .text").all_text_contents()


def after(page: Page, count: int) -> None:
    """Wait for so many finals."""
    expect(page.locator("#finals li").nth(count - 1)).to_be_attached(
        timeout=LIMIT_MS
    )


def until_over(page: Page) -> None:
    expect(page.locator("#over")).to_be_visible(timeout=LIMIT_MS)


def test_a_cut_loses_no_word_and_every_control_is_answered(
    address: str, page: Page, accessible: Check
) -> None:
    page.goto(address)
    accessible(page)
    enter(page.get_by_role("button", name="Play the sample"))
    expect(page.get_by_role("button", name="Mute")).to_be_focused()
    after(page, 1)
    page.get_by_label("Stay away for").select_option("an instant")
    cut = page.get_by_role("button", name="Cut", exact=True)
    cut.press("Enter")
    expect(cut).to_have_attribute("aria-disabled", "true", timeout=LIMIT_MS)
    expect(cut).to_have_accessible_description(re.compile("Not now: "))
    cut.press("Enter")  # in vain
    expect(cut).to_be_focused()
    log = page.locator("#log")
    expect(log).to_contain_text("You cut the connection", timeout=LIMIT_MS)
    expect(log).to_contain_text("Connected again after", timeout=LIMIT_MS)
    expect(cut).to_have_attribute("aria-disabled", "false", timeout=LIMIT_MS)
    accessible(page)
    answer = page.locator("#answer")
    page.get_by_label("Threshold").fill("7")
    press(page, "Apply now")
    expect(answer).to_have_text(
        'Refused: params.turn_detection.threshold: found "7"; allowed: a'
        " number from 0 to 1"
    )
    page.get_by_label("Threshold").fill("0.4")
    press(page, "Apply now")
    expect(answer).to_contain_text("Applied: next turn", timeout=LIMIT_MS)
    # The sample ends, and with it the call.
    until_over(page)
    assert " ".join(finals(page)).split() == " ".join(TEXTS).split()
    expect(page.locator("#reconnects")).to_have_text("1")
    expect(page.locator("#dropped")).to_have_text("0.0 s")
    announced = page.locator("#announce p").all_text_contents()
    assert announced == finals(page)[-len(announced) :]
    assert all(
        re.fullmatch(r"\d+\.\d s", page.inner_text(f"#{name}"))
        for name in ("first", "last")
    )
    log_link = page.get_by_role("link", name="call.jsonl")
    place = log_link.get_attribute("href")
    told = page.request.get(address + str(place))
    assert json.loads(told.text().split("\n")[0])["kind"] == "session"
    report = page.get_by_role("link", name="Open its report")
    assert report.count() == (find_spec("devkit.report") is not None)
    accessible(page)


def test_the_focus_stays_with_the_controls_of_a_call(
    address: str, page: Page
) -> None:
    page.goto(address)
    start, stop = page.locator("#start"), page.locator("#stop")
    enter(start)
    expect(page.locator("#mute")).to_be_focused(timeout=LIMIT_MS)
    stop.press("Enter")
    until_over(page)
    expect(start).to_be_focused()


def test_what_is_said_before_the_app_is_there_is_sent_first(
    address: str, page: Page
) -> None:
    """A microphone that gives a level of 0.5, and 0.1 when the app is there."""
    sent: list[int] = []
    routes: list[WebSocketRoute] = []

    def serve(route: WebSocketRoute) -> None:
        def hear(message: str | bytes) -> None:
            if isinstance(message, bytes):
                sent.append(int.from_bytes(message[:2], "little"))

        route.on_message(hear)
        route.send(json.dumps(HELLO))
        routes.append(route)

    page.route_web_socket(re.compile("socket$"), serve)
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => {"
        " const context = new AudioContext();"
        " window.level = new ConstantSourceNode(context, {offset: 0.5});"
        " const to = context.createMediaStreamDestination();"
        " level.connect(to); level.start(); return to.stream; };"
    )
    page.goto(address)
    press(page, "Start with the microphone")
    expect(page.locator("#status")).to_have_text("Starting")
    page.evaluate(
        "async () => { while (!(window.level?.context.currentTime > 5))"
        " await new Promise((done) => setTimeout(done, 20)); }"
    )
    assert sent == []
    page.evaluate("level.offset.value = 0.1")
    routes[0].send('{"type": "ready"}')
    expect(page.locator("#clock")).to_have_text("00:04")
    high = sum(level > 12_000 for level in sent)
    # Of 5 s no more than 3 are kept, in pieces of 20 ms; some are on the way.
    assert 100 < high < 200


HELLO = {
    "type": "hello",
    "service": "",
    "local": True,
    "runtime": "standin",
    "no_cut": "",
    "models": [],
    "settings": {},
}


def test_what_the_microphone_hears_is_captioned(
    address: str, spoken: Path, open_browser: OpenBrowser
) -> None:
    """The fake microphone plays the file again and again, from when it is
    opened, which is before the call begins."""
    browser = open_browser(f"--use-file-for-fake-audio-capture={spoken}")
    with contextlib.closing(browser):
        page = browser.new_page()
        page.goto(address)
        press(page, "Start with the microphone")
        after(page, 2)
        assert page.inner_text("#status") == "Connected"
        press(page, "Mute")
        expect(page.locator("#hears")).to_have_text("muted")
        press(page, "Finalize")
        answered = "Finalize answered in"
        expect(page.locator("#log")).to_contain_text(answered, timeout=LIMIT_MS)
        press(page, "Unmute")
        press(page, "Stop")
        until_over(page)
        # The call may have begun, and been muted, in the middle of a word.
        heard = word_ids(finals(page)[1])
    assert heard
    last = TURNS[-1][-1]
    assert heard == [(heard[0] - 1 + n) % last + 1 for n in range(len(heard))]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NotAllowedError", "may not use the microphone. Allow it"),
        ("NotFoundError", "There is no microphone. Connect one"),
    ],
)
def test_without_a_microphone_one_message_says_what_to_do(
    address: str, page: Page, accessible: Check, name: str, said: str
) -> None:
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => {"
        f" throw new DOMException('no', '{name}'); }};"
    )
    page.goto(address)
    press(page, "Start with the microphone")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text(said)
    expect(problem).to_contain_text("play the sample")
    expect(page.locator("#status")).to_have_text("Ready")
    accessible(page)


def test_one_page_at_a_time_and_one_that_closes_ends_its_call(
    address: str, kept: Path, page: Page
) -> None:
    page.goto(address)
    press(page, "Play the sample")
    expect(page.locator("#status")).to_have_text("Connected", timeout=LIMIT_MS)
    before = set(kept.glob("*/call.jsonl"))
    other = page.context.new_page()
    other.goto(address)
    expect(other.get_by_role("alert")).to_contain_text("Another page")
    expect(other.locator("#status")).to_have_text("In use")
    page.goto("about:blank")
    newest = max(before, key=lambda path: path.stat().st_mtime_ns)
    eventually(lambda: has_ended(newest))
    other.reload()
    expect(other.locator("#status")).to_have_text("Ready", timeout=LIMIT_MS)


def test_it_fits_on_a_phone_and_in_the_dark(
    address: str, browser: Browser, accessible: Check
) -> None:
    phone = {"width": 360, "height": 740}
    context = browser.new_context(viewport=phone, color_scheme="dark")
    with contextlib.closing(context):
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#status")).to_have_text("Ready")
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 360

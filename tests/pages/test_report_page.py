"""The session report in a browser: it can be heard, moved in, searched; with
keys alone, in the dark, on a phone; and whatever a log says runs nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import hostile
import pytest
from playwright.sync_api import Browser, Page, expect
from reported_call import (
    call_with_faults,
    frames,
    read,
    result,
    tone,
    voice,
    write_log,
)

from devkit.report.page import page_of

PHONE = {"width": 360, "height": 740}


def words(text: str, start: int) -> list[dict[str, Any]]:
    return [
        {"word": word, "start_ms": start + 500 * n, "duration_ms": 500}
        for n, word in enumerate(text.split())
    ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call of 12 s with three turns, a drop and an error."""
    place = tmp_path_factory.mktemp("report")
    lines = [
        {"t": 0, "kind": "opened", "connection": 1},
        frames(0, voice(12)),
        result(1500, "one two", 1000, 1000, final=False),
        result(3500, "one two three", 1000, 2000, words=words("a b c d", 1000)),
        {"t": 2900, "kind": "speech", "start_ms": 1000, "end_ms": 3000},
        result(6500, "zeppelins", 5000, 1000),
        {
            "t": 7000,
            "kind": "error",
            "code": 1000,
            "message": "audio dropped: 500 ms from 6500 ms on; the buffer is"
            " full",
        },
        {"t": 8000, "kind": "closed", "connection": 1, "code": 1006},
        {"t": 9500, "kind": "opened", "connection": 2},
        result(11500, "the end", 9000, 2000),
        {"t": 12000, "kind": "finalize", "finalize_id": "a"},
        {"t": 12100, "kind": "finalize_end", "finalize_id": "a"},
    ]
    log = write_log(place / "call", lines, voice(12))
    page = place / "call.html"
    page.write_text(page_of([read(log)]), encoding="utf-8")
    return page


def asks_nobody(page: Page) -> list[str]:
    """The addresses that a page asks for, but for itself and what is in it."""
    asked: list[str] = []
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("data:", "file:"))
            else asked.append(request.url)
        ),
    )
    return asked


@pytest.fixture
def opened(page: Page, report: Path) -> Page:
    asked = asks_nobody(page)
    page.goto(report.as_uri())
    yield page
    assert asked == []


def position(page: Page) -> float:
    """Where the cursor is, in s."""
    value = page.locator("#axis").get_attribute("aria-valuenow")
    assert value is not None
    return float(value)


def test_what_is_played_is_as_long_as_the_call(opened):
    duration = opened.evaluate(
        """() => new Promise((done) => {
            const audio = document.getElementById("audio");
            const tell = () => done(audio.duration);
            if (audio.readyState) tell();
            else audio.addEventListener("loadedmetadata", tell);
        })"""
    )
    assert duration == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1200, "height": 800}, PHONE])
def test_it_is_for_everybody(opened, accessible, scheme, size):
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size(size)
    opened.locator("details").first.click()
    accessible(opened)
    wide = opened.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]


def test_every_control_is_reached_with_the_tab_key(opened):
    names = []
    for _ in range(40):
        opened.keyboard.press("Tab")
        name = opened.evaluate(
            "(e => e.id || e.getAttribute('aria-label') || e.textContent)"
            "(document.activeElement)"
        )
        names.append(name)
    for wanted in ("play", "speed", "follow", "zoom-in", "zoom-out", "axis"):
        assert wanted in names
    assert "Play turn 2 from 0:05.0" in names


def test_enter_on_a_turn_plays_from_there(opened):
    opened.get_by_role("link", name="Play turn 2 from 0:05.0").focus()
    opened.keyboard.press("Enter")
    goes_on = re.compile(r"5\.[3-9]|[6-9]\..")
    expect(opened.locator("#axis")).to_have_attribute("aria-valuenow", goes_on)
    current = opened.locator("tr[aria-current]")
    expect(current).to_have_count(1)
    expect(current).to_contain_text("zeppelins")
    expect(opened.locator("#play")).to_have_attribute("aria-label", "Pause")
    opened.locator("#play").click()
    expect(opened.locator("#play")).to_have_attribute("aria-label", "Play")
    assert opened.evaluate("document.getElementById('audio').paused")


def test_the_axis_is_moved_with_keys(opened):
    axis = opened.locator("#axis")
    axis.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight"):
        opened.keyboard.press(key)
    # It ends with the call.
    assert position(opened) == 12
    opened.keyboard.press("Home")
    assert position(opened) == 0
    for _ in range(6):
        opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowLeft")
    assert position(opened) == 5
    text = axis.get_attribute("aria-valuetext")
    assert text is not None
    assert "one two three" in text  # the last text that had come
    for name in ("Pause", "Play"):
        opened.keyboard.press("Space")
        play = opened.locator("#play")
        expect(play).to_have_attribute("aria-label", name)


def test_words_are_followed(opened):
    opened.locator("#axis").focus()
    for _ in range(2):
        opened.keyboard.press("ArrowRight")
    expect(opened.locator(".w.now")).to_have_text("c")


def test_zoom_and_pan(opened):
    axis = opened.locator("#axis")

    def shows(view: str) -> None:
        expect(axis).to_have_attribute("data-view", view)

    shows("0-12000")
    opened.locator("#zoom-in").click()
    shows("0-6000")
    axis.focus()
    opened.keyboard.press("PageDown")
    shows("6000-12000")
    opened.keyboard.press("-")
    shows("0-12000")
    for _ in range(9):
        opened.keyboard.press("+")
    # Half a second is the least.
    shows("0-500")
    opened.keyboard.press("0")
    shows("0-12000")
    box = axis.bounding_box()
    assert box is not None
    across, down = box["x"] + box["width"] / 2, box["y"] + 60
    opened.mouse.move(across, down)
    opened.keyboard.down("Control")
    opened.mouse.wheel(0, -300)
    opened.keyboard.up("Control")
    expect(axis).not_to_have_attribute("data-view", "0-12000")
    zoomed = axis.get_attribute("data-view")
    assert zoomed is not None
    opened.mouse.down()
    opened.mouse.move(across - 100, down, steps=4)
    opened.mouse.up()
    expect(axis).not_to_have_attribute("data-view", zoomed)
    # Dragging is no click.
    assert position(opened) == 0


def test_another_part_of_the_call_is_another_picture(opened):
    def picture() -> str:
        found: str = opened.evaluate(
            "document.getElementById('canvas').toDataURL()"
        )
        return found

    whole = picture()
    opened.locator("#zoom-in").click()
    near = picture()
    opened.locator("#zoom-all").click()
    assert picture() == whole != near


def test_a_click_on_the_axis_is_a_place(opened):
    box = opened.locator("#axis").bounding_box()
    assert box is not None
    opened.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)
    assert 4 < position(opened) < 8
    opened.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 140)
    expect(opened.locator("#tip")).to_contain_text("Turn")


def test_search_over_texts_and_events(opened):
    field = opened.get_by_role("searchbox")
    field.fill("ZEPP")
    rows = opened.locator("tr.turn:visible")
    expect(rows).to_have_count(1)
    expect(opened.locator("#found")).to_have_text(re.compile("1 of"))
    field.press("Enter")
    assert position(opened) == 5
    field.fill("buffer")
    expect(opened.locator(".happenings > li:visible")).to_have_count(1)
    expect(rows).to_have_count(0)
    field.fill("")
    expect(rows).to_have_count(3)


def test_the_lists_are_there_without_scripts(browser: Browser, report: Path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    expect(page.locator("tr.turn")).to_have_count(3)
    expect(page.get_by_text("zeppelins", exact=True)).to_be_visible()
    expect(page.locator("audio")).to_be_visible()
    expect(page.get_by_text("needs JavaScript")).to_be_visible()
    context.close()


def test_motion_is_spared_whom_it_disturbs(opened):
    opened.emulate_media(reduced_motion="reduce")
    moving = opened.evaluate(
        "[...document.querySelectorAll('*')].filter(e =>"
        " parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    )
    assert moving == 0


def test_a_real_call_with_faults(page: Page, accessible, tmp_path):
    asked = asks_nobody(page)
    log = call_with_faults(tmp_path / "call.pcm")
    target = tmp_path / "call.html"
    target.write_text(page_of([read(log)]), encoding="utf-8")
    page.goto(target.as_uri())
    accessible(page)
    expect(page.locator("tr.turn")).to_have_count(4)
    expect(page.get_by_text("given up", exact=True)).to_be_visible()
    assert asked == []


@pytest.mark.parametrize("compared", [False, True])
def test_a_hostile_log_runs_nothing(page: Page, tmp_path, compared):
    asked = asks_nobody(page)
    log = write_log(
        tmp_path / "call", hostile.log_lines(), tone(8), hostile.header()
    )
    sessions = [read(log)]
    if compared:
        calm = [frames(0, tone(8)), result(900, "</ins><b>", 1000, 900)]
        sessions.append(read(write_log(tmp_path / "b", calm, tone(8))))
    target = tmp_path / "page.html"
    target.write_text(page_of(sessions), encoding="utf-8")
    page.set_viewport_size(PHONE)
    page.goto(target.as_uri())
    page.locator("#axis").focus()
    box = page.locator("#axis").bounding_box()
    assert box is not None
    for step in range(12):
        page.keyboard.press("ArrowRight")
        page.mouse.move(box["x"] + 25 * step, box["y"] + 40 + 20 * step)
    page.get_by_role("searchbox").fill("<script>")
    page.get_by_role("searchbox").press("Enter")
    for element in page.locator("summary:visible").all()[:5]:
        element.click()
    assert page.evaluate("globalThis.harmed === undefined")
    assert page.evaluate("document.querySelectorAll('img, b[onx]').length") == 0
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    assert asked == []


def test_a_call_in_which_nothing_came(page: Page, accessible, tmp_path):
    target = tmp_path / "page.html"
    log = write_log(tmp_path / "call", [], None)
    target.write_text(page_of([read(log)]), encoding="utf-8")
    page.goto(target.as_uri())
    accessible(page)
    page.locator("#axis").focus()
    for key in ("ArrowRight", "+", "-", " ", "End"):
        page.keyboard.press(key)
    expect(page.get_by_text("No audio came at all")).to_be_visible()


def test_two_runs_on_one_axis(page: Page, accessible, tmp_path):
    lines = [frames(0, voice(6)), result(3000, "to be or not", 500, 2000)]
    other = [frames(0, voice(6)), result(3100, "to bee or not", 500, 2000)]
    one = write_log(tmp_path / "one", lines, voice(6))
    two = write_log(tmp_path / "two", other, voice(6))
    target = tmp_path / "page.html"
    target.write_text(page_of([read(one), read(two)]), encoding="utf-8")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(PHONE)
        page.goto(target.as_uri())
        accessible(page)
        wide = page.evaluate(
            "[document.documentElement.scrollWidth, innerWidth]"
        )
        assert wide[0] <= wide[1]
    expect(page.locator("del").last).to_have_text("be")
    expect(page.locator("ins").last).to_have_text("bee")
    page.locator("#axis").focus()
    page.keyboard.press("End")
    expect(page.locator("#here")).to_contain_text("A, final: to be or not")
    expect(page.locator("#here")).to_contain_text("B, final: to bee or not")

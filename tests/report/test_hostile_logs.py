"""A log may be anybody's: the page tells of it and obeys it in nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import hostile
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reported_call import frames, read, result, tone, write_log
from test_command import data_of

from devkit.report.__main__ import main
from devkit.report.page import as_json, page_of

SCRIPTS = 2


class Elements(HTMLParser):
    """Counts what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}


def check(page: str) -> None:
    """No element and no attribute that the template does not have."""
    elements = Elements()
    elements.feed(page)
    elements.close()
    assert elements.seen.count("script") == SCRIPTS
    assert "img" not in elements.seen
    assert not [name for name in elements.attributes if name.startswith("on")]
    assert not {"style", "srcset", "action"} & elements.attributes
    data_of(page)
    page.encode("utf-8")
    harmful = re.compile(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\u2066\ud800]"
    )
    assert not harmful.search(page)


@pytest.mark.parametrize("options", [[], ["--redact"]])
def test_a_hostile_log_makes_an_ordinary_page(tmp_path, options):
    log = write_log(
        tmp_path / "call", hostile.log_lines(), tone(8), hostile.header()
    )
    with log.open("a") as file:
        file.write('{"half a li')
    target = tmp_path / "page.html"
    assert main([str(log), "-o", str(target), *options]) == 0
    page = target.read_text(encoding="utf-8")
    check(page)
    # A megabyte of one text is not carried along several times.
    assert len(page) < 3_000_000


def test_a_configuration_that_is_nested_too_deeply_is_left_out(tmp_path):
    config = json.loads(hostile.deep(900))
    header = {**hostile.header(), "config": {"session": {"x": config}}}
    log = write_log(tmp_path / "call", [], tone(8), header)
    target = tmp_path / "page.html"
    assert main([str(log), "-o", str(target), "--redact"]) == 0
    check(target.read_text(encoding="utf-8"))


def test_a_hostile_log_is_compared(tmp_path):
    one = write_log(
        tmp_path / "one", hostile.log_lines(), tone(8), hostile.header()
    )
    two = write_log(
        tmp_path / "two",
        [frames(0, tone(8)), result(900, "</ins><script>", 1000, 900)],
        tone(8),
    )
    for first, second in ((one, two), (two, one), (one, one)):
        check(page_of([read(first), read(second)]))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(hostile.TEXTS[:12]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text(max_size=6), below, max_size=3)
    ),
    max_leaves=6,
)
BASE: list[dict[str, Any]] = [
    frames(0, tone(1)),
    {"t": 5, "kind": "opened", "connection": 1},
    {"t": 6, "kind": "ready", "session_id": "s", "connect_ms": 5,
     "recovered": True, "replayed_ms": 100},
    result(600, "so", 100, 300, final=False),
    result(900, "so far", 100, 700, words=[{"word": "so", "start_ms": 1,
                                            "duration_ms": 2}]),
    {"t": 901, "kind": "speech", "start_ms": 100, "end_ms": 700},
    {"t": 902, "kind": "failed", "item_id": "i", "start_ms": 1,
     "duration_ms": 2},
    {"t": 903, "kind": "dropped", "start_ms": 1, "duration_ms": 2,
     "cause": "overflow"},
    {"t": 904, "kind": "error", "code": 1000, "message": "code 1006"},
    {"t": 905, "kind": "finalize", "finalize_id": "a"},
    {"t": 906, "kind": "finalize_end", "finalize_id": "a"},
    {"t": 907, "kind": "received", "connection": 1,
     "event": {"type": "a.completed", "usage": {"seconds": 1}}},
    {"t": 908, "kind": "counters", "counters": {"billed_ms": 5}},
    {"t": 909, "kind": "closed", "connection": 1, "code": 1000, "reason": ""},
]  # fmt: skip


#: Whose frames say nothing of themselves.
LOG: dict[str, Any] = {
    "lines": BASE,
    "header": {
        "audio": "call.pcm",
        "config": {
            "sample_rate": 16000,
            "channels": 1,
            "g711_input": "auto",
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "gpt-live-transcribe"},
            "turn_detection": {"type": "none"},
        },
    },
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Each field in a structure."""
    found = [path] if path else []
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, below in inner:
        found += places(below, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


#: But for the whole of each, and what no log is without.
WHOLE = [("lines",), ("header",), ("header", "config")]
PLACES = [place for place in places(LOG) if place not in WHOLE]


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.sampled_from(PLACES), values), max_size=3))
@example([(("header", "config", "channels"), 0)])
@example([(("header", "config", "channels"), 0.1)])
@example([(("header", "config", "channels"), 99)])
@example([(("header", "config", "sample_rate"), 0.5)])
@example([(("header", "config", "sample_rate"), 10**400)])
@example([(("header", "audio"), "x" * 5000)])
def test_whatever_a_field_holds_there_is_a_page(tmp_path, changes):
    found: Any = LOG
    for path, value in changes:
        try:
            found = changed(found, path, value)
        except (KeyError, IndexError, TypeError, ValueError):
            continue  # an earlier change took that place away
    lines, header = found["lines"], found["header"]
    log = write_log(Path(tmp_path) / "call", lines, tone(1), header)
    check(page_of([read(log, audio=False)]))


def test_json_cannot_end_its_element():
    text = as_json(["</script>", "<!--", "&lt;", "\u2028", "\ud800"])
    assert not set("<>&\u2028") & set(text)
    assert text.isascii()


def test_a_killed_process_and_an_empty_call(tmp_path):
    log = write_log(tmp_path / "call", [], None)
    assert "No audio came" in page_of([read(log)])
    log.write_bytes(log.read_bytes().rstrip(b"\n"))
    page = page_of([read(log)])
    check(page)

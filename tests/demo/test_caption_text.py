"""Cells, wrapping, and the transcript's bookkeeping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.live_captions.ten_packages.extension.captions.cells import (
    text_width,
    truncate,
    wrap,
)
from examples.live_captions.ten_packages.extension.captions.transcript import (
    Result,
    Transcript,
)


@pytest.mark.parametrize(
    ("text", "cells"),
    [("abc", 3), ("日本", 4), ("é", 1), ("ｱ", 1), ("👍", 2), ("", 0)],
)
def test_text_width(text: str, cells: int) -> None:
    assert text_width(text) == cells


@given(st.text(), st.integers(2, 50))
def test_wrapping_keeps_all_and_fits(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(text_width(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.text(), st.integers(1, 50))
def test_truncation_fits(text: str, width: int) -> None:
    cut = truncate(text, width)
    assert text_width(cut) <= width
    assert cut == text if text_width(text) <= width else cut[-1] == "…"


def result(
    key: str, text: str, final: bool, start_ms: int, duration_ms: int = 100
) -> Result:
    return Result(key, text, final, start_ms, duration_ms)


def test_an_interim_is_replaced_by_its_final() -> None:
    transcript = Transcript()
    assert not transcript.add(result("a", "hel", False, 0))
    assert not transcript.add(result("a", "hello", False, 0))
    assert transcript.interim_text == "hello"
    assert transcript.add(result("a", "Hello.", True, 0))
    assert transcript.interim_text == ""
    assert [turn.text for turn in transcript.finals] == ["Hello."]


def test_the_next_turn_may_start_before_the_final_comes() -> None:
    transcript = Transcript()
    transcript.add(result("a", "one", False, 0))
    transcript.add(result("b", "two", False, 900))
    assert transcript.interim_text == "one two"
    transcript.add(result("a", "One.", True, 0, 500))
    assert transcript.interim_text == "two"


def test_an_interim_with_the_last_turns_id_survives_its_final() -> None:
    # TEN's base class 0.7 changes the id only when a final is sent.
    transcript = Transcript()
    transcript.add(result("a", "two", False, 900))
    transcript.add(result("a", "One.", True, 0, 500))
    assert transcript.interim_text == "two"
    transcript.add(result("b", "Two.", True, 900, 0))
    assert transcript.interim_text == ""


def test_an_empty_final_is_no_line() -> None:
    transcript = Transcript()
    transcript.add(result("a", "noise", False, 0))
    assert not transcript.add(result("a", "  ", True, 0))
    assert transcript.finals == []
    assert transcript.interim_text == ""


def test_messages_are_read_with_defaults() -> None:
    read = Result.from_message({"text": "x", "words": None, "final": True})
    assert read == Result("", "x", True, 0, 0)
    with pytest.raises(ValueError, match="asr_result"):
        Result.from_message({"start_ms": "soon"})
    with pytest.raises(ValueError, match="asr_result"):
        Result.from_message({"words": [{"word": "x"}]})

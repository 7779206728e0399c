"""The transcript's bookkeeping."""

from ten_ai_base.struct import ASRResult

from examples.live_captions.ten_packages.extension.captions.transcript import (
    Transcript,
)


def result(
    key: str, text: str, final: bool, start_ms: int, duration_ms: int = 100
) -> ASRResult:
    return ASRResult(
        id=key,
        text=text,
        final=final,
        start_ms=start_ms,
        duration_ms=duration_ms,
        language="en",
    )


def test_an_interim_is_replaced_by_its_final() -> None:
    transcript = Transcript()
    transcript.add(result("a", "hel", False, 0))
    transcript.add(result("a", "hello", False, 0))
    assert transcript.interim_text == "hello"
    transcript.add(result("a", "Hello.", True, 0))
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
    transcript.add(result("a", "  ", True, 0))
    assert transcript.finals == []
    assert transcript.interim_text == ""

"""Point 1: the fields of ``asr_result``."""

from __future__ import annotations

import json
import math

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from scripted import answered

from devkit.server import Faults, ServerThread

LOGPROBS = [
    {"token": "a", "logprob": math.log(0.9), "bytes": [97]},
    {"token": "b", "logprob": math.log(0.4), "bytes": [98]},
]
FIELDS = {
    "id",
    "text",
    "final",
    "start_ms",
    "duration_ms",
    "language",
    "words",
    "metadata",
}


def completed(text: str = "hello", **fields) -> dict:
    return {"type": "completed", "transcript": text, **fields}


def test_ids_order_and_fields_hold_for_every_result(server):
    turns = [[n, n + 1] for n in range(1, 12, 2)]
    audio, _ = spoken(turns)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of(*turns)
    of_turn: dict[str, list[dict]] = {}
    for result in call.results:
        assert set(result) == FIELDS
        assert result["text"].strip()
        assert result["words"] == []
        assert result["metadata"]["session_id"] == "7"
        assert "session_id" not in result
        assert set(result["metadata"]["asr_info"]) == {
            "vendor",
            "model",
            "item_id",
        }
        of_turn.setdefault(result["id"], []).append(result)
    assert len(of_turn) == len(turns)
    for results in of_turn.values():
        assert [r["final"] for r in results].count(True) == 1
        assert results[-1]["final"]
        assert len({r["start_ms"] for r in results}) == 1
        items = {r["metadata"]["asr_info"]["item_id"] for r in results}
        assert len(items) == 1
    ends = [r["start_ms"] + r["duration_ms"] for r in call.finals]
    starts = [r["start_ms"] for r in call.finals]
    assert all(
        end <= start for end, start in zip(ends, starts[1:], strict=False)
    )


def test_an_empty_turn_under_a_finalize_gives_only_the_end_signal():
    audio, times = spoken([[1, 2]])
    faults = Faults(empty_transcript="always")
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio[: times[0][1] * 16])
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
    assert call.finals == []
    assert [r["text"] for r in call.results if not r["text"].strip()] == []
    assert call.ends == ["end"]
    assert call.errors == []


def test_interims_of_a_turn_that_ends_empty_do_not_share_its_id():
    call = answered(
        {"type": "delta", "delta": "hm"},
        completed(""),
    )
    assert [r["text"] for r in call.results] == ["hm"]
    assert call.finals == []


def test_blank_text_is_no_result():
    call = answered({"type": "delta", "delta": "  \n"}, completed("  "))
    assert call.results == []


@pytest.mark.parametrize(
    ("reported", "configured", "tag"),
    [
        ([{"code": "de"}], "fr", "de-DE"),
        ([{"code": ""}, {"code": "ja"}], "fr", "ja-JP"),
        ([{"code": 5}, "x", {}], "fr", "fr-FR"),
        ([], "fr", "fr-FR"),
        ([], "es-MX", "es-MX"),
        ([{"code": "zh"}], "", "zh-CN"),
        ([{"code": "pl"}], "", "pl"),
        ([], "", "en-US"),
    ],
)
def test_the_language_is_reported_then_configured_then_the_default(
    reported, configured, tag
):
    call = answered(completed(languages=reported), language=configured)
    assert [r["language"] for r in call.finals] == [tag]


def test_logprobs_become_a_confidence():
    call = answered(
        completed(logprobs=LOGPROBS),
        include=["item.input_audio_transcription.logprobs"],
    )
    info = call.finals[0]["metadata"]["asr_info"]
    # The geometric mean of the tokens' probabilities.
    assert info["confidence"] == pytest.approx(0.6, abs=0.001)


def test_deltas_with_logprobs_count_where_the_last_word_has_none():
    call = answered(
        {"type": "delta", "delta": "hello", "logprobs": LOGPROBS},
        completed(),
    )
    info = call.finals[0]["metadata"]["asr_info"]
    assert info["confidence"] == pytest.approx(0.6, abs=0.001)


@pytest.mark.parametrize(
    "logprobs", [None, [], "x", [{"logprob": "1"}], [{"logprob": math.nan}]]
)
def test_without_usable_logprobs_there_is_no_confidence(logprobs):
    call = answered(completed(logprobs=logprobs))
    assert "confidence" not in call.finals[0]["metadata"]["asr_info"]


def test_text_that_c_strings_and_utf8_cannot_carry_is_cleaned():
    call = answered(completed("a\x00b \ud800c 😀"))
    assert call.texts == ["ab c 😀"]


def test_odd_texts_come_through_unchanged():
    text = '日本語 "quoted" \\ <b> \u202e ' + "é" * 500
    call = answered(completed(text))
    assert call.texts == [text.strip()]


def test_metadata_of_frames_is_passed_on_and_follows_changes(server):
    audio, _ = spoken([[1], [2]])
    half = len(audio) // 2

    async def script(call: Call) -> None:
        await call.send(audio[:half])
        await call.until_finals(1)
        call.session_id = "8"
        await call.send(audio[half:])
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert [f["metadata"]["session_id"] for f in call.finals] == ["7", "8"]
    assert json.dumps(call.finals)
    assert call.of("asr_finalize_end")[0] == {
        "finalize_id": "end",
        "metadata": {"session_id": "8"},
    }

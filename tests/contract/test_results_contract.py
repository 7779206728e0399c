"""Point 1: the fields of ``asr_result``."""

from __future__ import annotations

import asyncio
import json
import math

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from scripted import answered
from ten_packages.extension.openai_asr_python.contract.result_fields import (
    result_tag,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)

from devkit.matrix.known_speech import (
    KnownSpeechEngine,
    call_audio,
    sentence_words,
)
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


#: What the service reports, what is configured, how results are tagged.
LANGUAGES = [
    # The bare language of what was configured: its region counts.
    (["pt"], "pt-BR", "pt-BR"),
    (["en"], "en-GB", "en-GB"),
    (["en"], "en_GB", "en-GB"),
    (["zh"], "zh-TW", "zh-TW"),
    (["zh"], "zh-Hant-HK", "zh-Hant-HK"),
    (["zh-tw"], "zh-TW", "zh-TW"),
    (["no"], "nb-NO", "nb-NO"),
    (["he"], "iw", "he"),
    (["en"], "en", "en-US"),
    (["EN"], "en-AU", "en-AU"),
    ([], "es-MX", "es-MX"),
    ([], "fr", "fr-FR"),
    # What is heard although it was not asked for.
    (["de"], "fr", "de-DE"),
    (["", "ja"], "fr", "ja-JP"),
    # Of a list: an echo of the first is no detection, any other one is.
    (["pt"], "pt-BR, en-GB", "pt-BR"),
    (["en"], "pt-BR, en-GB", "en-GB"),
    (["es"], "pt-BR, en-GB, es-AR", "es-AR"),
    (["de"], "pt-BR, en-GB", "de-DE"),
    ([], "pt-BR, en-GB", "pt-BR"),
    # What the service does not take is not asked for, and still a name.
    (["sq"], "sq-AL", "sq-AL"),
    ([], "sq-AL", "sq-AL"),
    (["en"], "sq-AL, en-GB", "en-GB"),
    ([], "sq-AL, en-GB", "en-GB"),
    # Nothing configured.
    (["zh"], "", "zh-CN"),
    (["zh-hk"], "", "zh-HK"),
    (["pl"], "", "pl"),
    ([], "", "en-US"),
]


@pytest.mark.parametrize("model", ["gpt-transcribe", "gpt-4o-transcribe"])
@pytest.mark.parametrize("interim", [True, False])
@pytest.mark.parametrize(("reported", "configured", "tag"), LANGUAGES)
def test_the_language_of_results(model, interim, reported, configured, tag):
    params = {
        "input_audio_transcription": {"model": model, "languages": configured},
        "turn_detection": {"type": "server_vad"},
    }
    events = [{"type": "delta", "delta": "hel"}] * interim
    codes = [{"code": code} for code in reported]
    call = answered(*events, completed(languages=codes), **params)
    config, _ = load_config({"params": {"api_key": "sk-x" * 4, **params}})
    hints = config.session_settings().hints
    told = [r["language"] for r in call.results]
    assert len(set(told)) == 1, "interims and final differ"
    shown = interim and (model != "gpt-transcribe" or len(hints) == 1)
    # What an interim was tagged with, before anything was reported, stays.
    assert told[-1] == (
        result_tag([], hints, config.languages) if shown else tag
    )
    assert [r["final"] for r in call.results] == [False] * shown + [True]


@pytest.mark.parametrize(
    ("model", "configured", "reported", "tag"),
    [
        ("gpt-4o-transcribe", "pt-BR", [], "pt-BR"),
        ("gpt-transcribe", "pt-BR", ["pt"], "pt-BR"),
        ("gpt-transcribe", "pt-BR, en-GB", ["en"], "en-GB"),
        ("gpt-transcribe", "pt-BR, en-GB", [], "pt-BR"),
    ],
)
@pytest.mark.parametrize("then", ["de", "de, fr-CA, pt-PT"])
def test_a_text_has_the_language_of_when_it_was_said(
    model, configured, reported, tag, then
):
    """It comes after an update has put another one there."""
    audio, _ = spoken([[1, 2]])
    codes = [{"code": code} for code in reported]

    async def script(call: Call) -> None:
        await call.send(audio)
        await server.until(lambda: server.sessions and server.sessions[0].items)
        # The second one keeps the first from waiting for a pause.
        changes = ({"languages": then}, {"prompt": "TEN"})
        answers = await asyncio.gather(
            *(call.command("update_configs", json.dumps(c)) for c in changes)
        )
        for result, _ in answers:
            assert result.get_property_string("message")[0] == "applied"
        text = completed(languages=codes)
        item = server.sessions[0].items[0].item_id
        kind = f"conversation.item.input_audio_transcription.{text['type']}"
        server.send({**text, "type": kind, "item_id": item})
        await call.until_finals(1)

    faults = Faults(never_completed=1)
    with ServerThread(engine="script", faults=faults) as server:
        params = {
            "input_audio_transcription": {
                "model": model,
                "languages": configured,
            },
            "turn_detection": {"type": "server_vad"},
        }
        call = run_call(properties(server.url, **params), script)
    assert [r["language"] for r in call.results] == [tag]


@pytest.mark.parametrize("codes", [[{"code": 5}, "x", {}], "de", None, [None]])
def test_an_odd_report_of_languages_is_none(codes):
    call = answered(completed(languages=codes), language="fr")
    assert [r["language"] for r in call.finals] == ["fr-FR"]


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


@pytest.mark.parametrize("early", [False, True], ids=["served", "outage"])
def test_what_one_caller_said_is_not_the_next_ones(early):
    """The text may come when frames of the next call are there already."""
    audio, _ = spoken([[1], [2]])
    half = len(audio) // 2
    faults = Faults(slow_completed="always", slow_completed_ms=300)
    with ServerThread(engine="script", faults=faults) as server:
        if early:
            server.refuse()

        async def script(call: Call) -> None:
            if not early:
                await call.until(lambda: call.metric("connect_delay"))
            for caller, sound in (("7", audio[:half]), ("8", audio[half:])):
                call.session_id = caller
                await call.send(sound)
                await call.finalize(caller)
            if early:
                await call.until(lambda: call.errors)
                await asyncio.to_thread(server.refuse, False)
            await call.until(lambda: len(call.ends) == 2)

        config = properties(
            server.url,
            turn_detection={"type": "none"},
            finalize_timeout_ms=60_000,
        )
        call = run_call(config, script)
    assert call.texts == text_of([1], [2])
    told = [*call.finals, *call.of("asr_finalize_end")]
    ids = [message["metadata"]["session_id"] for message in told]
    assert ids == ["7", "8"] * 2


def test_what_was_shown_and_gave_way_leaves_no_id_behind(server):
    """A display would put the next turn's text in its place."""
    audio, [(_, end_ms), _] = spoken([[1, 2], [3]])
    half = end_ms * 16

    async def script(call: Call) -> None:
        await call.send(audio[:half])
        await call.until(lambda: call.results)
        await asyncio.to_thread(server.refuse)
        await asyncio.to_thread(server.drop_connections)
        await call.until(lambda: call.errors)
        call.session_id = "8"
        await call.send(np.zeros(16 * 4000, np.int16))
        await call.send(audio[half:])
        await asyncio.to_thread(server.refuse, False)
        await call.until_finalized("end")

    config = properties(
        server.url,
        input_audio_transcription={"model": "gpt-live-transcribe"},
        turn_detection={"type": "none"},
        max_buffer_ms=3000,
    )
    call = run_call(config, script)
    assert call.texts == text_of([3])
    first, *others = (result["id"] for result in call.results)
    assert others
    assert first not in others
    dropped, *_ = (e for e in call.errors if "dropped" in e["message"])
    assert dropped["id"] == first


def test_the_error_of_a_turn_that_failed_has_the_id_of_its_interims():
    audio, [(_, end_ms), _] = spoken([[1, 2], [3]])
    half = end_ms * 16

    async def script(call: Call) -> None:
        await call.send(audio[:half])
        await call.until(lambda: call.results)
        await call.until_finalized("failed")
        await call.send(audio[half:])
        await call.until_finalized("end")

    faults = Faults(failed_text="w000001", failed_code="invalid_request_error")
    with ServerThread(engine="script", faults=faults) as server:
        config = properties(
            server.url,
            input_audio_transcription={"model": "gpt-live-transcribe"},
            turn_detection={"type": "none"},
        )
        call = run_call(config, script)
    assert call.texts == text_of([3])
    [error] = [e for e in call.errors if "given up" in e["message"]]
    first = call.results[0]
    assert not first["final"]
    assert error["id"] == first["id"] != call.finals[0]["id"]


@pytest.mark.parametrize("kind", ["server_vad", "none"])
def test_the_next_caller_begins_a_turn(server, kind):
    """Also where the last one broke off in the middle of a sentence."""
    audio, [(start, end)] = spoken([[1, 2, 3, 4]])
    half = (start + end) // 2 * 16

    async def script(call: Call) -> None:
        await call.send(audio[:half])
        call.session_id = "8"
        await call.send(audio[half:])
        await call.until_finalized("end")

    config = properties(server.url, turn_detection={"type": kind})
    call = run_call(config, script)
    assert call.texts == text_of([1, 2], [3, 4])
    assert [f["metadata"]["session_id"] for f in call.finals] == ["7", "8"]


@pytest.mark.parametrize("silence", ["send", "skip"])
def test_the_next_caller_begins_a_turn_of_the_local_detector(silence):
    sound = call_audio(16000)
    # In the middle of the first sentence.
    cut_ms = 1300

    async def script(call: Call) -> None:
        await call.send(sound[: cut_ms * 16])
        call.session_id = "8"
        await call.send(sound[cut_ms * 16 :])
        await call.until_finalized("end")

    detection = {"type": "local", "silence": silence}
    with ServerThread(engine=KnownSpeechEngine()) as server:
        config = properties(server.url, turn_detection=detection)
        call = run_call(config, script)
    first, *others = call.finals
    assert first["metadata"]["session_id"] == "7"
    assert first["start_ms"] + first["duration_ms"] <= cut_ms
    for final in others:
        assert final["metadata"]["session_id"] == "8"
        assert final["start_ms"] >= cut_ms
    assert sentence_words("two") == call.texts[-1].split()


def test_callers_at_once_end_no_turns(server):
    """Frames of two by turns are none of one after the other."""
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        for start in range(0, len(audio), 320):
            call.session_id = str(start % 640)
            await call.send(audio[start : start + 320])
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2])


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

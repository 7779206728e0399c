"""Calls whose turns go over HTTP, each as a file of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from http_service import answer, over_http, serving, text, words_in

from devkit.matrix.known_speech import (
    KnownSpeechEngine,
    call_audio,
    call_words,
    timed_words_in,
)
from devkit.script_audio import speak
from devkit.server import Faults, ServerThread

ROOT = Path(__file__).resolve().parents[2]


async def say(call: Call, *turns: list[int]) -> None:
    """One turn after the other, each with a finalize."""
    for number, turn in enumerate(turns, len(call.ends)):
        await call.send(spoken([turn])[0])
        await call.until_finalized(f"turn {number}")


def say_in(config, *turns: list[int]) -> Call:
    return run_call(config, lambda call: say(call, *turns))


@pytest.mark.parametrize(
    ("model", "streams"),
    [
        ("gpt-4o-transcribe", True),
        ("gpt-4o-mini-transcribe", True),
        ("gpt-transcribe", True),
        ("gpt-4o-transcribe-diarize", True),
        ("whisper-1", False),
    ],
)
def test_each_turn_is_a_request(server, model, streams):
    # Of one language: else that of interims would not be known yet.
    config = over_http(server.url, model, request={"language": "en"})
    call = say_in(config, [1, 2, 3], [4])
    assert call.texts == text_of([1, 2, 3], [4])
    assert call.errors == []
    assert len(server.requests) == 2
    assert {r.fields["model"][0] for r in server.requests} == {model}
    assert all(r.file_name == "turn.wav" for r in server.requests)
    interims = [r for r in call.results if not r["final"]]
    assert bool(interims) is streams
    assert all(result["words"] == [] for result in interims)
    assert server.sessions == []
    # Times are those of the call, and usage is told.
    first, second = call.finals
    assert second["start_ms"] >= first["start_ms"] + first["duration_ms"]
    assert len(call.metric("vendor_metrics")) >= 2
    usage = [m for m in call.metric("vendor_metrics") if "usage" in m]
    assert len(usage) == 2


def test_the_local_detector_ends_turns_by_default():
    sound = call_audio(16000)

    async def script(call: Call) -> None:
        await call.send(sound)
        await call.until_finalized("end")

    with ServerThread(engine=KnownSpeechEngine()) as server:
        config = over_http(server.url, "whisper-1")
        del config["params"]["turn_detection"]
        call = run_call(config, script)
        assert len(server.requests) >= len(call.finals) > 1
    words = " ".join(call.texts).split()
    assert len(set(call_words()) - set(words)) <= 1
    assert call.errors == []


def test_what_is_asked_for_goes_along(server):
    call = say_in(
        over_http(
            server.url,
            "gpt-transcribe",
            request={
                "languages": ["en", "de"],
                "keywords": ["TEN", "Agora"],
                "prompt": "A call.",
            },
        ),
        [1],
    )
    assert call.texts == text_of([1])
    [request] = server.requests
    assert request.fields == {
        "model": ["gpt-transcribe"],
        "languages": ["en", "de"],
        "keywords": ["TEN", "Agora"],
        "prompt": ["A call."],
        "response_format": ["json"],
        "stream": ["true"],
    }


@pytest.mark.parametrize(
    ("model", "known"),
    [("gpt-4o-transcribe", True), ("whisper-1", False)],
)
def test_probabilities_are_told_where_a_model_gives_them(server, model, known):
    call = say_in(over_http(server.url, model, include=["logprobs"]), [1])
    [result] = call.finals
    assert ("confidence" in result["metadata"]["asr_info"]) is known
    assert ("include" in server.requests[0].fields) is known


def test_a_whisper_of_others_gets_words_in_its_prompt_and_nothing_else():
    with serving(text("so")) as service:
        call = say_in(
            over_http(
                service.url.replace("/v1", "/openai/v1"),
                "whisper-large-v3",
                request={"keywords": ["TEN"], "language": "en-US"},
                headers={
                    "X-Team": "7",
                    "Content-Type": "application/json",
                    "content-encoding": "gzip",
                    "Accept-Encoding": "gzip",
                },
                query={"zone": "b"},
                organization="org-1",
                project="proj-1",
            ),
            [1],
        )
        [asked] = service.files
    assert call.texts == ["so"]
    assert asked.target == "/openai/v1/audio/transcriptions?zone=b"
    assert asked.field("prompt") == "TEN"
    assert asked.field("language") == "en"
    assert asked.field("response_format") == "json"
    assert b'name="stream"' not in asked.body
    assert {k: v for k, v in asked.headers.items() if k != "content-type"} == {
        "host": f"127.0.0.1:{service.port}",
        "content-length": str(len(asked.body)),
        "user-agent": "openai_asr_python",
        "accept-encoding": "identity",
        "authorization": "Bearer sk-test-0123456789",
        "openai-organization": "org-1",
        "openai-project": "proj-1",
        "x-team": "7",
    }


def test_an_azure_key_is_no_bearer():
    with serving(text("so")) as service:
        say_in(over_http(service.url, auth="api-key"), [1])
        [asked] = service.files
    assert asked.headers["api-key"] == "sk-test-0123456789"
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("wire", "rate"),
    [("pcm16", 24000), ("g711_ulaw", 8000), ("g711_alaw", 8000)],
)
def test_the_file_is_plain_pcm(wire, rate):
    with serving(text("so")) as service:
        say_in(over_http(service.url, input_audio_format=wire), [1, 2])
        [asked] = service.files
    assert words_in(asked, rate) == [1, 2]


def test_turns_may_be_answered_in_any_order():
    """Four are on their way; the first is answered last."""
    answered = asyncio.Semaphore(0)

    async def first_last(asked, writer):
        [word] = words_in(asked)
        if word == 1:
            for _ in range(3):
                await answered.acquire()
        writer.write(text(f"turn {word}"))
        await writer.drain()
        answered.release()

    async def script(call: Call) -> None:
        for number in range(1, 5):
            await call.send(spoken([[number]])[0])
            await call.finalize(f"{number}")
        await call.until(lambda: len(call.ends) == 4)

    with serving(first_last) as service:
        call = run_call(over_http(service.url), script)
    assert call.texts == [f"turn {number}" for number in range(1, 5)]
    assert call.errors == []


def test_no_more_than_four_are_on_their_way():
    told = threading.Event()
    at_once: list[int] = []

    async def slow(asked, writer):
        await asyncio.to_thread(told.wait)
        writer.write(text("so"))

    async def script(call: Call) -> None:
        for number in range(9):
            await call.send(spoken([[number + 1]])[0])
            await call.finalize(f"{number}")
        # By then a fifth one would be there, too.
        await call.until(lambda: len(call.ends) == 9)
        at_once.append(len(service.files))
        told.set()
        await call.until(lambda: len(call.texts) == 9)

    with serving(slow) as service:
        call = run_call(over_http(service.url, finalize_timeout_ms=500), script)
    assert at_once == [4]
    assert call.texts == ["so"] * 9


# -- words and speakers -----------------------------------------------------


def word_times(turns: list[list[int]], rate: int = 16000):
    _, words = speak(turns, rate, 1200)
    return [
        (start * 1000 // rate, end * 1000 // rate) for _, start, end in words
    ]


def check_words(result, spoken_at, offset: int = 0) -> None:
    for word, (start, end) in zip(result["words"], spoken_at, strict=True):
        assert word["stable"] is True
        assert abs(word["start_ms"] - start - offset) <= 100
        assert abs(word["start_ms"] + word["duration_ms"] - end - offset) <= 100
    starts = [word["start_ms"] for word in result["words"]]
    assert starts == sorted(starts)
    for word in result["words"]:
        assert word["start_ms"] >= result["start_ms"]
        stop = word["start_ms"] + word["duration_ms"]
        assert stop <= result["start_ms"] + result["duration_ms"]


@pytest.mark.parametrize(
    "faults",
    [Faults(), Faults(drop_after_commit="1"), Faults(failed="1")],
    ids=["as it is", "after a reset", "after a failure"],
)
def test_words_have_their_true_times(faults):
    first, second = [1, 2, 3], [4, 5]
    with ServerThread(faults=faults) as server:
        call = say_in(
            over_http(server.url, "whisper-1", timestamps=True), first, second
        )
    one, other = call.finals
    assert [w["word"] for w in one["words"]] == one["text"].split()
    check_words(one, word_times([first]))
    length = len(spoken([first])[0]) * 1000 // 16000
    check_words(other, word_times([second]), length)
    assert other["text"] == text_of(second)[0]


@pytest.mark.parametrize("silence", ["send", "skip"])
def test_words_of_speech_lie_where_it_was_said(silence):
    """With the local detector, also where most of the silence is not sent."""
    rate = 16000
    sound = np.concatenate([call_audio(rate), call_audio(rate)])
    length = len(call_audio(rate)) * 1000 // rate
    truth = [
        (word.text, word.start * 1000 // rate + offset)
        for offset in (0, length)
        for word in timed_words_in(call_audio(rate), rate)
    ]

    async def script(call: Call) -> None:
        await call.send(sound)
        await call.until_finalized("end")

    with ServerThread(engine=KnownSpeechEngine()) as server:
        detector = {"type": "local", "silence": silence}
        config = over_http(
            server.url, "whisper-1", timestamps=True, turn_detection=detector
        )
        call = run_call(config, script)
        heard_ms = sum(request.audio_ms for request in server.requests)
    words = [word for result in call.finals for word in result["words"]]
    assert [word["word"] for word in words] == [text for text, _ in truth]
    for word, (_, start) in zip(words, truth, strict=True):
        assert abs(word["start_ms"] - start) <= 100
    if silence == "skip":
        assert heard_ms < 2 * length - 1000


def test_who_asks_for_no_times_gets_none(server):
    call = say_in(over_http(server.url, "whisper-1"), [1])
    assert call.finals[0]["words"] == []
    assert server.requests[0].fields["response_format"] == ["json"]


def test_a_websocket_has_no_words(server, host_log):
    async def script(call: Call) -> None:
        await call.send(spoken([[1]])[0])
        await call.until_finalized("end")

    call = run_call(properties(server.url, timestamps=True), script)
    assert call.finals[0]["words"] == []
    assert "timestamps: the WebSocket tells no times of words" in host_log.text


def test_times_that_are_impossible_are_told_of_no_word():
    words = [
        {"word": "late", "start": 99, "end": 100},
        {"word": "early", "start": -5, "end": 0.4},
        {"word": "no", "start": None, "end": 1},
        {"word": "odd", "start": float("nan"), "end": 1},
        {"word": "back", "start": 0.5, "end": 0.2},
    ]
    body = {"text": "late early back", "words": words}
    with serving(answer(body)) as service:
        call = say_in(
            over_http(service.url, "whisper-1", timestamps=True), [1, 2]
        )
    [result] = call.finals
    assert (result["text"], result["words"]) == ("late early back", [])


@pytest.mark.parametrize("part", ["words", "segments"])
@pytest.mark.parametrize(
    ("count", "letters", "known"),
    [(64, 700, True), (64, 800, False), (500, 1, False)],
)
def test_more_than_anybody_says_is_told_of_nothing(part, count, letters, known):
    """It would fill the memory and the logs; two words are said here."""
    entry = {"start": 0.1, "end": 0.2, "speaker": "A"}
    entry |= dict.fromkeys(("word", "text"), "x" * letters)
    body = {"text": "one two", part: [entry] * count}
    with serving(answer(body)) as service:
        call = say_in(
            over_http(service.url, "whisper-1", timestamps=True), [1, 2]
        )
    [result] = call.finals
    info = result["metadata"]["asr_info"]
    told = result["words"] if part == "words" else info.get("speakers", [])
    assert len(told) == (count if known else 0)


def test_phrases_of_azure_are_read():
    body = {
        "durationMilliseconds": 900,
        "combinedPhrases": [{"text": "one two"}],
        "phrases": [
            {
                "offsetMilliseconds": 200,
                "durationMilliseconds": 600,
                "text": "one two",
                "locale": "de-DE",
                "words": [
                    {
                        "text": "one",
                        "offsetMilliseconds": 200,
                        "durationMilliseconds": 300,
                    },
                    {
                        "text": "two",
                        "offsetMilliseconds": 500,
                        "durationMilliseconds": 300,
                    },
                ],
            }
        ],
    }
    with serving(answer(body)) as service:
        call = say_in(
            over_http(service.url, "whisper-1", timestamps=True), [1, 2, 3]
        )
    [result] = call.finals
    assert result["text"] == "one two"
    assert [w["word"] for w in result["words"]] == ["one", "two"]
    assert [w["start_ms"] for w in result["words"]] == [200, 500]
    assert result["language"] == "de-DE"


def test_speakers_are_told_beside_the_result(server):
    call = say_in(over_http(server.url, "gpt-4o-transcribe-diarize"), [1, 2])
    [result] = call.finals
    [said] = result["metadata"]["asr_info"]["speakers"]
    assert (said["speaker"], said["text"]) == ("A", result["text"])
    assert said["start_ms"] >= result["start_ms"]
    assert server.requests[0].fields["chunking_strategy"] == ["auto"]


# -- a call goes on ---------------------------------------------------------


def test_other_settings_hold_for_the_next_turn(server):
    async def script(call: Call) -> None:
        await say(call, [1])
        update = json.dumps({"params": {"language": "de"}})
        result, _ = await call.command("update_configs", update)
        assert result.get_property_int("code") == (0, None)
        await say(call, [2])

    call = run_call(over_http(server.url, "whisper-1"), script)
    assert call.texts == text_of([1], [2])
    asked = [r.fields.get("language") for r in server.requests]
    assert asked == [None, ["de"]]


def test_a_call_can_change_to_http_and_back(server):
    async def script(call: Call) -> None:
        await say(call, [1])
        for number, transport in enumerate(("http", "websocket"), 2):
            update = json.dumps({"params": {"transport": transport}})
            result, _ = await call.command("update_configs", update)
            assert result.get_property_int("code") == (0, None)
            await call.send(spoken([[number]])[0])
            await call.until_finalized(f"turn {number}")

    config = properties(server.url, turn_detection={"type": "none"})
    call = run_call(config, script)
    assert call.texts == text_of([1], [2], [3])
    # Before the turn it was asked whether it is there.
    assert [bool(r.fields) for r in server.requests] == [False, True]
    assert len(server.sessions) == 2
    assert call.errors == []


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_only_who_needs_the_package_imports_it(server, transport):
    code = f"""
import sys
from devkit.bootstrap import ensure_ten
ensure_ten()
sys.path[:0] = ["tests/extension"]
from devkit.session_app import session_app
from asr_call import properties, run_call
from pathlib import Path
import tempfile

async def script(call):
    await call.until(lambda: call.metric("connect_delay"))

with tempfile.TemporaryDirectory() as place:
    with session_app(Path(place) / "ten.log"):
        run_call(properties({server.url!r}, transport={transport!r}), script)
found = {{"openai", "httpx", "httpx2"}} & set(sys.modules)
print("found", sorted(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    needed = "['httpx2', 'openai']" if transport == "http" else "[]"
    assert f"found {needed}" in done.stdout, done.stderr


def test_a_missing_package_is_one_fatal_error(monkeypatch, server):
    name = "ten_packages.extension.openai_asr_python.connection.http_client"
    monkeypatch.setitem(sys.modules, name, None)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    call = run_call(over_http(server.url), script)
    assert call.codes == [-1000]
    assert 'pip install "openai>=' in call.errors[0]["message"]

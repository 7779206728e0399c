"""What was said can be left out of a dump; how the call went stays in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from asr_call import Call, run_call, spoken, text_of
from dumped_call import dumping, lines_of, logged_bytes, of_kind
from http_service import error, over_http, serving, text
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.recording.texts import (
    without_texts,
)

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "call.wav"
TURNS = [[1, 2, 3], [4, 5]]
PROMPT = "Talk about zeppelins"
LOCAL = {
    "input_audio_transcription": {
        "model": "gpt-4o-transcribe",
        "prompt": PROMPT,
    },
    "session_log_text": "none",
}
SAID = "words that people said"

#: Wherever a server may put what it heard.
fields = st.sampled_from(
    [
        "transcript",
        "delta",
        "text",
        "token",
        "new_field",
        "words",
        "logprobs",
        "message",
        "reason",
    ]
)
said = st.recursive(
    st.just(SAID),
    lambda below: (
        st.lists(below, min_size=1, max_size=3)
        | st.dictionaries(fields, below, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(kind=st.sampled_from(["received", "sent", "result"]), value=said)
def test_no_text_that_may_have_been_said_stays(kind, value):
    name = "result" if kind == "result" else "event"
    line = {
        "t": 1.5,
        "kind": kind,
        name: {"type": "made.up", "item_id": "item_1", "transcript": value},
    }
    left = without_texts(line)
    assert SAID not in json.dumps(left)
    assert left["t"] == 1.5
    assert left["kind"] == kind
    assert left[name]["type"] == "made.up"
    assert left[name]["item_id"] == "item_1"
    # Its length does.
    assert len(json.dumps(left)) == len(json.dumps(line))


def test_a_text_in_place_of_a_name_goes_as_well():
    event = {"type": SAID, "item_id": SAID, SAID: 1, "code": "Grüße"}
    left = without_texts({"kind": "received", "event": event})["event"]
    hidden = "x" * len(SAID)
    assert left == {
        "type": hidden,
        "item_id": hidden,
        hidden: 1,
        "code": "xxxxx",
    }


def test_a_message_that_is_a_text_alone_goes():
    left = without_texts({"kind": "received", "connection": 1, "event": SAID})
    assert left["event"] == "x" * len(SAID)


@pytest.mark.parametrize(
    ("event", "stays"),
    [
        ({"type": "error", "error": {"message": SAID}}, True),
        ({"type": "a.failed", "error": {"message": SAID}}, True),
        ({"type": "error", "message": SAID}, True),
        ({"type": "error", "error": SAID}, False),
        ({"type": "a.completed", "message": SAID}, False),
        ({"type": "error", "error": {"text": SAID}}, False),
        ({"type": "error", "error": {"more": {"message": SAID}}}, False),
    ],
)
def test_only_errors_have_messages(event, stays):
    left = without_texts({"kind": "received", "event": event})
    assert (SAID in json.dumps(left)) == stays


def test_the_bytes_of_a_token_are_its_text():
    token = {"token": "Hi", "logprob": -0.5, "bytes": list(b"Hi")}
    event = {"type": "x.delta", "logprobs": [token]}
    left = without_texts({"kind": "received", "event": event})
    assert left["event"]["logprobs"] == [
        {"token": "xx", "logprob": -0.5, "bytes": []}
    ]


def test_of_settings_only_people_s_words_go():
    config = {
        "input_audio_transcription": {"model": "m", "prompt": SAID},
        "session": {"type": "transcription", "unknown": {"hint": SAID}},
        "fallbacks": [{"model": "n", "keywords": [SAID], "ca_file": "/a"}],
    }
    left = without_texts({"kind": "session", "config": config})["config"]
    hidden = "x" * len(SAID)
    assert left == {
        "input_audio_transcription": {"model": "m", "prompt": hidden},
        "session": {"type": "transcription", "unknown": {"hint": hidden}},
        "fallbacks": [{"model": "n", "keywords": [hidden], "ca_file": "/a"}],
    }


@pytest.fixture
def left_out(server, tmp_path) -> tuple[Call, Path]:
    """A call that keeps no texts, and its dump."""
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("one")

    return run_call(dumping(server.url, path, **LOCAL), script), path


def test_a_log_without_texts_tells_how_the_call_went(left_out):
    call, path = left_out
    assert call.texts == text_of(*TURNS)
    log = path.with_suffix(".jsonl").read_text()
    words = {word for text in call.texts for word in text.split()}
    for word in (*words, *PROMPT.split()):
        assert word not in log
    # Neither is the sound of it there.
    assert path.read_bytes() == b""

    lines = lines_of(path)
    assert lines[0]["text"] == "none"
    assert logged_bytes(lines) == 2 * len(spoken(TURNS)[0])
    kept = [line["result"] for line in of_kind(lines, "result")]
    assert [
        (r["id"], r["final"], r["start_ms"], r["duration_ms"], len(r["text"]))
        for r in kept
    ] == [
        (r["id"], r["final"], r["start_ms"], r["duration_ms"], len(r["text"]))
        for r in call.results
    ]
    assert {line["event"]["type"] for line in of_kind(lines, "received")} >= {
        "session.updated",
        "conversation.item.input_audio_transcription.completed",
    }


@pytest.mark.parametrize("wrong", ["some", True, ["full"]])
def test_there_is_nothing_between_all_and_none(wrong: Any):
    with pytest.raises(ConfigError, match="session_log_text"):
        load_config({"api_key": "k", "params": {"session_log_text": wrong}})


def test_a_log_tells_what_became_of_turns_without_text(tmp_path):
    path = tmp_path / "call.pcm"
    refused = error("400 No", "odd audio", param="file")
    audio, [(begin_ms, end_ms)] = spoken([[1, 2]])
    ms = len(audio) // 16

    async def script(call: Call) -> None:
        for number in ("empty", "failed"):
            await call.send(audio)
            await call.until_finalized(number)

    with serving(text(""), refused, refused, asks=[]) as service:
        run_call(over_http(service.url, dump=True, dump_path=str(path)), script)
    lines = lines_of(path)
    assert lines[0]["text"] == "full"
    (ready,) = of_kind(lines, "ready")
    assert (ready["recovered"], ready["replayed_ms"]) == (False, 0)
    (empty,) = of_kind(lines, "empty")
    (failed,) = of_kind(lines, "failed")
    for line, offset in ((empty, 0), (failed, ms)):
        assert line["item_id"]
        assert line["start_ms"] < offset + end_ms
        assert line["start_ms"] + line["duration_ms"] > offset + begin_ms


def test_a_log_tells_where_the_local_detector_hears_speech(server, tmp_path):
    path = tmp_path / "call.pcm"
    samples, rate = soundfile.read(SAMPLE, dtype="int16", frames=6 * 16000)
    model = {"input_audio_transcription": {"model": "gpt-live-transcribe"}}

    async def script(call: Call) -> None:
        await call.send(samples)
        await call.until_finalized("end")

    run_call(dumping(server.url, path, sample_rate=rate, **model), script)
    heard = [
        (line["start_ms"], line["end_ms"])
        for line in of_kind(lines_of(path), "speech")
    ]
    assert heard
    power = np.abs(samples.astype(float))
    loud = sum(power[s * 16 : e * 16].sum() for s, e in heard)
    assert loud > 0.9 * power.sum()
    assert heard == sorted(heard)
    assert all(0 <= start < end <= 6000 for start, end in heard)


def test_a_log_tells_what_was_dropped(server, tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken([[1, 2, 3]])

    async def script(call: Call) -> None:
        server.stop_listening()
        server.drop_connections(abort=True)
        await call.send(audio)
        await call.send(audio)
        # What a host has not delivered when it stops was never heard.
        await call.command("are_you_there")

    config = dumping(
        server.url,
        path,
        max_buffer_ms=4000,
        max_turn_ms=2000,
        stop_timeout_ms=0,
    )
    run_call(config, script)
    drops = of_kind(lines_of(path), "dropped")
    assert drops[-1]["cause"] == "stopped"
    # All of the call, each ms once.
    position = 0
    for line in drops:
        assert line["start_ms"] == position
        position += line["duration_ms"]
    assert position == 2 * len(audio) * 1000 // 16000


@pytest.mark.parametrize("begins", ["connected", "anew"])
def test_what_is_kept_changes_with_the_configuration(server, tmp_path, begins):
    """Before the call is connected, or as one that was given up begins anew:
    what was recorded before stays as it is."""
    path = tmp_path / "call.pcm"
    early, audio = spoken([[6]])[0], spoken(TURNS)[0]
    given_up = begins == "anew"
    key = "sk-wrong-0123456789" if given_up else "sk-good-0123456789"
    changes = {"session_log_text": "none", "api_key": "sk-good-0123456789"}

    async def script(call: Call) -> None:
        if given_up:
            await call.until(lambda: call.errors)
        await call.send(early)
        result, _ = await call.command(
            "update_configs", json.dumps({"params": changes})
        )
        assert result.get_property_string("message")[0] == "applied"
        await call.send_data("trigger_connect")
        await call.send(audio)
        await call.until_finalized("end")

    top = {"auto_connect": given_up}
    config = dumping(server.url, path, api_key=key, top=top)
    call = run_call(config, script)
    assert call.texts[-2:] == text_of(*TURNS)
    first, second = path, tmp_path / "call-2.pcm"
    assert first.read_bytes() == early.tobytes()
    assert second.read_bytes() == b""
    assert [lines_of(p)[0]["text"] for p in (first, second)] == ["full", "none"]
    logs = [p.with_suffix(".jsonl").read_text() for p in (first, second)]
    for word in " ".join(call.texts).split():
        assert all(word not in log for log in logs)

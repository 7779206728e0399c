"""The metrics: when they come, what they count, whose call they name."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
from asr_call import Call, properties, run_call, spoken, text_of

from devkit.matrix.known_speech import KnownSpeechEngine, call_audio
from devkit.server import Faults, ServerThread

TURNS = [[1, 2], [3, 4], [5, 6]]


def vendor(call: Call, key: str) -> list:
    found = call.metric("vendor_metrics")
    return [metrics[key] for metrics in found if key in metrics]


def test_one_call_with_a_reconnect_has_every_metric(server):
    audio, times = spoken(TURNS)
    middle = (times[1][0] + 200) * 16

    async def script(call: Call) -> None:
        await call.send(audio[:middle])
        await call.until_finals(1)
        server.drop_connections(abort=True)
        await call.until(lambda: len(call.metric("connect_delay")) == 2)
        await call.send(audio[middle:])
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of(*TURNS)
    assert len(call.metric("connect_delay")) == 2
    assert all(0 <= ms < 60_000 for ms in call.metric("connect_delay"))
    assert len(call.metric("ttfw")) == 1
    assert call.metric("ttfw")[0] >= 0
    counts = [
        metrics
        for metrics in call.metric("vendor_metrics")
        if "reconnects" in metrics
    ]
    assert counts[0]["reconnects"] == 1
    assert 0 < counts[0]["replayed_ms"] <= len(audio) // 16
    assert counts[0]["dropped_ms"] == 0
    usage = vendor(call, "usage")
    assert len(usage) == len(TURNS)
    assert all(u["type"] in ("tokens", "duration") for u in usage)
    assert len(vendor(call, "finalize_ms")) == 1
    for metric in call.of("metrics"):
        assert metric["module"] == "asr"
        assert metric["vendor"] == "openai"
        assert metric["id"]
        first_frame = metric["metrics"].keys() & {"connect_delay"}
        if not first_frame:
            assert metric["metadata"]["session_id"] == "7"


def test_actual_send_is_true_to_the_ms_at_odd_frame_sizes(server):
    # 1009 samples are no whole number of ms at any of these rates.
    seconds = []

    async def script(call: Call) -> None:
        for rate in (8000, 11025, 16000, 44100, 48000):
            audio, _ = spoken([[1, 2]], rate)
            seconds.append(Fraction(len(audio), rate))
            data = audio.tobytes()
            for start in range(0, len(data), 2018):
                await call.send(data[start : start + 2018], rate, frame_ms=1000)
        # The base sends it every five seconds.
        await call.until(lambda: sum(call.metric("actual_send_delta")) > 0)

    call = run_call(properties(server.url), script)
    totals = call.metric("actual_send")
    assert totals[-1] == int(sum(seconds) * 1000)
    assert all(delta >= 0 for delta in call.metric("actual_send_delta"))
    assert totals == sorted(totals)


def test_a_finalize_with_nothing_to_do_leaves_no_time_to_last_word(server):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.until_finalized("nothing there")
        await call.send(audio)
        await call.until_finals(1)

    call = run_call(properties(server.url), script)
    assert call.metric("ttlw") == [], "no finalize asked for that word"


def test_time_to_last_word_follows_a_finalize(server):
    audio, times = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.send(audio[: times[0][1] * 16])
        await call.until_finalized("a")

    call = run_call(properties(server.url), script)
    assert len(call.metric("ttlw")) == 1
    assert call.metric("ttlw")[0] >= 0


def test_words_heard_before_the_connection_count_for_time_to_first_word(server):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    config = properties(server.url, top={"auto_connect": False})
    call = run_call(config, script)
    assert call.texts == text_of([1, 2])
    assert len(call.metric("ttfw")) == 1


def test_usage_that_no_message_can_carry_is_left_out():
    audio, _ = spoken([[1, 2]])
    event = {
        "type": "conversation.item.input_audio_transcription.completed",
        "transcript": "hello",
        "usage": {
            "type": "tokens",
            "total_tokens": 2**70,
            "seconds": float("nan"),
            "input_token_details": {"audio_tokens": 5, "x": None},
        },
    }
    faults = Faults(never_completed="always")
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await server.until(
                lambda: server.sessions and server.sessions[0].commits
            )
            item = server.sessions[0].commits[0].item_id
            server.send({**event, "item_id": item})
            await call.until(lambda: vendor(call, "usage"))

        call = run_call(properties(server.url), script)
    assert vendor(call, "usage") == [
        {"type": "tokens", "input_token_details": {"audio_tokens": 5}}
    ]


def test_audio_that_was_billed_and_saved_is_told_at_the_end(tmp_path):
    sound = call_audio(16000)

    async def script(call: Call) -> None:
        await call.send(np.concatenate((np.zeros(4 * 16000, np.int16), sound)))
        await call.until_finalized("end")

    dump = tmp_path / "call.pcm"
    with ServerThread(engine=KnownSpeechEngine()) as server:
        config = properties(
            server.url,
            input_audio_transcription={"model": "gpt-live-transcribe"},
            turn_detection={"type": "local", "silence": "skip"},
            dump=True,
            dump_path=str(dump),
        )
        call = run_call(config, script)
    assert len(call.texts) == 2
    lines = dump.with_suffix(".jsonl").read_text("utf-8").splitlines()
    logged = [json.loads(line) for line in lines]
    [counts] = [e["counters"] for e in logged if e["kind"] == "counters"]
    assert counts["reconnects"] == 0
    assert counts["saved_ms"] > 3000
    assert 2000 < counts["billed_ms"] < len(sound) // 16

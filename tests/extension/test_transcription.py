"""Speech in, text out: the main job, over a real socket."""

from __future__ import annotations

import asyncio
import itertools
import json

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of

from devkit.server import Faults, ServerThread

TURNS = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]
#: Where the server puts a turn: its detector works in windows of 10 ms, and
#: a frame is 10 ms.
TOLERANCE_MS = 20


def check_times(call: Call, times: list[tuple[int, int]]) -> None:
    assert len(call.finals) == len(times)
    for final, (start, end) in zip(call.finals, times, strict=True):
        assert abs(final["start_ms"] - start) <= TOLERANCE_MS
        stop = final["start_ms"] + final["duration_ms"]
        assert abs(stop - end) <= TOLERANCE_MS


@pytest.mark.parametrize(
    ("rate", "channels"),
    [(8000, 1), (16000, 1), (16000, 2), (24000, 1), (44100, 1), (48000, 2)],
)
def test_turns_arrive_in_order_with_true_times(server, rate, channels):
    audio, times = spoken(TURNS, rate)
    if channels == 2:
        audio = np.repeat(audio, 2)

    async def script(call: Call) -> None:
        await call.send(audio, rate, channels)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of(*TURNS)
    check_times(call, times)
    assert call.errors == []


def test_frames_that_leave_their_fields_at_zero_take_the_configured_rate(
    server,
):
    audio, times = spoken(TURNS, 8000)

    async def script(call: Call) -> None:
        await call.send(audio, 8000, fields=False)
        await call.until_finalized("end")

    call = run_call(properties(server.url, sample_rate=8000), script)
    assert call.texts == text_of(*TURNS)
    check_times(call, times)


def test_every_result_has_the_shape_of_the_contract(server):
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert len(call.results) > len(TURNS)
    for result in call.results:
        assert set(result) == {
            "id",
            "text",
            "final",
            "start_ms",
            "duration_ms",
            "language",
            "words",
            "metadata",
        }
        assert result["text"]
        assert result["words"] == []
        assert result["language"] == "en-US"
        assert result["duration_ms"] > 0
        assert result["metadata"]["session_id"] == "7"
        info = result["metadata"]["asr_info"]
        assert info["vendor"] == "openai"
        assert info["model"] == "gpt-4o-transcribe"
        assert info["item_id"]


def test_a_turn_has_one_id_and_its_interims_grow(server):
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    turns: dict[str, list[dict]] = {}
    for result in call.results:
        turns.setdefault(result["id"], []).append(result)
    assert len(turns) == len(TURNS)
    for results in turns.values():
        assert [r["final"] for r in results[:-1]] == [False] * (
            len(results) - 1
        )
        assert results[-1]["final"]
        assert len({r["start_ms"] for r in results}) == 1
        texts = [r["text"] for r in results]
        for earlier, later in itertools.pairwise(texts):
            assert later.startswith(earlier)


def test_the_first_words_are_heard_while_the_connection_comes_up():
    audio, times = spoken(TURNS)
    faults = Faults(slow_handshake="always", slow_handshake_ms=400)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            assert all(s.session_id is None for s in server.sessions)
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
    assert call.texts == text_of(*TURNS)
    check_times(call, times)


def test_finalize_ends_an_open_turn_without_waiting_for_silence(server):
    audio, times = spoken([[1, 2, 3]])
    cut = audio[: times[0][1] * 16]

    async def script(call: Call) -> None:
        await call.send(cut)
        await call.until_finalized("now")
        assert call.texts == text_of([1, 2, 3])

    call = run_call(properties(server.url), script)
    check_times(call, times)
    names = [name for name, _ in call.messages]
    last_final = max(
        index for index, (_, m) in enumerate(call.messages) if m.get("final")
    )
    assert names.index("asr_finalize_end") > last_final


def test_only_finalize_ends_a_turn_when_turn_detection_is_off(server):
    audio, times = spoken(TURNS)

    async def script(call: Call) -> None:
        begin = 0
        for index, (_, end) in enumerate(times):
            await call.send(audio[begin * 16 : end * 16])
            assert len(call.finals) == index
            await call.until_finalized(f"f{index}")
            assert len(call.finals) == index + 1
            begin = end

    config = properties(server.url, turn_detection={"type": "none"})
    call = run_call(config, script)
    assert call.texts == text_of(*TURNS)
    check_times(call, times)
    commits = [c.by for s in server.sessions for c in s.commits]
    assert commits == ["client"] * 3


@pytest.mark.parametrize("wire", ["g711_ulaw", "g711_alaw"])
def test_telephone_formats_go_over_the_wire(server, wire):
    audio, times = spoken(TURNS, 8000)

    async def script(call: Call) -> None:
        await call.send(audio, 8000)
        await call.until_finalized("end")

    call = run_call(properties(server.url, input_audio_format=wire), script)
    assert call.texts == text_of(*TURNS)
    check_times(call, times)
    seconds = len(audio) / 8000
    sent = server.sessions[0].audio_bytes
    assert abs(sent - seconds * 8000) <= 800, "one byte a sample, 8 kHz"


def test_the_session_is_asked_for_what_was_configured(server):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))

    config = {
        "api_key": "sk-test-0123456789",
        "organization": "org-1",
        "project": "proj-2",
        "websocket_base_url": server.url,
        "params": {
            "input_audio_transcription": {
                "model": "gpt-4o-mini-transcribe",
                "language": "de",
                "prompt": "Agora, TEN",
            },
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.4,
                "prefix_padding_ms": 200,
                "silence_duration_ms": 700,
            },
            "input_audio_noise_reduction": {"enabled": True},
        },
    }
    run_call(config, script)
    session = server.sessions[0]
    assert session.query == {"intent": "transcription"}
    assert "openai-beta" not in session.headers
    assert session.headers["openai-organization"] == "org-1"
    assert session.headers["openai-project"] == "proj-2"
    update = session.events[0].event["session"]
    assert update == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": {"type": "near_field"},
                "transcription": {
                    "model": "gpt-4o-mini-transcribe",
                    "language": "de",
                    "prompt": "Agora, TEN",
                },
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.4,
                    "prefix_padding_ms": 200,
                    "silence_duration_ms": 700,
                },
            }
        },
    }


def test_no_audio_is_sent_before_the_session_is_configured():
    audio, _ = spoken(TURNS)
    faults = Faults(slow_session_updated_ms=300)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
        assert call.texts == text_of(*TURNS)
        record = server.sessions[0]
        assert record.client_types()[0] == "session.update"
        updated = next(e for e in record.sent if e.type == "session.updated")
        first = next(
            e for e in record.events if e.type == "input_audio_buffer.append"
        )
        assert first.at > updated.at


def test_what_was_said_is_delivered_when_the_call_stops(server):
    audio, times = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(audio[: times[0][1] * 16])
        await asyncio.to_thread(
            server.wait_for, lambda: server.sessions[0].audio_bytes > 0
        )

    run_call(properties(server.url), script)
    # The tester is gone by then; the server saw the turn committed.
    server.wait_for(lambda: server.sessions[0].items)
    assert [i.transcript for i in server.sessions[0].items] == text_of([1, 2])
    server.wait_for(lambda: server.sessions[0].close_code)
    assert server.sessions[0].close_code == 1000


def test_json_of_a_config_line_shows_no_key(server, host_log):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))

    config = properties(server.url, log_level="DEBUG")
    run_call(config, script)
    logged = host_log.text
    assert "config: " in logged
    assert config["params"]["api_key"] not in logged
    assert json.dumps(config["params"]["base_url"]) in logged

"""Client events, event order, and what each model answers."""

from __future__ import annotations

import asyncio
import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from realtime_client import (
    COMMITTED,
    COMPLETED,
    DELTA,
    Client,
    connected,
    session,
)

from devkit.script_audio import encode_words, speak
from devkit.server import LocalServer
from devkit.server.wire_audio import WireDecoder

VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 100,
    "silence_duration_ms": 300,
}
BUFFER = "input_audio_buffer"


async def said(client: Client, *ids: int) -> None:
    """Append words and commit."""
    await client.speak(encode_words(ids, 24_000))
    await client.send(f"{BUFFER}.commit")


async def error_after(client: Client, message: str | bytes) -> dict[str, Any]:
    await client.ws.send(message)
    event = await client.receive()
    assert event["type"] == "error"
    error: dict[str, Any] = event["error"]
    return error


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        (b"\x00\x01", "invalid_event", None),
        ("no json", "invalid_json", None),
        ("[1]", "invalid_event", None),
        ("{}", "invalid_event", "type"),
        ('{"type":"nonsense"}', "invalid_value", "type"),
        ('{"type":5}', "invalid_value", "type"),
        ('{"type":"response.create"}', "invalid_value", "type"),
        (
            '{"type":"session.update"}',
            "missing_required_parameter",
            "session",
        ),
        ('{"type":"session.update","session":1}', "invalid_type", "session"),
        (
            '{"type":"input_audio_buffer.append"}',
            "missing_required_parameter",
            "audio",
        ),
        (
            '{"type":"input_audio_buffer.append","audio":"*"}',
            "invalid_value",
            "audio",
        ),
        (
            '{"type":"input_audio_buffer.commit","final":true}',
            "unknown_parameter",
            "final",
        ),
        (
            '{"type":"conversation.item.delete","item_id":"item_no"}',
            "item_delete_invalid_item_id",
            "item_id",
        ),
        (
            '{"type":"conversation.item.retrieve","item_id":"item_no"}',
            "item_retrieve_invalid_item_id",
            "item_id",
        ),
    ],
)
async def test_bad_event_is_answered_and_the_session_goes_on(
    message: str | bytes, code: str, param: str | None
) -> None:
    async with LocalServer() as server, session(server) as client:
        error = await error_after(client, message)
        assert (error["code"], error["param"]) == (code, param)
        await said(client, 1)
        assert (await client.until(COMPLETED))["transcript"] == "w000001"


async def test_unknown_type_lists_the_accepted_ones() -> None:
    async with LocalServer() as server, session(server) as client:
        error = await error_after(
            client, '{"type":"nonsense","event_id":"evt_7"}'
        )
        assert "'nonsense'" in error["message"]
        assert "'session.input_audio_buffer.append'" in error["message"]
        assert error["event_id"] == "evt_7"


async def test_appends_are_never_answered() -> None:
    async with LocalServer() as server, session(server) as client:
        for _ in range(5):
            await client.append(bytes(4800))
        await client.send(f"{BUFFER}.clear")
        assert (await client.receive())["type"] == f"{BUFFER}.cleared"
        record = server.sessions[0]
        assert record.appends == 5
        assert record.audio_bytes == 24_000
        assert record.audio_ms == 500
        append = record.events[1].event
        assert append["audio_bytes"] == 4800
        assert "audio" not in append


@pytest.mark.parametrize(
    ("samples", "text"), [(0, "0.00ms"), (1, "0.04ms"), (2399, "99.96ms")]
)
async def test_commit_below_100_ms(samples: int, text: str) -> None:
    async with LocalServer() as server, session(server) as client:
        if samples:
            await client.append(bytes(2 * samples))
        await client.send(f"{BUFFER}.commit", event_id="evt_c")
        error = (await client.receive())["error"]
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert error["message"] == (
            "Error committing input audio buffer: buffer too small. Expected "
            f"at least 100ms of audio, but buffer only has {text} of audio."
        )
        assert error["event_id"] == "evt_c"
        await client.append(bytes(4800 - 2 * samples))
        await client.send(f"{BUFFER}.commit")
        await client.until(COMMITTED)


async def test_manual_commit_order_and_chain() -> None:
    async with LocalServer() as server, session(server) as client:
        await said(client, 1, 2, 3)
        await client.until(COMPLETED)
        assert client.types() == [
            COMMITTED,
            "conversation.item.added",
            "conversation.item.done",
            DELTA,
            DELTA,
            DELTA,
            COMPLETED,
        ]
        committed, added, done, *deltas, completed = client.events
        item_id = committed["item_id"]
        assert item_id.startswith("item_")
        assert committed["previous_item_id"] is None
        for event in (added, done):
            assert event["previous_item_id"] is None
            assert event["item"] == {
                "id": item_id,
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": None}],
            }
        assert "".join(d["delta"] for d in deltas) == completed["transcript"]
        assert completed["transcript"] == "w000001 w000002 w000003"
        for event in (*deltas, completed):
            assert event["item_id"] == item_id
            assert event["content_index"] == 0
        assert all(delta["obfuscation"] for delta in deltas)
        assert len({event["event_id"] for event in client.events}) == 7

        await said(client, 4)
        second = await client.until(COMMITTED)
        assert second["previous_item_id"] == item_id
        assert second["item_id"] != item_id


async def test_server_vad_order_and_times() -> None:
    samples, times = speak([[1, 2], [3]], 24_000, 1000, lead_ms=700)
    async with LocalServer() as server, session(server, vad=VAD) as client:
        await client.speak(samples)
        await client.until(COMPLETED, 2)
        types = client.types()
        order = [
            f"{BUFFER}.speech_started",
            f"{BUFFER}.speech_stopped",
            COMMITTED,
            "conversation.item.added",
            "conversation.item.done",
        ]
        first_turn = [
            event["type"]
            for event in client.events
            if client.events[0]["item_id"]
            in (event.get("item_id"), event.get("item", {}).get("id"))
        ]
        assert first_turn == [*order, DELTA, DELTA, COMPLETED]
        assert types.count(COMPLETED) == 2
        starts = client.of(f"{BUFFER}.speech_started")
        stops = client.of(f"{BUFFER}.speech_stopped")
        spans = [(700, 1180), (2180, 2380)]  # ms of the spoken turns
        assert [round(s * 1000 / 24_000) for _, s, _ in times] == [
            700,
            980,
            2180,
        ]
        for start, stop, (begin, end) in zip(starts, stops, spans, strict=True):
            assert start["audio_start_ms"] == begin - 100
            assert stop["audio_end_ms"] == end + 300
            assert start["item_id"] == stop["item_id"]
        commits = server.sessions[0].commits
        assert [(c.start_ms, c.end_ms, c.by) for c in commits] == [
            (600, 1480, "vad"),
            (2080, 2680, "vad"),
        ]


async def test_a_client_that_floods_does_not_hold_up_transcripts() -> None:
    samples, _ = speak([[number] for number in range(8)], 24_000, 500)
    async with LocalServer() as server, session(server, vad=VAD) as client:
        server.freeze()  # so that everything lies ready at once
        flood = asyncio.create_task(client.speak(samples, chunk_ms=10))
        await asyncio.wait([flood], timeout=0.5)
        server.thaw()
        await client.until(COMPLETED, 8)
        await flood
        commits = [n for n, t in enumerate(client.types()) if t == COMMITTED]
        assert client.types().index(COMPLETED) < commits[1]


async def test_prefix_is_clamped_at_the_start_and_the_last_turn() -> None:
    vad = {**VAD, "prefix_padding_ms": 2000}
    samples, _ = speak([[1], [2]], 24_000, 400, lead_ms=50)
    async with LocalServer() as server, session(server, vad=vad) as client:
        await client.speak(samples)
        await client.until(COMPLETED, 2)
        starts = [
            e["audio_start_ms"] for e in client.of(f"{BUFFER}.speech_started")
        ]
        assert starts == [0, 550]  # 50 + 200 + 300 ms: the first turn's end
        assert server.sessions[0].transcripts == ["w000001", "w000002"]


async def test_commit_while_speech_goes_on_has_no_speech_stopped() -> None:
    samples, _ = speak([[1, 2]], 24_000, 0, lead_ms=200, tail_ms=50)
    async with LocalServer() as server, session(server, vad=VAD) as client:
        await client.speak(samples)
        started = await client.until(f"{BUFFER}.speech_started")
        await client.send(f"{BUFFER}.commit")
        committed = await client.until(COMMITTED)
        assert committed["item_id"] == started["item_id"]
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000001 w000002"
        await client.speak(np.zeros(24_000, np.int16))
        await client.send(f"{BUFFER}.clear")
        await client.until(f"{BUFFER}.cleared")
        assert f"{BUFFER}.speech_stopped" not in client.types()


async def test_clear_forgets_audio_but_not_time() -> None:
    async with LocalServer() as server, session(server) as client:
        await client.speak(encode_words([1], 24_000))
        await client.send(f"{BUFFER}.clear")
        await said(client, 2)
        assert (await client.until(COMPLETED))["transcript"] == "w000002"
        commit = server.sessions[0].commits[0]
        assert (commit.start_ms, commit.end_ms) == (200, 400)


async def test_delete_and_retrieve() -> None:
    async with LocalServer() as server, session(server) as client:
        await said(client, 1)
        item_id = (await client.until(COMPLETED))["item_id"]
        await client.send("conversation.item.retrieve", item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == "w000001"
        await client.send("conversation.item.delete", item_id=item_id)
        deleted = await client.until("conversation.item.deleted")
        assert deleted["item_id"] == item_id
        await client.send("conversation.item.delete", item_id=item_id)
        error = (await client.until("error"))["error"]
        assert error["code"] == "item_delete_invalid_item_id"


TOKENS = {  # 0.48 s of audio, two words
    "type": "tokens",
    "total_tokens": 6,
    "input_tokens": 4,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 4},
    "output_tokens": 2,
}
DURATION = {"type": "duration", "seconds": 1}


@pytest.mark.parametrize(
    ("model", "deltas", "usage"),
    [
        ("whisper-1", 1, DURATION),
        ("gpt-4o-transcribe", 2, TOKENS),
        ("gpt-4o-mini-transcribe", 2, TOKENS),
        ("gpt-4o-mini-transcribe-2025-12-15", 2, TOKENS),
        ("gpt-4o-transcribe-diarize", 2, TOKENS),
        ("gpt-transcribe", 2, DURATION),
        ("gpt-live-transcribe", 2, DURATION),
        ("gpt-realtime-whisper", 2, TOKENS),
    ],
)
async def test_what_each_model_answers(
    model: str, deltas: int, usage: dict[str, Any]
) -> None:
    include = ["item.input_audio_transcription.logprobs"]
    async with (
        LocalServer() as server,
        session(server, model, include=include, language="de") as client,
    ):
        await said(client, 1, 2)
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000001 w000002"
        assert len(client.of(DELTA)) == deltas
        assert completed["usage"] == usage
        assert completed.get("languages") == (
            [{"code": "de"}] if model == "gpt-transcribe" else None
        )
        logprobs = "gpt-4o" in model and "diarize" not in model
        assert ("logprobs" in completed) == logprobs
        if logprobs:
            token = completed["logprobs"][1]
            assert bytes(token["bytes"]).decode() == token["token"]
            assert token["token"] == " w000002"
            assert token["logprob"] <= 0
        segments = client.of(
            "conversation.item.input_audio_transcription.segment"
        )
        assert bool(segments) == model.endswith("diarize")


@pytest.mark.parametrize(
    "model", ["gpt-live-transcribe", "gpt-realtime-whisper"]
)
async def test_streaming_models_speak_before_the_commit(model: str) -> None:
    async with LocalServer() as server, session(server, model) as client:
        samples, _ = speak([[1, 2]], 24_000, 100)
        await client.speak(samples)
        first = await client.until(DELTA)
        second = await client.until(DELTA)
        assert first["delta"] + second["delta"] == "w000001 w000002"
        await client.speak(encode_words([3], 24_000))
        await client.send(f"{BUFFER}.commit")
        committed = await client.until(COMMITTED)
        # Deltas before the commit carry the id that the item gets.
        assert committed["item_id"] == first["item_id"]
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000001 w000002 w000003"
        joined = "".join(delta["delta"] for delta in client.of(DELTA))
        assert joined == completed["transcript"]
        await said(client, 4)
        assert (await client.until(COMPLETED))["transcript"] == "w000004"


async def test_duration_is_rounded_up_and_billed_for_silence() -> None:
    async with (
        LocalServer() as server,
        session(server, "gpt-transcribe") as client,
    ):
        await client.append(bytes(2 * 24_000 + 4800))
        await client.send(f"{BUFFER}.commit")
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == ""
        assert completed["usage"]["seconds"] == math.ceil(1.1)
        assert not client.of(DELTA)


@pytest.mark.parametrize("format_type", ["audio/pcmu", "audio/pcma"])
async def test_telephone_formats(format_type: str) -> None:
    samples, _ = speak([[77, 78]], 8000, 800)
    async with (
        LocalServer() as server,
        session(server, vad=VAD, format_type=format_type) as client,
    ):
        await client.append(companded(samples, format_type))
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000077 w000078"
        assert server.sessions[0].audio_ms == len(samples) / 8


def companded(samples: Any, format_type: str) -> bytes:
    """G.711 codes by libsndfile."""
    file = io.BytesIO()
    subtype = "ULAW" if format_type == "audio/pcmu" else "ALAW"
    soundfile.write(file, samples, 8000, format="RAW", subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("format_type", ["audio/pcmu", "audio/pcma"])
def test_g711_table_is_that_of_libsndfile(format_type: str) -> None:
    codes = bytes(range(256))
    subtype = "ULAW" if format_type == "audio/pcmu" else "ALAW"
    expected, _ = soundfile.read(
        io.BytesIO(codes),
        samplerate=8000,
        channels=1,
        format="RAW",
        subtype=subtype,
        dtype="int16",
    )
    assert WireDecoder(format_type).decode(codes).tolist() == expected.tolist()


async def test_samples_split_between_appends() -> None:
    data = encode_words([5], 24_000).tobytes()
    async with LocalServer() as server, session(server) as client:
        for start in range(0, len(data), 1001):
            await client.append(data[start : start + 1001])
        await client.send(f"{BUFFER}.commit")
        assert (await client.until(COMPLETED))["transcript"] == "w000005"


async def test_append_above_15_mib_is_refused() -> None:
    async with LocalServer() as server, session(server) as client:
        audio = base64.b64encode(bytes(15 * 1024 * 1024 + 3)).decode()
        await client.send(f"{BUFFER}.append", audio=audio)
        error = (await client.receive())["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "audio")
        assert server.sessions[0].audio_bytes == 0


async def test_changing_the_format_keeps_uncommitted_audio_and_time() -> None:
    async with LocalServer() as server, session(server) as client:
        await client.speak(encode_words([1], 24_000))
        await client.update(format_type="audio/pcmu")
        await client.append(companded(np.zeros(800, np.int16), "audio/pcmu"))
        more = encode_words([2], 8000)
        await client.append(companded(more, "audio/pcmu"))
        await client.send(f"{BUFFER}.commit")
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000001 w000002"
        assert server.sessions[0].commits[0].end_ms == 500


async def test_session_expiry() -> None:
    async with (
        LocalServer(session_seconds=0.05) as server,
        connected(server) as client,
    ):
        error = (await client.until("error"))["error"]
        assert error["code"] == "session_expired"
        assert error["message"].startswith(
            "Your session hit the maximum duration of "
        )
        code, reason = await client.closed()
        assert (code, reason) == (1001, error["message"])


async def test_expiry_text_of_a_full_session() -> None:
    async with LocalServer() as server, session(server) as client:
        server.expire_sessions()
        error = (await client.until("error"))["error"]
        assert error["message"] == (
            "Your session hit the maximum duration of 60 minutes."
        )


async def test_pings_are_sent_and_answers_counted() -> None:
    async with (
        LocalServer(ping_interval=0.02) as server,
        connected(server) as client,
    ):
        await client.receive()
        await server.until(lambda: server.sessions[0].pongs >= 2)


async def test_rate_limit_fails_items() -> None:
    async with (
        LocalServer(rate_limit=0.3) as server,
        session(server) as client,
    ):
        await said(client, 1)
        await client.until(COMPLETED)
        await said(client, 2)
        failed = await client.until(
            "conversation.item.input_audio_transcription.failed"
        )
        assert failed["error"]["code"] == "rate_limit_exceeded"

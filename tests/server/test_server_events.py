"""Client events, event order, and what each model answers."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from realtime_client import (
    COMMITTED,
    COMPLETED,
    DELTA,
    Client,
    connected,
    session,
)

from devkit.script_audio import encode_words, speak
from devkit.server import LocalServer, turns

VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 100,
    "silence_duration_ms": 300,
}
BUFFER = "input_audio_buffer"


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
        await client.say(1)
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
        await client.say(1, 2, 3)
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

        await client.say(4)
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
        await client.say(2)
        assert (await client.until(COMPLETED))["transcript"] == "w000002"
        commit = server.sessions[0].commits[0]
        assert (commit.start_ms, commit.end_ms) == (200, 400)


async def test_delete_and_retrieve() -> None:
    async with LocalServer() as server, session(server) as client:
        await client.say(1)
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
        await client.say(1)
        await client.until(COMPLETED)
        await client.say(2)
        failed = await client.until(
            "conversation.item.input_audio_transcription.failed"
        )
        assert failed["error"]["code"] == "rate_limit_exceeded"


async def test_what_nobody_commits_has_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_MOST_HELD", 24000)
    async with LocalServer() as server, session(server) as client:
        await client.append(bytes(2 * 24000))
        await client.append(bytes(2))
        error = (await client.until("error"))["error"]
        assert error["code"] == "input_audio_buffer_full"
        await client.send(f"{BUFFER}.clear")
        await client.until(f"{BUFFER}.cleared")
        await client.append(bytes(2 * 24000))
        await client.send(f"{BUFFER}.commit")
        await client.until(COMMITTED)

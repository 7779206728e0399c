"""Each fault, alone, over a real socket."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from realtime_client import (
    COMMITTED,
    COMPLETED,
    DELTA,
    FAILED,
    Client,
    connected,
    session,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus

from devkit.script_audio import encode_words, speak
from devkit.server import ApiError, Faults, LocalServer

CLEARED = "input_audio_buffer.cleared"
VAD = {"type": "server_vad", "silence_duration_ms": 200}


async def barrier(client: Client, server: LocalServer) -> None:
    """All events of all items so far have been received."""
    items = server.sessions[-1].items
    await server.until(lambda: all(item.state != "pending" for item in items))
    await client.send("input_audio_buffer.clear")
    await client.until(CLEARED)


async def append_until_closed(client: Client, data: bytes) -> None:
    try:
        for _ in range(5000):
            await client.append(data)
            await asyncio.sleep(0)
    except ConnectionClosed:
        return
    pytest.fail("the connection was never closed")


async def one_item(faults: Faults, model: str = "gpt-4o-transcribe") -> Client:
    """Events of the word 1 under these faults."""
    async with (
        LocalServer(faults=faults) as server,
        session(server, model) as client,
    ):
        await client.say(1)
        await client.until("conversation.item.done")
        await barrier(client, server)
        struck = server.sessions[0].faults
        assert struck, "the record names the fault"
        return client


async def test_duplicate_completed() -> None:
    client = await one_item(Faults(duplicate_completed=1))
    first, second = client.of(COMPLETED)
    assert first["item_id"] == second["item_id"]


async def test_swapped_completed() -> None:
    faults = Faults(swapped_completed=1, slow_completed_ms=60_000)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.say(1)
        await client.say(2)
        await client.until(COMPLETED, 2)
        assert [e["transcript"] for e in client.of(COMPLETED)] == [
            "w000002",
            "w000001",
        ]


async def test_swapped_completed_without_a_next_item_is_only_late() -> None:
    client = await one_item(Faults(swapped_completed=1, slow_completed_ms=1))
    assert len(client.of(COMPLETED)) == 1


async def test_failed_once() -> None:
    async with (
        LocalServer(faults=Faults(failed=2)) as server,
        session(server) as client,
    ):
        for word in (1, 2, 3):
            await client.say(word)
        failed = await client.until(FAILED)
        await client.until(COMPLETED)
        assert [e["transcript"] for e in client.of(COMPLETED)] == [
            "w000001",
            "w000003",
        ]
        assert failed["content_index"] == 0
        assert failed["item_id"] == server.sessions[0].items[1].item_id
        assert failed["error"] == {
            "type": "server_error",
            "code": None,
            "message": "Input transcription failed for item "
            f"'{failed['item_id']}'.",
            "param": None,
        }


async def test_failed_again_after_a_reconnect() -> None:
    faults = Faults(failed="session:1", failed_code="rate_limit_exceeded")
    async with LocalServer(faults=faults) as server:
        for _ in range(2):
            async with session(server) as client:
                await client.say(1)
                failed = await client.until(FAILED)
                assert failed["error"]["code"] == "rate_limit_exceeded"
                await client.say(2)
                await client.until(COMPLETED)


async def test_failed_text_follows_the_audio() -> None:
    async with (
        LocalServer(faults=Faults(failed_text="w000002")) as server,
        session(server) as client,
    ):
        for word in (1, 2, 2, 3):
            await client.say(word)
        await client.until(COMPLETED, 2)
        assert len(client.of(FAILED)) == 2


async def test_never_completed_does_not_block_the_next() -> None:
    async with (
        LocalServer(faults=Faults(never_completed=1)) as server,
        session(server) as client,
    ):
        await client.say(1)
        await client.say(2)
        assert (await client.until(COMPLETED))["transcript"] == "w000002"
        assert server.sessions[0].items[0].state == "never"


async def test_slow_completed_is_overtaken() -> None:
    faults = Faults(slow_completed=1, slow_completed_ms=300)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.say(1)
        await client.say(2)
        await client.until(COMPLETED, 2)
        assert server.sessions[0].transcripts == ["w000002", "w000001"]


async def test_empty_transcript() -> None:
    client = await one_item(Faults(empty_transcript=True))
    assert [e["transcript"] for e in client.of(COMPLETED)] == [""]
    assert not client.of(DELTA)


async def test_missing_committed() -> None:
    client = await one_item(Faults(missing_committed=True))
    assert not client.of(COMMITTED)
    assert client.of("conversation.item.added")
    assert client.of(COMPLETED)


async def test_late_delta() -> None:
    client = await one_item(Faults(late_delta=True))
    assert client.types()[-3:-1] == [COMPLETED, DELTA]


async def test_wrong_item_id() -> None:
    client = await one_item(Faults(wrong_item_id=True))
    committed, completed = client.of(COMMITTED)[0], client.of(COMPLETED)[0]
    assert completed["item_id"] != committed["item_id"]


async def test_missing_usage() -> None:
    client = await one_item(Faults(missing_usage=True))
    assert "usage" not in client.of(COMPLETED)[0]


async def test_unknown_events_and_fields() -> None:
    client = await one_item(Faults(unknown_events=True))
    assert "input_audio_buffer.level" in client.types()
    assert client.of(COMPLETED)[0]["phrases"]


async def test_repeated_speech_stopped() -> None:
    faults = Faults(repeated_speech_stopped=1)
    async with (
        LocalServer(faults=faults) as server,
        session(server, vad=VAD) as client,
    ):
        samples, _ = speak([[1], [2]], 24_000, 400)
        await client.speak(samples)
        await client.until(COMPLETED, 2)
        ids = [
            e["item_id"] for e in client.of("input_audio_buffer.speech_stopped")
        ]
        assert len(ids) == 3
        assert ids[0] == ids[1] != ids[2]


async def test_server_error_without_close() -> None:
    client = await one_item(Faults(server_error=True))
    (event,) = client.of("error")
    assert event["error"]["type"] == "server_error"
    assert event["error"]["message"].startswith(
        "The server had an error while processing your request"
    )
    assert client.of(COMPLETED)


async def test_server_error_with_close() -> None:
    faults = Faults(server_error=1, server_error_close=True)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.say(1)
        assert await client.closed() == (1011, "server_error")
        assert client.types()[-1] == "error"
        assert not client.of(COMPLETED)


async def test_drop_between_committed_and_completed() -> None:
    async with LocalServer(faults=Faults(drop_after_commit=1)) as server:
        async with session(server) as client:
            await client.say(1)
            assert await client.closed() == (1006, "")
            assert client.types()[0] == COMMITTED
            assert not client.of(COMPLETED)
            record = server.sessions[0]
            await server.until(lambda: not record.open)
            assert record.close_code == 1006
        async with session(server) as client:
            await client.say(1)
            await client.until(COMPLETED)


async def test_slow_handshake() -> None:
    faults = Faults(slow_handshake=1, slow_handshake_ms=200)
    async with LocalServer(faults=faults) as server:
        slow = asyncio.create_task(_connect(server))
        await server.until(lambda: bool(server.sessions))
        await _connect(server)  # the second one overtakes
        assert not slow.done()
        await slow


async def _connect(server: LocalServer) -> dict[str, Any]:
    async with connected(server) as client:
        return await client.receive()


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_refused_with_http_status(status: int) -> None:
    faults = Faults(refused=2, refused_status=status)
    async with LocalServer(faults=faults) as server:
        await _connect(server)
        with pytest.raises(InvalidStatus) as caught:
            await _connect(server)
        assert caught.value.response.status_code == status
        assert server.sessions[1].http_status == status
        await _connect(server)


@pytest.mark.parametrize(
    ("code", "close"),
    [
        ("insufficient_quota", 4000),
        ("rate_limit_exceeded", 4000),
        ("invalid_api_key", 3000),
        ("model_not_found", 4004),
        ("server_error", 1011),
    ],
)
async def test_refused_after_101(code: str, close: int) -> None:
    faults = Faults(refused="every:2", refused_status=101, refused_error=code)
    async with LocalServer(faults=faults) as server:
        await _connect(server)
        async with connected(server) as client:
            error = (await client.receive())["error"]
            assert (error["code"] or error["type"]) == code
            got, reason = await client.closed()
            assert got == close
            assert reason.endswith(code)


async def test_audio_before_a_slow_session_updated() -> None:
    faults = Faults(slow_session_updated_ms=200)
    async with (
        LocalServer(faults=faults) as server,
        connected(server) as client,
    ):
        await client.receive()
        answer = asyncio.create_task(client.update())
        record = server.sessions[0]
        await server.until(lambda: "session.update" in record.client_types())
        await client.speak(speak([[1]], 24_000, 400)[0])
        await server.until(lambda: bool(record.items))
        # Heard under the defaults: a VAD turn without a model.
        assert record.items[0].state in ("pending", "never")
        assert record.commits[0].by == "vad"
        assert record.config_updates == 0
        await answer
        await client.until("session.updated")
        assert not record.transcripts


async def test_drop_after_audio() -> None:
    faults = Faults(drop_after_audio_ms=300, audio_faults_on=1)
    async with LocalServer(faults=faults) as server:
        async with session(server) as client:
            await append_until_closed(client, bytes(2400))
            record = server.sessions[0]
            await server.until(lambda: not record.open)
            assert record.audio_ms == 300
            assert record.faults == ["drop_after_audio"]
        async with session(server) as client:
            for _ in range(20):
                await client.append(bytes(2400))
            await client.send("input_audio_buffer.clear")
            await client.until(CLEARED)


async def test_drops_by_chance_can_be_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def places(seed: int) -> list[float]:
        faults = Faults(drop_rate=2.0, seed=seed)
        found = []
        async with LocalServer(faults=faults) as server:
            for _ in range(3):
                async with session(server) as client:
                    await append_until_closed(client, bytes(480))
                await server.until(lambda: not server.sessions[-1].open)
                found.append(server.sessions[-1].audio_ms)
        return found

    with caplog.at_level(logging.INFO, logger="devkit.server"):
        first = await places(7)
    assert "seed 7" in caplog.text
    assert len(set(first)) == 3
    assert await places(7) == first
    assert await places(8) != first


async def test_expiry_after_audio() -> None:
    faults = Faults(expire_after_audio_ms=100)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.append(bytes(4800))
        code, reason = await client.closed()
        assert client.events[-1]["error"]["code"] == "session_expired"
        assert code == 1001
        assert reason.startswith("Your session hit the maximum duration")


@pytest.mark.parametrize("close", [False, True])
async def test_server_error_after_audio(close: bool) -> None:
    faults = Faults(server_error_after_audio_ms=100, server_error_close=close)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.append(bytes(4800))
        event = await client.until("error")
        assert event["error"]["type"] == "server_error"
        if close:
            assert (await client.closed())[0] == 1011
        else:
            await client.send("input_audio_buffer.clear")
            await client.until(CLEARED)


async def test_stop_reading_still_sends() -> None:
    faults = Faults(stop_reading_after_audio_ms=100)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.append(bytes(4800))
        record = server.sessions[0]
        await server.until(lambda: "stop_reading" in record.faults)
        await client.send("input_audio_buffer.clear")
        server.send({"type": "still.alive"})
        assert (await client.receive())["type"] == "still.alive"
        assert "input_audio_buffer.clear" not in record.client_types()
        server.thaw()
        await client.until(CLEARED)


async def test_freeze_after_audio_is_half_open() -> None:
    faults = Faults(freeze_after_audio_ms=100)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.append(bytes(4800))
        record = server.sessions[0]
        await server.until(lambda: "freeze" in record.faults)
        ping = asyncio.ensure_future(await client.ws.ping())
        await client.send("input_audio_buffer.clear")
        server.send({"type": "held.back"})
        # Another connection works, and its round trip passes no event here.
        await _connect(server)
        assert not ping.done()
        assert "held.back" not in record.sent_types()
        assert record.client_types().count("input_audio_buffer.clear") == 0
        server.thaw()
        assert (await client.receive())["type"] == "held.back"
        await client.until(CLEARED)
        await ping


async def test_injection_while_it_runs() -> None:
    async with LocalServer() as server, session(server) as client:
        await client.say(1)
        await client.until(COMPLETED)
        server.inject(failed=True)
        await client.say(2)
        await client.until(FAILED)
        server.inject(failed=False)
        await client.say(3)
        await client.until(COMPLETED)
        server.send_error(ApiError("boom", "x", close=1012))
        assert (await client.closed())[0] == 1012
        with pytest.raises(TypeError):
            server.inject(nonsense=1)
        with pytest.raises(ValueError, match="fault failed"):
            server.inject(failed="sometimes")


async def test_a_failure_names_the_time_to_try_again() -> None:
    client = await one_item(Faults(failed=1, failed_retry_s=3.2))
    error = client.of(FAILED)[0]["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"].endswith("Please try again in 3.2s.")


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ("frozen_detector", []),
        ("frozen_in_turn", ["input_audio_buffer.speech_started"]),
        (
            "frozen_after_commit",
            [
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                COMMITTED,
            ],
        ),
    ],
)
async def test_a_frozen_detector_answers_pings_only(
    fault: str, heard: list[str]
) -> None:
    faults = Faults(**{fault: 1})
    async with LocalServer(faults=faults) as server:
        async with session(server, vad=VAD) as client:
            await client.speak(encode_words([1, 2], 24_000))
            await client.append(bytes(48_000))
            await client.send("input_audio_buffer.commit")
            await client.send("input_audio_buffer.clear")
            pong = await client.ws.ping()
            await pong
            # It hears updates: this is the next event to come, or behind it.
            await client.send("session.update", session={"type": "x"})
            await client.until("error")
            types = [event["type"] for event in client.events]
            about = [t for t in types if t.startswith(("input", "conv"))]
            assert about == heard
            assert server.sessions[0].faults == [fault]
        async with session(server) as client:
            await client.say(3)
            await client.until(COMPLETED)


async def test_a_frozen_detector_hears_for_a_while() -> None:
    faults = Faults(frozen_detector=1, frozen_after_ms=1000)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.say(1)
        await client.until(COMPLETED)
        await client.append(bytes(48_000))
        await client.say(2)
        await client.send("session.update", session={"type": "x"})
        await client.until("error")
        assert len(client.of(COMMITTED)) == 1


async def test_drop_after_messages() -> None:
    faults = Faults(drop_after_messages=3)
    async with (
        LocalServer(faults=faults) as server,
        session(server) as client,
    ):
        await client.append(bytes(480))
        await client.append(bytes(480))
        await client.send("input_audio_buffer.clear")
        assert (await client.closed())[0] == 1006
        assert server.sessions[0].faults == ["drop_after_messages"]
        assert server.sessions[0].appends == 2


async def test_drop_text_is_in_the_audio() -> None:
    async with LocalServer(faults=Faults(drop_text="w000002")) as server:
        async with session(server) as client:
            await client.say(1)
            await client.until(COMPLETED)
            await client.speak(encode_words([2, 3], 24_000))
            await client.append(bytes(48_000))
            assert (await client.closed())[0] == 1006
        assert server.sessions[0].faults == ["drop_text"]
        server.inject(drop_text="")
        async with session(server) as client:
            await client.say(2)
            await client.until(COMPLETED)


async def test_the_detector_of_an_open_session_freezes() -> None:
    async with LocalServer() as server, session(server) as client:
        server.freeze_detector("frozen_after_commit")
        await client.say(1)
        await client.say(2)
        await client.send("session.update", session={"type": "x"})
        await client.until("error")
        assert len(client.of(COMMITTED)) == 1
        assert client.of(COMPLETED) == []
        assert server.sessions[0].faults == ["frozen_after_commit"]
        with pytest.raises(ValueError, match="freeze"):
            server.freeze_detector("freeze")

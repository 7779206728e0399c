"""The server's own API: threads, listening, drops, freezes, records."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from typing import Any

import pytest
from realtime_client import COMPLETED, HANG_S, connected, session
from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    InvalidStatus,
)
from websockets.sync.client import ClientConnection, connect

from devkit.script_audio import encode_words, speak
from devkit.server import LocalServer, ServerThread


def dial(server: LocalServer, **options: Any) -> ClientConnection:
    ws: ClientConnection = connect(
        f"{server.url}/realtime?intent=transcription",
        additional_headers={"Authorization": "Bearer sk-test"},
        proxy=None,
        **options,
    )
    return ws


def receive(ws: ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(ws.recv(timeout=HANG_S))
    return event


def send(ws: ClientConnection, event_type: str, **fields: Any) -> None:
    ws.send(json.dumps({"type": event_type, **fields}))


def test_a_whole_call_from_a_thread() -> None:
    samples, _ = speak([[1, 2], [3]], 24_000, 600)
    with ServerThread("script") as server, dial(server) as ws:
        assert receive(ws)["type"] == "session.created"
        transcription = {"model": "gpt-4o-transcribe"}
        audio = {"input": {"transcription": transcription}}
        send(
            ws,
            "session.update",
            session={"type": "transcription", "audio": audio},
        )
        data = base64.b64encode(samples.tobytes()).decode()
        send(ws, "input_audio_buffer.append", audio=data)
        record = server.sessions[0]
        found = server.wait_for(
            lambda: len(record.transcripts) == 2 and record.transcripts
        )
        assert found == ["w000001 w000002", "w000003"]
        assert record.config is not None
        assert record.config["audio"]["input"]["transcription"] == {
            "model": "gpt-4o-transcribe",
            "language": None,
            "prompt": None,
        }
        assert [item.state for item in record.items] == ["completed"] * 2
        assert (
            record.items[1].previous_item_id
            == (record.commits[0].item_id)
            == record.items[0].item_id
        )
        times = [event.at for event in record.events + record.sent]
        assert min(times) >= record.opened_at
    assert not record.open
    assert not any(t.name == "local-server" for t in threading.enumerate())


def test_wait_for_ends_with_a_summary() -> None:
    with ServerThread() as server, dial(server) as ws:
        receive(ws)
        with pytest.raises(TimeoutError, match="#1 open audio 0 ms"):
            server.wait_for(lambda: False, timeout=0.01)


async def test_until_ends_with_a_summary_and_wait_for_refuses() -> None:
    async with LocalServer() as server:
        with pytest.raises(TimeoutError, match="sessions"):
            await server.until(lambda: False, timeout=0.01)
        with pytest.raises(RuntimeError, match="until"):
            server.wait_for(lambda: True)


def test_control_from_another_thread_than_the_loops() -> None:
    with ServerThread() as server, dial(server) as ws:
        receive(ws)
        assert server.drop_connections() == 1
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(timeout=HANG_S)
        assert caught.value.rcvd is None
        server.wait_for(lambda: not server.sessions[0].open)
        assert server.sessions[0].close_code == 1006


async def test_drop_with_close() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        assert server.drop_connections(abort=False) == 1
        assert await client.closed() == (1001, "")


async def test_abort_reaches_the_client_as_a_reset() -> None:
    async with LocalServer() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(
            b"GET /v1/realtime?intent=transcription HTTP/1.1\r\n"
            b"Host: localhost\r\nAuthorization: Bearer k\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        await server.until(lambda: bool(server.sessions[0].sent))
        server.drop_connections()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_refuse_with_http_and_retry_after() -> None:
    async with LocalServer() as server:
        server.refuse(http_status=429, retry_after=1.5)
        with pytest.raises(InvalidStatus) as caught:
            async with connected(server):
                pass
        response = caught.value.response
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "1.5"
        body = json.loads(response.body or b"")
        assert body["error"]["code"] == "rate_limit_exceeded"
        server.refuse(error="insufficient_quota")
        async with connected(server) as client:
            event = await client.receive()
            assert event["error"]["type"] == "insufficient_quota"
            assert (await client.closed())[0] == 4000
        server.refuse(http_status=None)
        with pytest.raises((InvalidMessage, OSError)):
            async with connected(server):
                pass
        server.refuse(False)
        async with connected(server) as client:
            assert (await client.receive())["type"] == "session.created"
        assert [s.http_status for s in server.sessions] == [429, 101, 0, 101]
        with pytest.raises(ValueError, match="200"):
            server.refuse(http_status=200)
        with pytest.raises(ValueError, match="unheard"):
            server.refuse(error="unheard")


async def test_stop_and_start_listening_on_the_same_port() -> None:
    async with LocalServer() as server, session(server) as client:
        url = server.url
        server.stop_listening()
        with pytest.raises(ConnectionRefusedError):
            async with connected(server):
                pass
        # The open connection goes on.
        await client.speak(encode_words([1], 24_000))
        await client.send("input_audio_buffer.commit")
        await client.until(COMPLETED)
        server.start_listening()
        server.start_listening()  # twice is once
        assert server.url == url
        async with connected(server) as second:
            await second.receive()


def test_listening_is_controlled_from_any_thread() -> None:
    with ServerThread() as server:
        for _ in range(3):
            server.stop_listening()
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((server.host, server.port), 5)
            server.start_listening()
            with dial(server) as ws:
                receive(ws)


async def test_frozen_server_answers_no_new_connection() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        server.freeze()
        waiting = asyncio.create_task(_created(server))
        await server.until(lambda: len(server.sessions) == 2)
        assert server.sessions[1].session_id is None
        assert not waiting.done()
        server.thaw()
        assert await waiting == "session.created"


async def _created(server: LocalServer) -> str:
    async with connected(server) as client:
        return str((await client.receive())["type"])


def test_a_frozen_server_can_be_closed() -> None:
    with ServerThread() as server, dial(server, close_timeout=0.1) as ws:
        receive(ws)
        server.freeze()
    assert not server.sessions[0].open


def test_the_port_in_use_is_an_oserror() -> None:
    with (
        ServerThread() as server,
        pytest.raises(OSError, match="in use"),
        ServerThread(port=server.port),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "text"),
    [({"dialect": "x"}, "dialect"), ({"engine": "x"}, "engine 'x'")],
)
def test_wrong_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        LocalServer(**options)


async def test_records_are_bounded() -> None:
    async with (
        LocalServer(event_limit=10) as server,
        session(server) as client,
    ):
        for _ in range(100):
            await client.append(bytes(480))
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        record = server.sessions[0]
        assert record.appends == 100
        assert 10 <= len(record.events) <= 20
        assert record.events[-1].type == "input_audio_buffer.clear"


async def test_many_sessions_at_once_keep_their_words_apart() -> None:
    async def call(number: int) -> str:
        async with session(server) as client:
            ids = [number, number + 1]
            await client.speak(encode_words(ids, 24_000), chunk_ms=20)
            await client.send("input_audio_buffer.commit")
            return str((await client.until(COMPLETED))["transcript"])

    async with LocalServer() as server:
        heard = await asyncio.gather(*map(call, range(20)))
    assert heard == [f"w{n:06d} w{n + 1:06d}" for n in range(20)]


async def test_an_engine_that_breaks_fails_the_item_only() -> None:
    class Broken:
        calls = 0

        def warm_up(self) -> None: ...

        async def transcribe(self, samples: Any, rate: int) -> str:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("broken")
            return f"{len(samples)} at {rate}"

        def stream(self, rate: int) -> Any: ...

        def close(self) -> None: ...

    async with LocalServer(Broken()) as server, session(server) as client:
        for _ in range(2):
            await client.append(bytes(4800))
            await client.send("input_audio_buffer.commit")
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "2400 at 24000"
        assert len([t for t in client.types() if t.endswith("failed")]) == 1

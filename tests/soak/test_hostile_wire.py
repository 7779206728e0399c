"""A peer that talks without an end holds neither the loop nor the stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ten_packages.extension.openai_asr_python.connection.dialer import Dialer
from ten_packages.extension.openai_asr_python.connection.interface import (
    ClientSettings,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    SessionLost,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from test_client_stop import HANG_S, Calling, nothing_left
from websockets.asyncio.server import ServerConnection, serve
from websockets.utils import accept_key

from devkit.guard import hang_guard

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
HEAD = b"HTTP/1.1 503 Busy\r\n"


@asynccontextmanager
async def answering(
    answer: Callable[[Writer], Awaitable[None]],
) -> AsyncIterator[str]:
    """The URL of a server that answers a handshake with anything."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 1000),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"a" * 6000),
        (HEAD + b"\r\n", b"a" * 6000),
        (HEAD, b"X-Header: long and longer and longer\r\n" * 100),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
        (b"HTTP/1.1 103 Early\r\n", b"Link: long and longer\r\n" * 200),
    ],
)
async def test_an_endless_answer_costs_the_connection(head, piece):
    sent: list[int] = []

    async def endless(writer: Writer) -> None:
        sent.append(0)
        writer.write(head)
        # What `websockets` would read of a body in chunks.
        while sent[-1] < 6 << 20:
            writer.write(piece)
            await writer.drain()
            sent[-1] += len(piece)
            # The client reads in between.
            for _ in range(3):
                await asyncio.sleep(0)

    async with nothing_left(), answering(endless) as url:
        call = Calling(url)
        await call.client.start()
        await call.until(lambda: len(sent) > 1)
        await call.stop()
    assert 60_000 < sent[0] < 200_000


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_an_answer_in_pieces_is_the_same_answer(size):
    """With one before it, and a body that looks like another one."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    body = b"HTTP/1.1 100 Continue"
    head = HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode()

    async def in_pieces(writer: Writer) -> None:
        for part in (early, head, body):
            for start in range(0, len(part), size):
                writer.write(part[start : start + size])
                # The client reads in between.
                for _ in range(3):
                    await asyncio.sleep(0)

    async with nothing_left(), answering(in_pieces) as url:
        call = Calling(url)
        told: list[SessionLost] = []

        async def on_error(problem: SessionLost) -> None:
            told.append(problem)

        call.listener.on_asr_client_error = on_error  # type: ignore
        await call.client.start()
        await call.until(lambda: told)
        await call.stop()
    assert told[0].fault.code == "503"


@pytest.mark.parametrize("length", ["10", "1000000"])
async def test_stop_does_not_wait_for_a_body(length):
    headers = HEAD + f"Content-Length: {length}\r\n\r\nHello".encode()
    answered = asyncio.Event()

    async def slow(writer: Writer) -> None:
        writer.write(headers)
        await writer.drain()
        answered.set()

    async with nothing_left(), answering(slow) as url:
        call = Calling(url)
        await call.client.start()
        call.say(1)
        call.finalize("f")
        with hang_guard(HANG_S):
            await answered.wait()
        await call.stop()


@pytest.mark.parametrize(
    ("first", "frame"),
    [
        # PINGs and PONGs, also with something in them.
        (b"", b"\x89\x00"),
        (b"", b"\x8a\x00"),
        (b"", b"\x89\x7d" + bytes(125)),
        # Texts and data, and parts of one text that go on.
        (b"", b"\x81\x00"),
        (b"", b"\x82\x00"),
        (b"", b"\x81\x02{}"),
        (b"\x01\x01 ", b"\x00\x01 "),
    ],
)
async def test_a_flood_of_frames_with_nothing_in_them_costs_the_connection(
    first, frame
):
    connections = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        connection.transport.write(first + frame * 50_000)
        await connection.wait_closed()

    async with nothing_left(), serve(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        call = Calling(f"ws://127.0.0.1:{port}/v1")
        losses: list[str] = []

        async def on_error(problem: Any) -> None:
            losses.append(problem.fault.message)

        call.listener.on_asr_client_error = on_error  # type: ignore
        await call.client.start()
        await call.until(lambda: losses)
        await call.until(lambda: connections > 1)
        await call.stop()
    assert losses[0] == "the server broke the rules of WebSocket"


async def test_a_peer_that_answers_our_pings_breaks_no_rule():
    """However many we send."""
    async with serve(ServerConnection.wait_closed, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = ClientSettings(
            f"ws://127.0.0.1:{port}/v1", SessionSettings(model="m")
        )
        socket = await Dialer().open(settings)
        with hang_guard(HANG_S):
            for _ in range(300):
                await (await socket.ping())
            assert socket.close_code is None
            await socket.close()
        assert socket.close_code == 1000


@pytest.mark.parametrize(
    "piece", [b"\x89\x00" * 50_000, b'\x81\x0d{"type":"\xff\xfe"}']
)
async def test_a_peer_that_broke_the_rules_is_not_read_on(piece):
    """However long it sends, and however late it would be missed."""
    ended = 0

    async def handle(reader: Reader, writer: Writer) -> None:
        nonlocal ended
        request = await reader.readuntil(b"\r\n\r\n")
        key = request.lower().split(b"sec-websocket-key: ")[1].split(b"\r")[0]
        place = request.lower().index(key)
        accept = accept_key(request[place : place + len(key)].decode())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept.encode()
            + b"\r\n\r\n"
        )
        try:
            while True:
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            ended += 1
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with nothing_left(), server:
        port = server.sockets[0].getsockname()[1]
        call = Calling(
            f"ws://127.0.0.1:{port}/v1",
            pong_timeout_ms=600_000,
            session_timeout_ms=600_000,
        )
        await call.client.start()
        await call.until(lambda: ended > 2)
        await call.stop()


async def test_a_flood_of_messages_leaves_the_loop_to_others():
    number = 20_000

    async def flood(connection: ServerConnection) -> None:
        # In as few pieces as the sockets take.
        frame = b'{"type":"session.nothing"}'
        data = bytes([0x81, len(frame)]) + frame
        connection.transport.write(data * number)
        await connection.wait_closed()

    async with nothing_left(), serve(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        call = Calling(f"ws://127.0.0.1:{port}/v1")
        await call.client.start()
        core = call.client.core
        await call.until(lambda: core.sessions.habits.unknown_events)
        turns = 0
        with hang_guard(60):
            while core.sessions.habits.unknown_events < number:
                turns += 1
                await asyncio.sleep(0)
        await call.stop()
    # Three at the most are due to how the sockets cut it.
    assert turns > 8

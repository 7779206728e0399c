"""What TLS hands to the loop, whichever that is, and takes back from it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from ten_packages.extension.openai_asr_python.connection.dialer import Dialer
from ten_packages.extension.openai_asr_python.connection.interface import (
    ClientSettings,
)
from ten_packages.extension.openai_asr_python.connection.tls import (
    Shaken,
    TlsSession,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from websockets.asyncio.server import ServerConnection, serve

RECORDS = [b"one", b"two" * 6000, b"three", b"four"]


def contexts() -> tuple[trustme.CA, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    return authority, server


async def test_a_loop_that_asks_what_is_pending_reads_all_records():
    """As that of uvloop 0.23 does, where `read` need not fail to say so."""
    authority, server = contexts()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = server.wrap_bio(there, back, server_side=True)

    async def receive(size: int) -> bytes:
        with suppress(ssl.SSLWantReadError):
            peer.do_handshake()
        return back.read(size)

    async def send(data: bytes) -> None:
        there.write(data)

    session = TlsSession(client, "127.0.0.1")
    await session.handshake(receive, send)
    peer.do_handshake()
    for record in RECORDS:
        peer.write(record)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    wire = back.read()
    incoming.write(wire[:-1])
    tls = Shaken(session).wrap_bio(incoming, outgoing)
    got = []

    def read() -> None:
        while incoming.pending or tls.pending():
            got.append(tls.read(1000))

    with pytest.raises(ssl.SSLWantReadError):
        read()
    assert b"".join(got) == b"".join(RECORDS[:-1])
    incoming.write(wire[-1:])
    read()
    assert b"".join(got) == b"".join(RECORDS)
    assert not tls.pending()


@asynccontextmanager
async def secure_server(
    folder: Path,
) -> AsyncIterator[ClientSettings]:
    authority, tls = contexts()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    closed = ServerConnection.wait_closed
    async with serve(closed, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        yield ClientSettings(
            f"wss://127.0.0.1:{port}/v1",
            SessionSettings(model="m"),
            ca_file=str(folder / "ca.pem"),
        )


@pytest.mark.parametrize("rounds", range(5))
async def test_an_attempt_that_is_cut_off_leaves_no_socket_behind(
    rounds, tmp_path, monkeypatch
):
    """Whenever that is as the loop takes the socket over: what has its number
    next is not taken for it."""
    loop = asyncio.get_running_loop()
    begin = loop.create_connection
    cut = 0

    async def cut_off(*args: Any, **more: Any) -> Any:
        nonlocal cut
        making = asyncio.ensure_future(begin(*args, **more))
        for _ in range(rounds):
            await asyncio.sleep(0)
        if cut < 3:
            cut += 1
            opening.cancel()
        return await making

    monkeypatch.setattr(loop, "create_connection", cut_off)
    async with secure_server(tmp_path) as settings:
        dialer = Dialer()
        for _ in range(3):
            opening = asyncio.ensure_future(dialer.open(settings))
            await asyncio.wait([opening])
            assert opening.cancelled()
        for _ in range(3):
            opening = asyncio.ensure_future(dialer.open(settings))
            connection = await opening
            await connection.close()
    assert cut == 3

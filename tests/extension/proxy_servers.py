"""Proxies for tests: HTTP (CONNECT) and SOCKS, over real sockets.

Whatever host they are asked for, they lead to one port of this machine.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import trustme

from devkit.server import LocalServer

_HANG_GUARD_S = 10
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def listening(
    serve: Serve,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[int]:
    """A port (a free one for 0) on which connections are served, in a
    thread."""
    ready: concurrent.futures.Future[tuple[int, Callable[[], None]]] = (
        concurrent.futures.Future()
    )

    async def served(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    async def live() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            server = await asyncio.start_server(served, host, port, ssl=tls)
        except OSError as error:
            ready.set_exception(error)
            return
        found = server.sockets[0].getsockname()[1]
        ready.set_result((found, lambda: loop.call_soon_threadsafe(stop.set)))
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    port, stop = ready.result(_HANG_GUARD_S)
    try:
        yield port
    finally:
        stop()
        thread.join(_HANG_GUARD_S)


def port_of(server: LocalServer) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


def identity(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """What a server with a certificate for this name listens with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def forward(port: int, says: bytes = b"") -> Serve:
    """Serves connections by handing them on to a port of this machine; what
    it ``says`` itself comes first."""

    async def serve(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(says)
        far, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, far_writer), _pump(far, writer))

    return serve


class ConnectProxy:
    """An HTTP proxy that knows CONNECT.

    ``answers``: what it says, one connection after the other, the last one
    for all that follow; None for nothing at all.
    """

    def __init__(self, port: int, *answers: bytes | None) -> None:
        self._lead_on = forward(port)
        self._answers = answers or (OK,)
        self.requests: list[str] = []

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        answer = self._answers[: len(self.requests) + 1][-1]
        self.requests.append(request.decode())
        if answer is None:
            await reader.read()
            return
        writer.write(answer)
        if answer == OK:
            await self._lead_on(reader, writer)


class SocksProxy:
    """A SOCKS proxy of versions 4, 4a and 5.

    ``user``: who may use it, as (user, password).  ``code``: what it answers
    to the request, 0 stands for success; ``wild``: bytes that it says instead
    of anything else, None for nothing.  ``asked`` has (version, host, port)
    of the requests, ``users`` who they were by.
    """

    def __init__(
        self,
        port: int,
        user: tuple[str, str] | None = None,
        code: int = 0,
        wild: bytes | None = b"",
    ) -> None:
        self._lead_on = forward(port)
        self._user, self._code, self._wild = user, code, wild
        self.asked: list[tuple[int, str, int]] = []
        self.users: list[tuple[str, str]] = []

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        version = (await reader.readexactly(1))[0]
        if self._wild is None:
            await reader.read()
        elif self._wild:
            writer.write(self._wild)
        elif await (self._socks5 if version == 5 else self._socks4)(
            reader, writer
        ):
            await self._lead_on(reader, writer)

    async def _socks4(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        assert await reader.readexactly(1) == b"\1", "CONNECT"
        port = int.from_bytes(await reader.readexactly(2), "big")
        address = await reader.readexactly(4)
        user = await reader.readuntil(b"\0")
        self.users.append((user[:-1].decode(), ""))
        host = str(ipaddress.IPv4Address(address))
        if address[:3] == bytes(3):
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        self.asked.append((4, host, port))
        writer.write(bytes([0, self._code or 90]) + bytes(6))
        return not self._code

    async def _socks5(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        async def text() -> str:
            size = (await reader.readexactly(1))[0]
            return (await reader.readexactly(size)).decode()

        methods = await reader.readexactly((await reader.readexactly(1))[0])
        method = 0 if self._user is None else 2
        if method not in methods:
            writer.write(b"\5\xff")
            return False
        writer.write(bytes([5, method]))
        if self._user is not None:
            assert await reader.readexactly(1) == b"\1"
            self.users.append((await text(), await text()))
            granted = self.users[-1] == self._user
            writer.write(bytes([1, not granted]))
            if not granted:
                return False
        assert await reader.readexactly(3) == b"\5\1\0", "CONNECT"
        kind = (await reader.readexactly(1))[0]
        if kind == 3:
            host = await text()
        else:
            size = 4 if kind == 1 else 16
            host = str(ipaddress.ip_address(await reader.readexactly(size)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((5, host, port))
        writer.write(bytes([5, self._code, 0, 1]) + bytes(6))
        return not self._code

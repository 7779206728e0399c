"""A way to the service that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from devkit.usage import is_loopback

_PORTS = {"ws": 80, "wss": 443}
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
#: Whatever names a proxy for `wss://`, in lower or upper case.
_PROXIES = ("wss_proxy", "socks_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class Way:
    """How the app reaches the service by a relay: by which `url`, and with
    what added to its environment ("" takes a variable away)."""

    url: str
    environment: Mapping[str, str]


Reach = Callable[
    [str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
]


async def _reach(
    host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(host, port)


class NoRelay(Exception):
    """The connection cannot be cut; the text says why."""


class Relay:
    """Hands connections on to one host and port.

    A service on this machine is reached by the relay's port in place of its
    own, another one by taking the relay for a proxy (CONNECT), so that the
    certificate is checked as ever. Connections to other hosts by the proxy
    are left alone. ``reach`` opens them.
    """

    def __init__(
        self, url: str, environment: Mapping[str, str], reach: Reach = _reach
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._url = parts
        self._host = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._is_proxy = not is_loopback(self._host)
        if self._is_proxy:
            set_names = {name.lower() for name, at in environment.items() if at}
            if parts.scheme != "wss":
                raise NoRelay("the service is reached without TLS")
            if not set_names.isdisjoint(_PROXIES):
                raise NoRelay("the service is reached by a proxy already")
        self._reach = reach
        self._open: set[asyncio.StreamWriter] = set()
        self._away_until = 0.0

    async def __aenter__(self) -> Way:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=8192
        )
        port = self._server.sockets[0].getsockname()[1]
        if self._is_proxy:
            here = f"http://127.0.0.1:{port}"
            return Way(
                self._url.geturl(),
                {"wss_proxy": here, "no_proxy": "", "NO_PROXY": ""},
            )
        # The name stays where it is one: certificates are made out to it.
        host = "localhost" if self._host == "localhost" else "127.0.0.1"
        user, at, _ = self._url.netloc.rpartition("@")
        there = self._url._replace(netloc=f"{user}{at}{host}:{port}")
        return Way(there.geturl(), {})

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut(0)

    @property
    def connections(self) -> int:
        """How many a cut would reset."""
        return len(self._open)

    def cut(self, away_s: float) -> int:
        """Reset every connection, and refuse new ones for so long; returns how
        many there were."""
        loop = asyncio.get_running_loop()
        self._away_until = loop.time() + away_s
        cut = len(self._open)
        for writer in self._open:
            writer.transport.abort()
        return cut

    def _is_away(self) -> bool:
        return asyncio.get_running_loop().time() < self._away_until

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            host, port = self._host, self._port
            if self._is_proxy:
                host, port = await _read_connect(reader)
            is_ours = (host.lower(), port) == (self._host, self._port)
            if is_ours and self._is_away():
                writer.transport.abort()
                return
            far_reader, far = await self._reach(host, port)
            if self._is_proxy:
                writer.write(_CONNECTED)
            if is_ours:
                self._open.add(writer)
            try:
                await _join(reader, writer, far_reader, far)
            finally:
                self._open.discard(writer)
                far.transport.abort()
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass  # the client sees a connection that ends
        except asyncio.LimitOverrunError:
            pass
        finally:
            writer.transport.abort()


async def _read_connect(reader: asyncio.StreamReader) -> tuple[str, int]:
    """Raises ValueError for what is no CONNECT."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.decode("latin-1").split(" ", 2)
    host, _, port = target.rpartition(":")
    if method != "CONNECT":
        raise ValueError(method)
    return host.strip("[]"), int(port)


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far: asyncio.StreamWriter,
) -> None:
    """Until both sides are at their ends, or one of them breaks."""
    ways = [
        asyncio.ensure_future(_pump(reader, far)),
        asyncio.ensure_future(_pump(far_reader, writer)),
    ]
    try:
        await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()

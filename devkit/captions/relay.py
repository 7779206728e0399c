"""A way to the service that can be cut."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from devkit.usage import is_loopback

_PORTS = {"ws": 80, "wss": 443}
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
#: Our app tells the password at once.
_REFUSED = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
)
_USER = "captions"
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
    certificate is checked as ever. It has a password, and leads to the service
    and to ``fallback`` ("": there is none), whose connections no cut resets.
    ``reach`` opens them.
    """

    def __init__(
        self,
        url: str,
        fallback: str,
        environment: Mapping[str, str],
        reach: Reach = _reach,
    ) -> None:
        parts = urlsplit(url)
        self._url = parts
        self._host, self._port = _place(parts)
        self._places = {_place(urlsplit(u)) for u in (url, fallback) if u}
        self._password = secrets.token_urlsafe(24)
        self._is_proxy = not is_loopback(self._host)
        if self._is_proxy:
            set_names = {name.lower() for name, at in environment.items() if at}
            if parts.scheme != "wss":
                raise NoRelay("the service is reached without TLS")
            if not set_names.isdisjoint(_PROXIES):
                raise NoRelay("the service is reached by a proxy already")
        self._reach = reach
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._away_until = 0.0

    async def __aenter__(self) -> Way:
        self._server = await asyncio.start_server(
            self._begin, "127.0.0.1", 0, limit=8192
        )
        port = self._server.sockets[0].getsockname()[1]
        if self._is_proxy:
            here = f"http://{_USER}:{self._password}@127.0.0.1:{port}"
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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

    def _begin(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            host, port = self._host, self._port
            if self._is_proxy:
                wanted = await _read_connect(reader, self._password)
                if wanted not in self._places:
                    writer.write(_REFUSED)
                    await writer.drain()
                    return
                host, port = wanted
            is_ours = (host, port) == (self._host, self._port)
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


def _place(url: SplitResult) -> tuple[str, int]:
    assert url.hostname is not None
    return url.hostname, url.port or _PORTS[url.scheme]


async def _read_connect(
    reader: asyncio.StreamReader, password: str
) -> tuple[str, int] | None:
    """Where to; None for whoever does not know the password. Raises
    ValueError for what is no CONNECT."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    host, _, port = target.rpartition(":")
    if method != "CONNECT":
        raise ValueError(method)
    known = base64.b64encode(f"{_USER}:{password}".encode()).decode()
    given = [
        value.strip()
        for name, _, value in (line.partition(":") for line in lines)
        if name.lower() == "proxy-authorization"
    ]
    if not any(
        secrets.compare_digest(each.encode(), f"Basic {known}".encode())
        for each in given
    ):
        return None
    return host.strip("[]").lower(), int(port)


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

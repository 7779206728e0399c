"""The way to a service by a proxy of the environment."""

from __future__ import annotations

import asyncio
import errno
import functools
import inspect
import io
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, cast

from websockets.asyncio.client import HTTPProxyConnection
from websockets.exceptions import ProxyError
from websockets.proxy import Proxy as KnownProxy
from websockets.proxy import parse_proxy
from websockets.uri import WebSocketURI

from .attempt import Attempt
from .cas import Trust
from .eyeballs import Avoided, addresses_of, first_socket
from .late_import import imported, whole_packages
from .proxies import Proxy
from .threads import in_thread
from .tls import PIECE, TlsSession


class Wire:
    """A socket that leads to the service; and, where the proxy speaks TLS
    itself, the session ``below`` in which all goes to it."""

    def __init__(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        # As asyncio has it: what is sent in pieces need not wait.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.below: TlsSession | None = None
        self.receive = functools.partial(loop.sock_recv, sock)
        self.send = functools.partial(loop.sock_sendall, sock)

    async def secure(self, context: ssl.SSLContext, host: str) -> TlsSession:
        """Speak TLS with ``host``, at the other end."""
        session = TlsSession(context, host, self.below)
        try:
            await session.handshake(self.receive, self.send)
        except ssl.SSLCertVerificationError:
            if isinstance(context, Trust):
                context.in_doubt = True
            raise
        return session


async def by_proxy(
    attempt: Attempt,
    proxy: Proxy,
    target: WebSocketURI,
    context: ssl.SSLContext | None,
    user_agent: str,
    avoided: Avoided,
) -> Wire:
    """Ask a proxy for the way; ``context``: where it speaks TLS itself.

    Raises what `faults` explains.
    """
    known = parse_proxy(proxy.url)
    if proxy.has_socks:
        return Wire(await _by_socks(attempt, known, target, avoided))
    wire = await to_proxy(attempt, proxy, context, avoided)
    try:
        await _ask(wire, HTTPProxyConnection(target, known, user_agent))
    except BaseException:
        wire.sock.close()
        raise
    return wire


async def _by_socks(
    attempt: Attempt, proxy: KnownProxy, target: WebSocketURI, avoided: Avoided
) -> socket.socket:
    """As `websockets` does it, which looks for the package but once, and knows
    of one address."""
    try:
        ask = _socks()
    except ImportError:
        ask = await asyncio.wrap_future(
            in_thread("openai_asr SOCKS", load_socks)
        )
    try:
        host = await _asked_for(proxy, target)
        sock = await _connected(attempt, proxy, avoided)
        try:
            await ask(proxy, host, target.port, sock)
        except BaseException:
            sock.close()
            raise
    except OSError:
        raise
    except Exception as error:
        raise ProxyError("failed to connect to SOCKS proxy") from error
    return sock


class _Given:
    """What `python_socks` takes for a proxy in front of this one: a socket that
    leads to it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_: Any) -> socket.socket:
        return self._sock


async def _asked_for(proxy: KnownProxy, target: WebSocketURI) -> str:
    """The host, or one address of it where the proxy looks up no names."""
    if proxy.scheme in ("socks5h", "socks4a"):
        return target.host
    found = await addresses_of(target.host, target.port, here=False)
    if "4" in proxy.scheme:
        # It knows no others.
        found = [each for each in found if each[0] == socket.AF_INET]
    if not found:
        raise OSError(errno.EADDRNOTAVAIL, "the host has no IPv4 address")
    return str(found[0][4][0])


#: Asks a proxy, which a socket leads to, for the way to a host and a port.
_Ask = Callable[[KnownProxy, str, int, socket.socket], Awaitable[None]]


def load_socks() -> _Ask:
    """In a thread."""
    with whole_packages():
        return imported(_socks)


def _socks() -> _Ask:
    from python_socks import ProxyType
    from python_socks.async_.asyncio import Proxy as SocksProxy

    async def ask(
        proxy: KnownProxy, host: str, port: int, sock: socket.socket
    ) -> None:
        kind = ProxyType.SOCKS5 if "5" in proxy.scheme else ProxyType.SOCKS4
        user = proxy.username, proxy.password
        makes: Callable[..., Any] = functools.partial(
            SocksProxy, kind, proxy.host, proxy.port, *user, True
        )
        where = host, port
        if "forward" in inspect.signature(SocksProxy).parameters:
            await makes(forward=_Given(sock)).connect(*where)
        else:
            # Before version 3.
            await makes().connect(*where, _socket=sock)

    return ask


async def _connected(
    attempt: Attempt, proxy: KnownProxy, avoided: Avoided
) -> socket.socket:
    """A socket that leads to the proxy."""
    found = await addresses_of(proxy.host, proxy.port, here=False)
    sock, attempt.address = await first_socket(found, avoided)
    return sock


async def to_proxy(
    attempt: Attempt,
    proxy: Proxy,
    context: ssl.SSLContext | None,
    avoided: Avoided,
) -> Wire:
    """What leads to one that speaks HTTP; raises the same."""
    known = parse_proxy(proxy.url)
    sock = await _connected(attempt, known, avoided)
    try:
        wire = Wire(sock)
        if context is not None:
            wire.below = await wire.secure(context, known.host)
    except BaseException:
        sock.close()
        raise
    return wire


async def _ask(wire: Wire, asked: HTTPProxyConnection) -> None:
    """Send CONNECT and read the answer, as `websockets` does by a transport."""
    request = io.BytesIO()
    asked.connection_made(cast(Any, request))
    data = request.getvalue()
    if wire.below is not None:
        wire.below.tls.write(data)
        data = wire.below.to_send()
    await wire.send(data)
    while not asked.response.done():
        # What is there already is received at once, and nobody else runs.
        await asyncio.sleep(0)
        data = await wire.receive(PIECE)
        if not data:
            asked.eof_received()
            continue
        if wire.below is not None:
            wire.below.received(data)
            data = wire.below.text()
        asked.data_received(data)
    asked.response.result()

"""The way to a service by a proxy of the environment."""

from __future__ import annotations

import asyncio
import functools
import io
import socket
import ssl
from typing import Any, cast

from websockets.asyncio.client import HTTPProxyConnection, connect_socks_proxy
from websockets.proxy import parse_proxy
from websockets.uri import WebSocketURI

from .cas import Trust
from .eyeballs import addresses_of, first_socket
from .proxies import Proxy
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
    proxy: Proxy,
    target: WebSocketURI,
    context: ssl.SSLContext | None,
    user_agent: str,
) -> Wire:
    """Ask a proxy for the way; ``context``: where it speaks TLS itself.

    Raises what `faults` explains.
    """
    known = parse_proxy(proxy.url)
    if proxy.has_socks:
        return Wire(await connect_socks_proxy(known, target))
    wire = await to_proxy(proxy, context)
    try:
        await _ask(wire, HTTPProxyConnection(target, known, user_agent))
    except BaseException:
        wire.sock.close()
        raise
    return wire


async def to_proxy(proxy: Proxy, context: ssl.SSLContext | None) -> Wire:
    """What leads to one that speaks HTTP; raises the same."""
    known = parse_proxy(proxy.url)
    found = await addresses_of(known.host, known.port, here=False)
    sock, _ = await first_socket(found)
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

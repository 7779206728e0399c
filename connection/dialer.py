"""Opens WebSocket connections to the service."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
import socket
import ssl
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    ProtocolError,
)
from websockets.frames import Frame, Opcode
from websockets.uri import WebSocketURI, parse_uri

from ..service.endpoint import is_loopback_host
from ..service.files import FileRequest
from .attempt import Attempt, DialFailed, Outage, Step
from .cas import Cas
from .eyeballs import Avoided, addresses_of, first_socket
from .interface import ClientSettings, Connection
from .proxies import AS_WEBSOCKET, choose_proxy
from .threads import one_by_one
from .tls import Shaken
from .tunnel import Wire, by_proxy, to_proxy

if TYPE_CHECKING:
    from .http_client import Client

#: A CLOSE that the peer does not answer, or cannot even be sent, in seconds.
CLOSE_S = 1.0
#: No event of the service comes near this size, in bytes.
_MAX_MESSAGE = 1024 * 1024
#: Nor does the answer to a handshake, with the page of a gateway.  What comes
#: in chunks takes `websockets` time that grows with the square of its length.
_MAX_ANSWER = 64 * 1024
#: An answer before the final one: how it begins, and ends.
_INFORMATIONAL = re.compile(rb"HTTP/1\.1 1(?!01)[0-9]{2}[ \r]")
_STATUS_1XX, _STATUS_SIZE, _END = b"HTTP/1.1 1", 13, b"\r\n\r\n"
#: A PING in 20 seconds is usual, and no event is as small as that, in bytes;
#: in a second so many are an attack.  Taking them apart would hold the loop.
_MOST_IDLE, _LEAST_EVENT = 100, 16
_USER_AGENT = "openai_asr_python"

# At DEBUG level websockets logs the request headers, key included; so it gets
# a logger of its own that ends there, whatever the host's logging is set to.
# It is in no registry, so that nobody who sets every logger to DEBUG finds it.
_WEBSOCKETS_LOGGER = logging.Logger("websockets.quiet", logging.CRITICAL)
_WEBSOCKETS_LOGGER.addHandler(logging.NullHandler())


class WebSocket(ClientConnection):
    """One whose peer cannot go on for ever before the handshake is done, nor
    have us answer one PING after the other, or look at frames with nothing
    in them.  ``attempt``: how it came about."""

    lives = True
    _answered = 0
    _broken = False
    _idle = 0
    _idle_since = 0.0

    def __init__(
        self, attempt: Attempt, protocol: ClientProtocol, **options: Any
    ) -> None:
        super().__init__(protocol, **options)
        self.attempt = attempt
        #: Of an answer that need not be the final one; None: that began.
        self._held: bytearray | None = bytearray()
        self._take_frame = protocol.recv_frame
        protocol.recv_frame = self._on_frame  # type: ignore[method-assign]

    def _on_frame(self, frame: Frame) -> None:
        pings = frame.opcode in (Opcode.PING, Opcode.PONG)
        # An honest peer answers as many PINGs as it gets.
        is_pong = frame.opcode is Opcode.PONG
        asked = is_pong and bytes(frame.data) in self.pending_pings
        if (pings or len(frame.data) < _LEAST_EVENT) and not asked:
            now = self.loop.time()
            if now - self._idle_since > 1:
                self._idle_since, self._idle = now, 0
            self._idle += 1
            if self._idle > _MOST_IDLE:
                raise ProtocolError("too many frames with nothing in them")
        self._take_frame(frame)

    async def handshake(self, *headers: Any, **more: Any) -> None:
        try:
            await super().handshake(*headers, **more)
        except (AssertionError, ConnectionClosed) as error:
            # By its own word `websockets` has not begun to close; but a peer
            # that spoke, or left, before the request went out has broken it
            # already. Which of both is raised differs with the loop.
            raise InvalidMessage("no HTTP response was received") from error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.attempt.step = Step.HTTP
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        # A proxy may end it before it has begun, which is told elsewhere.
        if hasattr(self, "transport"):
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self.response is None:
            room = _MAX_ANSWER - self._answered
            self._answered += len(data)
            super().data_received(self._final(data[:room]))
            data = data[room:]
            if self.response is None and data:
                self.transport.abort()
                return
        # Behind a refusal nothing is read any more, which is told so.
        with contextlib.suppress(EOFError):
            super().data_received(data)
        if self.protocol.parser_exc is not None and not self._broken:
            # Else it is read, and what it says thrown away, until the peer
            # ends it.
            self._broken = True
            self.loop.call_later(CLOSE_S, self.transport.abort)

    def _final(self, data: bytes) -> bytes:
        """Without answers of the class 1xx, of which `websockets` takes the
        first one for the final one; they may come before (RFC 9110, 15.2)."""
        if self._held is None:
            return data
        held = self._held
        held += data
        while _INFORMATIONAL.match(held):
            end = held.find(_END)
            if end < 0:
                return b""
            del held[: end + len(_END)]
        if len(held) < _STATUS_SIZE and _STATUS_1XX.startswith(
            held[: len(_STATUS_1XX)]
        ):
            return b""
        self._held = None
        return bytes(held)


class Dialer:
    """Opens connections, and remembers the CAs that it trusts and the
    addresses that it had better not begin with."""

    def __init__(self) -> None:
        self.cas = Cas()
        self._avoided = Avoided()
        #: Of services that are sent files, by their URL.
        self._outages: defaultdict[str, Outage] = defaultdict(Outage)

    async def open(
        self, settings: ClientSettings, *, asks: bool = False
    ) -> Connection:
        """Connect within ``connect_timeout_ms``.

        ``asks``: a service that is sent files says a word first, as any other
        does by itself.  Raises what `faults` explains.
        """
        if settings.files is not None:
            return await self._open_for_files(settings, settings.files, asks)
        attempt, target, tls, proxy_tls = await self._begin(settings)

        async def connected() -> WebSocket:
            found = await self._wire(attempt, target, proxy_tls)
            return await _websocket(
                found, attempt, target, tls, settings.headers
            )

        limit_s = settings.connect_timeout_ms / 1000
        try:
            connection = await asyncio.wait_for(connected(), limit_s)
        except Exception as error:
            self.avoid(attempt)
            raise DialFailed(attempt, error) from error
        self._worked(attempt)
        return connection

    async def _begin(
        self, settings: ClientSettings
    ) -> tuple[
        Attempt, WebSocketURI, ssl.SSLContext | None, ssl.SSLContext | None
    ]:
        """An attempt, where it leads to, and what secures it: with the service
        and with a proxy."""
        scheme, rest = settings.url.split(":", 1)
        target = parse_uri(f"{AS_WEBSOCKET.get(scheme, scheme)}:{rest}")
        here = is_loopback_host(target.host)
        proxy = None if here else choose_proxy(settings.url, os.environ)
        tls = proxy_tls = None
        if target.secure:
            tls = await self.cas.trusted(settings.ca_file)
        if proxy is not None and proxy.has_tls:
            proxy_tls = await self.cas.trusted(settings.ca_file)
        attempt = Attempt(proxy, _place(target.host, target.port))
        return attempt, target, tls, proxy_tls

    async def _wire(
        self,
        attempt: Attempt,
        target: WebSocketURI,
        context: ssl.SSLContext | None,
    ) -> Wire:
        """The way to the service; ``context``: for a proxy that speaks TLS."""
        proxy = attempt.proxy
        if proxy is not None:
            attempt.step = Step.PROXY
            return await by_proxy(
                attempt, proxy, target, context, _USER_AGENT, self._avoided
            )
        attempt.step = Step.LOOK_UP
        here = is_loopback_host(target.host)
        found = await addresses_of(target.host, target.port, here)
        attempt.step = Step.TCP
        sock, attempt.address = await first_socket(found, self._avoided)
        return Wire(sock)

    async def _open_for_files(
        self, settings: ClientSettings, request: FileRequest, asks: bool
    ) -> Connection:
        # Whoever has a WebSocket need not pay for it.
        from .http_connection import open_connection

        attempt, client = await self.client(settings)
        outage = self._outages[settings.url]
        try:
            connection = await open_connection(
                settings,
                request,
                attempt,
                client,
                outage,
                asks,
                lambda: self.avoid(attempt),
            )
        except DialFailed:
            self.avoid(attempt)
            raise
        self._worked(attempt)
        return connection

    async def client(self, settings: ClientSettings) -> tuple[Attempt, Client]:
        """What sends files to a service; nothing is connected yet.

        Raises what `faults` explains.
        """
        from .http_connection import make_client

        attempt, target, tls, proxy_tls = await self._begin(settings)

        async def connect() -> Wire:
            proxy = attempt.proxy
            if proxy is not None and proxy.asks_itself(target.secure):
                attempt.step = Step.PROXY
                return await to_proxy(attempt, proxy, proxy_tls, self._avoided)
            return await self._wire(attempt, target, proxy_tls)

        async def made_client() -> Client:
            if is_loopback_host(target.host):
                await addresses_of(target.host, target.port, True)
            making = one_by_one(
                "openai_asr HTTP",
                lambda: make_client(settings, attempt, tls, connect),
            )
            return await asyncio.wrap_future(making)

        limit_s = settings.connect_timeout_ms / 1000
        try:
            made = await asyncio.wait_for(made_client(), limit_s)
        except Exception as error:
            raise DialFailed(attempt, error) from error
        return attempt, made

    def avoid(self, attempt: Attempt) -> None:
        """No session came of it: begin with another address next time."""
        if attempt.address is not None:
            self._avoided.failed(attempt.address)

    def _worked(self, attempt: Attempt) -> None:
        if attempt.address is not None:
            self._avoided.worked(attempt.address)


async def _websocket(
    wire: Wire,
    attempt: Attempt,
    target: WebSocketURI,
    context: ssl.SSLContext | None,
    headers: Mapping[str, str],
) -> WebSocket:
    """What `websockets.connect` does with a socket, but for redirects: the key
    is for one host only.  ``context``: for TLS with the service."""
    session = wire.below
    if context is not None:
        if attempt.proxy is None:
            attempt.step = Step.TLS
        try:
            session = await wire.secure(context, target.host)
        except BaseException:
            wire.sock.close()
            raise
    protocol = ClientProtocol(
        target, max_size=_MAX_MESSAGE, logger=_WEBSOCKETS_LOGGER
    )
    # The core decides when to ask for a sign of life.  And there are no
    # extensions: base64 of speech does not shrink enough to pay for the CPU.
    connection = WebSocket(
        attempt, protocol, ping_interval=None, close_timeout=CLOSE_S
    )
    beginning = asyncio.ensure_future(
        asyncio.get_running_loop().create_connection(
            lambda: connection,
            sock=wire.sock,
            ssl=Shaken(session) if session else None,
            server_hostname=target.host if session else None,
        )
    )
    try:
        # A step or two of the loop, that must be done: cut off in between, TLS
        # would be ended in good order, and take half a minute to.
        await asyncio.shield(beginning)
    except BaseException:
        drop = functools.partial(_drop, connection, wire.sock)
        beginning.add_done_callback(drop)
        raise
    try:
        await connection.handshake(headers, _USER_AGENT)
    except BaseException:
        connection.transport.abort()
        raise
    connection.start_keepalive()
    return connection


def _drop(
    connection: WebSocket, sock: socket.socket, begun: asyncio.Future[Any]
) -> None:
    """Nobody waits for it any more, or it failed.  What is closed beneath its
    transport would be watched on, with whatever gets its number next."""
    if begun.cancelled() or begun.exception() is not None:
        sock.close()
    else:
        connection.transport.abort()


def _place(host: str, port: int | None) -> str:
    """As a URL has them."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"

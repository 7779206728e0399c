"""One WebSocket in use."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from ..realtime.exchange import Exchange
from ..realtime.faults import NO_CLOSE_FRAME
from ..realtime.link import Link
from .dialer import CLOSE_S
from .trace import WireTrace

#: Why `websockets` ends a connection by itself, by the code of its CLOSE.
_OUR_REASONS = {
    1002: "the server broke the rules of WebSocket",
    1007: "the server sent a text that is none",
    1009: "the server sent a message of more than 1 MB",
}
#: Who reads without a pause lets others have a turn after this, in seconds.
_READS_FOR_S = 0.005


class Wire:
    """Carries messages between a WebSocket and the core's ``link``.

    ``on_input`` is called whenever the core was given something; ``on_output``
    when it has nothing more to send, or wants a PING.  ``spawn`` runs a task,
    and sees to what it raises.  ``number`` is the connection's in the trace.
    """

    def __init__(
        self,
        socket: ClientConnection,
        link: Link,
        number: int,
        exchange: Exchange,
        trace: WireTrace,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_input: Callable[[], None],
        on_output: Callable[[], None],
    ) -> None:
        self.socket = socket
        self.link = link
        self.number = number
        self._exchange = exchange
        self._trace = trace
        self._spawn = spawn
        self._on_input = on_input
        self._on_output = on_output
        self._now = asyncio.get_running_loop().time
        self._woken = asyncio.Event()
        self._hanging_up = False

    async def serve(self) -> tuple[int, str]:
        """Carry messages until the connection ends; its code and reason.

        Raises what the core raises at what it is given.
        """
        writer = self._spawn(self._write())
        try:
            return await self._read()
        finally:
            writer.cancel()

    def wake(self) -> None:
        """The core may have something to send, or want the connection
        closed."""
        if self.link.must_close and not self._hanging_up:
            self._hanging_up = True
            self._spawn(self.hang_up())
        self._woken.set()

    async def hang_up(self) -> None:
        """Close, or break off where the peer does not even read CLOSE: then
        `close` would wait for room to send it in."""
        try:
            await asyncio.wait_for(self.socket.close(), 2 * CLOSE_S)
        except asyncio.TimeoutError:
            self.socket.transport.abort()
        await self.socket.wait_closed()

    async def _read(self) -> tuple[int, str]:
        busy_s = 0.0
        try:
            while True:
                message = await self.socket.recv(decode=False)
                begin = self._now()
                self._trace.message("received", self.number, message)
                self._exchange.receive(self.link, message, begin)
                self._on_input()
                busy_s += self._now() - begin
                if busy_s > _READS_FOR_S:
                    # In a flood `recv` does not wait, and the loop is shared.
                    busy_s = 0.0
                    await asyncio.sleep(0)
        except ConnectionClosed as closed:
            return _code_and_reason(closed)

    async def _write(self) -> None:
        link = self.link
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = self._exchange.next_message(link, self._now())
                if message is None or link.wants_ping:
                    self._on_output()
                if message is not None:
                    self._trace.message("sent", self.number, message)
                    await self.socket.send(message, text=True)
                if link.take_ping():
                    # Here, so that it keeps its place among the audio.
                    pong = await self.socket.ping()
                    self._spawn(self._await_pong(pong))
                elif message is None:
                    await self._woken.wait()
                    self._woken.clear()

    async def _await_pong(self, pong: Awaitable[float]) -> None:
        with contextlib.suppress(ConnectionClosed):
            await pong
            self._exchange.pong(self.link, self._now())
            self._on_input()


def _code_and_reason(closed: ConnectionClosed) -> tuple[int, str]:
    """How a connection ended; only the peer's own code counts."""
    if closed.rcvd is not None:
        return closed.rcvd.code, closed.rcvd.reason
    if closed.sent is not None and closed.sent.code in _OUR_REASONS:
        return NO_CLOSE_FRAME, _OUR_REASONS[closed.sent.code]
    cause = closed.__cause__
    text = "the connection broke off"
    return NO_CLOSE_FRAME, f"{text}: {cause}" if cause else text

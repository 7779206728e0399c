"""One port for both: the first bytes tell a WebSocket from other requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection

# A WebSocket begins with GET; nothing else of ours does.
_GET = b"GET "


class Door(ServerConnection):
    """A connection that becomes a WebSocket's if it begins with GET.

    ``hand_over`` gets every other one, with the bytes that have come.
    ``waiting``: those of whom there is no word yet; they are in and out by
    themselves.
    """

    def __init__(
        self,
        *arguments: Any,
        hand_over: Callable[[asyncio.Transport, bytes], None],
        waiting: set[asyncio.Transport],
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._hand_over = hand_over
        self._waiting = waiting
        self._visitor: asyncio.Transport | None = None
        self._first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._visitor = transport
        self._waiting.add(transport)

    def data_received(self, data: bytes) -> None:
        visitor = self._visitor
        if visitor is None:
            super().data_received(data)
            return
        self._first += data
        if len(self._first) < len(_GET) and _GET.startswith(self._first):
            return
        self._leave(visitor)
        if self._first.startswith(_GET):
            super().connection_made(visitor)
            super().data_received(self._first)
        else:
            self._hand_over(visitor, self._first)

    def eof_received(self) -> None:
        # Returning nothing closes the transport.
        if self._visitor is None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._visitor is None:
            super().connection_lost(exc)
        else:
            self._leave(self._visitor)

    def _leave(self, visitor: asyncio.Transport) -> None:
        self._waiting.discard(visitor)
        self._visitor = None

"""TLS whose handshake is computed in a thread.

Before a server's certificates are read nobody knows who it is, and whoever
sends them can make them dear: 100 KB of keys on curves of his own take OpenSSL
(3.0) half a minute.  asyncio would spend it in the event loop, which all of the
process shares.  So it is given a session whose handshake is done.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

from .threads import one_by_one

#: So much of what came is looked at in one piece, in bytes.
PIECE = 64 * 1024
_RECORD = 16 * 1024
#: Of a record of 16 KB at most some 22 bytes are no text; others are for TLS
#: itself (new keys, tickets).  So many bytes a second that are no text are an
#: attack: looking at them would hold the loop.
_MOST_EMPTY = 128 * 1024

Receive = Callable[[int], Awaitable[bytes]]
Send = Callable[[bytes], Awaitable[Any]]


class TlsSession:
    """The client's end of a session with ``host``.

    ``below``: the session with a proxy through which it goes.  ``over``: the
    other end has said that nothing more will come.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        host: str,
        below: TlsSession | None = None,
    ) -> None:
        self.over = False
        self._host = host
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host
        )
        #: Bytes that were no text, within a second that began ``since``.
        self._empty = 0
        self._since = 0.0

    async def handshake(self, receive: Receive, send: Send) -> None:
        """Do it; ``receive`` and ``send`` are those of the wire.

        Raises ``ssl.SSLError``, and ``ConnectionResetError`` where it ends.
        """
        while not await self._step():
            await send(self.to_send())
            data = await receive(PIECE)
            if not data:
                raise ConnectionResetError
            self.received(data)
        await send(self.to_send())
        self._empty = 0

    async def _step(self) -> bool:
        """Go on with what has come; is it done?"""

        def compute() -> bool:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                return False
            return True

        # Whoever keeps one processor busy does not get another.
        computed = one_by_one(f"openai_asr TLS {self._host}", compute)
        return await asyncio.wrap_future(computed)

    def received(self, data: bytes) -> None:
        """Take in what came over the wire."""
        if self._below is not None:
            self._below.received(data)
            data = self._below.text()
            self.over = self._below.over
        now = time.monotonic()
        if now - self._since > 1:
            self._since, self._empty = now, 0
        self._empty += len(data)
        self._incoming.write(data)
        if self.over:
            self.ended()

    def ended(self) -> None:
        """Nothing more will come."""
        self._incoming.write_eof()

    @property
    def pending(self) -> int:
        """How many bytes there are of what came, read by TLS or not."""
        return self.tls.pending() + self._incoming.pending

    def text(self) -> bytes:
        """What came inside of it until now."""
        found = []
        try:
            while data := self.read(PIECE):
                found.append(data)
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.over = True
        return b"".join(found)

    def read(self, *size: Any) -> Any:
        """As that of ``ssl.SSLObject``; raises ``ssl.SSLError``, too, where
        there is too little in what came."""
        try:
            text: Any = self.tls.read(*size)
        except ssl.SSLWantReadError:
            if self._empty <= _MOST_EMPTY:
                raise
        else:
            length = text if isinstance(text, int) else len(text)
            self._empty = max(self._empty - length, 0)
            return text
        raise ssl.SSLError(
            ssl.SSL_ERROR_SSL, "too many records with little in them"
        )

    def to_send(self) -> bytes:
        """What is to go over the wire."""
        data = self._outgoing.read()
        if self._below is not None:
            if data:
                self._below.tls.write(data)
            data = self._below.to_send()
        return data


class Shaken(ssl.SSLContext):
    """What gives asyncio a session whose handshake is done."""

    def __new__(cls, session: TlsSession) -> Shaken:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, session: TlsSession) -> None:
        self._session = session

    def wrap_bio(  # type: ignore[override]
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *_: Any,
        **__: Any,
    ) -> _Pumped:
        return _Pumped(self._session, incoming, outgoing)


class _Pumped:
    """A session as ``ssl.SSLObject``, between the buffers of its user."""

    def __init__(
        self,
        session: TlsSession,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        self._session = session
        self._tls = session.tls
        self._incoming, self._outgoing = incoming, outgoing
        self._ended = False

    def do_handshake(self) -> None:
        """It is done."""

    def read(self, *size: Any) -> Any:
        return self._with_input(self._session.read, *size)

    def write(self, data: bytes) -> int:
        written = self._tls.write(data)
        self._hand_out()
        return written

    def pending(self) -> int:
        """More than that of ``ssl.SSLObject``, which knows nothing of what
        waits in the session: whoever asks reads on while there is some."""
        return self._session.pending

    def unwrap(self) -> None:
        self._with_input(self._tls.unwrap)

    def _with_input(self, method: Callable[..., Any], *args: Any) -> Any:
        try:
            while True:
                try:
                    return method(*args)
                except ssl.SSLWantReadError:
                    if not (self._incoming.pending or self._is_over):
                        raise
                self._take_in()
        finally:
            self._hand_out()

    @property
    def _is_over(self) -> bool:
        """Has it just been told that nothing more will come?"""
        return self._incoming.eof and not self._ended

    def _take_in(self) -> None:
        """Some of what came."""
        if self._is_over:
            self._ended = True
            self._session.ended()
        else:
            self._session.received(self._incoming.read(_RECORD))

    def _hand_out(self) -> None:
        self._outgoing.write(self._session.to_send())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tls, name)

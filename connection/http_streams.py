"""What `httpx2` reads an answer from, kept from holding the event loop.

The parser below it (h11) tries each run of blanks in a line that is not well
formed from each of its places on: 20,000 take a second, and as many seconds
more as they are more, squared.  Lines with nothing but blanks, which go on with
the line before, make such a run as well.  No answer needs them, so they are
looked for before it gets them.  And TLS is not begun by anyio: see `tls`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any

import httpx2

from .tls import Shaken, TlsSession

#: So many spaces, tabs and ends of lines in a row are no indentation any more,
#: and fewer cost nothing.
_MOST = 1024
_BLANK = b" \t\r\n"
_BLANKS = re.compile(b"[" + _BLANK + b"]+")


class Padded(Exception):
    """An answer with blanks without an end."""


def guard(transport: httpx2.AsyncHTTPTransport) -> None:
    """Let what a transport reads raise `Padded`, and handshakes be computed in
    a thread.  `httpx2` (2.16) hands no backend on to the pool of its
    connections, so it is changed there."""
    pool: Any = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if backend is not None:
        pool._network_backend = _Backend(backend)


class _Backend:
    """Opens connections that are looked at."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def connect_tcp(self, *place: Any, **options: Any) -> _Stream:
        return _Stream(await self._inner.connect_tcp(*place, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Stream:
    """One connection, in TLS or not."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._last = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = await self._inner.read(max_bytes, timeout)
        self._look_at(data)
        return data

    def _look_at(self, data: bytes) -> None:
        # Each run is taken whole: a search for so many would begin anew at
        # each of its places.
        for run in _BLANKS.finditer(data):
            length = run.end() - run.start()
            # It may have begun with what came before.
            length += 0 if run.start() else self._last
            if length > _MOST:
                raise Padded
        kept = len(data.rstrip(_BLANK))
        self._last = len(data) - kept + (0 if kept else self._last)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _Stream:
        session = TlsSession(ssl_context, server_hostname or "")
        shaking = session.handshake(self._inner.read, self._inner.write)
        try:
            await asyncio.wait_for(shaking, timeout)
        except BaseException as error:
            await self._inner.aclose()
            if isinstance(error, asyncio.TimeoutError):
                raise httpx2.ConnectTimeout("TLS takes too long") from error
            if isinstance(error, Exception):
                raise httpx2.ConnectError("TLS failed") from error
            raise
        return _Stream(
            await self._inner.start_tls(
                Shaken(session), server_hostname, timeout
            )
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

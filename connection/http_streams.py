"""What requests over HTTP are written to, and answers are read from.

The packages above would look names up, connect and do TLS in ways of their own;
here that is done as for a WebSocket: see `eyeballs` and `tls`.

The parser above (h11) tries each run of blanks in a line that is not well
formed from each of its places on: 20,000 take a second, and as many seconds
more as they are more, squared.  Lines with nothing but blanks, which go on with
the line before, make such a run as well.  No answer needs them, so they are
looked for before it gets them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import httpcore2

from .attempt import Step
from .tls import PIECE, TlsSession
from .tunnel import Wire

#: So many spaces, tabs and ends of lines in a row are no indentation any more,
#: and fewer cost nothing.
_MOST = 1024
_BLANK = b" \t\r\n"
_BLANKS = re.compile(b"[" + _BLANK + b"]+")

#: What is raised where it takes too long, and where it fails.
_Errors = tuple[type[Exception], type[Exception]]
_CONNECT: _Errors = httpcore2.ConnectTimeout, httpcore2.ConnectError
_READ: _Errors = httpcore2.ReadTimeout, httpcore2.ReadError
_WRITE: _Errors = httpcore2.WriteTimeout, httpcore2.WriteError

OnStep = Callable[[Step], None]

_T = TypeVar("_T")


class Padded(Exception):
    """An answer with blanks without an end."""


class Backend(httpcore2.AsyncNetworkBackend):
    """Opens connections; ``connect``: to the service, whatever the way.

    ``on_step`` learns how far one is.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Wire]],
        on_step: OnStep = lambda _: None,
    ) -> None:
        self._connect = connect
        self._on_step = on_step

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        *_: Any,
        **__: Any,
    ) -> Stream:
        loop = asyncio.get_running_loop()
        connect_by = None if timeout is None else loop.time() + timeout
        connecting = asyncio.ensure_future(self._connect())
        wire = await _within(timeout, connecting, _CONNECT)
        self._on_step(Step.HTTP)
        return Stream(wire, wire.below, self._on_step, connect_by)


class Stream(httpcore2.AsyncNetworkStream):
    """One connection, in TLS or not.

    ``connect_by``: when TLS with the service is to be there, by the loop's
    clock.  ``heard``: has anything come since something was sent?
    """

    def __init__(
        self,
        wire: Wire,
        session: TlsSession | None,
        on_step: OnStep,
        connect_by: float | None = None,
    ) -> None:
        self.heard = False
        self._on_step = on_step
        self._connect_by = connect_by
        self._wire = wire
        self._session = session
        self._blanks = 0
        self._work: asyncio.Future[Any] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # All that is there, whatever the most is: what is left in TLS would
        # seem to come later.
        data = await self._do(timeout, self._receive(), _READ)
        self._look_at(data)
        self.heard = self.heard or bool(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.heard = False
        if self._session is not None:
            self._session.tls.write(buffer)
            buffer = self._session.to_send()
        await self._do(timeout, self._wire.send(buffer), _WRITE)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        if self._connect_by is not None:
            left = self._connect_by - asyncio.get_running_loop().time()
            timeout = max(left, 0)
        self._on_step(Step.TLS)
        shaking = self._wire.secure(ssl_context, server_hostname or "")
        try:
            session = await self._do(timeout, shaking, _CONNECT)
        except BaseException:
            await self.aclose()
            raise
        self._on_step(Step.HTTP)
        return Stream(self._wire, session, self._on_step)

    async def aclose(self) -> None:
        if self._work is not None:
            # The loop must have let go of the socket.
            self._work.cancel()
            await asyncio.wait([self._work])
        self._wire.sock.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._session and self._session.tls
        return self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        """Has anything come, or has it ended?"""
        try:
            self._wire.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    async def _do(
        self,
        timeout: float | None,
        work: Coroutine[Any, Any, _T],
        errors: _Errors,
    ) -> _T:
        self._work = asyncio.ensure_future(work)
        return await _within(timeout, self._work, errors)

    async def _receive(self) -> bytes:
        # What is there already is received at once, and nobody else runs.
        await asyncio.sleep(0)
        session = self._session
        if session is None:
            return await self._wire.receive(PIECE)
        while not (text := session.text()) and not session.over:
            data = await self._wire.receive(PIECE)
            if not data:
                break
            session.received(data)
        return text

    def _look_at(self, data: bytes) -> None:
        # Each run is taken whole: a search for so many would begin anew at
        # each of its places.
        for run in _BLANKS.finditer(data):
            length = run.end() - run.start()
            # It may have begun with what came before.
            length += 0 if run.start() else self._blanks
            if length > _MOST:
                raise Padded
        kept = len(data.rstrip(_BLANK))
        self._blanks = len(data) - kept + (0 if kept else self._blanks)


async def _within(
    timeout: float | None, work: asyncio.Future[_T], errors: _Errors
) -> _T:
    late, broken = errors
    work.add_done_callback(_looked_at)
    try:
        await asyncio.wait([work], timeout=timeout)
        if not work.done():
            raise late
        return work.result()
    except OSError as error:
        raise broken from error
    finally:
        work.cancel()


def _looked_at(work: asyncio.Future[Any]) -> None:
    """Nobody may be there any more to learn what became of it."""
    with contextlib.suppress(asyncio.CancelledError):
        work.exception()

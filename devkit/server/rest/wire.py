"""HTTP/1.1 on one connection: h11 knows the protocol, this reads and writes.

Whoever is slow, sends too much or leaves costs a bounded time and memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import h11

from ..errors import ApiError
from ..outbox import reset_connection

T = TypeVar("T")
Headers = dict[str, str]

_READ_BYTES = 64 * 1024
# What a client may send ahead of the answer to its request.
_AHEAD_BYTES = 64 * 1024
# How long a client that is refused may go on sending before it is cut off: it
# would not see the answer otherwise.
_LINGER_S = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes, counts. ``body_bytes`` is the service's limit."""

    head_s: float = 10  # request line and headers
    idle_s: float = 60  # between two requests
    pause_s: float = 15  # without a byte of a body
    body_s: float = 120  # a whole body
    write_s: float = 30  # an answer that is not read
    body_bytes: int = 25 * 1024 * 1024
    connections: int = 256
    at_work: int = 4  # requests read and transcribed at the same time


@dataclass
class HttpError(Exception):
    """An answer with an ``error`` object."""

    status: int
    error: ApiError
    headers: Headers = field(default_factory=dict)


class Gone(Exception):
    """The client has left, or is cut off."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Request line and headers; header names in lower case."""

    method: str
    target: str
    headers: Headers


class Exchange:
    """One HTTP connection: requests in, answers out, one after the other."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: Limits,
        *,
        crowded: bool = False,
    ) -> None:
        self.crowded = crowded  # it is one too many
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._http = h11.Connection(h11.SERVER)
        # Who waits for a write waits until all of it has left.
        writer.transport.set_write_buffer_limits(high=0)
        self._head_only = False
        self.status: int | None = None  # of the latest answer
        self.request_id = ""  # of the latest request

    async def serve(
        self, answer: Callable[[HttpRequest, Exchange], Awaitable[None]]
    ) -> None:
        """Until the connection has ended. ``answer`` may raise HttpError."""
        try:
            wait_s = self._limits.head_s
            while True:
                await self._one(answer, wait_s)
                if self._http.our_state is not h11.DONE:
                    break
                if self._http.their_state is not h11.DONE:
                    break
                self._http.start_next_cycle()
                wait_s = self._limits.idle_s
            await self._linger()
        except (Gone, OSError):
            pass
        finally:
            self.abort()

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body as it comes. Raises HttpError 408 and 413."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.body_s
        if self._http.they_are_waiting_for_100_continue:
            await self._send(
                h11.InformationalResponse(
                    status_code=100, headers=[], reason=b"Continue"
                )
            )
        size = 0
        while True:
            wait_s = min(self._limits.pause_s, deadline - loop.time())
            event = await self._event(wait_s)
            if isinstance(event, h11.EndOfMessage):
                return
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._limits.body_bytes:
                    raise self.too_large(size)
                yield bytes(event.data)

    def too_large(self, size: int) -> HttpError:
        return HttpError(
            413,
            ApiError(
                f"413: Maximum content size limit ({self._limits.body_bytes}) "
                f"exceeded ({size} bytes read)",
                type="server_error",
            ),
        )

    async def while_here(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns; it is cancelled, and Gone raised, if the
        client leaves before. Only after the request's body."""
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._until_gone())
        try:
            await asyncio.wait(
                {task, gone}, return_when=asyncio.FIRST_COMPLETED
            )
            if not task.done():
                raise Gone
            return task.result()
        finally:
            for one in (task, gone):
                one.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def until_gone(self) -> None:
        """Wait for the client to leave, then raise Gone."""
        await self._until_gone()
        raise Gone

    async def respond(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Headers | None = None,
    ) -> None:
        length = {"content-length": str(len(body)), **(headers or {})}
        await self.begin(status, content_type, length)
        if not self._head_only:
            await self._send(h11.Data(data=body))
        await self.end()

    async def begin(
        self, status: int, content_type: str, headers: Headers | None = None
    ) -> None:
        """Begin an answer; without a content-length `write` gives pieces."""
        shown = {
            "content-type": content_type,
            "x-request-id": self.request_id,
            **(headers or {}),
        }
        if self._http.their_state is h11.SEND_BODY:
            self._skip()
        if self._http.their_state is not h11.DONE:
            shown["connection"] = "close"  # the rest is not read
        self.status = status
        await self._send(
            h11.Response(
                status_code=status,
                headers=list(shown.items()),
                reason=http.HTTPStatus(status).phrase.encode(),
            )
        )

    async def write(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def refuse(self, refusal: HttpError) -> None:
        """An answer with the error, if none has begun."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise Gone
        await self.respond(
            refusal.status,
            refusal.error.http_body(),
            headers=refusal.headers,
        )

    def reset(self) -> None:
        """Drop the TCP connection now, with RST."""
        reset_connection(self._writer)

    def abort(self) -> None:
        """Drop the TCP connection now; `serve` returns soon."""
        self._writer.transport.abort()

    # --- inside ---------------------------------------------------------------

    async def _one(
        self,
        answer: Callable[[HttpRequest, Exchange], Awaitable[None]],
        wait_s: float,
    ) -> None:
        self.request_id = f"req_{uuid4().hex}"
        try:
            event = await self._event(wait_s)
            if not isinstance(event, h11.Request):
                raise Gone  # closed between requests
            request = HttpRequest(
                event.method.decode("latin-1"),
                event.target.decode("latin-1"),
                {
                    name.decode("latin-1"): value.decode("latin-1")
                    for name, value in event.headers
                },
            )
            self._head_only = request.method == "HEAD"
            await answer(request, self)
            if self._http.our_state is h11.SEND_BODY:
                raise Gone  # an answer that was left unfinished
        except HttpError as error:
            await self.refuse(error)

    def _skip(self) -> None:
        """Pass over what has come of a body that nobody asked for."""
        with contextlib.suppress(h11.RemoteProtocolError):
            while isinstance(self._http.next_event(), h11.Data):
                pass

    async def _event(self, wait_s: float) -> Any:
        """The next event of h11; HttpError 400, 408 or 431 instead."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                status = error.error_status_hint
                # h11 has 501 for encodings other than chunked.
                raise HttpError(
                    status,
                    ApiError(f"Malformed HTTP request: {error}."),
                ) from None
            if event is not h11.NEED_DATA:
                return event
            try:
                data = await asyncio.wait_for(
                    self._reader.read(_READ_BYTES), deadline - loop.time()
                )
            except asyncio.TimeoutError:
                if self._idle:
                    raise Gone from None
                raise HttpError(
                    408, ApiError("The request was not sent in time.")
                ) from None
            self._http.receive_data(data)

    @property
    def _idle(self) -> bool:
        """Nothing of a request has come."""
        waiting = self._http.their_state is h11.IDLE
        return waiting and not self._http.trailing_data[0]

    async def _until_gone(self) -> None:
        ahead = 0
        while ahead < _AHEAD_BYTES:
            data = await self._reader.read(_READ_BYTES)
            self._http.receive_data(data)
            if not data:
                return
            ahead += len(data)
        # It sends and does not wait: not read on, it cannot be seen to leave.
        await asyncio.get_running_loop().create_future()

    async def _send(self, event: Any) -> None:
        data = self._http.send(event)
        if not data:
            return
        self._writer.write(data)
        try:
            await asyncio.wait_for(self._writer.drain(), self._limits.write_s)
        except asyncio.TimeoutError:
            raise Gone from None

    async def _linger(self) -> None:
        """Let the client read the answer before the connection goes: what it
        still sends would make the system drop both."""
        if self._writer.can_write_eof():
            self._writer.write_eof()

        async def drained() -> None:
            while await self._reader.read(_READ_BYTES):
                pass

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(drained(), _LINGER_S)

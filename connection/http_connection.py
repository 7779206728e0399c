"""A connection where there is none: each turn is a request over HTTP.

To the driver it is one more `Connection`.  The rules are those of
`file_session`; here are tasks and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal

from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from ..realtime.errors import NO_ANSWER, ErrorInfo
from ..realtime.faults import (
    BAD_GATEWAY,
    TRY_LATER,
    Fault,
    fault_of_http,
    rule_for_number,
)
from ..service.files import FileRequest
from .attempt import Attempt, DialFailed, FaultKnown, Outage, Step
from .file_answers import FileAnswer
from .file_session import FileSession, Upload
from .interface import ClientSettings
from .late_import import imported, whole_packages
from .tunnel import load_socks

if TYPE_CHECKING:
    from .http_client import Client
    from .http_streams import Backend
    from .tunnel import Wire

#: Requests at a time.
_AT_ONCE = 4
#: What follows the last word is waited for so long, in seconds, and up to so
#: many bytes: only a connection whose answer was read to its end can have the
#: next request.
_REST_S, _MOST_REST = 0.25, 16_384
#: The core waits a little longer for a turn.
_PATIENCE = 0.9
#: Whatever is in a request, these answer who sends it, and where to.
_UNKNOWN = 401, 403, 404
_MISSING = (
    'transport "http" needs the package "openai", version 3.57 or newer: pip'
    ' install "openai>=3.57,<4"'
)


@whole_packages()
def make_client(
    settings: ClientSettings,
    attempt: Attempt,
    tls: ssl.SSLContext | None,
    connect: Callable[[], Awaitable[Wire]],
) -> Client:
    """To be called in a thread: the first one takes a second.

    ``connect``: leads to the service, or to a proxy that asks it.  Raises
    `FaultKnown`.
    """
    try:
        client, backend = imported(_load)
    except ImportError:
        raise FaultKnown(Fault("fatal", "openai", _MISSING)) from None
    proxy = attempt.proxy
    if proxy is not None and proxy.has_socks:
        try:
            # It is needed with the first turn.
            load_socks()
        except ImportError as error:
            raise _known(error, attempt) from error

    def on_step(step: Step) -> None:
        if proxy is None or step is Step.HTTP:
            attempt.step = step

    return client(settings, proxy, tls, backend(connect, on_step))


def _load() -> tuple[type[Client], type[Backend]]:
    # What tells a failure, too: then there may be no file left to read it from.
    from . import http_faults  # noqa: F401
    from .http_client import Client
    from .http_streams import Backend

    return Client, Backend


async def open_connection(
    settings: ClientSettings,
    request: FileRequest,
    attempt: Attempt,
    client: Client,
    outage: Outage,
    asks: bool,
    avoid: Callable[[], None],
) -> HttpConnection:
    """Get ready to send files, within ``connect_timeout_ms``.

    Nothing is sent before there is audio, unless the service was last without
    an answer: then it is asked first, so that an outage costs no audio.
    ``asks``: so it is in any case, and may refuse whom it does not know.
    ``avoid`` is called where no answer came from the address that is used.
    Raises `DialFailed`.
    """
    lives = asks or outage.lasts
    try:
        if lives:
            limit_s = settings.connect_timeout_ms / 1000
            await asyncio.wait_for(_ask(client, attempt, asks), limit_s)
            outage.lasts = False
    except BaseException as error:
        await client.close()
        if isinstance(error, Exception):
            raise DialFailed(attempt, error) from error
        raise
    return HttpConnection(
        client, request, settings, attempt, outage, lives, avoid
    )


async def _ask(client: Client, attempt: Attempt, heeds: bool) -> None:
    """Is there a service by now, whatever it says?

    A file is not sent, but asked for in the same way: what is between us and
    the service may lead only that to it, and answer all else by itself.
    ``heeds``: a refusal of the key or the address counts.
    """
    try:
        status, body, retry_after = await client.ask("POST")
    except Exception as error:
        raise _known(error, attempt) from error
    rule = rule_for_number("file", status)
    fault = fault_of_http(status, body, retry_after, time.time())
    if heeds and status in _UNKNOWN:
        raise FaultKnown(fault)
    if fault.verdict == "retry" and (
        fault.retry_after or (rule is not None and rule.verdict == "retry")
    ):
        raise FaultKnown(fault)


def _known(error: Exception, attempt: Attempt) -> FaultKnown:
    from .http_faults import fault_of_network

    return FaultKnown(fault_of_network(error, attempt.proxy))


class HttpConnection:
    """What `Connection` says; its messages are made in here."""

    def __init__(
        self,
        client: Client,
        request: FileRequest,
        settings: ClientSettings,
        attempt: Attempt,
        outage: Outage,
        lives: bool,
        avoid: Callable[[], None],
    ) -> None:
        self.attempt = attempt
        self.lives = lives
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._client = client
        self._session = FileSession(request)
        self._outage = outage
        self._avoid = avoid
        self._limit_s = settings.limits.answer_s(True) * _PATIENCE
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._end: Exception | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def transport(self) -> HttpConnection:
        return self

    # -- messages -----------------------------------------------------------

    async def recv(self, *, decode: Literal[False]) -> bytes:
        """The next event."""
        events = self._session.events
        while not events:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return events.popleft()

    async def send(self, message: bytes, *, text: Literal[True]) -> None:
        """Take an event of the core."""
        if self._end is not None:
            raise self._end
        self._session.receive(message)
        while self._session.uploads:
            self._spawn(self._upload(self._session.uploads.popleft()))
        self._news.set()

    async def ping(self) -> asyncio.Future[float]:
        """All that was sent has been taken."""
        pong: asyncio.Future[float] = asyncio.Future()
        pong.set_result(0.0)
        return pong

    # -- requests -----------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and self._end is None:
            # A fault of ours: `recv` tells it.
            self._finish(error)

    async def _upload(self, upload: Upload) -> None:
        """Send one turn, and tell what comes of it."""
        session = self._session
        async with self._room:
            try:
                await asyncio.wait_for(self._transcribe(upload), self._limit_s)
            except Exception as error:
                self._on_failure(upload, error)
        session.forget(upload)
        self._news.set()

    async def _transcribe(self, upload: Upload) -> None:
        file = upload.take_file()
        async with self._client.send(upload.fields, file) as (kind, body):
            self.lives = True
            answer = FileAnswer(kind, upload.begin_ms, upload.length_ms)
            async for data in body:
                self._session.answer(upload, answer.feed(data))
                self._news.set()
                if answer.over:
                    break
            self._session.answer(upload, answer.end())
            self._news.set()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(_read(body), _REST_S)

    def _on_failure(self, upload: Upload, error: Exception) -> None:
        from .http_faults import fault_of_network, refusal_of

        refusal = refusal_of(error)
        if refusal is None or refusal.error.code == NO_ANSWER:
            self._avoid()
            if self.attempt.step is not Step.HTTP:
                # The time ran out before anything was sent.
                refusal = None
        if refusal is None:
            fault = fault_of_network(error, self.attempt.proxy)
            self._outage.lasts = True
            why = ConnectionError(fault.message)
            self._break_off(1006, fault.message, why)
        elif refusal.close_code is None:
            self._session.fail(upload, refusal.error)
        else:
            self._outage.lasts = refusal.close_code in (TRY_LATER, BAD_GATEWAY)
            self._refuse(refusal.error, refusal.close_code)

    def _refuse(self, error: ErrorInfo, code: int) -> None:
        self._session.refuse(error)
        self._break_off(code, "", None)

    # -- the end ------------------------------------------------------------

    def _break_off(
        self, code: int, reason: str, cause: Exception | None
    ) -> None:
        """As if the service had ended a connection."""
        if self._end is not None:
            return
        self.close_code, self.close_reason = code, reason
        told = None if cause else Close(code, reason)
        end = ConnectionClosedError(told, None)
        end.__cause__ = cause
        self._finish(end)

    def _finish(self, end: Exception) -> None:
        self._end = end
        self._news.set()
        running = asyncio.current_task()
        for task in self._tasks - {running}:
            task.cancel()
        self._closing = asyncio.create_task(self._client.close())
        _CLOSING.add(self._closing)
        self._closing.add_done_callback(_closed)

    async def close(self) -> None:
        """No answer is waited for any more."""
        self.abort()
        await self.wait_closed()

    def abort(self) -> None:
        """The same, at once."""
        if self._end is None:
            self.close_code, self.close_reason = 1000, ""
            close = Close(1000, "")
            self._finish(ConnectionClosedOK(close, close, True))

    async def wait_closed(self) -> None:
        """Until its requests have ended, and its sockets are closed."""
        if self._closing is not None:
            ends = [*self._tasks, self._closing]
            await asyncio.wait(ends)


async def _read(body: AsyncIterator[bytes]) -> None:
    left = _MOST_REST
    async for data in body:
        left -= len(data)
        if left < 0:
            return


#: The loop keeps none alive.
_CLOSING: set[asyncio.Task[None]] = set()


def _closed(task: asyncio.Task[None]) -> None:
    _CLOSING.discard(task)
    if not task.cancelled():
        # Whatever: nothing is left to be done about it.
        task.exception()

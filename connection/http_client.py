"""The ``openai`` package's client, kept to what this extension allows.

It is imported where it is used, in a thread: that takes a second, and more
memory than all the rest.  What it adds by itself (headers of its own, retries,
redirects, proxies and keys of the environment, lines in logs) it does not add
here: a request has the URL and the headers of the configuration and no others.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2
from openai import AsyncOpenAI
from websockets.datastructures import Headers
from websockets.exceptions import InvalidProxyStatus
from websockets.headers import build_authorization_basic
from websockets.http11 import Response

from ..service.endpoint import FILES
from ..service.files import OF_FILES
from .faults import longest_wait
from .http_streams import Backend, Stream
from .interface import ClientSettings
from .proxies import Proxy
from .tunnel import Wire

#: Servers close a connection that is idle for 5 s and more; a request that
#: crosses that on its way would be lost.
_KEEP_S = 4.0
#: Pieces of a body may be smaller than so many bytes on the average, but not
#: more than so many of them.
_LEAST_PIECE, _MOST_TINY = 16, 200
#: Of the body of a refusal, in bytes; longer ones say no more.
_MOST_REFUSED = 16_384
#: Headers of the request that the client makes; the rest is ours.
_OF_FORM = ("host", "content-type", "content-length", "transfer-encoding")
#: Headers of an answer that count.  Others would be kept (cookies, for as long
#: as the connection) or be looked into (where a redirect leads).
_READ = (b"content-type", b"content-encoding", b"retry-after")
_USER_AGENT = "openai_asr_python"
_LOGGERS = ("openai", "httpx2", "httpcore2")

#: Is it a request of ours that something is logged about?
_is_ours: ContextVar[bool] = ContextVar("openai_asr_request", default=False)


class Encoded(Exception):
    """A compressed body, though none was asked for: it may hold gigabytes."""


class Tiny(Exception):
    """A body in ever so many pieces, of which each costs the loop time."""


class Unasked(Exception):
    """An answer that was there before its request, so to another one."""


class Client:
    """Sends the files of one connection.  To be made in a thread, too.

    ``backend``: opens its connections, by ``proxy`` if there is one; ``tls`` is
    needed for ``https``.
    """

    def __init__(
        self,
        settings: ClientSettings,
        proxy: Proxy | None,
        tls: ssl.SSLContext | None,
        backend: Backend,
    ) -> None:
        self._url = settings.url
        limit = settings.limits.answer_s(True)
        timeout = httpx2.Timeout(
            limit, connect=settings.connect_timeout_ms / 1000
        )
        self._http = httpx2.AsyncClient(
            transport=_Transport(settings, proxy, tls, backend),
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
        )
        base_url = settings.url.partition("?")[0].removesuffix(FILES)
        self._client = _sdk(base_url, self._http, timeout)
        self._create = (
            self._client.audio.transcriptions.with_streaming_response.create
        )
        _warm_up()

    @contextlib.asynccontextmanager
    async def send(
        self, fields: Mapping[str, Any], file: bytes
    ) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        """Send a WAV file; gives the media type and the body of an answer of
        status 200, and raises what `http_faults` explains."""
        _is_ours.set(True)
        upload = ("turn.wav", file, "audio/wav")
        async with self._create(file=upload, **fields) as response:
            kind = response.headers.get("content-type", "")
            yield kind, _in_pieces(response.iter_bytes())

    async def ask(self, method: str) -> tuple[int, bytes, str]:
        """Ask for nothing; the status of what is answered, and what it says
        where that is a refusal, with its ``Retry-After``."""
        _is_ours.set(True)
        async with self._http.stream(method, self._url) as response:
            refused = response.status_code != 200
            body = await response.aread() if refused else b""
            waits = response.headers.get_list("retry-after")
            wait = longest_wait(waits, time.time())
            return response.status_code, body, wait

    async def close(self) -> None:
        """Close its connections."""
        _is_ours.set(True)
        await self._client.close()


def _sdk(
    base_url: str,
    http: httpx2.AsyncClient,
    timeout: httpx2.Timeout | None = None,
) -> AsyncOpenAI:
    """The package's client, with nothing of the environment; what the
    configuration has is put in by the transport."""
    client = AsyncOpenAI(
        api_key="none",
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        base_url=base_url,
        max_retries=0,
        timeout=timeout,
        http_client=http,
    )
    # Those of OPENAI_CUSTOM_HEADERS cannot be kept away otherwise, and what is
    # not ASCII in them fails each request.
    client._custom_headers = {}
    # It would be asked for in the pool in which look-ups may hang.
    client._platform = "Unknown"
    return client


async def _in_pieces(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    pieces = size = 0
    async for data in body:
        pieces, size = pieces + 1, size + len(data)
        if pieces > _MOST_TINY and size < _LEAST_PIECE * pieces:
            raise Tiny
        yield data


class _Transport(httpx2.AsyncBaseTransport):
    """Sends requests as they are configured, and bounds what comes back."""

    def __init__(
        self,
        settings: ClientSettings,
        proxy: Proxy | None,
        tls: ssl.SSLContext | None,
        backend: Backend,
    ) -> None:
        url = httpx2.URL(settings.url)
        self._url = httpcore2.URL(
            scheme=url.raw_scheme,
            host=url.raw_host,
            port=url.port,
            target=url.raw_path,
        )
        self._headers = {
            name: value
            for name, value in settings.headers.items()
            if name.lower() not in OF_FILES
        }
        self._proxy_asks = proxy is not None and proxy.asks_itself(
            url.scheme == "https"
        )
        if proxy and self._proxy_asks:
            self._url.target = str(url).encode("ascii")
            if proxy.user_info:
                user, password = (*proxy.user_info, "")[:2]
                basic = build_authorization_basic(user, password)
                self._headers["Proxy-Authorization"] = basic
        self._pool = _pool(backend, tls)

    async def handle_async_request(
        self, request: httpx2.Request
    ) -> httpx2.Response:
        made = request.headers
        headers = {
            **{name: made[name] for name in _OF_FORM if name in made},
            "user-agent": _USER_AGENT,
            "accept-encoding": "identity",
        }
        # Names are the same in upper and lower case.
        sent = httpx2.Headers(headers)
        sent.update(self._headers)
        answer = await self._pool.handle_async_request(
            httpcore2.Request(
                request.method,
                self._url,
                headers=sent.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        stream = answer.extensions.get("network_stream")
        if isinstance(stream, Stream) and not stream.heard:
            await answer.aclose()
            await stream.aclose()
            raise Unasked
        if self._proxy_asks and answer.status == 407:
            await answer.aclose()
            raise InvalidProxyStatus(Response(answer.status, "", Headers()))
        response = httpx2.Response(
            answer.status,
            headers=[
                (name.lower(), value)
                for name, value in answer.headers
                # What is made of these must be ASCII.
                if name.lower() in _READ and value.isascii()
            ],
            stream=_Body(answer, answer.status != 200),
        )
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise Encoded
        kind = response.headers.get("content-type", "").partition(";")[0]
        # Any codec of Python could be named as the charset, which unpacks too.
        response.headers["content-type"] = kind
        return response

    async def aclose(self) -> None:
        await self._pool.aclose()


def _pool(
    backend: Backend, tls: ssl.SSLContext | None
) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(
        ssl_context=tls or _no_tls(),
        max_connections=None,
        keepalive_expiry=_KEEP_S,
        network_backend=backend,
    )


def _no_tls() -> ssl.SSLContext:
    """Without TLS there is nobody to be trusted, and no CAs to be read."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Body(httpx2.AsyncByteStream):
    """The body of an answer; of a refusal, which is read as a whole, as much as
    may say something."""

    def __init__(self, answer: httpcore2.Response, refused: bool) -> None:
        self._answer = answer
        self._refused = refused

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _MOST_REFUSED
        async for data in self._answer.aiter_stream():
            if not self._refused:
                yield data
                continue
            yield data[:left]
            left -= len(data)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._answer.aclose()


class _NotOurs(logging.Filter):
    """Drops what is logged about requests of ours: URLs with their query,
    headers.  It stands at the loggers, since every handler may be another's;
    what others log with the same packages passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _is_ours.get()


_NOT_OURS = _NotOurs()


@functools.cache
def _warm_up() -> None:
    """Whatever these packages import and prepare with the first request would
    hold the loop for 50 ms: send one to nobody, in a loop of its own."""

    async def connect() -> Wire:
        raise ConnectionRefusedError

    async def request() -> None:
        _is_ours.set(True)
        answer = httpx2.Response(200, json={"text": ""})
        mock = httpx2.MockTransport(lambda _: answer)
        http = httpx2.AsyncClient(transport=mock, trust_env=False)
        async with _sdk("http://127.0.0.1", http) as client:
            await client.audio.transcriptions.with_raw_response.create(
                model="", file=("turn.wav", b"", "audio/wav")
            )
        with contextlib.suppress(httpcore2.ConnectError):
            async with _pool(Backend(connect), None) as pool:
                await pool.request("GET", "http://127.0.0.1")

    _keep_quiet()
    asyncio.run(request())
    # Some of their loggers are made only then.
    _keep_quiet()


def _keep_quiet() -> None:
    for name in (*logging.root.manager.loggerDict, *_LOGGERS):
        if name.partition(".")[0] in _LOGGERS:
            # Twice is as once.
            logging.getLogger(name).addFilter(_NOT_OURS)

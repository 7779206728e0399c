"""The page's server: from its first request to its end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import Self
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from devkit.bootstrap import ensure_ten
from devkit.shown import shown_url

from .arguments import Job
from .call import Call, Tell
from .door import APP_SOCKET, Door
from .relay import NoRelay, Relay, Way
from .session import Session
from .wishes import LONGEST, Settings

#: A page that is loaded again comes before we know that it has gone.
_SEAT_S = 2.0
#: What strangers send is no matter for our terminal.
_SILENT = logging.Logger("captions", logging.CRITICAL + 1)


class CaptionsServer:
    """A page for one person, with ``url`` and ``fallback`` as services.

    ``async with`` it; then `address` is the page's. Raises OSError if the port
    is in use. Another page is told to wait. The call of a page that closes is
    ended as if it had asked for that.
    """

    def __init__(self, job: Job, url: str, fallback: str) -> None:
        self._job, self._url, self._fallback = job, url, fallback
        self._door = Door(job.audio)
        self._seat = asyncio.Lock()
        self._sessions: set[Session] = set()
        #: By the app's token.
        self._calls: dict[str, Call] = {}
        self._numbers = itertools.count(1)
        self._relay: Relay | None = None
        self._no_relay = ""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            where = self._job.keep or stack.enter_context(
                tempfile.TemporaryDirectory(prefix="captions-")
            )
            self._directory = Path(where)
            self._way = await self._open_way(stack)
            server = await stack.enter_async_context(
                serve(
                    self._welcome,
                    "127.0.0.1",
                    self._job.port,
                    process_request=self._door.answer,
                    compression=None,
                    max_size=LONGEST,
                    logger=_SILENT,
                )
            )
            port = server.sockets[0].getsockname()[1]
            self.address = self._door.address(port)
            self._app_url = f"ws://127.0.0.1:{port}{APP_SOCKET}"
            stack.push_async_callback(self.end_calls)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def end_calls(self) -> None:
        """End what goes on, quicker than a page does it."""
        sessions = list(self._sessions)
        await asyncio.gather(*(each.end(hurry=True) for each in sessions))

    async def _open_way(self, stack: contextlib.AsyncExitStack) -> Way:
        try:
            self._relay = Relay(
                self._url, self._fallback, self._job.environment
            )
        except NoRelay as reason:
            self._no_relay = str(reason)
            return Way(self._url, {})
        return await stack.enter_async_context(self._relay)

    async def _welcome(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        with contextlib.suppress(ConnectionClosed):
            if connection.request.path != APP_SOCKET:
                await self._seat_page(connection)
                return
            token = self._door.app_of(connection.request)
            self._door.app_tokens.discard(token)
            await self._calls.pop(token).serve(connection)

    async def _seat_page(self, page: ServerConnection) -> None:
        try:
            await asyncio.wait_for(self._seat.acquire(), _SEAT_S)
        except asyncio.TimeoutError:
            await page.send(json.dumps({"type": "busy"}))
            return
        session = Session(
            page, self._make_call, self._door.offer, self._relay, self._no_relay
        )
        self._sessions.add(session)
        try:
            await session.tell(self._hello())
            await session.run()
        finally:
            self._seat.release()
            await session.end()
            self._sessions.discard(session)

    def _hello(self) -> dict[str, Any]:
        job = self._job
        settings = Settings(
            model=job.model, language=job.language, keywords=job.keywords
        )
        return {
            "type": "hello",
            "service": shown_url(self._url),
            "local": job.url is None,
            "runtime": job.runtime,
            "no_cut": self._no_relay,
            "kept": str(job.keep or ""),
            "models": _models(),
            "settings": settings.model_dump(),
        }

    def _make_call(self, wanted: Mapping[str, str], tell: Tell) -> Call:
        job, now = self._job, time.strftime("%Y%m%d-%H%M%S")
        call = Call(
            self._directory / f"{now}-{next(self._numbers)}",
            {
                **job.environment,
                **self._way.environment,
                **wanted,
                "DEVKIT_RUNTIME": job.runtime,
                "LIVE_PAGE_URL": self._app_url,
                "LIVE_PAGE_SERVER": self._way.url,
                "LIVE_PAGE_FALLBACK": self._fallback,
                "LIVE_PAGE_FALLBACK_KEY": job.fallback_key,
            },
            tell,
        )
        self._calls[call.token] = call
        self._door.app_tokens.add(call.token)
        return call


def _models() -> list[str]:
    """Those that hear a live call."""
    ensure_ten()
    from ten_packages.extension.openai_asr_python.service import models

    return list(models.MODEL_NAMES)

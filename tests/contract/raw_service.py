"""A service that says exactly what a test wants, byte for byte.

`devkit.server` speaks OpenAI's protocol; this one breaks it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from typing_extensions import Self
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

CREATED = {
    "type": "session.created",
    "session": {"id": "sess_raw", "type": "transcription", "audio": {}},
}
UPDATED = {"type": "session.updated", "session": {}}


@dataclass
class Manners:
    """What happens on a connection.

    ``http``: a status in place of 101, with a body.  ``says`` is sent before
    the session is accepted, ``then`` afterwards; bytes go out as a binary
    frame, texts as a text frame, anything else as JSON.  ``close``: code and
    reason of the CLOSE that follows.  ``refuse_update``: an ``error`` object
    in answer to session.update; ``refuse_change``: to a later one, which is
    confirmed without it.  ``stays``: after ``says`` nothing follows.
    ``wait``: so many seconds before anything.
    """

    http: tuple[int, dict[str, str], bytes] | None = None
    says: Sequence[Any] = ()
    then: Sequence[Any] = ()
    close: tuple[int, str] | None = None
    refuse_update: dict[str, Any] | None = None
    refuse_change: dict[str, Any] | None = None
    stays: bool = False
    wait: float = 0.0


@dataclass
class RawService:
    """``with RawService([...]) as service``: one `Manners` for each
    connection, the last one for all that follow."""

    manners: Sequence[Manners]
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live()), daemon=True
        )
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server: Server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._answer,
            ping_interval=None,
            max_size=None,
            compression=None,
            close_timeout=1,
            # At DEBUG it shows the request headers, key included.
            logger=logging.Logger("raw_service", logging.CRITICAL),
        )
        self.port = next(iter(server.sockets)).getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        await server.wait_closed()

    def _answer(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        self.connections += 1
        self.requests.append(request.path)
        manners = self.manners[min(self.connections, len(self.manners)) - 1]
        connection.manners = manners  # type: ignore[attr-defined]
        if manners.http is None:
            return None
        status, headers, body = manners.http
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Odd"
        fields = Headers({"Content-Length": str(len(body)), **headers})
        return Response(status, phrase, fields, body)

    async def _handle(self, connection: ServerConnection) -> None:
        manners: Manners = connection.manners  # type: ignore[attr-defined]
        try:
            await asyncio.sleep(manners.wait)
            for message in manners.says:
                await _send(connection, message)
            if manners.stays:
                await connection.wait_closed()
                return
            if manners.says and manners.close is not None:
                # A refusal: there is no session at all.
                await connection.close(*manners.close)
                return
            await _send(connection, CREATED)
            update = json.loads(await connection.recv())
            await _settle(connection, update, manners.refuse_update)
            for message in manners.then:
                await _send(connection, message)
            if manners.close is not None:
                await connection.close(*manners.close)
                return
            while True:
                message = json.loads(await connection.recv())
                self.received.append(message)
                if message.get("type") == "session.update":
                    await _settle(connection, message, manners.refuse_change)
        except ConnectionClosed:
            return


async def _settle(
    connection: ServerConnection,
    update: Mapping[str, Any],
    refusal: Mapping[str, Any] | None,
) -> None:
    """Confirm a session.update, or refuse it."""
    if refusal is None:
        await _send(connection, UPDATED)
        return
    error = {**refusal, "event_id": update.get("event_id")}
    await _send(connection, {"type": "error", "error": error})


async def _send(connection: ServerConnection, message: Any) -> None:
    if isinstance(message, (str, bytes)):
        await connection.send(message)
    else:
        await connection.send(json.dumps(message))

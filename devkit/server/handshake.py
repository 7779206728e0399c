"""The HTTP side of a connection: records, refusals, the slow handshake."""

from __future__ import annotations

import asyncio
import http
import logging
import time
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from .admission import SUBPROTOCOL, Request, http_status, key_ok
from .context import ServerContext
from .errors import http_error
from .model_list import model_answer
from .outbox import reset_connection
from .records import SessionRecord

_log = logging.getLogger(__name__)


class Handshakes:
    """Answers upgrade requests; a record exists from the first of them on.

    ``pending``: connections between request and session.
    """

    def __init__(self, context: ServerContext, event_limit: int) -> None:
        self._context = context
        self._journal = context.journal
        self._event_limit = event_limit
        self.pending: dict[ServerConnection, SessionRecord] = {}
        self.thawed = asyncio.Event()  # cleared: no request is answered
        self.thawed.set()

    async def process_request(
        self, ws: ServerConnection, http_request: HttpRequest
    ) -> Response | None:
        request = request_of(http_request)
        if (answer := model_answer(request, self._context.policy)) is not None:
            await self.thawed.wait()
            return _response(*answer)
        record = self._new_record(request)
        self.pending[ws] = record
        if self._context.strikes("slow_handshake", record.number):
            self._context.struck(record, "slow_handshake")
            await asyncio.sleep(self._context.faults.slow_handshake_ms / 1000)
        await self.thawed.wait()
        refusal = self._context.refusal_on_purpose(record)
        status, retry_after = None, None
        if refusal is not None:
            status, retry_after = refusal.status, refusal.retry_after
        if status is None:
            status = http_status(request, self._context.policy)
        if status == 101:
            return None
        del self.pending[ws]
        with self._journal.change():
            record.http_status = status
            record.closed_at = time.monotonic()
        if status == 0:
            reset_connection(ws)
        _log.info(
            "#%d %.200s refused: HTTP %d",
            record.number,
            ascii(request.path)[1:-1],
            status,
        )
        path = request.path if status == 404 else ""
        return _http_refusal(status or 503, retry_after, path)

    def _new_record(self, request: Request) -> SessionRecord:
        with self._journal.change():
            record = SessionRecord(
                number=len(self._journal.sessions) + 1,
                path=request.path,
                query=request.masked_query(),
                headers=request.masked_headers(),
                key_ok=key_ok(request, self._context.policy),
                opened_at=time.monotonic(),
                event_limit=self._event_limit,
            )
            self._journal.sessions.append(record)
        return record


def request_of(http_request: HttpRequest) -> Request:
    headers = http_request.headers.raw_items()
    return Request.parse(
        http_request.path, {name.lower(): value for name, value in headers}
    )


def select_subprotocol(
    _ws: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    # Browsers put their key among the subprotocols: only this one is echoed.
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


def _http_refusal(
    status: int, retry_after: float | None, path: str
) -> Response:
    """The JSON error body that gateways and Azure send."""
    response = _response(status, http_error(status, path).http_body())
    if retry_after is not None:
        response.headers["Retry-After"] = f"{retry_after:g}"
    if status == 405:
        response.headers["Allow"] = "POST"
    return response


def _response(status: int, body: bytes) -> Response:
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
    )
    return Response(status, http.HTTPStatus(status).phrase, headers, body)

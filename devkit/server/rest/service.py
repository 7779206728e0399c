"""``POST /v1/audio/transcriptions``: from the request to its answer."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ..admission import (
    Request,
    check_key,
    http_status,
    is_for_files,
    key_ok,
    of_this_machine,
)
from ..context import ServerContext
from ..errors import ApiError, http_error, refusal, server_error
from ..items import item_faults
from ..records import RequestRecord
from ..wire_audio import Int16Array
from .answers import Heard, done_event, segment_events, whole_answer
from .audio_file import decoded
from .form import boundary_of, read_form
from .parameters import Parameters, no_word_times, parameters_of
from .segments import Segment, Spoken, segments_of, spoken_parts
from .wire import Exchange, Gone, Headers, HttpError, HttpRequest, Limits

_log = logging.getLogger(__name__)
_SSE = "text/event-stream; charset=utf-8"
_NEEDS_CHUNKS_S = 30  # a longer file needs chunking_strategy to be diarized
#: HTTP status of the errors that are no 400.
_STATUS = {
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "model_not_found": 404,
    "server_error": 500,
}
#: Faults on items that hold for files, too.
FILE_FAULTS = (
    "failed",
    "slow_completed",
    "never_completed",
    "empty_transcript",
    "missing_usage",
    "drop_after_commit",
    "server_error",
)
_WAITING = {"slow_completed", "never_completed"}


@dataclass
class _File:
    """A file whose request is in order."""

    asked: Parameters
    samples: Int16Array
    rate: int
    struck: frozenset[str]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


class FileService:
    """Answers the requests of all HTTP connections of a server."""

    def __init__(
        self, context: ServerContext, limits: Limits, thawed: asyncio.Event
    ) -> None:
        self._context = context
        self._limits = limits
        self._thawed = thawed  # cleared: nothing is answered
        self._work = asyncio.Semaphore(limits.at_work)
        self._requests = 0
        self._exchanges: dict[asyncio.Task[None], Exchange] = {}

    def hand_over(self, transport: asyncio.Transport, first: bytes) -> None:
        """Serve a connection from which ``first`` has come."""
        reader = asyncio.StreamReader()

        def begin(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            crowded = len(self._exchanges) >= self._limits.connections
            exchange = Exchange(reader, writer, self._limits, crowded=crowded)
            task = asyncio.ensure_future(exchange.serve(self._answer))
            self._exchanges[task] = exchange
            task.add_done_callback(self._exchanges.pop)

        protocol = asyncio.StreamReaderProtocol(reader, begin)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(first)

    def reset(self) -> int:
        """Drop all connections with RST; returns how many there were."""
        for exchange in self._exchanges.values():
            exchange.reset()
        return len(self._exchanges)

    async def stop(self) -> None:
        """Drop what is under way."""
        tasks = list(self._exchanges)
        for task, exchange in self._exchanges.items():
            task.cancel()
            # asyncio.wait_for loses a cancellation that comes together with
            # its result (Python before 3.12); then this ends the task.
            exchange.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one request ------------------------------------------------------

    async def _answer(self, http: HttpRequest, exchange: Exchange) -> None:
        try:
            request = Request.parse(http.target, http.headers)
        except ValueError:
            raise HttpError(400, ApiError("Malformed URL.")) from None
        record = self._new_record(http.method, request)
        exchange.status = None
        try:
            await self._serve(request, record, exchange)
        except HttpError as error:
            await self._thawed.wait()
            await exchange.refuse(error)
        except ApiError as error:
            await self._thawed.wait()
            status = _STATUS.get(error.code or error.type, 400)
            await exchange.refuse(HttpError(status, error))
        except (Gone, ConnectionError):
            raise
        except Exception:
            _log.exception("HTTP #%d failed", record.number)
            await exchange.refuse(HttpError(500, server_error()))
        finally:
            with self._context.journal.change():
                record.status = exchange.status
                record.ended_at = time.monotonic()
            # What came from the client is escaped.
            _log.info(
                "HTTP #%d %.10s %.200s file %.200s: %s",
                record.number,
                ascii(record.method)[1:-1],
                ascii(record.path)[1:-1],
                ascii(record.file_name),
                record.status or "no answer",
            )

    def _new_record(self, method: str, request: Request) -> RequestRecord:
        context = self._context
        self._requests += 1
        with context.journal.change():
            record = RequestRecord(
                number=self._requests,
                method=method,
                path=request.path,
                headers=request.masked_headers(),
                key_ok=key_ok(request, context.policy),
                opened_at=time.monotonic(),
            )
            context.journal.requests.append(record)
        return record

    async def _serve(
        self, request: Request, record: RequestRecord, exchange: Exchange
    ) -> None:
        await self._delay_or_refuse(record, exchange)
        if exchange.crowded:
            raise HttpError(
                503,
                ApiError("Too many requests at once.", type="server_error"),
                {"retry-after": "1"},
            )
        self._check(record.method, request)
        boundary = boundary_of(request.headers.get("content-type", ""))
        length = int(request.headers.get("content-length", 0))
        if length > self._limits.body_bytes:
            raise exchange.too_large(length)
        async with self._work:
            file = await self._file(boundary, record, exchange)
            if not file.struck & _WAITING:
                await self._transcribe(file, record, exchange)
                return
        # Who waits on purpose is in nobody's way.
        if "never_completed" in file.struck:
            await exchange.until_gone()
        delay_ms = self._context.faults.slow_completed_ms
        await exchange.while_here(asyncio.sleep(delay_ms / 1000))
        async with self._work:
            await self._transcribe(file, record, exchange)

    async def _file(
        self, boundary: str, record: RequestRecord, exchange: Exchange
    ) -> _File:
        """Read and decode what was sent."""
        form = await read_form(exchange, boundary)
        with self._context.journal.change():
            record.fields = form.fields
            record.file_name = form.file_name
            record.file_bytes = len(form.file)
        policy = self._context.policy
        asked = parameters_of(form.fields, policy.rules, policy.models)
        samples, rate = await asyncio.to_thread(
            decoded, form.file, asked.profile.longest_s
        )
        engine = self._context.engine
        if (
            "word" in asked.granularities
            and await engine.words(samples[:0], rate) is None
        ):
            raise no_word_times()
        return self._admitted(asked, samples, rate, record)

    async def _delay_or_refuse(
        self, record: RequestRecord, exchange: Exchange
    ) -> None:
        """The faults on connections that hold for requests, too."""
        context = self._context
        if context.strikes("slow_handshake", record.number):
            context.struck(record, "slow_handshake")
            await asyncio.sleep(context.faults.slow_handshake_ms / 1000)
        await self._thawed.wait()
        given = context.refusal_on_purpose(record)
        if given is None:
            return
        if given.status == 0:
            exchange.reset()
            raise Gone
        headers: Headers = {}
        if given.retry_after is not None:
            headers["retry-after"] = f"{given.retry_after:g}"
        if given.status is None:
            raise HttpError(_STATUS[given.code], refusal(given.code), headers)
        raise HttpError(given.status, http_error(given.status), headers)

    def _check(self, method: str, request: Request) -> None:
        policy = self._context.policy
        if not of_this_machine(request.headers.get("origin")):
            raise HttpError(403, http_error(403), {})
        if not is_for_files(request, policy):
            # 426: a WebSocket's path, asked for without one.
            status = 404 if http_status(request, policy) == 404 else 426
            upgrade = {"upgrade": "websocket"} if status == 426 else {}
            path = request.path if status == 404 else ""
            raise HttpError(status, http_error(status, path), upgrade)
        if method != "POST":
            raise HttpError(405, http_error(405), {"allow": "POST"})
        try:
            check_key(request, policy)
        except ApiError as error:
            raise HttpError(401, error) from None

    def _admitted(
        self,
        asked: Parameters,
        samples: Int16Array,
        rate: int,
        record: RequestRecord,
    ) -> _File:
        context = self._context
        context.items += 1
        file = _File(
            asked, samples, rate, item_faults(context, context.items, 1)
        )
        with context.journal.change():
            record.audio_ms = file.seconds * 1000
            for name in FILE_FAULTS:
                if name in file.struck:
                    record.faults.append(name)
        if (
            asked.profile.segments
            and not asked.chunked
            and file.seconds > _NEEDS_CHUNKS_S
        ):
            raise ApiError(
                "chunking_strategy is required for diarization models",
                "invalid_value",
                "chunking_strategy",
            )
        if not context.within_rate(file.seconds):
            raise refusal("rate_limit_exceeded")
        return file

    def _fail_on_purpose(self, file: _File, exchange: Exchange) -> None:
        if "drop_after_commit" in file.struck:
            exchange.reset()
            raise Gone
        if "server_error" in file.struck:
            raise server_error()
        if "failed" in file.struck:
            raise self._failure()

    async def _transcribe(
        self, file: _File, record: RequestRecord, exchange: Exchange
    ) -> None:
        self._fail_on_purpose(file, exchange)
        parts = await exchange.while_here(
            asyncio.to_thread(
                spoken_parts,
                file.samples,
                file.rate,
                file.asked.detector,
                loudness=file.asked.loudness,
            )
        )
        if "empty_transcript" in file.struck:
            parts = []
        if file.asked.stream:
            stream = self._stream(file, parts, record, exchange)
            await exchange.while_here(stream)
            return
        segments = await exchange.while_here(self._all(file, parts))
        heard = self._heard(file, segments, record)
        await self._thawed.wait()
        kind, body = whole_answer(file.asked, heard)
        await exchange.respond(200, body, kind)

    async def _segments(
        self, file: _File, parts: list[Spoken]
    ) -> AsyncIterator[Segment]:
        engine, poison = self._context.engine, self._context.faults.failed_text
        try:
            async for segment in segments_of(
                parts,
                file.samples,
                file.rate,
                engine,
                words="word" in file.asked.granularities,
            ):
                if poison and poison in segment.text:
                    raise self._failure()
                yield segment
        except (HttpError, Gone, ConnectionError):
            raise
        except Exception:
            _log.exception("the engine failed")
            raise HttpError(500, server_error()) from None

    async def _all(self, file: _File, parts: list[Spoken]) -> list[Segment]:
        return [segment async for segment in self._segments(file, parts)]

    async def _stream(
        self,
        file: _File,
        parts: list[Spoken],
        record: RequestRecord,
        exchange: Exchange,
    ) -> None:
        """Server-sent events: each segment's text as soon as it is there."""
        segments: list[Segment] = []
        await self._thawed.wait()
        try:
            async for segment in self._segments(file, parts):
                if not segments:
                    await exchange.begin(200, _SSE)
                segments.append(segment)
                number = len(segments)
                for event in segment_events(file.asked, segment, number):
                    await self._send_event(event, exchange)
        except HttpError as error:
            if not segments:
                raise
            # Too late for a status.
            await exchange.write(
                b"event: error\ndata: " + error.error.http_body() + b"\n\n"
            )
            await exchange.end()
            return
        if not segments:
            await exchange.begin(200, _SSE)
        heard = self._heard(file, segments, record)
        await self._send_event(done_event(file.asked, heard), exchange)
        await exchange.end()

    async def _send_event(
        self, event: dict[str, object], exchange: Exchange
    ) -> None:
        await self._thawed.wait()
        text = json.dumps(event, ensure_ascii=False)
        await exchange.write(f"data: {text}\n\n".encode())

    def _heard(
        self, file: _File, segments: list[Segment], record: RequestRecord
    ) -> Heard:
        usage = "missing_usage" not in file.struck
        heard = Heard(segments, file.seconds, usage)
        with self._context.journal.change():
            record.transcript = heard.text
        return heard

    def _failure(self) -> HttpError:
        """What the fault ``failed`` asks for."""
        faults = self._context.faults
        retry_s = faults.failed_retry_s
        if retry_s or faults.failed_code == "rate_limit_exceeded":
            headers = {"retry-after": f"{retry_s:g}"} if retry_s else {}
            return HttpError(429, refusal("rate_limit_exceeded"), headers)
        if faults.failed_code == "invalid_request_error":
            return HttpError(400, ApiError("The file was refused on purpose."))
        return HttpError(500, server_error())

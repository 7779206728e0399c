"""The server itself: listening, records, and faults while it runs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from typing_extensions import Self
from websockets.asyncio.server import Server, ServerConnection, serve

from .admission import Policy
from .connection import FREEZES, Connection
from .context import Refusal, ServerContext
from .engine import Engine, engine_named
from .errors import REFUSALS, ApiError
from .faults import FaultDice, Faults
from .handshake import Handshakes, request_of, select_subprotocol
from .models import ModelNames
from .outbox import reset_connection
from .records import Journal, RequestRecord, SessionRecord
from .rest.door import Door
from .rest.service import FileService
from .rest.wire import Limits
from .rules import rules_without

_log = logging.getLogger(__name__)
# At DEBUG level websockets logs request headers, keys included.
_WEBSOCKETS_LOG = logging.getLogger("devkit.server.websockets")
_WEBSOCKETS_LOG.propagate = False
_WEBSOCKETS_LOG.setLevel(logging.CRITICAL)
T = TypeVar("T")
P = ParamSpec("P")

# Base64 of the largest append, and room for the rest of the event.
_MAX_MESSAGE_BYTES = 24 * 1024 * 1024
CONTROL_TIMEOUT_S = 30.0
DIALECTS = ("ga", "beta", "both")


def _on_the_loop(
    method: Callable[Concatenate[LocalServer, P], T],
) -> Callable[Concatenate[LocalServer, P], T]:
    """The method runs on the server's loop, wherever its caller is."""

    @functools.wraps(method)
    def wrapped(self: LocalServer, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._control(lambda: method(self, *args, **kwargs))

    return wrapped


class LocalServer:
    """The realtime transcription service on this machine.

    ``async with LocalServer(...) as server`` serves on the running loop;
    `ServerThread` has the same methods and a thread of its own. All methods
    but ``__aenter__``/``__aexit__`` may be called from any thread.

    engine
        ``script`` (exact: `devkit.script_audio`), ``speech`` (Moonshine)
        or an object with `engine.Engine`'s methods.
    port
        0 takes a free one.
    keys
        Accepted keys; None accepts all but those that begin with sk-wrong.
    dialect
        ga, beta, or both: the header ``OpenAI-Beta: realtime=v1`` decides.
    azure
        Path /openai/v1/realtime, ``api-key`` header, any model name.
    session_seconds
        Life of a session; then ``session_expired`` and CLOSE 1001.
    ping_interval
        Seconds between PING frames; None sends none.
    rate_limit
        Seconds of audio per rolling minute; items beyond it ``.failed``.
    event_limit
        How many events of each direction a session's record keeps at least.
    lenient
        Names of rules (`rules.Rule`) that the server does not keep to; "all".
    limits
        What HTTP requests may take of time and memory.
    deployments
        Further names of models, and the model behind each. With `azure` no
        other unknown name is taken then.
    """

    def __init__(
        self,
        engine: str | Engine = "script",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        keys: Collection[str] | None = None,
        dialect: str = "ga",
        faults: Faults | None = None,
        azure: bool = False,
        session_seconds: float = 3600,
        ping_interval: float | None = 20.0,
        rate_limit: float | None = None,
        event_limit: int = 50_000,
        lenient: Iterable[str] = (),
        limits: Limits | None = None,
        deployments: Mapping[str, str] | None = None,
    ) -> None:
        """Raises ValueError for a wrong option."""
        if dialect not in DIALECTS:
            raise ValueError(f"dialect {dialect!r} is none of {DIALECTS}")
        self.host = host
        self.port = port
        self._journal = Journal()
        self._context = ServerContext(
            engine=engine_named(engine) if isinstance(engine, str) else engine,
            policy=Policy(
                keys,
                dialect,
                azure,
                rules_without(lenient),
                ModelNames(deployments or {}, azure and not deployments),
            ),
            journal=self._journal,
            faults=faults or Faults(),
            session_seconds=session_seconds,
            ping_interval=ping_interval,
            audio_limit_s=rate_limit,
        )
        self._handshakes = Handshakes(self._context, event_limit)
        self._files = FileService(
            self._context, limits or Limits(), self._handshakes.thawed
        )
        # TCP connections of which it is not known yet what they want.
        self._waiting: set[asyncio.Transport] = set()
        self._open: dict[ServerConnection, Connection] = {}
        self._listeners: list[Server] = []
        self._listen_socket: socket.socket | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id: int | None = None
        self._frozen = False

    # --- life ---------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError if the port is in use."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._log_seed()
        self._listen()
        self._context.engine.warm_up()
        await asyncio.gather(*self._starting)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.thaw()
        self.stop_listening()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for connection in list(self._open.values()):
            connection.close(1001, "")
        for ws in list(self._handshakes.pending):
            ws.transport.abort()
        for transport in list(self._waiting):
            transport.abort()
        await self._files.stop()
        for listener in self._listeners:
            listener.close(close_connections=False)
        handlers = [listener.wait_closed() for listener in self._listeners]
        gathered = asyncio.gather(*handlers, return_exceptions=True)
        try:
            await asyncio.wait_for(asyncio.shield(gathered), 2)
        except asyncio.TimeoutError:
            # A client that does not answer CLOSE must not hold the exit.
            for ws in list(self._open):
                ws.transport.abort()
            await gathered
        self._context.engine.close()

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:PORT/v1`` (with --azure: ``/openai/v1``)."""
        prefix = "/openai/v1" if self._context.policy.azure else "/v1"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}{prefix}"

    # --- what happened -------------------------------------------------------

    @property
    def sessions(self) -> list[SessionRecord]:
        """Connection attempts that reached HTTP, in order of arrival."""
        return self._journal.sessions

    @property
    def requests(self) -> list[RequestRecord]:
        """The latest 1000 HTTP requests, in order of arrival; `wait_for`
        hears of them, too."""
        return list(self._journal.requests)

    def wait_for(self, predicate: Callable[[], T], timeout: float = 10) -> T:
        """Block until ``predicate()`` is true (seen under the records' lock).

        Returns what it returned; raises TimeoutError with a summary after
        ``timeout`` seconds, RuntimeError on the server's own thread, which
        would wait for itself: use `until` there.
        """
        if threading.get_ident() == self._thread_id:
            raise RuntimeError("wait_for would block the server: use until")
        return self._journal.wait_for(predicate, timeout)

    async def until(self, predicate: Callable[[], T], timeout: float = 10) -> T:
        """`wait_for` for coroutines, on any event loop."""
        return await self._journal.until(predicate, timeout)

    # --- faults while it runs -------------------------------------------------

    @property
    def faults(self) -> Faults:
        return self._context.faults

    @_on_the_loop
    def inject(self, /, **changes: Any) -> None:
        """Change fields of `Faults` from now on.

        Faults at a place in the audio hold for connections made afterwards.
        Raises TypeError/ValueError for wrong names or values.
        """
        faults = replace(self._context.faults, **changes)
        if faults.seed != self._context.faults.seed:
            self._context.dice = FaultDice(faults.seed)
        self._context.faults = faults
        self._log_seed()

    @_on_the_loop
    def drop_connections(self, *, abort: bool = True) -> int:
        """End all connections: RST (``abort``, HTTP as well) or CLOSE 1001.

        Returns how many there were.
        """
        for connection in self._open.values():
            if abort:
                connection.reset()
            else:
                connection.close(1001, "")
        if abort:
            for ws in self._handshakes.pending:
                reset_connection(ws)
            return len(self._open) + self._files.reset()
        return len(self._open)

    @_on_the_loop
    def refuse(
        self,
        on: bool = True,
        *,
        http_status: int | None = 503,
        error: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Refuse new connections, until ``refuse(False)``.

        With ``error`` (one of `errors.REFUSALS`): HTTP 101, the error event
        and CLOSE. Otherwise with ``http_status`` 400..599, and a Retry-After
        header of ``retry_after`` seconds; ``http_status=None`` resets the
        TCP connection.
        """
        if error is not None and error not in REFUSALS:
            raise ValueError(f"error {error!r} is none of {REFUSALS}")
        status = None if error else (http_status or 0)
        if status and not 400 <= status <= 599:
            raise ValueError(f"HTTP status {status} is not in 400..599")
        self._context.refusal = (
            Refusal(status, error or "", retry_after) if on else None
        )

    @_on_the_loop
    def expire_sessions(self) -> None:
        """``session_expired`` and CLOSE 1001 on all open sessions."""
        for connection in self._open.values():
            connection.expire()

    @_on_the_loop
    def send(self, event: dict[str, Any]) -> None:
        """Send any JSON object on all open sessions."""
        for connection in self._open.values():
            connection.outbox.send_raw(event)

    @_on_the_loop
    def send_error(self, error: ApiError) -> None:
        """Send an ``error`` (and CLOSE if it has a close code) to all."""
        for connection in self._open.values():
            connection.outbox.send_error(error)

    @_on_the_loop
    def freeze(self) -> None:
        """Stop reading and writing on all connections, and answer no new
        ones: half-open, as behind a dead link."""
        self._frozen = True
        self._handshakes.thawed.clear()
        for connection in self._open.values():
            connection.freeze()

    @_on_the_loop
    def freeze_detector(self, fault: str = "frozen_detector") -> None:
        """Freeze the detector on all open sessions, as one of the frozen
        faults of `Faults` does; raises ValueError for others."""
        if fault not in FREEZES:
            raise ValueError(f"fault {fault!r} is none of {list(FREEZES)}")
        for connection in self._open.values():
            connection.freeze_detector(fault)

    @_on_the_loop
    def thaw(self) -> None:
        """Go on after `freeze` (or the faults freeze and stop_reading)."""
        self._frozen = False
        self._handshakes.thawed.set()
        for connection in self._open.values():
            connection.thaw()

    @_on_the_loop
    def stop_listening(self) -> None:
        """Close the port: new connections are refused by the system.

        Open connections go on.
        """
        for listener in self._listeners:
            listener.server.close()
        if self._listen_socket is not None:
            self._listen_socket.close()
            self._listen_socket = None

    def start_listening(self) -> None:
        """Listen again on the same port."""
        self._control(self._listen)

    # --- inside ---------------------------------------------------------------

    def _control(self, apply: Callable[[], T]) -> T:
        """Run on the server's loop, wherever the caller is."""
        if self._loop is None or threading.get_ident() == self._thread_id:
            return apply()

        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                done.set_result(apply())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(CONTROL_TIMEOUT_S)

    def _log_seed(self) -> None:
        if self._context.faults.uses_chance:
            _log.info("faults by chance, seed %d", self._context.faults.seed)

    def _listen(self) -> None:
        # The socket listens at once; the loop begins to accept a moment later.
        if self._listen_socket is not None:
            return
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.host, self.port))
            listening.listen(128)
        except (TypeError, UnicodeError):
            listening.close()
            raise OSError("no name of a host") from None
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        self._listen_socket = listening
        task = asyncio.ensure_future(self._serve(listening))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _serve(self, listening: socket.socket) -> None:
        server = await serve(
            self._handle,
            sock=listening,
            process_request=self._handshakes.process_request,
            select_subprotocol=select_subprotocol,
            open_timeout=None,
            ping_interval=None,  # connection.py pings, so that freeze works
            close_timeout=2,
            max_size=_MAX_MESSAGE_BYTES,
            server_header=None,
            logger=_WEBSOCKETS_LOG,
            create_connection=functools.partial(  # type: ignore[arg-type]
                Door, hand_over=self._files.hand_over, waiting=self._waiting
            ),
        )
        self._listeners.append(server)

    async def _handle(self, ws: ServerConnection) -> None:
        record = self._handshakes.pending.pop(ws)
        assert ws.request is not None
        connection = Connection(
            ws, request_of(ws.request), record, self._context
        )
        self._open[ws] = connection
        _log.debug(
            "#%d open: %.200s, %.200s",
            record.number,
            ascii(record.path)[1:-1],
            ascii(record.headers.get("user-agent", "no user-agent"))[1:-1],
        )
        if self._frozen:
            connection.freeze()
        try:
            await connection.serve()
        finally:
            del self._open[ws]
            with self._journal.change():
                record.close_code = ws.close_code or 1006
                record.close_reason = ws.close_reason or ""
                record.closed_at = time.monotonic()
            _log.debug(
                "#%d closed: %d %.200s, after %.1f s with %.1f s of audio in"
                " %d items",
                record.number,
                record.close_code,
                ascii(record.close_reason)[1:-1],
                record.closed_at - record.opened_at,
                record.audio_ms / 1000,
                len(record.items),
            )

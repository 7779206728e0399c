"""The WebSocket client: pumps bytes between the service and the core.

Every rule of the protocol lives in `realtime`; this module owns sockets,
tasks and timers, and tells an `AsrListener` what happened.  It knows nothing
of TEN.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from .connection.dialer import CLOSE_S, Dialer
from .connection.faults import fault_of_exception, kind_of, place_of
from .connection.interface import AsrListener, ClientSettings
from .connection.trace import WireTrace
from .realtime.audio_buffer import FindSpeech
from .realtime.change import ANSWER_S
from .realtime.faults import NO_CLOSE_FRAME, Fault
from .realtime.link import Link
from .realtime.results import (
    Final,
    FinalizeEnd,
    Interim,
    InternalFault,
    Result,
    ServerProblem,
    SessionReady,
    SettingsChanged,
    TurnCommitted,
    TurnFailed,
)
from .realtime.transcription import Transcription

_NO_CALL = Fault("report", "stopped", "the call is not under way")
#: Why `websockets` ends a connection by itself, by the code of its CLOSE.
_OUR_REASONS = {
    1002: "the server broke the rules of WebSocket",
    1007: "the server sent a text that is none",
    1009: "the server sent a message of more than 1 MB",
}
#: Where even beginning anew fails, when to try it again, in seconds.
_AFTER_FAULT_S = 1.0
#: Who reads without a pause lets others have a turn after this, in seconds.
_READS_FOR_S = 0.005
#: What is left at the end is handed over within this, or ``stop_timeout_ms``
#: where that is longer, in seconds; only a listener that hangs takes as long.
_HAND_OVER_S = 1.0
#: The token of the finalize that `OpenAIASRClient.stop` asks for.
_STOP = object()


@dataclass(eq=False)
class _Connection:
    socket: ClientConnection
    link: Link
    number: int
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    closing: bool = False


class OpenAIASRClient:
    """One call's connection to the service, kept up until `stop`.

    `send_audio`, `commit` and `finalize` return at once, connected or not.
    All methods belong to one event loop.
    """

    def __init__(
        self,
        settings: ClientSettings,
        listener: AsrListener,
        find_speech: FindSpeech,
        log_error: Callable[[str], None],
        rng: random.Random | None = None,
        trace: WireTrace | None = None,
    ) -> None:
        self._listener = listener
        self.core = Transcription(
            settings.session,
            settings.limits,
            protocol=settings.protocol,
            find_speech=find_speech,
            rng=rng or random.Random(),
            address=settings,
        )
        self._trace = trace
        self._opened = 0
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        #: To begin anew, where that failed.
        self._again: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._running = False
        self._stopping = False
        self._dialer = Dialer()
        self._answer: asyncio.Future[Fault | None] | None = None
        #: From when on the last change applies (`SettingsChanged.applies`).
        self.changed_by = ""
        self._log_error = log_error

    # -- life -------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Started, not stopped, and not given up for good."""
        return self._running and self.core.fatal is None

    async def start(self) -> None:
        """Begin to connect, and keep a connection until `stop`."""
        if self._running or self._stopping:
            return
        self._running = True
        self._dispatcher = self._spawn(self._dispatch())
        self.core.start(self._now())
        self._pump()

    async def stop(self) -> None:
        """Deliver what was said, within ``stop_timeout_ms``; then close.

        Closing takes at most two seconds, and a listener that hangs is given
        ``stop_timeout_ms`` once more, or a second.  Every finalize and
        `change` under way is answered.  Safe in any state, more than once and
        at the same time: each returns when the call is over.
        """
        mine = asyncio.current_task() is self._dispatcher
        if self._stopping:
            if not mine:
                await self._ended.wait()
            return
        self._stopping = True
        try:
            if self._running and self.core.progress.undelivered and not mine:
                self.core.finalize(_STOP, self._now())
                self._pump()
                await self._within_bound(self._stopped.wait(), 0.0)
        finally:
            await self._finish(mine)

    async def _finish(self, mine: bool) -> None:
        """Close and hand over what is left; ``mine``: by the dispatcher,
        in which the listener has called."""
        self._running = False
        try:
            self.core.stop(self._now())
        except Exception as error:
            self._tell(error)
        self._cancel_timer()
        self._cancel_again()
        dispatcher = self._dispatcher
        try:
            closes = [self._spawn(self._hang_up(c)) for c in self._connections]
            await asyncio.gather(*closes, return_exceptions=True)
            others = self._tasks - {dispatcher, asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if mine or dispatcher is None or dispatcher.done():
                await self._within_bound(self._deliver_all(), _HAND_OVER_S)
            else:
                # What it is handing over just now must not be cut off.
                self._news.set()
                await self._within_bound(dispatcher, _HAND_OVER_S)
        finally:
            for task in self._tasks - {asyncio.current_task()}:
                task.cancel()
            self._answer_change(_NO_CALL)
            self._ended.set()

    async def _within_bound(
        self, work: Awaitable[object], at_least_s: float
    ) -> None:
        timeout = max(self._settings.stop_timeout_ms / 1000, at_least_s)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(work, timeout)

    # -- from the user ----------------------------------------------------

    def send_audio(self, data: bytes) -> None:
        """Take audio in the wire format (whole samples)."""
        if self.core.audio(data):
            for connection in self._connections:
                connection.wake.set()

    def commit(self) -> None:
        """End a turn at the audio received so far."""
        self.core.commit()
        self._pump()

    def detect_locally(
        self, on: bool, skip_before_ms: int | None = None
    ) -> None:
        """A local detector will, or will no more, tell where speech is."""
        self.core.detect_locally(on, skip_before_ms)

    def speech_started(self, onset: int) -> None:
        """A local detector heard speech from sample ``onset`` on."""
        self.core.speech_started(onset)

    def speech_ended(self, end: int, boundary: int) -> None:
        """Its speech ended at ``end``; its turn is over at ``boundary``."""
        self.core.speech_ended(end, boundary)
        self._pump()

    def passed_over(self, position: int | None) -> None:
        """The local detector is sure that no turn is open at a sample."""
        if position is not None:
            self.core.quiet_to(position)

    def finalize(self, token: object) -> None:
        """Deliver everything received so far; `on_asr_finalized` follows."""
        self.core.finalize(token, self._now())
        self._pump()

    async def change(
        self, settings: ClientSettings, within_s: float = ANSWER_S
    ) -> Fault | None:
        """Put other settings in force without losing a word.

        Returns None, or why the service refused; then the old settings stay
        in force.  Limits, protocol and wire format cannot be changed.  Changes
        are made one after the other, each within ``within_s`` seconds; the
        end of the call refuses them.
        """
        while self._answer is not None:
            await asyncio.shield(self._answer)
        if not self._running:
            return _NO_CALL
        answer = asyncio.get_running_loop().create_future()
        self._answer = answer
        try:
            self.core.change(
                settings.session,
                self._now(),
                address=settings,
                within_s=within_s,
            )
        except Exception:
            # Others wait for the answer.
            self._answer_change(_NO_CALL)
            raise
        self._pump()
        # The change is made also when nobody waits for the answer any more.
        return await asyncio.shield(answer)

    def adopt(self, settings: ClientSettings) -> None:
        """Put settings in force that change nothing for the service; also
        while a `change` is under way."""
        self.core.readdress(settings)

    def hurry(self) -> None:
        """A change under way waits for no pause any more."""
        self.core.hurry(self._now())
        self._pump()

    @property
    def _settings(self) -> ClientSettings:
        """Those in force; the core owns them, so that they change together
        with what the session is told."""
        settings = self.core.address
        assert isinstance(settings, ClientSettings)
        return settings

    def _answer_change(self, refused: Fault | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(refused)

    def counters(self) -> dict[str, int]:
        """What reconnects have cost so far in this call."""
        core = self.core
        rate = core.settings.rate
        return {
            "reconnects": core.connections.reconnects,
            "replayed_ms": core.exchange.replayed * 1000 // rate,
            "dropped_ms": core.dropped * 1000 // rate,
        }

    # -- connections ------------------------------------------------------

    async def _connect_once(self, settings: ClientSettings) -> None:
        try:
            socket = await self._dialer.open(settings)
        except Exception as error:
            fault = self._explained(error)
            self._note("connect_failed", code=fault.code, reason=fault.message)
            self.core.exchange.failed(fault, self._now())
            self._pump()
            return
        try:
            await self._serve(socket)
        finally:
            socket.transport.abort()

    def _explained(self, error: Exception) -> Fault:
        """Why no connection came about, whatever that was."""
        try:
            return fault_of_exception(error)
        except Exception as another:
            return self._internal(another)

    async def _serve(self, socket: ClientConnection) -> None:
        """Use a connection until it ends."""
        if not self._running or self.core.fatal is not None:
            await socket.close()
            return
        link = self.core.exchange.opened(self._now(), time.time())
        self._opened += 1
        connection = _Connection(socket, link, self._opened)
        self._note("opened", connection=connection.number)
        self._connections.add(connection)
        code, reason = NO_CLOSE_FRAME, ""
        try:
            self._pump()
            code, reason = await self._read_and_write(connection)
        finally:
            self._connections.discard(connection)
            self._note(
                "closed",
                connection=connection.number,
                code=socket.close_code or code,
                reason=socket.close_reason or reason,
            )
        self.core.exchange.closed(link, code, reason, self._now())
        self._pump()

    async def _read_and_write(self, connection: _Connection) -> tuple[int, str]:
        """Serve a connection until it ends; its code and reason."""
        writer = asyncio.create_task(self._write(connection))

        def end_with_it(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                connection.socket.transport.abort()

        writer.add_done_callback(end_with_it)
        try:
            return await self._read(connection)
        finally:
            # One that failed is not cancelled any more, and raises here.
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    async def _read(self, connection: _Connection) -> tuple[int, str]:
        socket, link = connection.socket, connection.link
        busy_s = 0.0
        try:
            while True:
                message = await socket.recv(decode=False)
                begin = self._now()
                self._show("received", connection, message)
                self.core.exchange.receive(link, message, begin)
                self._pump()
                busy_s += self._now() - begin
                if busy_s > _READS_FOR_S:
                    # In a flood `recv` does not wait, and the loop is shared.
                    busy_s = 0.0
                    await asyncio.sleep(0)
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                return closed.rcvd.code, closed.rcvd.reason
            if closed.sent is not None and closed.sent.code in _OUR_REASONS:
                return NO_CLOSE_FRAME, _OUR_REASONS[closed.sent.code]
            cause = closed.__cause__
            text = "the connection broke off"
            return NO_CLOSE_FRAME, f"{text}: {cause}" if cause else text

    async def _write(self, connection: _Connection) -> None:
        socket, link, wake = connection.socket, connection.link, connection.wake
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = self.core.exchange.next_message(link, self._now())
                if message is None or link.wants_ping:
                    self._after()
                if message is not None:
                    self._show("sent", connection, message)
                    await socket.send(message, text=True)
                if link.wants_ping:
                    # Here, so that it keeps its place among the audio.
                    link.take_ping()
                    pong = await socket.ping()
                    self._spawn(self._await_pong(link, pong))
                elif message is None:
                    await wake.wait()
                    wake.clear()

    async def _await_pong(self, link: Link, pong: Awaitable[float]) -> None:
        with contextlib.suppress(ConnectionClosed):
            await pong
            self.core.exchange.pong(link, self._now())
            self._pump()

    def _show(self, kind: str, connection: _Connection, message: bytes) -> None:
        if self._trace is not None:
            try:
                self._trace.message(kind, connection.number, message)
            except Exception as error:
                self._tell(error)

    def _note(self, kind: str, **fields: Any) -> None:
        if self._trace is not None:
            try:
                self._trace.note(kind, fields)
            except Exception as error:
                self._tell(error)

    @staticmethod
    async def _hang_up(connection: _Connection) -> None:
        """Close, or break off where the peer does not even read CLOSE: then
        `close` would wait for room to send it in."""
        socket = connection.socket
        try:
            await asyncio.wait_for(socket.close(), 2 * CLOSE_S)
        except asyncio.TimeoutError:
            socket.transport.abort()
        await socket.wait_closed()

    # -- the core's wishes ------------------------------------------------

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _pump(self) -> None:
        """After any input to the core: do what it asks for."""
        try:
            self._do_what_it_asks()
        except Exception as error:
            self._begin_anew(error)

    def _do_what_it_asks(self) -> None:
        if not self._running:
            self._news.set()
            return
        while (
            attempt := self.core.exchange.next_attempt(self._now())
        ) is not None:
            settings = attempt.address
            assert isinstance(settings, ClientSettings)
            self._spawn(self._connect_once(settings))
        for connection in self._connections:
            if connection.link.must_close and not connection.closing:
                connection.closing = True
                self._spawn(self._hang_up(connection))
            connection.wake.set()
        self._after()

    def _after(self) -> None:
        if self.core.results:
            self._news.set()
        if not self._running:
            return
        due = self.core.exchange.deadline()
        if due is None:
            self._cancel_timer()
        elif self._timer is None or due < self._timer_at:
            self._cancel_timer()
            self._timer_at = due
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self._running:
            return
        try:
            self.core.exchange.tick(self._now())
        except Exception as error:
            self._begin_anew(error)
        else:
            self._pump()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if task is self._dispatcher:
            self._tell(error)
            self._dispatcher = self._spawn(self._dispatch(_AFTER_FAULT_S))
        else:
            self._begin_anew(error)

    # -- faults of our own ------------------------------------------------

    def _internal(self, error: BaseException) -> Fault:
        """The fault for an exception that nobody expected; its own text may
        repeat anything, and goes to the log only."""
        self._log_error(f"internal error: {place_of(error)}")
        return Fault("retry", "internal", f"internal error: {kind_of(error)}")

    def _tell(self, error: BaseException) -> None:
        """It costs nothing but what was being done."""
        self.core.results.append(InternalFault(self._internal(error)))
        self._news.set()

    def _begin_anew(self, error: BaseException) -> None:
        """Whatever state it left, or came from, goes with the connections;
        the audio is kept and sent again."""
        self._cancel_again()
        if not self._running:
            self._tell(error)
            return
        try:
            fault = self._internal(error)
            # Attempts under way, too: the core will not expect them any more.
            ours = {self._dispatcher, asyncio.current_task()}
            for task in self._tasks - ours:
                task.cancel()
            self.core.exchange.recover(fault, self._now())
            self._do_what_it_asks()
        except Exception as another:
            loop = asyncio.get_running_loop()
            self._again = loop.call_later(
                _AFTER_FAULT_S, self._begin_anew, another
            )

    def _cancel_again(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    # -- results ----------------------------------------------------------

    async def _dispatch(self, wait_s: float = 0.0) -> None:
        await asyncio.sleep(wait_s)
        while self._running or self.core.results:
            await self._news.wait()
            self._news.clear()
            await self._deliver_all()

    async def _deliver_all(self) -> None:
        results = self.core.results
        while results:
            result = results.popleft()
            try:
                await self._deliver(result)
            except Exception as error:
                self._log_error(f"listener failed: {place_of(error)}")
                if not isinstance(result, InternalFault):
                    text = f"internal error: {kind_of(error)}"
                    fault = Fault("report", "internal", text)
                    results.append(InternalFault(fault))

    async def _deliver(self, result: Result) -> None:
        listener = self._listener
        if isinstance(result, Interim):
            await listener.on_asr_delta(result.turn)
        elif isinstance(result, Final):
            await listener.on_asr_completed(result.turn)
        elif isinstance(result, FinalizeEnd):
            if result.token is _STOP:
                self._stopped.set()
            else:
                await listener.on_asr_finalized(result)
        elif isinstance(result, TurnCommitted):
            await listener.on_asr_committed(result.item_id)
        elif isinstance(result, SessionReady):
            await listener.on_asr_start(result)
        elif isinstance(result, SettingsChanged):
            self.changed_by = result.applies
            self._answer_change(result.refused)
        elif isinstance(result, (ServerProblem, TurnFailed)):
            await listener.on_asr_server_error(result)
        else:
            await listener.on_asr_client_error(result)

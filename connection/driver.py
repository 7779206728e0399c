"""Does what the core asks for: connections, messages, time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from ..realtime.change import Attempt
from ..realtime.faults import NO_CLOSE_FRAME, Fault
from ..realtime.link import Link
from ..realtime.results import Interim
from ..realtime.transcription import Transcription
from .alarm import Alarm
from .dialer import CLOSE_S, Dialer
from .dispatcher import AFTER_FAULT_S, Dispatcher
from .faults import fault_of_exception
from .interface import ClientSettings, Connection, GuardedTrace, WireTrace

#: Why `websockets` ends a connection by itself, by the code of its CLOSE.
_OUR_REASONS = {
    1002: "the server broke the rules of WebSocket",
    1007: "the server sent a text that is none",
    1009: "the server sent a message of more than 1 MB",
}
#: Who reads without a pause lets others have a turn after this, in seconds.
_READS_FOR_S = 0.005


class Driver:
    """Opens the connections of a core, gives it what comes and what the time
    is, and lets it begin anew after a fault of ours.

    Whoever else gives the core something calls `obey` then.  A fault of ours
    costs the connections at most, and is told through the ``dispatcher``.
    """

    def __init__(
        self,
        core: Transcription,
        dispatcher: Dispatcher,
        trace: WireTrace | None,
    ) -> None:
        self._core = core
        self.exchange = core.exchange
        self.trace = GuardedTrace(trace, dispatcher.tell)
        self._dispatcher = dispatcher
        self.dialer = Dialer()
        #: From `start` to `close`; nothing that the core asks for is done
        #: before and after.
        self.active = False
        #: Connections in use, and how many there were so far.
        self.wires: set[Wire] = set()
        self.opened = 0
        #: Whatever runs for this call, but the dispatcher; and of these what
        #: opens a connection.
        self.tasks: set[asyncio.Task[None]] = set()
        self._dials: dict[Attempt, asyncio.Task[None]] = {}
        self._alarm = Alarm(self._on_alarm, last=True)
        #: From a message until `obey` after it; and was an interim handed over
        #: in between?
        self._soon: asyncio.Handle | None = None
        self._gave_interim = False

    def start(self) -> None:
        """Begin to connect."""
        self.active = True
        self._core.start(now())
        self.obey()

    async def close(self) -> None:
        """End the call: close what is open, within two seconds."""
        self.active = False
        try:
            self._core.stop(now())
        except Exception as error:
            self._dispatcher.tell(error)
        self.schedule()
        try:
            closes = [self.spawn(wire.hang_up()) for wire in self.wires]
            await asyncio.gather(*closes, return_exceptions=True)
        finally:
            others = self._cancel_others()
        await asyncio.gather(*others, return_exceptions=True)

    def wake_wires(self) -> None:
        """The core may have something to send."""
        for wire in self.wires:
            wire.wake()

    # -- connections ------------------------------------------------------

    async def _connect(self, attempt: Attempt) -> None:
        settings = attempt.address
        assert isinstance(settings, ClientSettings)
        try:
            asks = attempt.change is not None
            socket = await self.dialer.open(settings, asks=asks)
        except Exception as error:
            if attempt.over:
                return
            fault = self._explained(error)
            why = {"code": fault.code, "reason": fault.message}
            self.trace.note("connect_failed", why)
            self.exchange.failed(fault, now())
            self.obey()
            return
        finally:
            self._dials.pop(attempt, None)
        try:
            await self._use(socket, attempt)
        finally:
            socket.transport.abort()

    def _explained(self, error: Exception) -> Fault:
        """Why no connection came about, whatever that was."""
        try:
            return fault_of_exception(error)
        except Exception as another:
            return self._dispatcher.fault_of(another)

    async def _use(self, socket: Connection, attempt: Attempt) -> None:
        """Use a connection until it ends."""
        if attempt.over or not self.active:
            await socket.close()
            return
        link = self.exchange.opened(now(), time.time())
        self.opened += 1
        wire = Wire(self, socket, link, self.opened)
        self.trace.note("opened", {"connection": wire.number})
        self.wires.add(wire)
        code, reason = NO_CLOSE_FRAME, ""
        try:
            self.obey()
            code, reason = await wire.serve()
        finally:
            self.wires.discard(wire)
            how = {
                "connection": wire.number,
                "code": socket.close_code or code,
                "reason": socket.close_reason or reason,
            }
            self.trace.note("closed", how)
        self.exchange.closed(link, code, reason, now(), socket.lives)
        self.obey()

    # -- what the core asks for -------------------------------------------

    def obey(self) -> None:
        """After any input to the core: do what it asks for."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        try:
            self._do_what_it_asks()
        except Exception as error:
            self._begin_anew(error)

    def _do_what_it_asks(self) -> None:
        if self.active:
            while (attempt := self.exchange.next_attempt(now())) is not None:
                self._dials[attempt] = self.spawn(self._connect(attempt))
            for attempt in [a for a in self._dials if a.over]:
                self._dials.pop(attempt).cancel()
            for wire in self.wires:
                wire.feed()
        self.schedule()

    def receive(self, link: Link, message: bytes, at: float) -> None:
        """Take a message of the service; raises what the core raises at it.

        What it says to the user is handed over here and now.  What else
        follows from it, such as timers, waits until every call has read what
        has come; so do further interims, which give way to the last one.
        """
        self.exchange.receive(link, message, at)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self.obey)
            self._gave_interim = False
        results = self._core.results
        if results:
            is_interim = isinstance(results[-1], Interim)
            if not (is_interim and self._gave_interim):
                self._gave_interim = is_interim
                self._dispatcher.hand_over()

    def schedule(self) -> None:
        """Have results handed over, and `tick` called when it is due."""
        if self._core.results:
            self._dispatcher.wake()
        due = self.exchange.deadline() if self.active else None
        if due is None:
            self._alarm.cancel()
        else:
            self._alarm.ring_by(due)

    def _on_alarm(self) -> None:
        try:
            self.exchange.tick(now())
            self._do_what_it_asks()
        except Exception as error:
            self._begin_anew(error)

    # -- tasks, and faults of ours ----------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task of this call; a fault in it is seen to."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._begin_anew(error)

    def _cancel_others(self) -> set[asyncio.Task[None]]:
        """Cancel every task but the one that runs; which these are."""
        others = self.tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        return others

    def _begin_anew(self, error: BaseException) -> None:
        """Whatever state it left, or came from, goes with the connections;
        the audio is kept and sent again."""
        if not self.active:
            self._dispatcher.tell(error)
            return
        try:
            fault = self._dispatcher.fault_of(error)
            # Attempts under way, too: the core will not expect them any more.
            self._cancel_others()
            self.exchange.recover(fault, now())
            self._do_what_it_asks()
        except Exception as another:
            self.spawn(self._begin_anew_later(another))

    async def _begin_anew_later(self, error: BaseException) -> None:
        await asyncio.sleep(AFTER_FAULT_S)
        self._begin_anew(error)


class Wire:
    """Carries messages between a WebSocket and the core's ``link``.

    ``number`` is the connection's in the trace.
    """

    def __init__(
        self, driver: Driver, socket: Connection, link: Link, number: int
    ) -> None:
        self.socket = socket
        self.link = link
        self.number = number
        self._driver = driver
        self._woken = asyncio.Event()
        self._hanging_up = False
        #: Does the writer wait, and what is it to send first?
        self._is_idle = False
        self._first: bytes | None = None

    async def serve(self) -> tuple[int, str]:
        """Carry messages until the connection ends; its code and reason.

        Raises what the core raises at what it is given.
        """
        writer = self._driver.spawn(self._write())
        try:
            code, reason = await self._read()
        finally:
            writer.cancel()
        if not self._hanging_up:
            self._judge()
        return code, reason

    def wake(self) -> None:
        """The core has something to send."""
        self._woken.set()

    def feed(self) -> None:
        """The core may have something to send, or want the connection closed;
        where it has nothing the writer is not woken."""
        if self.link.must_close and not self._hanging_up:
            self._hanging_up = True
            # Before the next attempt, which does not wait for the CLOSE.
            self._judge()
            self._driver.spawn(self.hang_up())
        if self._is_idle and not self._woken.is_set():
            self._first = self._driver.exchange.next_message(self.link, now())
            if self._first is not None or self.link.wants_ping:
                self._woken.set()

    def _judge(self) -> None:
        """Where no session came of it another address may do better."""
        session = self.link.session
        if not session.ready_at or session.handshake.on_trial:
            self._driver.dialer.avoid(self.socket.attempt)

    async def hang_up(self) -> None:
        """Close, or break off where the peer does not even read CLOSE: then
        `close` would wait for room to send it in."""
        try:
            await asyncio.wait_for(self.socket.close(), 2 * CLOSE_S)
        except asyncio.TimeoutError:
            self.socket.transport.abort()
        await self.socket.wait_closed()

    async def _read(self) -> tuple[int, str]:
        busy_s = 0.0
        try:
            while True:
                message = await self.socket.recv(decode=False)
                begin = now()
                self._driver.trace.message("received", self.number, message)
                self._driver.receive(self.link, message, begin)
                busy_s += now() - begin
                if busy_s > _READS_FOR_S:
                    # In a flood `recv` does not wait, and the loop is shared.
                    busy_s = 0.0
                    await asyncio.sleep(0)
        except ConnectionClosed as closed:
            return _code_and_reason(closed)

    async def _write(self) -> None:
        link = self.link
        with contextlib.suppress(ConnectionClosed):
            while True:
                message, self._first = self._first, None
                if message is None:
                    message = self._driver.exchange.next_message(link, now())
                if message is None or link.wants_ping:
                    self._driver.schedule()
                if message is not None:
                    self._driver.trace.message("sent", self.number, message)
                    await self.socket.send(message, text=True)
                if link.take_ping():
                    # Here, so that it keeps its place among the audio.
                    pong = await self.socket.ping()
                    self._driver.spawn(self._await_pong(pong))
                elif message is None:
                    self._is_idle = True
                    await self._woken.wait()
                    self._is_idle = False
                    self._woken.clear()

    async def _await_pong(self, pong: Awaitable[float]) -> None:
        with contextlib.suppress(ConnectionClosed):
            await pong
            self._driver.exchange.pong(self.link, now())
            self._driver.obey()


def _code_and_reason(closed: ConnectionClosed) -> tuple[int, str]:
    """How a connection ended; only the peer's own code counts."""
    if closed.rcvd is not None:
        return closed.rcvd.code, closed.rcvd.reason
    if closed.sent is not None and closed.sent.code in _OUR_REASONS:
        return NO_CLOSE_FRAME, _OUR_REASONS[closed.sent.code]
    cause = closed.__cause__
    text = "the connection broke off"
    return NO_CLOSE_FRAME, f"{text}: {cause}" if cause else text


def now() -> float:
    """The core's clock is that of the loop, in seconds."""
    return asyncio.get_running_loop().time()

"""Does what the core asks for: connections, messages, time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.asyncio.client import ClientConnection

from ..realtime.faults import NO_CLOSE_FRAME, Fault
from ..realtime.transcription import Transcription
from .dialer import Dialer
from .dispatcher import Dispatcher
from .faults import AFTER_FAULT_S, fault_of_exception, internal_fault
from .interface import ClientSettings
from .trace import GuardedTrace, WireTrace
from .wire import Wire


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
        log_error: Callable[[str], None],
        trace: WireTrace | None,
    ) -> None:
        self._core = core
        self._exchange = core.exchange
        self._dispatcher = dispatcher
        self._log_error = log_error
        self._trace = GuardedTrace(trace, dispatcher.tell)
        self._dialer = Dialer()
        #: From `start` to `close`; nothing that the core asks for is done
        #: before and after.
        self._active = False
        #: Connections in use, and how many there were so far.
        self.wires: set[Wire] = set()
        self.opened = 0
        #: Whatever runs for this call, but the dispatcher.
        self.tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._active = True
        self._core.start(now())
        self.obey()

    async def close(self) -> None:
        """End the call: close what is open, within two seconds."""
        self._active = False
        try:
            self._core.stop(now())
        except Exception as error:
            self._dispatcher.tell(error)
        self._cancel_timer()
        try:
            closes = [self._spawn(wire.hang_up()) for wire in self.wires]
            await asyncio.gather(*closes, return_exceptions=True)
        finally:
            others = self._cancel_others()
        await asyncio.gather(*others, return_exceptions=True)

    def wake_wires(self) -> None:
        """The core may have something to send."""
        for wire in self.wires:
            wire.wake()

    # -- connections ------------------------------------------------------

    async def _connect(self, settings: ClientSettings) -> None:
        try:
            socket = await self._dialer.open(settings)
        except Exception as error:
            fault = self._explained(error)
            why = {"code": fault.code, "reason": fault.message}
            self._trace.note("connect_failed", why)
            self._exchange.failed(fault, now())
            self.obey()
            return
        try:
            await self._use(socket)
        finally:
            socket.transport.abort()

    def _explained(self, error: Exception) -> Fault:
        """Why no connection came about, whatever that was."""
        try:
            return fault_of_exception(error)
        except Exception as another:
            return internal_fault(another, self._log_error)

    async def _use(self, socket: ClientConnection) -> None:
        """Use a connection until it ends."""
        if not self._active or self._core.fatal is not None:
            await socket.close()
            return
        link = self._exchange.opened(now(), time.time())
        self.opened += 1
        wire = Wire(
            socket,
            link,
            self.opened,
            self._exchange,
            self._trace,
            spawn=self._spawn,
            on_input=self.obey,
            on_output=self._schedule,
        )
        self._trace.note("opened", {"connection": wire.number})
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
            self._trace.note("closed", how)
        self._exchange.closed(link, code, reason, now())
        self.obey()

    # -- what the core asks for -------------------------------------------

    def obey(self) -> None:
        """After any input to the core: do what it asks for."""
        try:
            self._do_what_it_asks()
        except Exception as error:
            self._begin_anew(error)

    def _do_what_it_asks(self) -> None:
        if self._active:
            while (attempt := self._exchange.next_attempt(now())) is not None:
                settings = attempt.address
                assert isinstance(settings, ClientSettings)
                self._spawn(self._connect(settings))
            self.wake_wires()
        self._schedule()

    def _schedule(self) -> None:
        """Have results handed over, and `tick` called when it is due."""
        if self._core.results:
            self._dispatcher.wake()
        due = self._exchange.deadline() if self._active else None
        if due is None:
            self._cancel_timer()
        elif self._timer is None or due < self._timer.when():
            self._cancel_timer()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due, self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        try:
            self._exchange.tick(now())
        except Exception as error:
            self._begin_anew(error)
        else:
            self.obey()

    # -- tasks, and faults of ours ----------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
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
        if not self._active:
            self._dispatcher.tell(error)
            return
        try:
            fault = internal_fault(error, self._log_error)
            # Attempts under way, too: the core will not expect them any more.
            self._cancel_others()
            self._exchange.recover(fault, now())
            self._do_what_it_asks()
        except Exception as another:
            self._spawn(self._begin_anew_later(another))

    async def _begin_anew_later(self, error: BaseException) -> None:
        await asyncio.sleep(AFTER_FAULT_S)
        self._begin_anew(error)


def now() -> float:
    """The core's clock is that of the loop, in seconds."""
    return asyncio.get_running_loop().time()

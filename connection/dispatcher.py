"""Hands results to the listener."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.tasks import _enter_task, _leave_task
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from typing_extensions import assert_never

from ..realtime.faults import INTERNAL, Fault
from ..realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    InternalFault,
    LateFinal,
    Result,
    ServerProblem,
    SessionLost,
    SessionReady,
    SettingsChanged,
    TurnCommitted,
    TurnFailed,
)
from .faults import kind_of, place_of
from .interface import AsrListener

#: What a fault of ours interrupted is tried again in so many seconds.
AFTER_FAULT_S = 1.0


class Dispatcher:
    """Takes results and hands them to the listener, one after the other.

    Two kinds are for the client itself: ``on_changed`` is given the answer to
    a change, and a finalize whose token is an ``asyncio.Event`` sets that.
    """

    def __init__(
        self,
        results: deque[Result],
        listener: AsrListener,
        on_changed: Callable[[SettingsChanged], None],
        log_error: Callable[[str], None],
    ) -> None:
        self._results = results
        self._listener = listener
        self._on_changed = on_changed
        self._log_error = log_error
        self._results_ready = asyncio.Event()
        self._more_to_come = True
        self._task: asyncio.Task[None] | None = None
        self._is_at_it = False
        #: What `hand_over` left to the task.
        self._begun: _Begun | None = None

    def start(self) -> None:
        """Begin to hand over, in a task of its own, until `finish`."""
        self._task = asyncio.create_task(self._run())

    @property
    def is_current(self) -> bool:
        """Is it the listener that calls just now?"""
        return asyncio.current_task() is self._task

    def wake(self) -> None:
        """There may be results."""
        self._results_ready.set()

    def hand_over(self) -> None:
        """Hand over what there is here and now; for a task of the same loop.

        It counts as the work of the dispatcher's own task, which goes on where
        the listener waits for something.
        """
        task, caller = self._task, asyncio.current_task()
        if task is None or task.done() or self._is_at_it:
            return
        loop = asyncio.get_running_loop()
        assert caller is not None
        _leave_task(loop, caller)
        _enter_task(loop, task)
        try:
            begun = _Begun(self._deliver_all())
        finally:
            _leave_task(loop, task)
            _enter_task(loop, caller)
        if not begun.over:
            self._begun = begun
            self.wake()

    def fault_of(
        self, error: BaseException, where: str = "internal error"
    ) -> Fault:
        """What an exception that nobody expected is for the user; its own text
        may repeat anything, and goes to the log only."""
        self._log_error(f"{where}: {place_of(error)}")
        return Fault("retry", INTERNAL, f"internal error: {kind_of(error)}")

    def tell(self, error: BaseException) -> None:
        """Report a fault of ours that cost nothing but what was being done."""
        self._results.append(InternalFault(self.fault_of(error)))
        self.wake()

    async def finish(self, within_s: float) -> None:
        """No result follows: hand over what is left, and end.  Only a listener
        that hangs takes as long as ``within_s``; then it is cut off."""
        self._more_to_come = False
        self.wake()
        task = self._task
        if task is None or task.done() or self.is_current:
            work: Awaitable[None] = self._deliver_all()
        else:
            # What it is handing over just now must not be cut off.
            work = task
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(work, within_s)

    def cancel(self) -> None:
        """End at once, unless it is the listener that calls."""
        if self._task is not None and not self.is_current:
            self._task.cancel()

    async def _run(self) -> None:
        while self._more_to_come or self._results or self._begun:
            try:
                await self._results_ready.wait()
                self._results_ready.clear()
                begun, self._begun = self._begun, None
                if begun is not None:
                    await begun
                await self._deliver_all()
            except Exception as error:
                self.tell(error)
                await asyncio.sleep(AFTER_FAULT_S)

    async def _deliver_all(self) -> None:
        results = self._results
        self._is_at_it = True
        try:
            while results:
                result = results.popleft()
                try:
                    await self._deliver(result)
                except (Exception, asyncio.CancelledError) as error:
                    if _is_cancelled(error):
                        raise
                    fault = self.fault_of(error, "listener failed")
                    if not isinstance(result, InternalFault):
                        results.append(InternalFault(fault))
        finally:
            self._is_at_it = False

    async def _deliver(self, result: Result) -> None:
        listener = self._listener
        match result:
            case Interim(turn):
                await listener.on_asr_delta(turn)
            case Final(turn):
                await listener.on_asr_completed(turn)
            case LateFinal():
                await listener.on_asr_late(result)
            case FinalizeEnd(token=asyncio.Event() as answered):
                answered.set()
            case FinalizeEnd():
                await listener.on_asr_finalized(result)
            case TurnCommitted(item_id):
                await listener.on_asr_committed(item_id)
            case SessionReady():
                await listener.on_asr_start(result)
            case SettingsChanged():
                self._on_changed(result)
            case ServerProblem() | TurnFailed():
                await listener.on_asr_server_error(result)
            case SessionLost() | InternalFault() | AudioDropped():
                await listener.on_asr_client_error(result)
            case _:
                assert_never(result)


def _is_cancelled(error: BaseException) -> bool:
    """Is our task to end?  Else it was something that the listener waited for,
    and is its own fault.  (Python 3.10 cannot tell.)"""
    if not isinstance(error, asyncio.CancelledError):
        return False
    cancelling = getattr(asyncio.current_task(), "cancelling", lambda: 1)
    return bool(cancelling())


class _Begun:
    """A coroutine that was run up to where it waits first; who awaits this
    runs the rest.  ``over``: there is none."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.over = False
        self._coroutine = coroutine
        self._waits_for: Any = None
        self._error: BaseException | None = None
        try:
            self._step(coroutine.send, None)
        except BaseException as error:
            # Such as a `CancelledError`, which is none of the caller's.
            self._error = error

    def _step(self, step: Callable[[Any], Any], answer: Any) -> None:
        try:
            self._waits_for = step(answer)
        except StopIteration:
            self.over = True

    def __await__(self) -> Generator[Any, Any, None]:
        if self._error is not None:
            raise self._error
        while not self.over:
            try:
                answer = yield self._waits_for
            except BaseException as error:
                self._step(self._coroutine.throw, error)
            else:
                self._step(self._coroutine.send, answer)

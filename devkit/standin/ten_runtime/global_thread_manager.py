"""The threads that run extensions.

One event loop thread, ``PythonGlobalMainThread``, serves all async extensions
of the process; it starts with the first and stops with the last. Testers have
one of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from ._log import log_line
from .log_level import LogLevel

#: Seconds that cancelled tasks get before the loop stops.
LEFTOVER_GRACE_S = 0.5
#: Tasks with such a name are known to outlive on_deinit: debug level only.
EXPECTED_LEFTOVER = "ten_ai_base:"


class _Loop(asyncio.SelectorEventLoop):
    """asyncio's, with a trait of uvloop that extensions have to bear: what
    `call_at` returns for a time that has come, or will within half a
    millisecond, is no `TimerHandle`, and does not know `when`."""

    def call_at(  # type: ignore[override]  # its type says TimerHandle
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        **more: Any,
    ) -> asyncio.Handle:
        if when - self.time() < 0.0005:
            return self.call_soon(callback, *args, **more)
        return super().call_at(when, callback, *args, **more)


def _new_loop() -> asyncio.AbstractEventLoop:
    if importlib.util.find_spec("uvloop") is None:
        return _Loop()
    loop = importlib.import_module("uvloop").new_event_loop()
    assert isinstance(loop, asyncio.AbstractEventLoop)
    return loop


class LoopThread:
    """A daemon thread with an event loop."""

    def __init__(self, name: str) -> None:
        self.loop = _new_loop()
        self._stopping = False
        # The loop itself keeps only weak references to tasks.
        self._running: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(
            target=self._run, name=name, daemon=True
        )
        self._thread.start()

    def post(self, call: Callable[[], None]) -> None:
        """Run ``call`` in the loop, in the order of posting."""
        # A loop that was stopped by force has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            if threading.current_thread() is self._thread:
                self.loop.call_soon(call)
            else:
                self.loop.call_soon_threadsafe(call)

    def spawn(
        self, name: str, start: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Make a task of ``start()``; tasks begin in the order of calls.

        Always through :meth:`post`, even from the loop itself: a shortcut
        would overtake what other threads posted before.
        """

        def begin() -> None:
            task = self.loop.create_task(start(), name=name)
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        self.post(begin)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._stopping:
            try:
                self.loop.run_forever()
            except BaseException as error:
                # SystemExit and KeyboardInterrupt of a task end a loop.
                log_line(
                    LogLevel.ERROR,
                    f"left the event loop: {error!r}",
                    error=error,
                )

    def stop(self) -> None:
        """Cancel what is left, say so, and end the thread."""
        drained = asyncio.run_coroutine_threadsafe(self._drain(), self.loop)
        with contextlib.suppress(Exception):
            drained.result(timeout=10 * LEFTOVER_GRACE_S)
        self._stopping = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10 * LEFTOVER_GRACE_S)
        if self._thread.is_alive():
            log_line(LogLevel.ERROR, "the event loop is blocked; left behind")
            return
        self.loop.close()

    async def _drain(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        expected = {
            task
            for task in left
            if task.get_name().startswith(EXPECTED_LEFTOVER)
        }
        _report(left - expected, LogLevel.WARN)
        _report(expected, LogLevel.DEBUG)
        for task in left:
            task.cancel()
        if left:
            _, stubborn = await asyncio.wait(left, timeout=LEFTOVER_GRACE_S)
            if stubborn:
                names = ", ".join(sorted(map(_task_name, stubborn)))
                log_line(
                    LogLevel.ERROR,
                    f"{len(stubborn)} task(s) ignored cancellation: {names}",
                )
        await self.loop.shutdown_asyncgens()


def _task_name(task: asyncio.Task[Any]) -> str:
    if not task.get_name().startswith("Task-"):
        return task.get_name()
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", None) or task.get_name()


def _report(tasks: set[asyncio.Task[Any]], level: LogLevel) -> None:
    if tasks:
        names = ", ".join(sorted(map(_task_name, tasks)))
        log_line(
            level,
            f"{len(tasks)} task(s) left after on_deinit, cancelled: {names}",
            leftover_tasks=len(tasks),
        )


class WorkerThread:
    """A daemon thread that runs calls one after the other."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(
            target=self._run, name=name, daemon=True
        )
        self._thread.start()

    def post(self, call: Callable[[], None]) -> None:
        """Run ``call`` in the thread, in the order of posting."""
        self._calls.put(call)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def stop(self) -> None:
        """End the thread once everything posted has run."""
        self._calls.put(None)
        self._thread.join(timeout=10 * LEFTOVER_GRACE_S)


class GlobalThreadManager:
    """Counts the users of the shared loop thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: LoopThread | None = None
        self._users = 0

    def acquire(self) -> LoopThread:
        """The loop thread, for one more extension."""
        with self._lock:
            if self._shared is None:
                self._shared = LoopThread("PythonGlobalMainThread")
            self._users += 1
            return self._shared

    def release(self) -> None:
        """Give it back; the last one to do so stops it."""
        with self._lock:
            self._users -= 1
            if self._users or self._shared is None:
                return
            thread, self._shared = self._shared, None
            thread.stop()


thread_manager = GlobalThreadManager()

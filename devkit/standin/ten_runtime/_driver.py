"""How the runtime calls into an extension or a tester."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ._core import MsgCore
from ._owner import Stage
from .audio_frame import AudioFrame
from .cmd import Cmd
from .data import Data
from .global_thread_manager import LoopThread, WorkerThread
from .msg import Msg
from .video_frame import VideoFrame

ThreadT = TypeVar("ThreadT", LoopThread, WorkerThread)
_HANDLES: dict[str, type[Msg]] = {
    "cmd": Cmd,
    "data": Data,
    "audio_frame": AudioFrame,
    "video_frame": VideoFrame,
}


class Driven(Protocol):
    """Who hears what became of the callbacks."""

    name: str

    def stage_done(self, stage: Stage) -> None:
        """The stage's callback is over."""

    def escaped(self, where: str, error: BaseException) -> None:
        """An exception left the callback ``where``."""


class Driver(Generic[ThreadT]):
    """Runs the callbacks of ``target`` in the thread that they belong to.

    ``release`` gives the thread back; it is not called from that thread.
    """

    #: Whether a coroutine may still wait for something after the end.
    has_coroutines: ClassVar[bool]

    def __init__(
        self,
        owner: Driven,
        target: object,
        env: object,
        thread: ThreadT,
        release: Callable[[], None],
    ) -> None:
        self.release = release
        self._owner = owner
        self._target = target
        self._env = env
        self._thread: ThreadT = thread

    def enter(self, stage: Stage) -> None:
        """Call the stage's callback; its end is told to the owner."""
        name = f"on_{stage.name.lower()}"
        callback = getattr(self._target, name, None)
        if callback is None:  # testers have no on_configure
            self._thread.post(lambda: self._owner.stage_done(stage))
        else:
            self._run_stage(stage, name, callback)

    def message(self, core: MsgCore) -> None:
        """Call the message's callback."""
        raise NotImplementedError

    def call(self, call: Callable[[], None]) -> None:
        """Run something in the owner's thread (results, error handlers)."""
        raise NotImplementedError

    def _run_stage(
        self, stage: Stage, name: str, callback: Callable[..., Any]
    ) -> None:
        raise NotImplementedError

    def _call_with(self, name: str, core: MsgCore) -> Any:
        message = _HANDLES[core.kind]._wrap(core)
        return getattr(self._target, name)(self._env, message)


class AsyncDriver(Driver[LoopThread]):
    """Each callback is a task of its own; tasks start in arrival order."""

    has_coroutines = True

    def call(self, call: Callable[[], None]) -> None:
        self._thread.post(call)

    def message(self, core: MsgCore) -> None:
        name = f"{self._owner.name}.on_{core.kind}"
        self._thread.spawn(name, lambda: self._message(core))

    async def _message(self, core: MsgCore) -> None:
        name = f"on_{core.kind}"
        try:
            await self._call_with(name, core)
        except BaseException as error:
            self._owner.escaped(name, error)

    def _run_stage(
        self, stage: Stage, name: str, callback: Callable[..., Any]
    ) -> None:
        async def run() -> None:
            try:
                await callback(self._env)
            except BaseException as error:
                self._owner.escaped(name, error)
            finally:
                self._owner.stage_done(stage)

        self._thread.spawn(f"{self._owner.name}.{name}", run)


class SyncDriver(Driver[WorkerThread]):
    """Callbacks one after the other in a group's thread.

    The callback ends a stage itself, with ``ten_env.on_*_done()``.
    """

    has_coroutines = False

    def call(self, call: Callable[[], None]) -> None:
        self._guarded("a result handler", call)

    def message(self, core: MsgCore) -> None:
        name = f"on_{core.kind}"
        self._guarded(name, lambda: self._call_with(name, core))

    def _run_stage(
        self, stage: Stage, name: str, callback: Callable[..., Any]
    ) -> None:
        self._guarded(name, lambda: callback(self._env), stage)

    def _guarded(
        self, name: str, call: Callable[[], Any], stage: Stage | None = None
    ) -> None:
        def run() -> None:
            try:
                call()
            except BaseException as error:
                self._owner.escaped(name, error)
                if stage is not None:
                    self._owner.stage_done(stage)

        self._thread.post(run)

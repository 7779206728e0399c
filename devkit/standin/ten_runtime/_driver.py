"""How the runtime calls into an extension or a tester."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ._core import MsgCore
from ._owner import Stage
from .audio_frame import AudioFrame
from .cmd import Cmd
from .data import Data
from .global_thread_manager import LoopThread, WorkerThread
from .msg import Msg
from .video_frame import VideoFrame

if TYPE_CHECKING:
    from ._node import Node

_HANDLES: dict[str, type[Msg]] = {
    "cmd": Cmd,
    "data": Data,
    "audio_frame": AudioFrame,
    "video_frame": VideoFrame,
}
_CALLBACKS = {
    Stage.CONFIGURE: "on_configure",
    Stage.INIT: "on_init",
    Stage.START: "on_start",
    Stage.STOP: "on_stop",
    Stage.DEINIT: "on_deinit",
}


class Driver(Protocol):
    """Runs callbacks where their owner wants them."""

    has_coroutines: bool

    def enter(self, stage: Stage) -> None:
        """Call the stage's callback; its end is reported to the node."""

    def message(self, core: MsgCore) -> None:
        """Call the message's callback."""

    def call(self, call: Callable[[], None]) -> None:
        """Run something in the owner's thread (results, error handlers)."""

    def release(self) -> None:
        """Give the thread back. Not from that thread."""


class AsyncDriver:
    """Each callback is a task of its own; tasks start in arrival order."""

    has_coroutines = True

    def __init__(
        self,
        node: Node,
        target: object,
        env: object,
        thread: LoopThread,
        release: Callable[[LoopThread], None],
    ) -> None:
        self._node = node
        self._target = target
        self._env = env
        self._thread = thread
        self._release = release
        self._names = {kind: f"{node.name}.on_{kind}" for kind in _HANDLES}

    def call(self, call: Callable[[], None]) -> None:
        self._thread.post(call)

    def enter(self, stage: Stage) -> None:
        callback = getattr(self._target, _CALLBACKS[stage], None)
        if callback is None:  # testers have no on_configure
            self._thread.post(lambda: self._node.stage_done(stage))
            return
        name = f"{self._node.name}.{_CALLBACKS[stage]}"
        self._thread.spawn(name, lambda: self._stage(stage, callback))

    async def _stage(self, stage: Stage, callback: Callable[..., Any]) -> None:
        try:
            await callback(self._env)
        except BaseException as error:
            self._node.escaped(_CALLBACKS[stage], error)
        finally:
            self._node.stage_done(stage)

    def message(self, core: MsgCore) -> None:
        self._thread.spawn(self._names[core.kind], lambda: self._message(core))

    async def _message(self, core: MsgCore) -> None:
        name = f"on_{core.kind}"
        try:
            message = _HANDLES[core.kind]._wrap(core)
            await getattr(self._target, name)(self._env, message)
        except BaseException as error:
            self._node.escaped(name, error)

    def release(self) -> None:
        self._release(self._thread)


class SyncDriver:
    """Callbacks one after the other in a group's thread.

    The callback ends a stage itself, with ``ten_env.on_*_done()``.
    """

    has_coroutines = False

    def __init__(
        self,
        node: Node,
        target: object,
        env: object,
        thread: WorkerThread,
        release: Callable[[WorkerThread], None],
    ) -> None:
        self._node = node
        self._target = target
        self._env = env
        self._thread = thread
        self._release = release

    def enter(self, stage: Stage) -> None:
        name = _CALLBACKS[stage]
        callback = getattr(self._target, name, None)
        if callback is None:
            self._thread.post(lambda: self._node.stage_done(stage))
            return

        def run() -> None:
            try:
                callback(self._env)
            except BaseException as error:
                self._node.escaped(name, error)
                self._node.stage_done(stage)

        self._thread.post(run)

    def message(self, core: MsgCore) -> None:
        name = f"on_{core.kind}"
        self._guarded(
            name,
            lambda: getattr(self._target, name)(
                self._env, _HANDLES[core.kind]._wrap(core)
            ),
        )

    def call(self, call: Callable[[], None]) -> None:
        self._guarded("a result handler", call)

    def _guarded(self, name: str, call: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                call()
            except BaseException as error:
                self._node.escaped(name, error)

        self._thread.post(run)

    def release(self) -> None:
        self._release(self._thread)

"""Synchronous testers."""

from __future__ import annotations

from ._driver import Driver, SyncDriver
from ._engine import Engine
from ._node import Node
from ._owner import Stage
from ._sending import SyncSending
from .audio_frame import AudioFrame
from .cmd import Cmd
from .data import Data
from .error import TenError
from .global_thread_manager import WorkerThread
from .test_base import TesterBase
from .video_frame import VideoFrame


class TenEnvTester(SyncSending):
    """Sending, logging and ``stop_test``; no properties."""

    def on_init_done(self) -> None:
        """on_init is over."""
        self._owner.stage_done(Stage.INIT)

    def on_start_done(self) -> None:
        """on_start is over."""
        self._owner.stage_done(Stage.START)

    def on_stop_done(self) -> None:
        """on_stop is over."""
        self._owner.stage_done(Stage.STOP)

    def on_deinit_done(self) -> None:
        """on_deinit is over."""
        self._owner.stage_done(Stage.DEINIT)

    def stop_test(self, error: TenError | None = None) -> None:
        """Stop the run. The first error given is what ``run`` returns."""
        self._sender().engine.close(error)


class ExtensionTester(TesterBase):
    """Plays against an extension, in a thread of its own."""

    def _driver(self, engine: Engine, node: Node) -> Driver:
        thread = WorkerThread("ten:tester")
        env = TenEnvTester(node)
        return SyncDriver(node, self, env, thread, WorkerThread.stop)

    def on_init(self, ten_env: TenEnvTester) -> None:
        """First stage."""
        ten_env.on_init_done()

    def on_start(self, ten_env: TenEnvTester) -> None:
        """Start the test."""
        ten_env.on_start_done()

    def on_stop(self, ten_env: TenEnvTester) -> None:
        """The extension stops at the same time."""
        ten_env.on_stop_done()

    def on_deinit(self, ten_env: TenEnvTester) -> None:
        """Last stage."""
        ten_env.on_deinit_done()

    def on_cmd(self, ten_env: TenEnvTester, cmd: Cmd) -> None:
        """A command of the extension."""

    def on_data(self, ten_env: TenEnvTester, data: Data) -> None:
        """Data of the extension."""

    def on_audio_frame(
        self, ten_env: TenEnvTester, audio_frame: AudioFrame
    ) -> None:
        """An audio frame of the extension."""

    def on_video_frame(
        self, ten_env: TenEnvTester, video_frame: VideoFrame
    ) -> None:
        """A video frame of the extension."""

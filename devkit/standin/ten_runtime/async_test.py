"""Asynchronous testers."""

from __future__ import annotations

from ._driver import AsyncDriver, Driver
from ._engine import Engine
from ._node import Node
from ._sending import AsyncSending
from .audio_frame import AudioFrame
from .cmd import Cmd
from .data import Data
from .error import TenError
from .global_thread_manager import LoopThread
from .test_base import TesterBase
from .video_frame import VideoFrame


class AsyncTenEnvTester(AsyncSending):
    """Sending, logging and ``stop_test``; no properties."""

    def stop_test(self, error: TenError | None = None) -> None:
        """Stop the run. The first error given is what ``run`` returns."""
        self._node.engine.close(error)


class AsyncExtensionTester(TesterBase):
    """Plays against an extension, in a thread and loop of its own."""

    def _driver(self, engine: Engine, node: Node) -> Driver:
        thread = LoopThread("ten:tester")
        env = AsyncTenEnvTester(node)
        return AsyncDriver(node, self, env, thread, LoopThread.stop)

    async def on_init(self, ten_env: AsyncTenEnvTester) -> None:
        """First stage."""

    async def on_start(self, ten_env: AsyncTenEnvTester) -> None:
        """Messages arrive while this still runs."""

    async def on_stop(self, ten_env: AsyncTenEnvTester) -> None:
        """The extension stops at the same time."""

    async def on_deinit(self, ten_env: AsyncTenEnvTester) -> None:
        """Last stage."""

    async def on_cmd(self, ten_env: AsyncTenEnvTester, cmd: Cmd) -> None:
        """A command of the extension."""

    async def on_data(self, ten_env: AsyncTenEnvTester, data: Data) -> None:
        """Data of the extension."""

    async def on_audio_frame(
        self, ten_env: AsyncTenEnvTester, audio_frame: AudioFrame
    ) -> None:
        """An audio frame of the extension."""

    async def on_video_frame(
        self, ten_env: AsyncTenEnvTester, video_frame: VideoFrame
    ) -> None:
        """A video frame of the extension."""

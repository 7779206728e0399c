"""The callbacks that extensions and testers override."""

from __future__ import annotations

from typing import Generic, TypeVar

from ._sending import SyncSending
from .audio_frame import AudioFrame
from .cmd import Cmd
from .data import Data
from .video_frame import VideoFrame

EnvT = TypeVar("EnvT")
SyncEnvT = TypeVar("SyncEnvT", bound=SyncSending)


class AsyncCallbacks(Generic[EnvT]):
    """Stages end with their coroutine. A tester gets messages while its
    on_start still runs."""

    async def on_init(self, ten_env: EnvT) -> None:
        """Properties can be read; messages come once it is done."""

    async def on_start(self, ten_env: EnvT) -> None:
        """Start work, or the test."""

    async def on_stop(self, ten_env: EnvT) -> None:
        """End work; on_start may never have run. The tester and the
        extension stop at the same time."""

    async def on_deinit(self, ten_env: EnvT) -> None:
        """Last stage."""

    async def on_cmd(self, ten_env: EnvT, cmd: Cmd) -> None:
        """A command; the default does not answer."""

    async def on_data(self, ten_env: EnvT, data: Data) -> None:
        """A data message."""

    async def on_audio_frame(
        self, ten_env: EnvT, audio_frame: AudioFrame
    ) -> None:
        """An audio frame."""

    async def on_video_frame(
        self, ten_env: EnvT, video_frame: VideoFrame
    ) -> None:
        """A video frame."""


class SyncCallbacks(Generic[SyncEnvT]):
    """Each stage ends with its ``ten_env.on_*_done()``."""

    def on_init(self, ten_env: SyncEnvT) -> None:
        """Properties can be read; messages come once it is done."""
        ten_env.on_init_done()

    def on_start(self, ten_env: SyncEnvT) -> None:
        """Start work, or the test."""
        ten_env.on_start_done()

    def on_stop(self, ten_env: SyncEnvT) -> None:
        """End work; on_start may never have run. The tester and the
        extension stop at the same time."""
        ten_env.on_stop_done()

    def on_deinit(self, ten_env: SyncEnvT) -> None:
        """Last stage."""
        ten_env.on_deinit_done()

    def on_cmd(self, ten_env: SyncEnvT, cmd: Cmd) -> None:
        """A command; the default does not answer."""

    def on_data(self, ten_env: SyncEnvT, data: Data) -> None:
        """A data message."""

    def on_audio_frame(
        self, ten_env: SyncEnvT, audio_frame: AudioFrame
    ) -> None:
        """An audio frame."""

    def on_video_frame(
        self, ten_env: SyncEnvT, video_frame: VideoFrame
    ) -> None:
        """A video frame."""

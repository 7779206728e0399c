"""Asynchronous extensions."""

from __future__ import annotations

from typing import Any, TypeVar

from .async_ten_env import AsyncTenEnv
from .audio_frame import AudioFrame
from .cmd import Cmd
from .data import Data
from .extension import check_one_argument
from .video_frame import VideoFrame

AsyncExtensionT = TypeVar("AsyncExtensionT", bound="AsyncExtension")


class AsyncExtension:
    """Runs in the shared event loop thread.

    Each callback is a task of its own: callbacks interleave at awaits, but
    start in arrival order. An exception that leaves one ends the process.
    """

    def __new__(
        cls: type[AsyncExtensionT], *args: Any, **kwargs: Any
    ) -> AsyncExtensionT:
        check_one_argument(cls, args, kwargs)
        return super().__new__(cls)

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_configure(self, ten_env: AsyncTenEnv) -> None:
        """First stage; graph properties are not there yet."""

    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        """Properties can be read; messages come once it is done."""

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        """Start work."""

    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        """End work; on_start may never have run."""

    async def on_deinit(self, ten_env: AsyncTenEnv) -> None:
        """Last stage."""

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        """A command; the default does not answer."""

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        """A data message."""

    async def on_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        """An audio frame."""

    async def on_video_frame(
        self, ten_env: AsyncTenEnv, video_frame: VideoFrame
    ) -> None:
        """A video frame."""

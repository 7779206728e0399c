"""Synchronous extensions."""

from __future__ import annotations

from typing import Any, TypeVar

from .audio_frame import AudioFrame
from .cmd import Cmd
from .data import Data
from .ten_env import TenEnv
from .video_frame import VideoFrame

ExtensionT = TypeVar("ExtensionT", bound="Extension")


class Extension:
    """Runs in its group's thread; each stage ends with its ``on_*_done``."""

    def __new__(cls: type[ExtensionT], *args: Any, **kwargs: Any) -> ExtensionT:
        check_one_argument(cls, args, kwargs)
        return super().__new__(cls)

    def __init__(self, name: str) -> None:
        """TEN keeps the name to itself: there is no ``self.name``."""

    def on_configure(self, ten_env: TenEnv) -> None:
        """First stage; graph properties are not there yet."""
        ten_env.on_configure_done()

    def on_init(self, ten_env: TenEnv) -> None:
        """Properties can be read; messages come once it is done."""
        ten_env.on_init_done()

    def on_start(self, ten_env: TenEnv) -> None:
        """Start work."""
        ten_env.on_start_done()

    def on_stop(self, ten_env: TenEnv) -> None:
        """End work; on_start may never have run."""
        ten_env.on_stop_done()

    def on_deinit(self, ten_env: TenEnv) -> None:
        """Last stage."""
        ten_env.on_deinit_done()

    def on_cmd(self, ten_env: TenEnv, cmd: Cmd) -> None:
        """A command; the default does not answer."""

    def on_data(self, ten_env: TenEnv, data: Data) -> None:
        """A data message."""

    def on_audio_frame(self, ten_env: TenEnv, audio_frame: AudioFrame) -> None:
        """An audio frame."""

    def on_video_frame(self, ten_env: TenEnv, video_frame: VideoFrame) -> None:
        """A video frame."""


def check_one_argument(
    cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The native base takes the node name and nothing else."""
    if len(args) + len(kwargs) != 1:
        raise TypeError(
            f"{cls.__name__} must be called with exactly one argument, "
            "the node name"
        )

"""Synchronous extensions."""

from __future__ import annotations

from typing import Any

from typing_extensions import Self

from ._callbacks import SyncCallbacks
from .ten_env import TenEnv


class NamedOnly:
    """What takes the node name and nothing else, as the native bases do."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if len(args) + len(kwargs) != 1:
            raise TypeError(
                f"{cls.__name__} must be called with exactly one argument, "
                "the node name"
            )
        return super().__new__(cls)


class Extension(NamedOnly, SyncCallbacks[TenEnv]):
    """Runs in its group's thread."""

    def __init__(self, name: str) -> None:
        """TEN keeps the name to itself: there is no ``self.name``."""

    def on_configure(self, ten_env: TenEnv) -> None:
        """First stage; graph properties are not there yet."""
        ten_env.on_configure_done()

"""Asynchronous extensions."""

from __future__ import annotations

from ._callbacks import AsyncCallbacks
from .async_ten_env import AsyncTenEnv
from .extension import NamedOnly


class AsyncExtension(NamedOnly, AsyncCallbacks[AsyncTenEnv]):
    """Runs in the shared event loop thread.

    Each callback is a task of its own: callbacks interleave at awaits, but
    start in arrival order. An exception that leaves one ends the process.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_configure(self, ten_env: AsyncTenEnv) -> None:
        """First stage; graph properties are not there yet."""

"""Asynchronous testers."""

from __future__ import annotations

from typing import Any

from ._callbacks import AsyncCallbacks
from ._driver import AsyncDriver, Driver
from ._node import Node
from ._sending import AsyncSending
from .error import TenError
from .global_thread_manager import LoopThread
from .test_base import TesterBase


class AsyncTenEnvTester(AsyncSending):
    """Sending, logging and ``stop_test``; no properties."""

    def stop_test(self, error: TenError | None = None) -> None:
        """Stop the run. The first error given is what ``run`` returns."""
        self._node.graph.close(error)


class AsyncExtensionTester(TesterBase, AsyncCallbacks[AsyncTenEnvTester]):
    """Plays against an extension, in a thread and loop of its own."""

    def _driver(self, node: Node) -> Driver[Any]:
        thread = LoopThread("ten:tester")
        env = AsyncTenEnvTester(node)
        return AsyncDriver(node, self, env, thread, thread.stop)

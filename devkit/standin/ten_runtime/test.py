"""Synchronous testers."""

from __future__ import annotations

from typing import Any

from ._callbacks import SyncCallbacks
from ._driver import Driver, SyncDriver
from ._node import Node
from ._sending import SyncSending
from .error import TenError
from .global_thread_manager import WorkerThread
from .test_base import TesterBase


class TenEnvTester(SyncSending):
    """Sending, logging and ``stop_test``; no properties."""

    def stop_test(self, error: TenError | None = None) -> None:
        """Stop the run. The first error given is what ``run`` returns."""
        self._sender().graph.close(error)


class ExtensionTester(TesterBase, SyncCallbacks[TenEnvTester]):
    """Plays against an extension, in a thread of its own."""

    def _driver(self, node: Node) -> Driver[Any]:
        thread = WorkerThread("ten:tester")
        return SyncDriver(node, self, TenEnvTester(node), thread, thread.stop)

"""What both testers share: they run one graph with themselves in it."""

from __future__ import annotations

import threading
from typing import Any

from . import _apps
from ._abort import native_abort
from ._creation import create_extension
from ._driver import Driver
from ._engine import Engine
from ._files import ConfigError
from ._graph import TEST_ADDON, Graph, NodeSpec, graph_from_json
from ._log import log_line
from ._node import Node
from ._tree import parse_json
from .error import TenError, TenErrorCode
from .log_level import LogLevel

DEFAULT_TIMEOUT_US = 180_000_000


class TesterBase:
    """Test mode, timeout and run. A tester runs once."""

    def __init__(self) -> None:
        self._graph: Graph | TenError | None = None
        self._implicit = True
        self._timeout_us = DEFAULT_TIMEOUT_US
        self._ran = False

    def set_test_mode_single(
        self, addon_name: str, property_json_str: str | None = None
    ) -> None:
        """Test one addon, in a node of the same name.

        All that the extension sends comes here, and the other way round.
        ``property_json_str`` is the node's property.
        """
        properties = {}
        if property_json_str is not None:
            try:
                properties = parse_json(property_json_str)
            except ValueError as error:
                text = f"property_json_str is not JSON: {error}"
                raise native_abort(text) from error
            if not isinstance(properties, dict):
                raise native_abort("property_json_str must be a JSON object")
        nodes = {
            TEST_ADDON: NodeSpec(TEST_ADDON, TEST_ADDON),
            addon_name: NodeSpec(addon_name, addon_name, properties=properties),
        }
        self._graph = Graph(nodes)
        self._implicit = True

    def set_test_mode_graph(self, graph_json: str) -> None:
        """Test a graph; this tester is its node of ``ten:test_extension``.

        A graph that is wrong makes :meth:`run` return an error.
        """
        self._implicit = False
        try:
            self._graph = graph_from_json(graph_json, "graph")
        except ConfigError as error:
            self._graph = TenError.create(
                TenErrorCode.ErrorCodeInvalidGraph, str(error)
            )

    def set_timeout(self, timeout_us: int) -> None:
        """Microseconds until the test fails with code 8."""
        self._timeout_us = timeout_us

    def run(self) -> TenError | None:
        """Run to the end; None, or the error given to ``stop_test``."""
        if self._ran:
            raise native_abort("a second run() of one tester")
        self._ran = True
        if isinstance(self._graph, TenError):
            log_line(LogLevel.ERROR, self._graph.error_message())
            return self._graph
        if self._graph is None:
            raise native_abort("run() without a test mode")
        with _apps.tester():
            return self._run(self._graph)

    def _run(self, graph: Graph) -> TenError | None:
        engine = Engine(graph, self._create, implicit=self._implicit)
        late = TenError.create(TenErrorCode.ErrorCodeTimeout, "Test timeout.")
        timer = threading.Timer(
            self._timeout_us / 1e6, lambda: engine.close(late)
        )
        timer.daemon = True
        engine.start()
        timer.start()
        try:
            engine.join()
        except KeyboardInterrupt:
            engine.close()
            raise
        finally:
            timer.cancel()
        return engine.error

    def _create(self, engine: Engine, node: Node) -> None:
        if node.spec.addon == TEST_ADDON:
            node.driver = self._driver(node)
        else:
            create_extension(engine, node)

    def _driver(self, node: Node) -> Driver[Any]:
        raise NotImplementedError

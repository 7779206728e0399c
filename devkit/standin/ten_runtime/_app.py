"""The graphs of an app."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._core import CmdCore
from ._creation import create_extension
from ._engine import Engine, Observer
from ._files import Checker
from ._graph import Graph, read_graph
from ._node import Node
from .cmd_result import StatusCode

PREDEFINED_KEYS = (
    "name",
    "auto_start",
    "singleton",
    "sync_stop_before_deinit",
    "graph",
)


@dataclass
class PredefinedGraph:
    """An entry of ``ten.predefined_graphs``."""

    name: str
    graph: Graph
    auto_start: bool = False


Graphs = dict[str, PredefinedGraph]

#: A signal is handled within so many seconds.
_SIGNAL_S = 0.2


def read_graphs(tree: dict[str, Any], check: Checker) -> Graphs:
    """The graphs in an app's property.json, by name.

    ``check`` gets to know what is wrong with them.
    """
    graphs: Graphs = {}
    ten = tree.get("ten", {})
    if check.is_object(ten, "$.ten"):
        for path, item in check.items(ten, "predefined_graphs", "$.ten"):
            _read_predefined(item, path, graphs, check)
    return graphs


def _read_predefined(
    item: Any, path: str, graphs: Graphs, check: Checker
) -> None:
    if not check.is_object(item, path, PREDEFINED_KEYS):
        return
    name = check.text(item, "name", path)
    if name is None:
        return
    if name in graphs:
        text = f"duplicate graph {name!r}; graph names must differ"
        check.complain(f"{path}.name", text)
        return
    for key in ("auto_start", "singleton", "sync_stop_before_deinit"):
        if not isinstance(item.get(key, False), bool):
            check.complain(f"{path}.{key}", "must be true or false")
    if "graph" not in item:
        check.complain(f"{path}.graph", "required, must be an object")
        return
    graph = read_graph(item["graph"], f"{path}.graph", check)
    graph.sync_stop = item.get("sync_stop_before_deinit") is True
    auto_start = item.get("auto_start") is True
    graphs[name] = PredefinedGraph(name, graph, auto_start)


class AppCore:
    """Starts and stops graphs. Ends once it was closed and all graphs have.

    ``ends_with_graphs``: also end when the last graph has ended.
    """

    def __init__(
        self,
        graphs: Graphs | None = None,
        app_dir: Path | None = None,
        ends_with_graphs: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self.graphs = graphs or {}
        self.errors: list[str] = []
        self._app_dir = app_dir
        self._ends_with_graphs = ends_with_graphs
        self._observer = observer
        self._changed = threading.Condition()
        self._engines: dict[str, Engine] = {}
        self._closing = False

    def start(self, graph: Graph) -> str:
        """Start a graph; returns its id."""

        def create(engine: Engine, node: Node) -> None:
            create_extension(engine, node, self._app_dir)

        engine = Engine(
            graph,
            create,
            app=self.app_command,
            on_end=self._ended,
            observer=self._observer,
        )
        with self._changed:
            self._engines[engine.graph_id] = engine
            closing = self._closing
        engine.start()
        if closing:
            engine.close()
        return engine.graph_id

    def stop(self, graph_id: str) -> bool:
        """Stop a graph; False if there is none of that id."""
        with self._changed:
            engine = self._engines.get(graph_id)
        if engine is not None:
            engine.close()
        return engine is not None

    def close(self) -> None:
        """Stop all graphs, then end."""
        with self._changed:
            self._closing = True
            engines = list(self._engines.values())
            self._changed.notify_all()
        for engine in engines:
            engine.close()

    def wait(self) -> None:
        """Wait for the end. In the main thread signals are handled."""
        with self._changed:
            # A signal that another thread gets, or that comes just before the
            # wait, does not end it.
            while not self._is_over():
                self._changed.wait(_SIGNAL_S)

    def _is_over(self) -> bool:
        closing = self._closing or self._ends_with_graphs
        return closing and not self._engines

    def _ended(self, engine: Engine) -> None:
        with self._changed:
            self._engines.pop(engine.graph_id, None)
            if engine.error is not None:
                self.errors.append(engine.error.error_message())
            self._changed.notify_all()

    def app_command(self, engine: Engine, core: CmdCore) -> None:
        """``ten:close_app``, ``ten:start_graph``, ``ten:stop_graph``."""
        status, detail = StatusCode.OK, ""
        if core.name == "ten:close_app":
            self.close()  # its result would come when all is over
            return
        if core.name == "ten:start_graph":
            wanted = self.graphs.get(core.graph_name)
            if wanted is not None:
                detail = self.start(wanted.graph)
            else:
                status = StatusCode.ERROR
                known = ", ".join(self.graphs) or "none"
                detail = (
                    f"ten:start_graph: $: no graph {core.graph_name!r}; the "
                    f"graphs are {known}"
                )
        elif core.name == "ten:stop_graph":
            if not self.stop(core.graph_id or engine.graph_id):
                status = StatusCode.ERROR
                detail = f"there is no graph {core.graph_id!r}"
        else:
            status = StatusCode.ERROR
            detail = f"this app does not know the command {core.name!r}"
        engine.commands.conclude(status, core.cmd_id, detail)

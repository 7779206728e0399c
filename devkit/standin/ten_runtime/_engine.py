"""A running graph: creates its nodes, routes messages, closes them all."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from ._abort import native_abort, process_ends, unwatch, watch
from ._commands import Commands, ResultHandler
from ._core import CmdCore, MsgCore
from ._graph import Graph
from ._log import log_line
from ._node import Node
from ._owner import Stage
from .error import TenError, TenErrorCode, generic_error
from .global_thread_manager import WorkerThread
from .log_level import LogLevel

CoreT = TypeVar("CoreT", bound=MsgCore)

#: Seconds that all on_stop/on_deinit together may take before the stand-in
#: gives up. The real runtime would wait for ever.
CLOSE_LIMIT_S = 30.0
#: ... and after an exception escaped, when the node may be in any state.
FATAL_CLOSE_LIMIT_S = 5.0


#: Only an app knows them; a tester in single mode gets all commands.
APP_COMMANDS = ("ten:close_app", "ten:start_graph", "ten:stop_graph")


#: Is told of each message: node, kind, name, properties.
Observer = Callable[[str, str, str, Any], None]


class CreationError(Exception):
    """A node cannot be created."""


class Engine:
    """One graph. ``start()`` returns at once; ``join()`` waits for the end.

    ``create`` makes a node's driver (or raises :class:`CreationError`);
    ``app`` carries out and answers a command sent to the app.
    ``implicit``: every node's messages go to all others, as in a tester's
    single mode.
    """

    def __init__(
        self,
        graph: Graph,
        create: Callable[[Engine, Node], None],
        app: Callable[[Engine, CmdCore], None] | None = None,
        implicit: bool = False,
        on_end: Callable[[Engine], None] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.graph_id = str(uuid.uuid4())
        self.error: TenError | None = None
        self.commands = Commands()
        self._graph = graph
        self._create = create
        self._app = app
        self._implicit = implicit
        self._on_end = on_end
        self._observer = observer
        self._workers: dict[str, WorkerThread] = {}
        self._unconnected: Counter[tuple[str, str, str]] = Counter()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._stopped: set[str] = set()
        self.nodes = {
            name: Node(self, spec) for name, spec in graph.nodes.items()
        }
        self._thread = threading.Thread(
            target=self._run, name="ten:graph", daemon=True
        )

    # Life of the graph ----------------------------------------------------

    def start(self) -> None:
        """Create and start the nodes, in a thread of the graph's own."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def close(self, error: TenError | None = None) -> None:
        """Stop all nodes. The first error given is what the run ends with."""
        with self._changed:
            if error is not None and self.error is None:
                self.error = error
            first = self._deadline is None
            if first:
                self._deadline = time.monotonic() + CLOSE_LIMIT_S
            self._changed.notify_all()
        if first:
            for node in self.nodes.values():
                node.request_stop()

    def fatal(self, text: str) -> None:
        """The real runtime would have ended the process."""
        if process_ends():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        self.close(generic_error(text))
        with self._changed:
            assert self._deadline is not None
            limit = time.monotonic() + FATAL_CLOSE_LIMIT_S
            self._deadline = min(self._deadline, limit)
            self._changed.notify_all()

    def _aborted(self, text: str) -> None:
        log_line(LogLevel.ERROR, text)
        self.fatal(text)

    def _run(self) -> None:
        watch(self._aborted)
        created = self._create_nodes()
        for node in self.nodes.values():
            if created:
                node.begin()
            else:
                node.close()
        self._wait_closed()
        unwatch(self._aborted)
        self.commands.end_all()
        for node in self.nodes.values():
            if node.driver is not None:
                node.driver.release()
        for worker in self._workers.values():
            worker.stop()
        if self._on_end is not None:
            self._on_end(self)

    def _create_nodes(self) -> bool:
        for node in self.nodes.values():
            try:
                self._create(self, node)
            except CreationError as error:
                log_line(LogLevel.ERROR, str(error), node=node.name)
                self.fatal(str(error))
                return False
            if self._deadline is not None:
                return False
        return True

    def _open_nodes(self) -> list[Node]:
        return [node for node in self.nodes.values() if not node.closed]

    def _wait_closed(self) -> None:
        with self._changed:
            while left := self._open_nodes():
                wait = None
                if self._deadline is not None:
                    wait = self._deadline - time.monotonic()
                    if wait <= 0:
                        break
                self._changed.wait(wait)
        for node in left:
            stage = node.stage.name.lower()
            node.force_close()
            if self.error is None:
                self.error = TenError.create(
                    TenErrorCode.ErrorCodeTimeout,
                    f"on_{stage} of {node.name!r} did not end",
                )

    def node_closed(self) -> None:
        """A node has reached its end."""
        with self._changed:
            self._changed.notify_all()

    def may_deinit(self, node: Node) -> bool:
        """Whether on_deinit may follow on_stop.

        False under ``sync_stop_before_deinit`` while others still stop; the
        last of them sends all on.
        """
        if not self._graph.sync_stop:
            return True
        with self._changed:
            self._stopped.add(node.name)
            missing = [
                other
                for other in self._open_nodes()
                if other.name not in self._stopped
            ]
            if missing:
                return False
            waiting = self._open_nodes()
        for other in waiting:
            if other is not node and other.stage is Stage.STOP:
                other.next_stage(Stage.STOP)
        return True

    def worker(self, group: str) -> WorkerThread:
        """The thread of a group's sync extensions."""
        if group not in self._workers:
            self._workers[group] = WorkerThread(f"ten:{group}")
        return self._workers[group]

    # Routing --------------------------------------------------------------

    def route(self, node: Node, core: MsgCore) -> TenError | None:
        """Deliver data or a frame to all its destinations."""
        error, ends = self._departure(node, core)
        if error is not None:
            return error
        for end, each in zip(ends, self._copies(core, len(ends)), strict=True):
            self.nodes[end].deliver(each)
        return None

    def route_cmd(
        self, node: Node, core: CmdCore, handler: ResultHandler, each: bool
    ) -> TenError | None:
        """Deliver a command; its results go to ``handler``."""
        if self._implicit and core.name in APP_COMMANDS:
            text = f"{core.name!r} reaches the tester of a single extension"
            raise native_abort(text)
        if self._is_for_app(core):
            self.commands.open(node, [core], handler, each)
            self._app_command(core)
            return None
        error, ends = self._departure(node, core)
        if error is not None:
            return error
        copies = self._copies(core, len(ends))
        self.commands.open(node, copies, handler, each)
        for end, copy in zip(ends, copies, strict=True):
            self.nodes[end].deliver(copy)
        return None

    def _departure(
        self, node: Node, core: MsgCore
    ) -> tuple[TenError | None, list[str]]:
        problem = node.api.check_message(
            f"{core.kind}_out", core.name, core.props
        )
        if self._observer is not None:
            self._observer(node.name, core.kind, core.name, core.props)
        if problem is None and core.is_locked():
            problem = "locked resources are not allowed"
        if problem is not None:
            text = f"{core.kind} {core.name!r} not sent: {problem}"
            node.log(LogLevel.ERROR, text)
            return generic_error(text), []
        ends = self._destinations(node, core)
        if ends:
            return None, ends
        at = (core.kind, core.name, node.name)
        self._unconnected[at] += 1
        if self._unconnected[at] % 1000 == 1:
            node.log(
                LogLevel.WARN, f"{core.kind} {core.name!r} is not connected"
            )
        return (
            TenError.create(
                TenErrorCode.ErrorCodeMsgNotConnected,
                f"{core.kind} {core.name!r} of {node.name!r} is not connected",
            ),
            [],
        )

    def _destinations(self, node: Node, core: MsgCore) -> list[str]:
        if self._implicit:
            return [name for name in self.nodes if name != node.name]
        if core.dests:
            return [
                loc.extension_name
                for loc in core.dests
                if loc.graph_id in ("", self.graph_id)
                and loc.extension_name in self.nodes
            ]
        return self._graph.routes.get((core.kind, core.name, node.name), [])

    def _is_for_app(self, core: CmdCore) -> bool:
        return not self._implicit and any(
            not loc.extension_name and not loc.graph_id for loc in core.dests
        )

    def _app_command(self, core: CmdCore) -> None:
        if self._app is not None:
            self._app(self, core)
        elif core.name == "ten:close_app":
            self.close()  # its result would come when all is over
        else:
            text = f"this app does not know the command {core.name!r}"
            self.commands.fail(core.cmd_id, text)

    @staticmethod
    def _copies(core: CoreT, number: int) -> list[CoreT]:
        core.dests = []
        return [core, *(core.clone() for _ in range(number - 1))]

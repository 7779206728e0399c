"""One extension (or the tester) in a running graph."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol

from ._abort import NativeAbort, native_abort
from ._commands import Commands, ResultHandler
from ._core import CmdCore, MsgCore, ResultCore
from ._driver import Driver
from ._files import ConfigError, find_nulls
from ._graph import TEST_ADDON, NodeSpec
from ._log import log_line
from ._owner import EnvOwner, Stage
from ._placeholder import UnresolvedPlaceholder, resolve
from ._tree import Tree, merge
from .error import TenError, closed_error
from .loc import Loc
from .log_level import LogLevel
from .msg import Msg

#: A stage that takes longer is worth a warning.
SLOW_STAGE_S = 0.1


class GraphServices(Protocol):
    """What a node asks of its graph: `_engine.Engine`."""

    graph_id: str
    commands: Commands

    def may_deinit(self, node: Node) -> bool: ...
    def node_closed(self) -> None: ...
    def close(self, error: TenError | None = None) -> None: ...
    def fatal(self, text: str) -> None: ...
    def route(self, node: Node, core: MsgCore) -> TenError | None: ...
    def route_cmd(
        self, node: Node, core: CmdCore, handler: ResultHandler, each: bool
    ) -> TenError | None: ...


class Node(EnvOwner):
    """Life cycle, inbox and sending of one node.

    Messages that arrive before on_init is done wait for it; from on_deinit on
    they are dropped.
    """

    def __init__(self, graph: GraphServices, spec: NodeSpec) -> None:
        super().__init__(spec.name)
        self.graph = graph
        self.spec = spec
        #: The package's properties.
        self.defaults: Tree = {}
        self.driver: Driver[Any] | None = None
        self.source = Loc("", graph.graph_id, spec.name)
        self.open_inbox = False
        self.is_tester = spec.addon == TEST_ADDON
        self._waiting: deque[MsgCore] = deque()
        self._stopping = False
        self._entered = 0.0

    # Life cycle -----------------------------------------------------------

    def begin(self) -> None:
        """Enter on_configure."""
        with self._lock:
            if self.stage is not Stage.CREATED:
                return
            self.stage = Stage.CONFIGURE
        self._enter(Stage.CONFIGURE)

    def request_stop(self) -> None:
        """Stop after the current stage, or now if it is running."""
        with self._lock:
            self._stopping = True
            stage = self.stage
            if stage is Stage.RUNNING:
                self.stage = Stage.STOP
        if stage is Stage.RUNNING:
            self._enter(Stage.STOP)

    def stage_done(self, stage: Stage) -> None:
        """Go on; a ``done`` that does not belong here is ignored."""
        with self._lock:
            if self.stage is not stage:
                return
            if stage is Stage.STOP and not self.graph.may_deinit(self):
                return
        self._warn_if_slow(stage)
        self.next_stage(stage)

    def next_stage(self, stage: Stage) -> None:
        """Enter what follows ``stage``."""
        if stage is Stage.CONFIGURE and not self._stopping:
            self._load_properties()
        if stage is Stage.INIT:
            self._open_inbox()
        with self._lock:
            if stage is Stage.DEINIT:
                following = Stage.CLOSED
            elif self._stopping and stage < Stage.STOP:
                following = Stage.STOP
            else:
                following = Stage(stage + 1)
            self.stage = following
        if following is Stage.CLOSED:
            self.close()
        elif following is not Stage.RUNNING:
            self._enter(following)

    def _enter(self, stage: Stage) -> None:
        self._entered = time.monotonic()
        if stage is Stage.DEINIT:
            self._shut_inbox()
        assert self.driver is not None
        self.driver.enter(stage)

    def close(self) -> None:
        """No stage will come any more."""
        with self._lock:
            self.stage = Stage.CLOSED
        self._shut_inbox()
        self.graph.node_closed()

    def force_close(self) -> None:
        """Give up on a node that does not come to an end."""
        name = f"on_{self.stage.name.lower()}"
        log_line(
            LogLevel.ERROR, f"{name} did not end; given up", node=self.name
        )
        self.close()

    def _warn_if_slow(self, stage: Stage) -> None:
        took = time.monotonic() - self._entered
        # Testers play whole scenarios in a stage.
        if took > SLOW_STAGE_S and not self.is_tester:
            name = f"on_{stage.name.lower()}"
            self.log(LogLevel.WARN, f"{name} took {took * 1000:.0f} ms")

    def escaped(self, where: str, error: BaseException) -> None:
        """An exception left a callback, which ends the whole run."""
        if self.closed:
            return  # a leftover task, reported as such
        log_line(
            LogLevel.ERROR,
            f"Uncaught exception: {error!r} in {where}",
            node=self.name,
            error=error,
        )
        kind = type(error).__name__
        self.graph.fatal(
            f"Uncaught exception in {where} of {self.name!r}: {kind}: {error}"
        )

    # Properties -----------------------------------------------------------

    def _load_properties(self) -> None:
        try:
            self.props = self._merged()
        except (ConfigError, UnresolvedPlaceholder, NativeAbort) as error:
            self.props = {}
            text = f"invalid properties of node {self.name!r}: {error}"
            log_line(LogLevel.ERROR, text, node=self.name)
            self.graph.fatal(text)
            with self._lock:
                self._stopping = True

    def _merged(self) -> Tree:
        base = self.defaults if self.init_tree is None else self.init_tree
        nulls = find_nulls(base, "$") + find_nulls(self.spec.properties, "$")
        if nulls:
            raise ConfigError("property", nulls)
        tree: Tree = resolve(merge(base, self.spec.properties))
        problem = self.api.properties.adjust_object(tree, "")
        if problem is not None:
            raise NativeAbort(f"Invalid property: {problem}")
        return tree

    # Inbox ----------------------------------------------------------------

    def deliver(self, core: MsgCore) -> None:
        """Take a message that was sent to this node."""
        with self._lock:
            if self.stage < Stage.DEINIT:
                if self.open_inbox:
                    self._dispatch(core)
                else:
                    self._waiting.append(core)
                return
        self._refuse(core, f"{self.name!r} is closing")

    def _open_inbox(self) -> None:
        with self._lock:
            self.open_inbox = True
            while self._waiting:
                self._dispatch(self._waiting.popleft())

    def _shut_inbox(self) -> None:
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
        for core in dropped:
            self._refuse(core, f"{self.name!r} is closing")

    def _dispatch(self, core: MsgCore) -> None:
        problem = self.api.check_message(
            f"{core.kind}_in", core.name, core.props
        )
        if problem is None:
            assert self.driver is not None
            self.driver.message(core)
            return
        text = f"{core.kind} {core.name!r} not delivered: {problem}"
        self.log(LogLevel.ERROR, text)
        self._refuse(core, text)

    def _refuse(self, core: MsgCore, detail: str) -> None:
        if isinstance(core, CmdCore):
            self.graph.commands.fail(core.cmd_id, detail)

    # Sending --------------------------------------------------------------

    def _take(self, message: Msg) -> MsgCore:
        core = message._core
        if core is None:
            raise native_abort("sending a message that was already sent")
        message._core = None
        core.source = self.source
        return core

    def send(self, message: Msg) -> TenError | None:
        """Send data or a frame; the handle is empty afterwards."""
        if self.closed:
            return closed_error()
        return self.graph.route(self, self._take(message))

    def send_cmd(
        self, message: Msg, handler: ResultHandler, each: bool
    ) -> TenError | None:
        """Send a command; ``each``: hear every result, not one for all."""
        if self.closed:
            return closed_error()
        core = self._take(message)
        assert isinstance(core, CmdCore)
        return self.graph.route_cmd(self, core, handler, each)

    def return_result(self, message: Msg) -> TenError | None:
        """Answer a command; the result's handle is empty afterwards."""
        if self.closed:
            return closed_error()
        core = self._take(message)
        assert isinstance(core, ResultCore)
        return self.graph.commands.answer(self, core)

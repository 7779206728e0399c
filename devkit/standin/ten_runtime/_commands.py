"""Commands under way, and the way of their results back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._core import CmdCore, ResultCore
from ._driver import Driver
from ._log import log_line
from ._schema import Api
from .cmd_result import CmdResult, StatusCode
from .error import TenError, generic_error
from .log_level import LogLevel

ResultHandler = Callable[[CmdResult | None, TenError | None], None]


class Party(Protocol):
    """Who sends or answers a command."""

    name: str
    api: Api
    driver: Driver[Any] | None

    @property
    def closed(self) -> bool:
        """Whether its on_deinit is over."""


@dataclass
class _Request:
    """One ``send_cmd``, however many nodes it went to."""

    sender: Party
    handler: ResultHandler
    each: bool
    name: str
    parent_id: int
    open_ids: set[int] = field(default_factory=set)
    over: bool = False


class Commands:
    """Knows for each open command who asked and who has to answer."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._over = False
        self._requests: dict[int, _Request] = {}

    def open(
        self,
        sender: Party,
        copies: list[CmdCore],
        handler: ResultHandler,
        each: bool,
    ) -> None:
        """A command is about to go out, in a copy for each destination.

        All get their new ids before the first one goes: an early answer must
        not look like the last one.
        """
        name, parent_id = copies[0].name, copies[0].cmd_id
        request = _Request(sender, handler, each, name, parent_id)
        with self._lock:
            for core in copies:
                core.renew()
                request.open_ids.add(core.cmd_id)
                self._requests[core.cmd_id] = request

    def answer(self, node: Party, core: ResultCore) -> TenError | None:
        """A result that ``node`` returned.

        Results for commands that are answered already are swallowed.
        """
        with self._lock:
            request = self._requests.get(core.cmd_id)
        if request is None:
            return None
        problem = node.api.check_result("cmd_in", core.cmd_name, core.props)
        if problem is not None:
            text = f"result of {core.cmd_name!r} not sent: {problem}"
            log_line(LogLevel.ERROR, text, node=node.name)
            return generic_error(text)
        self._settle(request, core)
        return None

    def fail(self, cmd_id: int, detail: str) -> None:
        """Answer a command with an ERROR result of the runtime's own."""
        self.conclude(StatusCode.ERROR, cmd_id, detail)

    def conclude(self, status: StatusCode, cmd_id: int, detail: str) -> None:
        """Answer a command in the place of a node."""
        with self._lock:
            request = self._requests.get(cmd_id)
        if request is not None:
            self._settle(request, _own_result(status, cmd_id, detail))

    def end_all(self) -> None:
        """All nodes have ended. Only now do open commands, too: who waits
        for them in on_stop waits in vain."""
        with self._lock:
            ids = list(self._requests)
        self._over = True
        for cmd_id in ids:
            self.fail(cmd_id, "the graph closed before there was a result")

    def _settle(self, request: _Request, core: ResultCore) -> None:
        problem = request.sender.api.check_result(
            "cmd_out", request.name, core.props
        )
        if problem is not None:
            core = _own_result(StatusCode.ERROR, core.cmd_id, problem)
        with self._lock:
            if core.final:
                self._requests.pop(core.cmd_id, None)
                request.open_ids.discard(core.cmd_id)
            if request.over:
                return
            core.completed = not request.open_ids
            if core.final and not request.each and not core.completed:
                # One result stands for all: the first error, or the last.
                if core.status == int(StatusCode.OK):
                    return
                core.completed = True
            request.over = core.completed
            # A forwarded command's result can be returned as it is.
            core.cmd_id = request.parent_id
            core.cmd_name = request.name
        sender = request.sender
        driver = sender.driver
        if driver is None:
            return
        # A coroutine may still wait when its extension has ended.
        if not sender.closed or (self._over and driver.has_coroutines):
            result = CmdResult._wrap(core)
            driver.call(lambda: request.handler(result, None))


def _own_result(status: StatusCode, cmd_id: int, detail: str) -> ResultCore:
    return ResultCore(
        cmd_id=cmd_id, status=int(status), props={"detail": detail}
    )

"""The command that stops a graph."""

from __future__ import annotations

from ._core import CmdCore
from .cmd import Cmd


class StopGraphCmd(Cmd):
    """Send it to the app (``Loc("")``)."""

    @classmethod
    def create(cls, name: str = "ten:stop_graph") -> StopGraphCmd:
        """A new command; it has a name of its own."""
        return cls._wrap(CmdCore("ten:stop_graph"))

    def set_graph_id(self, graph_id: str) -> bool:
        """Which graph; empty is the sender's."""
        self._cmd().graph_id = str(graph_id)
        return True

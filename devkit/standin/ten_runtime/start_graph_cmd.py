"""The command that starts a graph."""

from __future__ import annotations

from ._core import CmdCore
from .cmd import Cmd


class StartGraphCmd(Cmd):
    """Send it to the app (``Loc("")``)."""

    @classmethod
    def create(cls, name: str = "ten:start_graph") -> StartGraphCmd:
        """A new command; it has a name of its own."""
        return cls._wrap(CmdCore("ten:start_graph"))

    def set_predefined_graph_name(self, predefined_graph_name: str) -> bool:
        """Start a graph of the app's ``predefined_graphs``."""
        self._cmd().graph_name = str(predefined_graph_name)
        return True

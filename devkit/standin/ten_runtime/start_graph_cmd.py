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

    def set_graph_from_json(self, json_str: str) -> bool:
        """Start the graph that the JSON text describes."""
        self._cmd().graph_json = str(json_str)
        return True

    def set_sync_stop_before_deinit(self, sync_stop: bool) -> bool:
        """Finish every on_stop before any on_deinit."""
        self._cmd().sync_stop = bool(sync_stop)
        return True

"""The command for extensions with ``manual_trigger_life_cycle``."""

from __future__ import annotations

from ._core import CmdCore
from .cmd import Cmd


class TriggerLifeCycleCmd(Cmd):
    """Lets a node whose start or stop is manual go on."""

    @classmethod
    def create(
        cls, name: str = "ten:trigger_life_cycle"
    ) -> TriggerLifeCycleCmd:
        """A new command; it has a name of its own."""
        return cls._wrap(CmdCore("ten:trigger_life_cycle"))

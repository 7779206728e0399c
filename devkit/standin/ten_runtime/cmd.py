"""Commands: messages that are answered."""

from __future__ import annotations

from ._core import CmdCore
from .msg import Msg


class Cmd(Msg):
    """A command. It stays readable after its result was returned."""

    @classmethod
    def create(cls, name: str) -> Cmd:
        """A new command."""
        return Cmd._wrap(CmdCore(name))

    def _cmd(self) -> CmdCore:
        core = self._live()
        assert isinstance(core, CmdCore)
        return core

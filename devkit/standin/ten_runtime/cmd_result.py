"""Results of commands."""

from __future__ import annotations

from enum import IntEnum

from ._core import CmdCore, ResultCore
from .cmd import Cmd
from .msg import Msg


class StatusCode(IntEnum):
    """How a command went."""

    OK = 0
    ERROR = 1


class CmdResult(Msg):
    """One result; a command may have several, the last of them final."""

    @classmethod
    def create(cls, status_code: StatusCode, target_cmd: Cmd) -> CmdResult:
        """A final result for ``target_cmd``."""
        core = ResultCore()
        core.status = int(status_code)
        if target_cmd is not None:
            target = target_cmd._live()
            assert isinstance(target, CmdCore)
            core.cmd_id, core.cmd_name = target.cmd_id, target.name
        return cls._wrap(core)

    def _result(self) -> ResultCore:
        core = self._live()
        assert isinstance(core, ResultCore)
        return core

    def get_status_code(self) -> StatusCode:
        """OK or ERROR."""
        return StatusCode(self._result().status)

    def set_final(self, is_final: bool) -> None:
        """Say whether more results of this responder follow."""
        self._result().final = bool(is_final)

    def is_final(self) -> bool:
        """Whether this responder has no more to say."""
        return self._result().final

    def is_completed(self) -> bool:
        """Whether nobody has any more to say."""
        return self._result().completed

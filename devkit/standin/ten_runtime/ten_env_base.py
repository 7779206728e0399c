"""What all environments share: logging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from ._owner import EnvOwner
from .error import TenError, TenErrorCode
from .log_level import LogLevel
from .log_option import DefaultLogOption, LogOption
from .value import Value

Fields = Value | dict[str, Any] | None


Env = TypeVar("Env", bound="TenEnvBase")
P = ParamSpec("P")
Logged = TenError | None


def _at(
    level: LogLevel, log: Callable[Concatenate[Env, LogLevel, P], Logged]
) -> Callable[Concatenate[Env, P], Logged]:
    """``log`` at one level."""

    def log_at(self: Env, /, *args: P.args, **kwargs: P.kwargs) -> Logged:
        return log(self, level, *args, **kwargs)

    return log_at


class TenEnvBase:
    """Log calls are synchronous in every environment, never awaited."""

    def __init__(self, owner: EnvOwner) -> None:
        self._owner = owner

    def log(
        self,
        level: LogLevel,
        msg: str,
        category: str | None = None,
        fields: Fields = None,
        option: LogOption = DefaultLogOption,
    ) -> TenError | None:
        """One log line; an error value after the end, never an exception."""
        if fields is not None:
            try:
                msg = f"{msg} {Value.from_python(fields)._to_log_text()}"
            except (TypeError, ValueError, RecursionError) as error:
                return TenError.create(
                    TenErrorCode.ErrorCodeInvalidArgument,
                    f"fields cannot be logged: {error}",
                )
        return self._owner.log(level, msg, category)

    log_debug = _at(LogLevel.DEBUG, log)
    log_info = _at(LogLevel.INFO, log)
    log_warn = _at(LogLevel.WARN, log)
    log_error = _at(LogLevel.ERROR, log)

"""What all environments share: logging."""

from __future__ import annotations

from typing import Any

from ._owner import EnvOwner
from .error import TenError, TenErrorCode
from .log_level import LogLevel
from .log_option import DefaultLogOption, LogOption
from .value import Value
from .value_buffer import to_log_text

Fields = Value | dict[str, Any] | None


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
                msg = f"{msg} {to_log_text(Value.from_python(fields))}"
            except (TypeError, ValueError, RecursionError) as error:
                return TenError.create(
                    TenErrorCode.ErrorCodeInvalidArgument,
                    f"fields cannot be logged: {error}",
                )
        return self._owner.log(level, msg, category)

    def log_debug(
        self,
        msg: str,
        category: str | None = None,
        fields: Fields = None,
        option: LogOption = DefaultLogOption,
    ) -> TenError | None:
        """Log at level DEBUG."""
        return self.log(LogLevel.DEBUG, msg, category, fields, option)

    def log_info(
        self,
        msg: str,
        category: str | None = None,
        fields: Fields = None,
        option: LogOption = DefaultLogOption,
    ) -> TenError | None:
        """Log at level INFO."""
        return self.log(LogLevel.INFO, msg, category, fields, option)

    def log_warn(
        self,
        msg: str,
        category: str | None = None,
        fields: Fields = None,
        option: LogOption = DefaultLogOption,
    ) -> TenError | None:
        """Log at level WARN."""
        return self.log(LogLevel.WARN, msg, category, fields, option)

    def log_error(
        self,
        msg: str,
        category: str | None = None,
        fields: Fields = None,
        option: LogOption = DefaultLogOption,
    ) -> TenError | None:
        """Log at level ERROR."""
        return self.log(LogLevel.ERROR, msg, category, fields, option)

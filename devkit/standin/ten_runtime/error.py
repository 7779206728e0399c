"""Errors are values in TEN: getters return them, senders return them."""

from __future__ import annotations

from enum import IntEnum


class TenErrorCode(IntEnum):
    """The public error codes."""

    ErrorCodeGeneric = 1
    ErrorCodeInvalidJSON = 2
    ErrorCodeInvalidArgument = 3
    ErrorCodeInvalidType = 4
    ErrorCodeInvalidGraph = 5
    ErrorCodeTenIsClosed = 6
    ErrorCodeMsgNotConnected = 7
    ErrorCodeTimeout = 8


#: Code of "there is no such property"; not a member of the public enum.
VALUE_NOT_FOUND = 100000


class TenError:
    """An error code with a text. Not an exception, and always true."""

    _code: int
    _message: str

    def __init__(self) -> None:
        raise ValueError("use TenError.create()")

    @classmethod
    def create(
        cls, error_code: TenErrorCode, error_message: str | None = None
    ) -> TenError:
        """Build an error; ``error_code`` must be the enum member."""
        return cls._from_code(error_code.value, error_message or "")

    @classmethod
    def _from_code(cls, code: int, message: str) -> TenError:
        error = cls.__new__(cls)
        error._code = code
        error._message = message
        return error

    def error_code(self) -> int:
        """The code as a plain int."""
        return self._code

    def error_message(self) -> str:
        """The text."""
        return self._message

    def __str__(self) -> str:
        return f"error_code: {self._code}, error_message: {self._message}"


def closed_error() -> TenError:
    """What every call on an environment returns after on_deinit."""
    return TenError.create(TenErrorCode.ErrorCodeTenIsClosed, "TEN is closed.")


def generic_error(text: str) -> TenError:
    """An error with code 1."""
    return TenError.create(TenErrorCode.ErrorCodeGeneric, text)


def not_found_error(path: str | None) -> TenError:
    """The error for a property that does not exist."""
    return TenError._from_code(VALUE_NOT_FOUND, f"no property {path!r}")

"""Typed values, used for structured log fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

from .error import TenError, TenErrorCode


class ValueType(IntEnum):
    """What a :class:`Value` holds."""

    INVALID = 0
    NULL = 1
    BOOL = 2
    INT = 3
    FLOAT = 4
    STRING = 5
    BYTES = 6
    ARRAY = 7
    OBJECT = 8
    JSON_STRING = 9


#: A bool is an int, too: it comes first.
_SCALARS: dict[type, ValueType] = {
    bool: ValueType.BOOL,
    int: ValueType.INT,
    float: ValueType.FLOAT,
    str: ValueType.STRING,
    bytes: ValueType.BYTES,
}
T = TypeVar("T")
Maker = Callable[[T], "Value"]
Getter = Callable[["Value"], tuple[T, TenError | None]]


def _typed(
    value_type: ValueType, kind: Callable[..., T]
) -> tuple[Maker[T], Getter[T]]:
    """``from_*`` and ``get_*`` of one type.

    The getter gives an empty value and an error if it is of another type.
    """

    def make(value: T) -> Value:
        return Value(value_type, kind(value))

    def get(self: Value) -> tuple[T, TenError | None]:
        if self._type is value_type:
            return self._value, None
        text = f"the value is {self._type.name}, not {value_type.name}"
        error = TenErrorCode.ErrorCodeInvalidType
        return kind(), TenError.create(error, text)

    return staticmethod(make), get


class Value:
    """One value with its type; use the ``from_*`` factories."""

    def __init__(
        self, value_type: ValueType = ValueType.NULL, value: Any = None
    ) -> None:
        self._type = value_type
        self._value = value

    from_bool, get_bool = _typed(ValueType.BOOL, bool)
    from_int, get_int = _typed(ValueType.INT, int)
    from_float, get_float = _typed(ValueType.FLOAT, float)
    from_string, get_string = _typed(ValueType.STRING, str)
    from_buf, get_buf = _typed(ValueType.BYTES, bytes)
    from_array, get_array = _typed(ValueType.ARRAY, list["Value"])
    from_object, get_object = _typed(ValueType.OBJECT, dict[str, "Value"])
    from_json_string, get_json_string = _typed(ValueType.JSON_STRING, str)

    @classmethod
    def from_python(cls, value: Any) -> Value:
        """The fitting value; what has none (None too) becomes its str."""
        if isinstance(value, Value):
            return cls(value._type, value._value)
        for kind, value_type in _SCALARS.items():
            if isinstance(value, kind):
                return cls(value_type, value)
        if isinstance(value, list):
            return cls.from_array([cls.from_python(item) for item in value])
        if isinstance(value, dict):
            return cls.from_object(
                {str(k): cls.from_python(v) for k, v in value.items()}
            )
        return cls.from_string(str(value))

    def get_type(self) -> ValueType:
        """The type."""
        return self._type

    def _to_log_text(self) -> str:
        """One line of JSON; buffers are given by their length only."""
        return json.dumps(self._plain(), ensure_ascii=False, default=_described)

    def _plain(self) -> Any:
        """The value as ordinary Python data."""
        if self._type is ValueType.ARRAY:
            return [item._plain() for item in self._value]
        if self._type is ValueType.OBJECT:
            return {key: item._plain() for key, item in self._value.items()}
        return self._value


def _described(item: object) -> str:
    return f"<{len(item)} bytes>" if isinstance(item, bytes) else str(item)

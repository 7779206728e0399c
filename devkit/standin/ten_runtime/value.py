"""Typed values, used for structured log fields."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

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


class Value:
    """One value with its type; use the ``from_*`` factories."""

    def __init__(
        self, value_type: ValueType = ValueType.NULL, value: Any = None
    ) -> None:
        self._type = value_type
        self._value = value

    @classmethod
    def from_bool(cls, value: bool) -> Value:
        """A bool."""
        return cls(ValueType.BOOL, bool(value))

    @classmethod
    def from_int(cls, value: int) -> Value:
        """An integer."""
        return cls(ValueType.INT, int(value))

    @classmethod
    def from_float(cls, value: float) -> Value:
        """A real."""
        return cls(ValueType.FLOAT, float(value))

    @classmethod
    def from_string(cls, value: str) -> Value:
        """A string."""
        return cls(ValueType.STRING, str(value))

    @classmethod
    def from_buf(cls, value: bytes) -> Value:
        """A buffer."""
        return cls(ValueType.BYTES, bytes(value))

    @classmethod
    def from_array(cls, value: list[Value]) -> Value:
        """An array of values."""
        return cls(ValueType.ARRAY, list(value))

    @classmethod
    def from_object(cls, value: dict[str, Value]) -> Value:
        """An object of values."""
        return cls(ValueType.OBJECT, dict(value))

    @classmethod
    def from_json_string(cls, value: str) -> Value:
        """JSON text."""
        return cls(ValueType.JSON_STRING, str(value))

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

    def get_bool(self) -> tuple[bool, TenError | None]:
        """``(False, error)`` if it is no bool."""
        return self._get(ValueType.BOOL, False)

    def get_int(self) -> tuple[int, TenError | None]:
        """``(0, error)`` if it is no integer."""
        return self._get(ValueType.INT, 0)

    def get_float(self) -> tuple[float, TenError | None]:
        """``(0.0, error)`` if it is no real."""
        return self._get(ValueType.FLOAT, 0.0)

    def get_string(self) -> tuple[str, TenError | None]:
        """``("", error)`` if it is no string."""
        return self._get(ValueType.STRING, "")

    def get_buf(self) -> tuple[bytes, TenError | None]:
        """``(b"", error)`` if it is no buffer."""
        return self._get(ValueType.BYTES, b"")

    def get_array(self) -> tuple[list[Value], TenError | None]:
        """``([], error)`` if it is no array."""
        return self._get(ValueType.ARRAY, [])

    def get_object(self) -> tuple[dict[str, Value], TenError | None]:
        """``({}, error)`` if it is no object."""
        return self._get(ValueType.OBJECT, {})

    def get_json_string(self) -> tuple[str, TenError | None]:
        """``("", error)`` if it is no JSON text."""
        return self._get(ValueType.JSON_STRING, "")

    def _get(
        self, wanted: ValueType, default: Any
    ) -> tuple[Any, TenError | None]:
        if self._type is wanted:
            return self._value, None
        text = f"the value is {self._type.name}, not {wanted.name}"
        return default, TenError.create(TenErrorCode.ErrorCodeInvalidType, text)

    def _plain(self) -> Any:
        """The value as ordinary Python data."""
        if self._type is ValueType.ARRAY:
            return [item._plain() for item in self._value]
        if self._type is ValueType.OBJECT:
            return {key: item._plain() for key, item in self._value.items()}
        return self._value

"""Typed access to properties, the same for messages and environments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .error import TenError

T = TypeVar("T")
Getter = Callable[[Any, str], tuple[T, TenError | None]]
Setter = Callable[[Any, str, T], TenError | None]


def typed_property(kind: type[T], default: T) -> tuple[Getter[T], Setter[T]]:
    """``get_property_*`` and ``set_property_*`` of one type.

    The getter gives the default and an error for what is missing or of
    another type; nothing converts. The setter takes any int for a bool, and
    an int for a float.
    """

    def get_property(
        self: TypedProperties, path: str
    ) -> tuple[T, TenError | None]:
        return self._get(path, kind, default)

    def set_property(
        self: TypedProperties, path: str, value: T
    ) -> TenError | None:
        return self._set(path, value, kind)

    return get_property, set_property


class TypedProperties:
    """The accessors by type; who has the properties defines the rest."""

    get_property_int, set_property_int = typed_property(int, 0)
    get_property_string, set_property_string = typed_property(str, "")
    get_property_bool, set_property_bool = typed_property(bool, False)
    get_property_float, set_property_float = typed_property(float, 0.0)

    def _get(
        self, path: str, kind: type, default: Any
    ) -> tuple[Any, TenError | None]:
        raise NotImplementedError

    def _set(self, path: str, value: object, kind: type) -> TenError | None:
        raise NotImplementedError

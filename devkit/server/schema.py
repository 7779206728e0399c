"""Small checks on JSON values that raise the service's own errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import (
    invalid_type,
    missing_parameter,
    out_of_range,
    too_long,
    unknown_parameter,
    unsupported_value,
)

Json = dict[str, Any]
# Takes the value and its path ("session.type"); raises ApiError or returns
# the value to keep.
Check = Callable[[Any, str], Any]


def an_object(
    fields: Mapping[str, Check],
    required: Iterable[str] = (),
    *,
    closed: bool = True,
) -> Check:
    """An object with these fields; returns a new one of them.

    Other fields are refused if it is ``closed``, else left out.
    """

    def check(value: Any, path: str) -> Json:
        if not isinstance(value, dict):
            raise invalid_type(path, "an object", value)
        for name in value:
            if closed and name not in fields:
                raise unknown_parameter(f"{path}.{name}")
        for name in required:
            if name not in value:
                raise missing_parameter(f"{path}.{name}")
        return {
            name: fields[name](entry, f"{path}.{name}")
            for name, entry in value.items()
            if name in fields
        }

    return check


def nullable(inner: Check) -> Check:
    def check(value: Any, path: str) -> Any:
        return None if value is None else inner(value, path)

    return check


def one_of(*supported: str) -> Check:
    def check(value: Any, path: str) -> str:
        text = a_string(value, path)
        if text not in supported:
            raise unsupported_value(path, value, supported)
        return text

    return check


def a_string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise invalid_type(path, "a string", value)
    return value


def a_text(maximum: int) -> Check:
    """A string of at most ``maximum`` code points."""

    def check(value: Any, path: str) -> str:
        text = a_string(value, path)
        if len(text) > maximum:
            raise too_long(path, len(text), maximum)
        return text

    return check


def a_boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise invalid_type(path, "a boolean", value)
    return value


def an_integer(
    minimum: int, maximum: float = math.inf, *, clamped: bool = False
) -> Check:
    """``clamped``: the nearest one allowed instead of an error."""
    return _in_range(int, "an integer", minimum, maximum, clamped)


def a_number(minimum: float, maximum: float, *, clamped: bool = False) -> Check:
    """``clamped``: the nearest one allowed instead of an error."""
    return _in_range(float, "a number", minimum, maximum, clamped)


def _in_range(
    kind: type[int | float],
    noun: str,
    minimum: float,
    maximum: float,
    clamped: bool,
) -> Check:
    def check(value: Any, path: str) -> float:
        # An integer is a number, too, but no boolean is either.
        if isinstance(value, bool) or not isinstance(value, (int, kind)):
            raise invalid_type(path, noun, value)
        nearest = min(max(value, minimum), maximum)
        if not clamped and (value < minimum or value > maximum):
            raise out_of_range(path, kind(value), nearest)
        return nearest

    return check


def a_list(entry: Check) -> Check:
    def check(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid_type(path, "an array", value)
        return [entry(item, f"{path}[{n}]") for n, item in enumerate(value)]

    return check

"""Small checks on JSON values that raise the service's own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import (
    above_maximum,
    below_minimum,
    invalid_type,
    missing_parameter,
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
    minimum: int, maximum: int | None = None, *, clamped: bool = False
) -> Check:
    """``clamped``: the nearest one allowed instead of an error."""

    def check(value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid_type(path, "an integer", value)
        if clamped:
            least = max(value, minimum)
            return least if maximum is None else min(least, maximum)
        if value < minimum:
            raise below_minimum(path, value, minimum)
        if maximum is not None and value > maximum:
            raise above_maximum(path, value, maximum)
        return value

    return check


def a_number(minimum: float, maximum: float, *, clamped: bool = False) -> Check:
    """``clamped``: the nearest one allowed instead of an error."""

    def check(value: Any, path: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid_type(path, "a number", value)
        if clamped:
            return min(max(value, minimum), maximum)
        if value < minimum:
            raise below_minimum(path, float(value), minimum)
        if value > maximum:
            raise above_maximum(path, float(value), maximum)
        return value

    return check


def a_list(entry: Check) -> Check:
    def check(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid_type(path, "an array", value)
        return [entry(item, f"{path}[{n}]") for n, item in enumerate(value)]

    return check

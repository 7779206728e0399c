"""Property trees: JSON in and out, and paths like ``a.b[0].c``.

A tree is a dict of plain Python values: bool, int, float, str, bytes (a
buffer, which JSON cannot say), None, list, dict.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from itertools import pairwise
from typing import Any, NoReturn

from ._abort import native_abort
from .error import TenError, TenErrorCode, not_found_error

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
UINT64_MAX = 2**64 - 1

_PATH = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(\d+)\]")

Tree = dict[str, Any]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_int(text: str) -> int | float:
    number = int(text)
    # The core reads integers as int64, then uint64, then as a real.
    return number if INT64_MIN <= number <= UINT64_MAX else float(text)


_decoder = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_int=_parse_int
)


def parse_json(text: str) -> Any:
    """Strict JSON; raises ``ValueError`` (``json.JSONDecodeError``)."""
    return _decoder.decode(text)


def to_json(value: Any) -> str:
    """Pretty-printed JSON, buffers as null, as the core prints it."""
    return json.dumps(_printable(value), indent=4, ensure_ascii=False)


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        raise native_abort(f"{value} cannot be written as JSON")
    if type(value) is int and not INT64_MIN <= value <= INT64_MAX:
        raise native_abort(f"{value} is no int64 and cannot be written as JSON")
    return value


def copy_tree(value: Any) -> Any:
    """A deep copy; cheaper than ``copy.deepcopy`` for what a tree holds."""
    if isinstance(value, dict):
        return {key: copy_tree(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_tree(item) for item in value]
    return value


def merge(base: Tree, over: Tree) -> Tree:
    """``over`` on top of ``base``: objects merge, all else replaces."""
    merged = copy_tree(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = merge(old, value)
        else:
            merged[key] = copy_tree(value)
    assert isinstance(merged, dict)
    return merged


@lru_cache(maxsize=1024)
def parse_path(path: str) -> tuple[str | int, ...] | None:
    """Segments of a path, or None if it is none."""
    segments: list[str | int] = []
    at = 0
    while at < len(path):
        match = _PATH.match(path, at)
        if match is None or (match[2] is not None and not segments):
            return None
        segments.append(match[1] if match[1] is not None else int(match[2]))
        at = match.end()
    return tuple(segments) or None


def lookup(tree: Tree, path: str) -> tuple[Any, TenError | None]:
    """The value at ``path``.

    As in the core, a missing *intermediate* key is skipped, so that the
    search goes on in the enclosing object.
    """
    segments = parse_path(path)
    if segments is None:
        return None, bad_path(path)
    current: Any = tree
    last = len(segments) - 1
    for index, segment in enumerate(segments):
        if isinstance(segment, int):
            if not isinstance(current, list) or segment >= len(current):
                return None, not_found_error(path)
            current = current[segment]
        elif not isinstance(current, dict):
            return None, not_found_error(path)
        elif segment in current:
            current = current[segment]
        elif index == last:
            return None, not_found_error(path)
    return current, None


def store(tree: Tree, path: str, value: Any) -> TenError | None:
    """Put ``value`` at ``path``, making the objects and arrays between.

    What stands in the way of an object or array is replaced by one.
    """
    segments = parse_path(path)
    if segments is None:
        return bad_path(path)
    current: Any = tree
    for segment, following in pairwise(segments):
        kind: type = list if isinstance(following, int) else dict
        below = _child(current, segment)
        if not isinstance(below, kind):
            below = kind()
            _put(current, segment, below)
        current = below
    _put(current, segments[-1], value)
    return None


def _child(container: Any, segment: str | int) -> Any:
    if isinstance(segment, int):
        return container[segment] if segment < len(container) else None
    return container.get(segment)


def _put(container: Any, segment: str | int, value: Any) -> None:
    if isinstance(segment, int):
        container.extend([None] * (segment + 1 - len(container)))
    container[segment] = value


def bad_path(path: str) -> TenError:
    """The error for something that is no property path."""
    return TenError.create(
        TenErrorCode.ErrorCodeInvalidArgument, f"{path!r} is no property path"
    )


def bad_json(error: ValueError) -> TenError:
    """The error for text that is not JSON."""
    return TenError.create(
        TenErrorCode.ErrorCodeInvalidJSON, f"invalid JSON: {error}"
    )


def type_name(value: Any) -> str:
    """TEN's word for the type of a tree value."""
    names = {
        bool: "bool",
        int: "int64",
        float: "float64",
        str: "string",
        bytes: "buf",
        list: "array",
        dict: "object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


# Typed access shared by messages and environments ------------------------


def get_typed(
    tree: Tree, path: str, kind: type, default: Any
) -> tuple[Any, TenError | None]:
    """The value at ``path`` if it is exactly a ``kind``; nothing converts."""
    check_path_type(path)
    if path == "":
        return default, bad_path(path)
    value, error = lookup(tree, path)
    if error is not None:
        return default, error
    if type(value) is not kind:
        found, wanted = type_name(value), type_name(kind())
        text = f"property {path!r} is {found}, not {wanted}"
        return default, TenError.create(TenErrorCode.ErrorCodeInvalidType, text)
    return value, None


def check_path_type(path: object) -> None:
    """Raise ``ValueError`` unless ``path`` is a str."""
    if not isinstance(path, str):
        raise ValueError(f"path must be a str, not {type(path).__name__}")


def check_setter(path: object, value: object, kind: type) -> Any:
    """Check a typed setter's arguments; return the value to store.

    Raises ``ValueError`` for types that the binding refuses; the empty path
    ends the process.
    """
    check_path_type(path)
    accepted: dict[type, tuple[type, ...]] = {
        int: (int,),  # bool is an int
        bool: (int,),
        float: (float, int),
        str: (str,),
        bytes: (bytes, bytearray, memoryview),
    }
    if not isinstance(value, accepted[kind]):
        raise ValueError(
            f"value must be {kind.__name__}, not {type(value).__name__}"
        )
    if kind is int and not INT64_MIN <= int(value) <= INT64_MAX:  # type: ignore[call-overload]
        raise ValueError("value does not fit into an int64")
    if path == "":
        raise native_abort("a typed property setter needs a path")
    return kind(value)


def json_at(tree: Tree, path: str | None) -> tuple[str, TenError | None]:
    """JSON text of the value at ``path`` (None or "": of the whole tree)."""
    if path is not None:
        check_path_type(path)
    if not path:
        return to_json(tree), None
    value, error = lookup(tree, path)
    if error is not None:
        return "", error
    return to_json(value), None

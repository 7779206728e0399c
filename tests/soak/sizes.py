"""How many things an object holds, all the way down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

_CONTAINERS = (list, tuple, set, frozenset, deque, dict)
_ENDS = (str, bytes, bytearray, int, float, type(None), type)


def containers(root: object, package: str) -> Iterator[tuple[str, int]]:
    """(path, length) of every container below ``root``.

    Goes through objects of ``package`` and through containers, each once.
    """
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("", root)]
    while todo:
        path, thing = todo.pop()
        if id(thing) in seen or isinstance(thing, _ENDS):
            continue
        seen.add(id(thing))
        if isinstance(thing, _CONTAINERS):
            yield path, len(thing)
            inside = list(thing.values() if isinstance(thing, dict) else thing)
            todo.extend((f"{path}[]", item) for item in inside)
        elif package in type(thing).__module__ and hasattr(thing, "__dict__"):
            items = vars(thing).items()
            todo.extend((f"{path}.{name}", value) for name, value in items)


def largest(root: object, package: str) -> dict[str, int]:
    """The length of the longest container at each path."""
    sizes: dict[str, int] = {}
    for path, length in containers(root, package):
        sizes[path] = max(sizes.get(path, 0), length)
    return sizes

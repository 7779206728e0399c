"""Declared types of properties, and what fits them.

The rules are the core's: an int fits every integer type whose range holds it
and every float type (it is stored as a real); nothing else converts; null
fits nothing; only what is present is checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._tree import type_name

INT_RANGES = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
FLOATS = ("float32", "float64")
#: ``ptr`` has no value in Python.
_OTHERS = {"bool": bool, "string": str, "buf": bytes}
SCALARS = ("bool", *INT_RANGES, *FLOATS, "string", "buf", "ptr")
ALL_TYPES = (*SCALARS, "array", "object")


@dataclass
class ValueSchema:
    """One declared type."""

    type: str
    items: ValueSchema | None = None
    properties: dict[str, ValueSchema] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def adjust(self, value: Any, where: str) -> tuple[Any, str | None]:
        """``value`` as it is stored, and what is wrong with it or None.

        ``where`` names the value in the complaint. Objects and arrays are
        adjusted in place.
        """
        if self.type == "object":
            if isinstance(value, dict):
                return value, self.adjust_object(value, where)
        elif self.type == "array":
            if isinstance(value, list):
                return value, self._adjust_items(value, where)
        elif self.type in INT_RANGES:
            low, high = INT_RANGES[self.type]
            if type(value) is int:
                fits = low <= value <= high
                text = f"{where}: {value} is no {self.type}"
                return value, None if fits else text
        elif self.type in FLOATS:
            if type(value) in (int, float):
                return float(value), None
        elif type(value) is _OTHERS.get(self.type):
            return value, None
        text = f"{where}: expected {self.type}, got {type_name(value)}"
        return value, text

    def adjust_object(self, tree: dict[str, Any], where: str) -> str | None:
        """Check and adjust the declared keys of ``tree``."""
        for key, schema in self.properties.items():
            if key in tree:
                path = f"{where}.{key}" if where else key
                tree[key], problem = schema.adjust(tree[key], path)
                if problem is not None:
                    return problem
        for key in self.required:
            if key not in tree:
                path = f"{where}.{key}" if where else key
                return f"{path}: required, but missing"
        return None

    def _adjust_items(self, values: list[Any], where: str) -> str | None:
        if self.items is None:
            return None
        for index, value in enumerate(values):
            path = f"{where}[{index}]"
            values[index], problem = self.items.adjust(value, path)
            if problem is not None:
                return problem
        return None


#: ``api`` keys with messages, e.g. ``data_out``: kind and direction.
MESSAGE_KEYS = tuple(
    f"{kind}_{way}"
    for kind in ("cmd", "data", "audio_frame", "video_frame")
    for way in ("in", "out")
)


@dataclass
class Api:
    """The checked part of a manifest's ``api``, interfaces merged in."""

    properties: ValueSchema = field(
        default_factory=lambda: ValueSchema("object")
    )
    messages: dict[tuple[str, str], ValueSchema] = field(default_factory=dict)
    results: dict[tuple[str, str], ValueSchema] = field(default_factory=dict)
    #: The names of all messages, by key.
    names: dict[str, set[str]] = field(default_factory=dict)

    def check_message(self, key: str, name: str, tree: Any) -> str | None:
        """Problem of a message, ``key`` being e.g. ``data_out``."""
        schema = self.messages.get((key, name))
        return None if schema is None else schema.adjust_object(tree, "")

    def check_result(self, key: str, name: str, tree: Any) -> str | None:
        """Problem of a command's result, ``key`` being e.g. ``cmd_in``."""
        schema = self.results.get((key, name))
        return None if schema is None else schema.adjust_object(tree, "")

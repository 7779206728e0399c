"""Placeholders filled in, and where each value comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ten_packages.extension.openai_asr_python.properties.loading import (
    written_at,
)
from ten_runtime._files import find_nulls
from ten_runtime._placeholder import (
    UnresolvedPlaceholder,
    may_be_shown,
    resolve,
    variable,
)
from ten_runtime._tree import merge, parse_path

from .checks import Check
from .source import Node

_ABSENT = object()
_ROOT = "$."
_TOP = "top level"
#: A shell would fill these in; TEN does not.
_OF_SHELLS = re.compile(r"\$(?:\w+|\{\w+\})")


@dataclass(frozen=True)
class Given:
    """What a node is given in the end: ``properties`` as TEN hands them over,
    and ``raw``, the same with their placeholders."""

    node: Node
    raw: Mapping[str, Any]
    properties: Mapping[str, Any]

    @cached_property
    def _written_at(self) -> Callable[[str], str]:
        return written_at(self.properties)

    def origin(self, field: str) -> str:
        """Where the value of a field comes from, in short; raises
        `ConfigError` where the configuration is not valid."""
        path = self._written_at(field)
        raw, value = _at(self.raw, path), _at(self.properties, path)
        if value is _ABSENT or (isinstance(value, str) and not value.strip()):
            # A blank text is as nothing.
            return "default"
        place = _place(path, field)
        if _at(self.node.properties, path) is _ABSENT:
            own = "the package's property.json"
            place = own if place == _TOP else f"{place} of {own}"
        name = variable(raw)
        return f"{place}, {_of_variable(name)}" if name else place


def resolved(node: Node) -> Given | list[Check]:
    """The properties as TEN makes them, or what keeps it from that."""
    if not isinstance(node.properties, dict):
        text = "the node's property is no object"
        return [_failed("property", text, 'write {"params": {…}}')]
    raw = merge(node.base, node.properties)
    problems = [
        _failed(
            problem.json_path.removeprefix(_ROOT),
            problem.text,
            'leave it out; "" means that it is not given',
        )
        for problem in find_nulls(raw, "$")
    ]
    problems += _unresolved(raw, "$")
    return problems or Given(node, raw, resolve(raw))


def as_far_as_resolved(value: Any) -> Any:
    """A copy with "" for what nobody fills in, to look for secrets in."""
    if isinstance(value, dict):
        return {k: as_far_as_resolved(inner) for k, inner in value.items()}
    if isinstance(value, list):
        return list(map(as_far_as_resolved, value))
    if isinstance(value, str) and _OF_SHELLS.fullmatch(value):
        return ""
    try:
        return resolve(value)
    except UnresolvedPlaceholder:
        return ""


def _unresolved(value: Any, path: str) -> Iterator[Check]:
    """What TEN would refuse, or hand over as it is."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _unresolved(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unresolved(inner, f"{path}[{index}]")
    else:
        place, name = path.removeprefix(_ROOT), variable(value)
        try:
            resolve(value, path)
        except UnresolvedPlaceholder as error:
            yield _unset(place, name, error.problem.text)
        if isinstance(value, str) and _OF_SHELLS.fullmatch(value):
            name = value.strip("${}")
            found = value
            if not may_be_shown(name):
                found, name = "a placeholder of a shell's", "NAME"
            text = f"found {found}, which TEN does not fill in"
            yield _failed(place, text, f"write ${{env:{name}}}")


def _unset(place: str, name: str | None, problem: str) -> Check:
    if not name or not may_be_shown(name):
        step = "write ${env:NAME} or ${env:NAME|default}"
        return _failed(place, problem, step)
    text = f"environment variable {name} is not set and has no default"
    return _failed(place, text, f"export {name}=…", variable=name)


def _failed(name: str, text: str, step: str, **data: Any) -> Check:
    return Check(name, "failed", text, step, data=data)


def _place(path: str, field: str) -> str:
    """The whole path only where the field is spelled otherwise."""
    if path == field:
        return _TOP
    return "params" if path == f"params.{field}" else path


def _of_variable(name: str) -> str:
    known = name in os.environ
    name = name if may_be_shown(name) else "…"
    return f"environment {name}" if known else f"default of ${{env:{name}|…}}"


def _at(tree: Any, path: str) -> Any:
    """What stands at a path such as ``params.fallbacks[0].model``."""
    for step in parse_path(path) or (path,):
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return tree

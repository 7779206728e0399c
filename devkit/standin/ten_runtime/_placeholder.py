"""``${env:NAME}`` and ``${env:NAME|default}`` in property values."""

from __future__ import annotations

import os
import re
from typing import Any

from ._files import Problem
from ._log import log_line
from .log_level import LogLevel

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
#: Between the underscores of a name stand words; keys are longer, and mixed.
_WORD = re.compile(r"[A-Z]+|[a-z]+")
_SHORT, _LONG = 15, 24
_PARTS = re.compile(r"((?:\\.|[^|\\])*\\?)(?:\|(.*))?\Z", re.DOTALL)


class UnresolvedPlaceholder(Exception):
    """A required variable is not set, or the scope is not ``env``."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.json_path}: {problem.text}")
        self.problem = problem


def resolve(tree: Any, path: str = "$") -> Any:
    """A copy with every placeholder replaced by a string, once.

    Raises :class:`UnresolvedPlaceholder`. A malformed placeholder is logged
    and leaves itself and everything after it as it is.
    """
    resolver = _Resolver()
    return resolver.walk(tree, path)


def variable(value: Any) -> str | None:
    """The environment variable that a placeholder asks for; None: it is no
    placeholder."""
    if not isinstance(value, str):
        return None
    if not (value.startswith("${") and value.endswith("}")):
        return None
    scope, colon, name = _split_default(value[2:-1])[0].partition(":")
    return name if colon and scope == "env" else None


def may_be_shown(name: str) -> bool:
    """Is it a name as environment variables have, and not a key that somebody
    put there?"""
    return _NAME.fullmatch(name) is not None and all(
        len(part) <= _SHORT or (len(part) <= _LONG and _WORD.fullmatch(part))
        for part in name.split("_")
    )


def unset(name: str) -> str:
    """What to say of a variable that is not set."""
    if not may_be_shown(name):
        return (
            f"a placeholder has {len(name)} characters that are no name of an"
            " environment variable, or may be a key; allowed is ${env:NAME}"
        )
    return (
        f"environment variable {name} is not set and has no default; "
        f"allowed is ${{env:{name}|default}}"
    )


class _Resolver:
    def __init__(self) -> None:
        self.stopped = False

    def walk(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {k: self.walk(v, f"{path}.{k}") for k, v in value.items()}
        if isinstance(value, list):
            return [self.walk(v, f"{path}[{i}]") for i, v in enumerate(value)]
        if self.stopped or not isinstance(value, str):
            return value
        if not (value.startswith("${") and value.endswith("}")):
            return value
        replaced = _replaced(value[2:-1], path)
        if replaced is None:
            # Quietly, as in the core.
            self.stopped = True
            # Somebody may have put a key in there.
            text = (
                f"{path}: malformed placeholder of {len(value)} characters,"
                " left as it is; allowed is ${env:NAME} or ${env:NAME|default}"
            )
            log_line(LogLevel.WARN, text)
            return value
        return replaced


def _replaced(inside: str, path: str) -> str | None:
    """None for what is malformed."""
    name_part, default = _split_default(inside)
    scope, colon, name = name_part.partition(":")
    if not colon:
        return None
    if scope != "env":
        shown = repr(scope) if scope.isidentifier() else "of a placeholder"
        text = f"scope {shown} is unknown; allowed is env"
        raise UnresolvedPlaceholder(Problem(path, text))
    value = os.environ.get(name)  # set but empty counts as set
    if value is not None:
        return value
    if default is None:
        raise UnresolvedPlaceholder(Problem(path, unset(name)))
    return default


def _split_default(inside: str) -> tuple[str, str | None]:
    """Split at the first unescaped ``|``; ``\\x`` means x."""
    found = _PARTS.match(inside)
    assert found is not None  # every text has such parts
    name, default = found.groups()
    return _unescaped(name), None if default is None else _unescaped(default)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.?)", r"\1", text, flags=re.DOTALL)

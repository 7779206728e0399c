"""Reading TEN's JSON files, with complaints that name the place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._tree import parse_json


@dataclass(frozen=True)
class Problem:
    """What is wrong where: a JSON path (``$`` is the whole) and a text."""

    json_path: str
    text: str


class ConfigError(Exception):
    """Problems of one file (``path`` may name something that is no file)."""

    def __init__(self, path: str, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("; ".join(self.lines()))

    def lines(self) -> list[str]:
        """One line ``path: JSON path: text`` for each problem."""
        return [
            one_line(f"{self.path}: {problem.json_path}: {problem.text}")
            for problem in self.problems
        ]


def one_line(text: str) -> str:
    """``text`` with control characters escaped, fit for a log line.

    A rule of the runtime's own: it knows none of the extensions.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else repr(char)[1:-1] for char in text
    )


def decode_json(text: str, path: str) -> Any:
    """Parse ``text``; raises :class:`ConfigError` with line and column."""
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ConfigError(
            path, [Problem(place, f"invalid JSON: {error.msg}")]
        ) from None
    except (ValueError, RecursionError) as error:
        problem = Problem("$", f"invalid JSON: {error}")
        raise ConfigError(path, [problem]) from None


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises :class:`ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            str(path), [Problem("$", "there is no such file")]
        ) from None
    except (OSError, UnicodeError) as error:
        problem = Problem("$", f"cannot be read: {error}")
        raise ConfigError(str(path), [problem]) from None
    value = decode_json(text, str(path))
    if not isinstance(value, dict):
        raise ConfigError(str(path), [Problem("$", "must be a JSON object")])
    return value


def unknown_keys(
    value: dict[str, Any], allowed: Iterable[str], path: str
) -> list[Problem]:
    """A problem for each key that is not allowed."""
    names = tuple(allowed)
    return [
        Problem(f"{path}.{key}", f"unknown key; allowed are {', '.join(names)}")
        for key in value
        if key not in names
    ]


def find_nulls(value: Any, path: str) -> list[Problem]:
    """A problem for each null, which no property value may be."""
    if value is None:
        text = (
            "null is not allowed; allowed are string, number, boolean, "
            "object and array"
        )
        return [Problem(path, text)]
    found: list[Problem] = []
    if isinstance(value, dict):
        for key, item in value.items():
            found += find_nulls(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += find_nulls(item, f"{path}[{index}]")
    return found

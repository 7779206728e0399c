"""Reading TEN's JSON files, with complaints that name the place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

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

    @classmethod
    def of(cls, path: object, text: str, json_path: str = "$") -> ConfigError:
        """One problem."""
        return cls(str(path), [Problem(json_path, text)])

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
        text = f"invalid JSON: {error.msg}"
        raise ConfigError.of(path, text, place) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError.of(path, f"invalid JSON: {error}") from None


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises :class:`ConfigError`."""
    try:
        # Of a pipe or a device there is no end.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ConfigError.of(path, "is no file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError.of(path, "there is no such file") from None
    except (OSError, UnicodeError) as error:
        raise ConfigError.of(path, f"cannot be read: {error}") from None
    if text.startswith("\ufeff"):
        # So does TEN's own reader.
        problem = "begins with a byte order mark: save it as UTF-8 without one"
        raise ConfigError.of(path, problem)
    value = decode_json(text, str(path))
    if not isinstance(value, dict):
        raise ConfigError.of(path, "must be a JSON object")
    return value


class Checker:
    """Looks at values read from JSON; ``problems`` says what is wrong."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def complain(self, path: str, text: str) -> None:
        """Note a problem, once."""
        problem = Problem(path, text)
        if problem not in self.problems:
            self.problems.append(problem)

    def keys(
        self, value: dict[str, Any], allowed: Iterable[str], path: str
    ) -> None:
        """Complain of each key that is not allowed."""
        names = tuple(allowed)
        for key in value:
            if key not in names:
                listed = ", ".join(names)
                text = f"unknown key; allowed are {listed}"
                self.complain(f"{path}.{key}", text)

    def is_object(
        self,
        value: Any,
        path: str,
        allowed: Iterable[str] | None = None,
        text: str = "must be an object",
    ) -> TypeGuard[dict[str, Any]]:
        """Whether it is one; complains of it, and of keys not allowed."""
        if not isinstance(value, dict):
            self.complain(path, text)
            return False
        if allowed is not None:
            self.keys(value, allowed, path)
        return True

    def items(
        self, value: dict[str, Any], key: str, path: str
    ) -> list[tuple[str, Any]]:
        """(path, item) of each item of an array, which may be missing."""
        listed = value.get(key, [])
        if not isinstance(listed, list):
            self.complain(f"{path}.{key}", "must be an array")
            return []
        return [(f"{path}.{key}[{n}]", item) for n, item in enumerate(listed)]

    def text(self, value: dict[str, Any], key: str, path: str) -> str | None:
        """A required text that is not empty, or None."""
        found = value.get(key)
        if isinstance(found, str) and found:
            return found
        self.complain(f"{path}.{key}", "required, must be a non-empty string")
        return None


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

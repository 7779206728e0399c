"""The lines of a session log, and what is wrong with one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

#: No call lasts for a hundred years, in ms.
_LONGEST = 100 * 366 * 86_400_000.0


class RecordingError(Exception):
    """One line that names the file, and the line where there is one."""


#: Told what is wrong with a line, which is then left out; it may raise.
OnWrong = Callable[[RecordingError], None]


@dataclass(frozen=True)
class Line:
    """A line; ``where`` names its file and number.

    The methods read a field; they raise `RecordingError` where it is missing
    or something else.
    """

    where: str
    fields: dict[str, Any]

    @cached_property
    def kind(self) -> str:
        # Each part of a report asks for that of each line.
        return self.text("kind")

    @property
    def t(self) -> float:
        """When it was written, in ms since the start of the log."""
        return self.number("t", 0.0)

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise self.wrong(f"{name}: missing or no text")
        return value

    def object(self, name: str) -> dict[str, Any]:
        value = self.fields.get(name)
        if not isinstance(value, dict):
            raise self.wrong(f"{name}: missing or no object")
        return value

    def number(self, name: str, low: float) -> float:
        """A time in ms, from ``low`` on."""
        value = self.fields.get(name)
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and low <= value <= _LONGEST
        ):
            return float(value)
        raise self.wrong(f"{name}: missing or no time")

    def whole(self, name: str, low: int, high: int) -> int:
        value = self.fields.get(name)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(
                f"{name}: missing or no whole number from {low} to {high}"
            )
        return value

    def wrong(self, problem: str) -> RecordingError:
        return RecordingError(f"{self.where}: {problem}")


def read_lines(
    path: Path, on_wrong: OnWrong, notes: list[str]
) -> Iterator[Line]:
    """Each line that is a JSON object.  Half a line at the end, which a killed
    process leaves, is only noted; the call before it is worth a look.

    Raises `RecordingError` for a file that cannot be read, or is empty.
    """
    with open_file(path) as file:
        data = file.read()
    if not data:
        raise RecordingError(f"{path}: is empty")
    *texts, rest = data.split(b"\n")
    if rest and not texts:
        texts, rest = [rest], b""
    for number, text in enumerate(texts, start=1):
        line = _parsed(f"{path}:{number}", text, on_wrong)
        if line is not None:
            yield line
    if rest:
        notes.append(f"{path}:{len(texts) + 1}: is incomplete, left out")


def _parsed(where: str, text: bytes, on_wrong: OnWrong) -> Line | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else ""
        problem = f"{where}: not JSON{what and ': '}{what}"
        on_wrong(RecordingError(problem))
        return None
    if not isinstance(fields, dict):
        on_wrong(RecordingError(f"{where}: not a JSON object"))
        return None
    return Line(where, fields)


def open_file(path: Path) -> BinaryIO:
    """A file to read; raises `RecordingError`."""
    try:
        # Of a pipe or a device there is no end.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise RecordingError(f"{path}: is no file")
        return path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path}: {_reason(error)}") from None


def is_a_name(text: str) -> bool:
    """Can a file beside the log have it?"""
    try:
        data = os.fsencode(text)
        return Path(text).name == text and b"\0" not in data and len(data) < 256
    except UnicodeEncodeError:
        return False


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return error.strerror or str(error)

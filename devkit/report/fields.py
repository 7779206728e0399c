"""What a log says, checked: it may be anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devkit.shown import one_line

#: So much of a text is shown, in characters; of an interim, or a reason, less.
LONGEST, SHORT = 20_000, 500


def text(value: Any, longest: int = SHORT) -> str:
    """A text of others in one line, fit to be shown; "" for what is none."""
    if not isinstance(value, str):
        return ""
    # Cut first: what nobody sees need not be cleaned.
    cut = one_line(value[:longest])
    more = len(value) - longest
    return f"{cut} … ({more} more characters)" if more > 0 else cut


def words(value: Any, longest: int = SHORT) -> str:
    """The same of whatever may stand in a configuration."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, (words(each) for each in value[:50])))
    if isinstance(value, (int, float)):
        return str(value)[:40]
    return text(value, longest)


def number(value: Any, default: float = 0.0) -> float:
    """From 0 on; as a time or a length in ms at most a hundred years."""
    if type(value) not in (int, float) or not 0 <= value <= 3.2e12:
        return default
    return float(value)


def count(value: Any) -> int:
    """A whole number from 0 on, 0 for what is none."""
    return value if type(value) is int and 0 <= value < 2**53 else 0


def part(value: Any, *names: str) -> Mapping[str, Any]:
    """An object within objects; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def parts(value: Any, most: int) -> list[Mapping[str, Any]]:
    """The objects of a list, at most so many."""
    if not isinstance(value, list):
        return []
    return [each for each in value[:most] if isinstance(each, Mapping)]

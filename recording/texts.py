"""A line of the session log without what was said in the call.

For those who may see how a call went and not what was said in it:
``session_log_text``, and reports that are passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Fields whose texts name something: what is not here may be what was said,
#: for a server may put it anywhere.
_NAMES = frozenset(
    {
        "code",
        "delay",
        "eagerness",
        "endpoint",
        "event_id",
        "finalize_id",
        "id",
        "include",
        "item_id",
        "language",
        "languages",
        "model",
        "object",
        "param",
        "previous_item_id",
        "role",
        "session_id",
        "status",
        "type",
        "vendor",
    }
)
#: What a name looks like; a text has blanks, or letters of a language.
_NAME = re.compile(r"[A-Za-z0-9_.:/+*\[\]-]{0,128}")
#: Sentences about what went wrong, in an object of this name.
_REASONS = frozenset({"message", "reason"})
_ERROR = "error"
#: Of a configuration only these are words of people, but for ``session``,
#: which may hold anything.
_SAID = frozenset({"prompt", "keywords", "hotwords"})


def without_texts(line: Mapping[str, Any]) -> dict[str, Any]:
    """``line`` with as many ``x`` in place of each text that was said or that
    tells the service what to expect.  Lengths and times stay, and so do
    messages of errors.  May raise ``RecursionError``."""
    return {name: _of_line(name, value) for name, value in line.items()}


def _of_line(name: str, value: Any) -> Any:
    if name == "config":
        return _settings(value)
    # The line's own texts are ours, or reasons; a message may be a text alone.
    own = isinstance(value, str) and name != "event"
    return value if own else _without(name, value)


def _without(name: str, value: Any, in_error: bool = False) -> Any:
    if isinstance(value, str):
        named = name in _NAMES and _NAME.fullmatch(value)
        told = in_error and name in _REASONS
        return value if named or told else "x" * len(value)
    if isinstance(value, Mapping):
        in_error = name == _ERROR or value.get("type") == _ERROR
        return {
            key if _NAME.fullmatch(key) else "x" * len(key): _without(
                key, below, in_error
            )
            for key, below in value.items()
        }
    if isinstance(value, list | tuple):
        # Of numbers: the bytes of a token.
        return [
            _without(name, below)
            for below in value
            if not isinstance(below, int | float)
        ]
    return value


def _settings(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _without(name, below)
            if name == "session" or name in _SAID
            else _settings(below)
            for name, below in value.items()
        }
    if isinstance(value, list | tuple):
        return [_settings(below) for below in value]
    return value

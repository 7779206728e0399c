"""How a run shall be, and what it shall have otherwise than the call had."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What other options say, or what must not stand on a command line.
_REFUSED = {
    **dict.fromkeys(
        ("base_url", "url", "websocket_base_url"), "use --server instead"
    ),
    **dict.fromkeys(
        ("api_key", "key", "headers", "query"),
        "the key is taken from OPENAI_API_KEY",
    ),
    **dict.fromkeys(("dump", "dump_path"), "use --dump instead"),
}
#: These are the service's request, and stand in an object of their own.
_REQUEST = (
    "delay",
    "family",
    "keywords",
    "language",
    "languages",
    "model",
    "prompt",
)
_REQUEST_OBJECT = "input_audio_transcription"
#: One takes the other's place.
_INSTEAD = {"language": "languages", "languages": "language"}

#: The path of a key, and its value.
Change = tuple[tuple[str, ...], Any]


@dataclass(frozen=True)
class Wishes:
    """How a run shall be: ``speed`` 1 keeps the recorded times, 2 halves them,
    None is as fast as the extension takes the frames; the changes; and the
    ``.pcm`` file of its ``dump``, None for none."""

    speed: float | None = None
    changes: tuple[Change, ...] = ()
    dump: Path | None = None


def parse_change(text: str) -> Change:
    """``turn_detection.type=local``: the value is JSON, or else a text.

    Raises ValueError with one line.
    """
    name, equals, value = text.partition("=")
    path = tuple(name.strip().split("."))
    if not equals or not all(path):
        raise ValueError(f"must be KEY=VALUE, not {text!r}")
    if path[0] in _REFUSED:
        raise ValueError(f"{path[0]}: {_REFUSED[path[0]]}")
    if path[0] in _REQUEST:
        path = (_REQUEST_OBJECT, *path)
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return path, value
    if found is None:
        raise ValueError(f'{name}: null is no value; "{name}=" takes it back')
    return path, found


def change(params: dict[str, Any], changes: Iterable[Change]) -> None:
    """Make the changes, in their order."""
    for path, value in changes:
        place = params
        for name in path[:-1]:
            inner = place.get(name)
            # Of the logged configuration nothing is changed in its place.
            place[name] = dict(inner) if isinstance(inner, dict) else {}
            place = place[name]
        if path[0] == _REQUEST_OBJECT:
            place.pop(_INSTEAD.get(path[-1], ""), None)
        place[path[-1]] = value
        if path == ("turn_detection", "type"):
            # It says so itself, and "enabled" could say otherwise.
            place.pop("enabled", None)

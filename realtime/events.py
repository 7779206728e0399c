"""Server events, read with suspicion.

The service adds fields and event types without notice, and compatible
servers leave fields out.  So an event is a type and a few checked getters;
nothing here raises on odd content.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

#: No audio position of a session is beyond this (a week in ms); a larger
#: number is a server's mistake and must not reach the arithmetic.
MAX_POSITION_MS = 7 * 24 * 3600 * 1000


class MalformedEvent(ValueError):
    """A message from the server that is not a JSON object with a type."""


class ServerEvent:
    """One server event: its ``type`` and guarded access to its fields."""

    __slots__ = ("fields", "type")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        kind = fields.get("type")
        self.type = kind if isinstance(kind, str) else ""

    def text(self, name: str) -> str:
        """The string field ``name``, or "" where it is missing."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def position_ms(self, name: str) -> int | None:
        """The audio position ``name`` in ms, or None where unusable."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if not math.isfinite(value) or not 0 <= value <= MAX_POSITION_MS:
            return None
        return int(value)

    def object(self, name: str) -> Mapping[str, Any]:
        """The object field ``name``, or an empty one."""
        value = self.fields.get(name)
        return value if isinstance(value, dict) else {}

    def objects(self, name: str) -> list[Mapping[str, Any]]:
        """The objects in the list field ``name``."""
        value = self.fields.get(name)
        if not isinstance(value, list):
            return []
        return [entry for entry in value if isinstance(entry, dict)]


def parse_event(message: str | bytes) -> ServerEvent:
    """Read one WebSocket message; raises `MalformedEvent`."""
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise MalformedEvent("not a JSON object")
    event = ServerEvent(fields)
    if not event.type:
        raise MalformedEvent("no event type")
    return event

"""Server events, read with suspicion.

The service adds fields and event types without notice, and compatible
servers leave fields out.  So an event is a type and a few checked getters;
nothing here raises on odd content.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .json_text import read_json

#: No audio position of a session is beyond this (a week in ms); a larger
#: number is a server's mistake and must not reach the arithmetic.
MAX_POSITION_MS = 7 * 24 * 3600 * 1000
#: A turn of ten minutes is about 12 000 characters.
MAX_TEXT = 50_000
#: Ids are OpenAI's (``item_…``), UUIDs or whatever a server likes; they are
#: compared, and shown.
MAX_ID = 200
_ID = re.compile(r"[!-~]+")
#: Error codes, types and params (``session.audio[0].format``), names and words
#: of ``usage``.
MAX_WORD = 100
_WORD = re.compile(r"[\w.:/\[\]-]+", re.ASCII)
#: RFC 5646, 4.4.1: no tag in use needs more; some write ``en_US``.
MAX_LANGUAGE = 35
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
#: Tokens of a turn whose probability is kept.
MAX_TOKENS = 10_000
#: Probabilities below this are 0; integers beyond it are no floats.
_LEAST_LOGPROB = -1e6
#: ``usage``: entries in all, levels of objects.
_MAX_COUNTS = 64
_COUNT_LEVELS = 3
#: Integers beyond this are not exact in JSON; TEN's are of 64 bits.
_MAX_NUMBER = 2**53


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
        return clean_text(value) if isinstance(value, str) else ""

    def identity(self, name: str) -> str:
        """The id ``name``, or "" where it is missing or no id."""
        return clean_id(self.fields.get(name))

    def position_ms(self, name: str) -> int | None:
        """The audio position ``name`` in ms, or None where unusable."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if not 0 <= value <= MAX_POSITION_MS:
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

    def logprobs(self) -> list[float]:
        """The logarithmic probabilities of the tokens, 0 and less."""
        found = []
        for entry in self.objects("logprobs")[:MAX_TOKENS]:
            value = entry.get("logprob")
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                # Some integers are too large for a float.
                value = float(min(max(value, _LEAST_LOGPROB), 0))
                if not math.isnan(value):
                    found.append(value)
        return found

    def counts(self, name: str) -> Mapping[str, Any]:
        """The object ``name`` as far as it holds numbers and words that TEN
        can carry: no NaN, no integer of more than 64 bits."""
        room = iter(range(_MAX_COUNTS))
        return _counts(self.object(name), _COUNT_LEVELS, room)


def clean_text(text: str) -> str:
    """``text`` without what C strings and UTF-8 cannot carry, bounded."""
    text = text[:MAX_TEXT].replace("\0", "")
    return text.encode("utf-8", "ignore").decode()


def clean_id(value: object) -> str:
    """``value`` if it can be an id, else ""."""
    return _checked(value, _ID, MAX_ID)


def clean_word(value: object) -> str:
    """``value`` if it can be a code or a name, else ""."""
    return _checked(value, _WORD, MAX_WORD)


def clean_language(value: object) -> str:
    """``value`` if it can be the code of a language, else ""."""
    return _checked(value, _LANGUAGE, MAX_LANGUAGE)


def _checked(value: object, alphabet: re.Pattern[str], most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        return ""
    return value if alphabet.fullmatch(value) else ""


def _counts(
    value: Mapping[str, Any], levels: int, room: Iterator[int]
) -> dict[str, Any]:
    """``room`` has an element for each entry that may be looked at."""
    found: dict[str, Any] = {}
    for (key, entry), _ in zip(value.items(), room, strict=False):
        name = clean_word(key)
        if not name:
            continue
        if isinstance(entry, dict):
            if levels > 1:
                found[name] = _counts(entry, levels - 1, room)
        elif word := clean_word(entry):
            found[name] = word
        elif isinstance(entry, (int, float)) and abs(entry) <= _MAX_NUMBER:
            found[name] = entry
    return found


def parse_event(message: str | bytes) -> ServerEvent:
    """Read one WebSocket message; raises `MalformedEvent`."""
    try:
        fields = read_json(message)
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise MalformedEvent("not a JSON object")
    event = ServerEvent(fields)
    if not event.type and fields.get("error"):
        # A gateway in front of the server speaks (BerriAI/litellm#38645).
        event.type = "error"
    if not event.type:
        raise MalformedEvent("no event type")
    return event

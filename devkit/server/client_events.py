"""The client's events: parsing, known types, and checks of their fields."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, TypeVar

from .errors import ApiError, invalid_type, missing_parameter, unknown_parameter
from .rules import Rule, Rules

T = TypeVar("T", str, dict[str, Any])

MAX_APPEND_BYTES = 15 * 1024 * 1024

# The list in the service's own error text (recorded 2026-09-18).
GA_EVENT_TYPES = (
    "session.update",
    "session.close",
    "input_audio_buffer.append",
    "session.input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "response.create",
    "response.cancel",
)
BETA_EVENT_TYPES = (
    "transcription_session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.delete",
    "conversation.item.retrieve",
)
# Event type -> its one field besides type and event_id. What the service
# lists but is not here belongs to other kinds of sessions.
SUPPORTED: dict[str, str | None] = {
    "session.update": "session",
    "transcription_session.update": "session",
    "input_audio_buffer.append": "audio",
    "conversation.item.delete": "item_id",
    "conversation.item.retrieve": "item_id",
    "input_audio_buffer.commit": None,
    "input_audio_buffer.clear": None,
}


def parse(message: str | bytes) -> dict[str, Any]:
    """A frame's JSON object; raises ApiError for anything else."""
    if isinstance(message, bytes):
        raise ApiError(
            "Binary messages are not supported: send events as JSON text.",
            "invalid_event",
        )
    try:
        event = json.loads(message)
    except ValueError:
        raise ApiError(
            "The message is not valid JSON.", "invalid_json"
        ) from None
    if not isinstance(event, dict):
        raise ApiError("The event must be a JSON object.", "invalid_event")
    return event


def check_fields(event: dict[str, Any], rules: Rules) -> None:
    """Refuse unknown fields of an event whose type is in SUPPORTED."""
    known = ("type", "event_id", SUPPORTED[event["type"]])
    for name in event:
        if name not in known and Rule.UNKNOWN_FIELDS in rules:
            raise unknown_parameter(name)
    if not isinstance(event.get("event_id", ""), str):
        raise invalid_type("event_id", "a string", event["event_id"])


def field_of(
    event: dict[str, Any], name: str, kind: type[T], rules: Rules
) -> T:
    """The event's only field; raises ApiError if it is not of ``kind``."""
    check_fields(event, rules)
    if name not in event:
        raise missing_parameter(name)
    value = event[name]
    if not isinstance(value, kind):
        noun = "a string" if kind is str else "an object"
        raise invalid_type(name, noun, value)
    return value


def audio_of(event: dict[str, Any], rules: Rules) -> bytes:
    """The bytes of an append; raises ApiError."""
    text = field_of(event, "audio", str, rules)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(
            "Invalid 'audio'. Expected base64-encoded audio bytes, but got "
            "an invalid value.",
            "invalid_value",
            "audio",
        ) from None
    if len(data) > MAX_APPEND_BYTES and Rule.APPEND_SIZE in rules:
        raise ApiError(
            "Invalid 'audio': at most 15 MiB may be appended at once.",
            "invalid_value",
            "audio",
        )
    return data

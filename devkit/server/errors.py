"""Errors as the service words them: the ``error`` event and the CLOSE rule.

Texts and codes were recorded from api.openai.com in 2026 where the comments
say so; the others follow the service's general wording.
"""

from __future__ import annotations

import http
import json
from collections.abc import Iterable
from dataclasses import dataclass

CLOSE_GOING_AWAY = 1001
CLOSE_POLICY_VIOLATION = 1008
CLOSE_INTERNAL_ERROR = 1011
CLOSE_AUTHENTICATION = 3000
CLOSE_REQUEST_SHAPE = 4000
CLOSE_MODEL_NOT_FOUND = 4004

INVALID_REQUEST = "invalid_request_error"


@dataclass
class ApiError(Exception):
    """One ``error`` event; fatal exactly when ``close`` is set.

    ``close`` is the WebSocket close code that follows the event, or None when
    the connection stays open. ``names_event``: the id of the client's event
    is in it.
    """

    message: str
    code: str | None = None
    param: str | None = None
    type: str = INVALID_REQUEST
    close: int | None = None
    names_event: bool = True

    def __post_init__(self) -> None:
        super().__init__(self.message)

    def body(self, event_id: str | None = None) -> dict[str, object]:
        """The ``error`` object; ``event_id`` is the offending client event's.

        The outer ``event_id`` of the server event is another one.
        """
        return {
            "type": self.type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id if self.names_event else None,
        }

    def http_body(self) -> bytes:
        """The JSON of an HTTP answer with this error."""
        error = self.body()
        del error["event_id"]
        return json.dumps({"error": error}).encode()

    @property
    def close_reason(self) -> str:
        """``type`` or ``type.code`` (recorded 2026-09-18), or the message of
        an expiry."""
        if self.code == "session_expired":
            return self.message
        return f"{self.type}.{self.code}" if self.code else self.type


def unknown_parameter(param: str) -> ApiError:
    return ApiError(
        f"Unknown parameter: '{param}'.", "unknown_parameter", param
    )


def missing_parameter(param: str) -> ApiError:
    return ApiError(
        f"Missing required parameter: '{param}'.",
        "missing_required_parameter",
        param,
    )


def invalid_type(param: str, expected: str, value: object) -> ApiError:
    return ApiError(
        f"Invalid type for '{param}': expected {expected}, but got "
        f"{_kind(value)} instead.",
        "invalid_type",
        param,
    )


def unsupported_value(
    param: str, value: object, supported: Iterable[str]
) -> ApiError:
    names = [f"'{name}'" for name in supported]
    listing = ", ".join(names[:-1]) + f", and {names[-1]}"
    if len(names) == 1:
        listing = names[0]
    return ApiError(
        f"Invalid value: '{value}'. Supported values are: {listing}.",
        "invalid_value",
        param,
    )


def out_of_range(param: str, value: float, bound: float) -> ApiError:
    """``bound``: the minimum or maximum that the value lies beyond."""
    kind = "integer" if isinstance(value, int) else "decimal"
    way, end, sign = "below", "minimum", ">="
    if value > bound:
        way, end, sign = "above", "maximum", "<="
    return ApiError(
        f"Invalid '{param}': {kind} {way} {end} value. "
        f"Expected a value {sign} {bound:g}, but got {value:g} instead.",
        f"{kind}_{way}_{end[:3]}_value",
        param,
    )


def invalid_value(param: str, message: str) -> ApiError:
    return ApiError(message, "invalid_value", param)


def too_long(param: str, length: int, maximum: int) -> ApiError:
    """Lengths in code points. The text was recorded in July 2026."""
    return ApiError(
        f"Invalid '{param}': string too long. Expected a string with maximum "
        f"length {maximum}, but got a string with length {length} instead.",
        "string_above_max_length",
        param,
    )


def bad_keywords(param: str) -> ApiError:
    """Text, code and the missing event id were recorded, not ``param``."""
    return ApiError(
        "The 'keywords' parameter contains unsupported characters.",
        "invalid_value",
        param,
        names_event=False,
    )


def buffer_full() -> ApiError:
    """Ours: what the service's own bound is was never published."""
    return ApiError(
        "The input audio buffer is full: commit it or clear it.",
        "input_audio_buffer_full",
    )


def commit_empty(milliseconds: float) -> ApiError:
    return ApiError(
        "Error committing input audio buffer: buffer too small. Expected at "
        "least 100ms of audio, but buffer only has "
        f"{milliseconds:.2f}ms of audio.",
        "input_audio_buffer_commit_empty",
    )


def item_not_found(action: str, item_id: str) -> ApiError:
    present = {"delete": "deleting", "retrieve": "retrieving"}[action]
    return ApiError(
        f"Error {present} item: the item with id '{item_id}' does not exist.",
        f"item_{action}_invalid_item_id",
        "item_id",
    )


def session_expired(seconds: float) -> ApiError:
    return ApiError(
        f"Your session hit the maximum duration of {seconds / 60:g} minutes.",
        "session_expired",
        close=CLOSE_GOING_AWAY,
    )


def server_error(close: int | None = None) -> ApiError:
    return ApiError(
        "The server had an error while processing your request. Sorry about "
        "that!",
        None,
        type="server_error",
        close=close,
    )


def model_load_error() -> ApiError:
    """What LocalAI sends in place of ``session.created``."""
    return ApiError(
        "Failed to load the model: file not found.",
        "model_load_error",
        type="server_error",
    )


def http_error(status: int, path: str = "") -> ApiError:
    """The error in the body of a bare HTTP refusal, as gateways and Azure
    send it.  ``path``: what was asked for, where that is what is wrong."""
    names = {
        401: (INVALID_REQUEST, "invalid_api_key"),
        403: (INVALID_REQUEST, "forbidden"),
        404: (INVALID_REQUEST, "not_found"),
        405: (INVALID_REQUEST, "method_not_allowed"),
        426: (INVALID_REQUEST, "upgrade_required"),
        429: ("rate_limit_error", "rate_limit_exceeded"),
    }
    kind, code = names.get(status, ("server_error", None))
    message = http.HTTPStatus(status).phrase
    if path:
        message = f"Invalid URL ({path[:200]})"
    return ApiError(message, code, type=kind)


# Refusals by name, for the switch that refuses connections after HTTP 101.
# The close codes for quota and rate limit were never captured: 4000 is ours.
_BY_CODE: dict[str, tuple[str, str, int]] = {
    "invalid_api_key": (
        INVALID_REQUEST,
        "Incorrect API key provided.",
        CLOSE_AUTHENTICATION,
    ),
    "insufficient_quota": (
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing "
        "details.",
        CLOSE_REQUEST_SHAPE,
    ),
    "rate_limit_exceeded": (
        "rate_limit_error",
        "Rate limit reached. Please try again later.",
        CLOSE_REQUEST_SHAPE,
    ),
    "model_not_found": (
        INVALID_REQUEST,
        "The model does not exist or you do not have access to it.",
        CLOSE_MODEL_NOT_FOUND,
    ),
}
REFUSALS = (*_BY_CODE, "server_error")


def refusal(code: str) -> ApiError:
    """The error with which a connection is refused after HTTP 101."""
    if code == "server_error":
        return server_error(CLOSE_INTERNAL_ERROR)
    if code not in _BY_CODE:
        raise ValueError(f"unknown refusal {code!r}: one of {REFUSALS}")
    kind, message, close = _BY_CODE[code]
    return ApiError(message, code, type=kind, close=close)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    for kind, name in (
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a decimal"),
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    ):
        if isinstance(value, kind):
            return name
    return "an unknown type"

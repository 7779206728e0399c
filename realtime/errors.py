"""What an ``error`` event or the body of an HTTP refusal says, made safe."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .events import clean_id, clean_word
from .json_text import read_json
from .shown import one_line

#: The code of a commit that the service found no audio for.
NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty"
_MAX_MESSAGE = 500

#: The code of a turn that got no answer in its time, where that is known.
NO_ANSWER = "timeout"


@dataclass(frozen=True)
class ErrorInfo:
    """The ``error`` object of an event or HTTP body, made safe.

    ``event_id`` names the client event that it answers, or is "".
    """

    type: str = ""
    code: str = ""
    message: str = ""
    param: str = ""
    event_id: str = ""


def clean_message(text: str) -> str:
    """``text`` on one line, bounded."""
    # Nothing beyond this can get into the message; a flood costs no time.
    text = text[: 8 * _MAX_MESSAGE]
    text = one_line(text)
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"


def error_of(fields: Mapping[str, Any]) -> ErrorInfo:
    """The error that an event or an HTTP body tells of.

    OpenAI's is an object ``error``; others have a text there, or its fields
    beside it, under these names or others.  Anything may be missing or odd.
    """
    inner = fields.get("error")
    if isinstance(inner, Mapping):
        return _error_info(inner)
    # Those of the event itself.
    rest = {k: v for k, v in fields.items() if k != "event_id" and v != "error"}
    if isinstance(inner, str):
        rest["message"] = inner
    return _error_info(rest)


def _error_info(fields: Mapping[str, Any]) -> ErrorInfo:
    def text(*names: str) -> str:
        for name in names:
            value = fields.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if isinstance(value, str) and value.strip():
                return value.strip()
        return ""

    return ErrorInfo(
        type=clean_word(text("type")),
        code=clean_word(text("code")),
        message=clean_message(text("message", *_OTHER_NAMES)),
        param=clean_word(text("param") or _place(fields.get("loc"))),
        event_id=clean_id(text("event_id")),
    )


def _place(loc: object) -> str:
    """The field of a request that FastAPI names in parts, after where that
    is: ``["body", "model"]``."""
    if not isinstance(loc, list):
        return ""
    return ".".join(str(part) for part in loc[1:9])


#: Where gateways put their words (RFC 9457, RFC 6749, FastAPI).
_OTHER_NAMES = ("msg", "detail", "error_description", "title", "reason")


def describe(info: ErrorInfo) -> str:
    """The error as one line for a person."""
    text = info.message or info.code or info.type or "unspecified error"
    return f"{text} (param {info.param})" if info.param else text


def describe_all(info: ErrorInfo) -> str:
    """The error with all that helps to look it up, once."""
    text = info.message or info.code or info.type or "unspecified error"
    more = [
        f"{name} {value}"
        for name, value in (
            ("type", info.type),
            ("code", info.code),
            ("param", info.param),
        )
        if value and value != text and f"{name} {value}" not in text
    ]
    return f"{text} ({', '.join(more)})" if more else text


#: The name of an element, with its slash where it ends.
_TAG = re.compile(r"/?[a-z][a-z0-9]*")
#: So much of a body may hold words, in bytes and in characters.
_MAX_BODY, _MAX_WORDS = 16_384, 200


def error_in_body(body: bytes) -> ErrorInfo:
    """What the body of a refusal says: JSON of many shapes, a page, a text."""
    body = body[:_MAX_BODY]
    try:
        parsed = read_json(body)
    except ValueError:
        words = _words_of_page(body.decode("utf-8", "replace"))
        return ErrorInfo(message=clean_message(words)[:_MAX_WORDS])
    while isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if isinstance(parsed, str):
        return ErrorInfo(message=clean_message(parsed))
    if not isinstance(parsed, Mapping):
        return ErrorInfo()
    for name in ("detail", "errors"):
        inner = parsed.get(name)
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, Mapping):
            parsed = inner
    return error_of(parsed)


def _words_of_page(page: str) -> str:
    """The title of an HTML page, or else its text; a text is its own.

    One pass, whatever is in it: a server must not hold the loop.
    """
    first, *pieces = page.split("<")
    words, hidden = [first], ""
    for piece in pieces:
        tag, closed, text = piece.partition(">")
        match = _TAG.match(tag.lower())
        name = match[0] if match else ""
        if hidden:
            if name != f"/{hidden}":
                continue
            hidden = ""
        elif name in ("script", "style"):
            hidden = name
            continue
        elif name == "title" and text.strip():
            return html.unescape(text)
        words.append(text if closed else f"<{piece}")
    return html.unescape(" ".join(words))

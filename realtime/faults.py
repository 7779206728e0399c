"""What an error event, a close code or an HTTP status means.

`RULES` is the one table; the README prints it and the tests walk it.  A
refusal by api.openai.com comes *after* HTTP 101, as an ``error`` event and
CLOSE 3000 (authentication) or 4000 (request); gateways answer with a plain
HTTP status; both end up here as one `Fault`.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from .events import clean_id, clean_word
from .shown import one_line

#: ``fatal``: nobody but a person can mend it, so no further attempt.
#: ``retry``: back off and try again.  ``at_once``: reconnect without delay.
#: ``ignore``: part of normal operation.  ``report``: tell, change nothing.
Verdict = Literal["fatal", "retry", "at_once", "ignore", "report"]


@dataclass(frozen=True)
class Rule:
    """One row of the table: where a sign shows up and what it means.

    ``code`` and ``type`` are those of an ``error`` event or HTTP body, or of
    a CLOSE's reason (OpenAI's is ``type.code``).  ``refusal``: the ``type``,
    where the connection then ends with a CLOSE of `REFUSALS`.
    """

    where: Literal["code", "type", "refusal", "close", "http"]
    sign: str
    verdict: Verdict
    meaning: str


RULES: tuple[Rule, ...] = (
    Rule("code", "invalid_api_key", "fatal", "the API key is wrong"),
    Rule("code", "beta_api_shape_disabled", "fatal", "beta dialect refused"),
    Rule("code", "missing_model", "fatal", "URL lacks model or intent"),
    Rule("code", "invalid_model", "fatal", "the model is refused"),
    Rule("code", "model_not_found", "fatal", "no access to the model"),
    Rule("code", "unauthorized", "fatal", "the key is refused"),
    Rule("code", "insufficient_quota", "fatal", "the account has no quota"),
    Rule("code", "credit_balance_exhausted", "fatal", "no credit left"),
    Rule(
        "code",
        "organization_spend_limit_exceeded",
        "fatal",
        "the organization's spend limit is reached",
    ),
    Rule("code", "rate_limit_exceeded", "retry", "too many requests"),
    Rule("code", "session_expired", "at_once", "the session's hour is over"),
    Rule(
        "code",
        "input_audio_buffer_commit_empty",
        "ignore",
        "the server ended the turn first",
    ),
    Rule("type", "insufficient_quota", "fatal", "the account has no quota"),
    Rule("type", "authentication_error", "fatal", "the key is refused"),
    Rule("type", "permission_error", "fatal", "the key lacks a permission"),
    Rule("type", "rate_limit_error", "retry", "too many requests"),
    Rule("type", "rate_limit_exceeded", "retry", "too many requests"),
    Rule("type", "server_error", "retry", "the server failed"),
    Rule(
        "refusal",
        "invalid_request_error",
        "fatal",
        "the request is wrong; CLOSE 1008, 3000 or 4000 follows",
    ),
    Rule("close", "3000", "fatal", "authentication refused"),
    Rule("close", "3001-4999", "retry", "a private code of the server"),
    Rule("close", "1001", "at_once", "server going away or session over"),
    Rule("close", "1000-2999", "retry", "connection ended"),
    Rule("http", "408", "retry", "request timed out"),
    Rule("http", "425", "retry", "too early"),
    Rule("http", "429", "retry", "too many requests"),
    Rule("http", "400-499", "fatal", "request refused"),
    Rule("http", "300-399", "fatal", "the URL answers with a redirect"),
    Rule("http", "200-299", "fatal", "the URL is no WebSocket endpoint"),
    Rule("http", "500-599", "retry", "the server failed"),
)

#: The CLOSE codes with which a server refuses: OpenAI's, and that of the
#: WebSocket standard.
REFUSALS = (1008, 3000, 4000)

_BY_WORD = {
    (rule.where, rule.sign): rule
    for rule in RULES
    if rule.where in ("code", "type", "refusal")
}
_RANGES = [
    (rule.where, int(low), int(high or low), rule)
    for rule in RULES
    if rule.where in ("close", "http")
    for low, _, high in [rule.sign.partition("-")]
]


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


@dataclass(frozen=True)
class Fault:
    """Something that went wrong, and what to do about it.

    ``code`` is the most telling identifier (error code, close code, HTTP
    status, or a word of ours); ``message`` is one line for a person, which may
    repeat a secret until it is redacted; ``retry_after`` is the server's wish
    in seconds, or 0.
    """

    verdict: Verdict
    code: str
    message: str
    retry_after: float = 0.0

    @property
    def fatal(self) -> bool:
        return self.verdict == "fatal"


_MAX_MESSAGE = 500
#: Stands for a connection that ended without a CLOSE.
NO_CLOSE_FRAME = 1006


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
        param=clean_word(text("param")),
        event_id=clean_id(text("event_id")),
    )


#: Where gateways put their words (RFC 9457, RFC 6749, FastAPI).
_OTHER_NAMES = ("msg", "detail", "error_description", "title", "reason")


def _rule_for_error(
    info: ErrorInfo, close_code: int | None = None
) -> Rule | None:
    """``close_code`` of the CLOSE that the error explains, if one does."""
    rule = _BY_WORD.get(("code", info.code.lower())) or _BY_WORD.get(
        ("type", info.type)
    )
    if rule is None and close_code in REFUSALS:
        rule = _BY_WORD.get(("refusal", info.type))
    return rule


def _rule_for_number(where: str, number: int) -> Rule | None:
    for kind, low, high, rule in _RANGES:
        if kind == where and low <= number <= high:
            return rule
    return None


def describe(info: ErrorInfo) -> str:
    """The error as one line for a person."""
    text = info.message or info.code or info.type or "unspecified error"
    return f"{text} (param {info.param})" if info.param else text


def describe_all(info: ErrorInfo) -> str:
    """The error with all that helps to look it up."""
    text = info.message or info.code or info.type or "unspecified error"
    more = [
        f"{name} {value}"
        for name, value in (
            ("type", info.type),
            ("code", info.code),
            ("param", info.param),
        )
        if value and value != text
    ]
    return f"{text} ({', '.join(more)})" if more else text


def fault_of_error(info: ErrorInfo) -> Fault:
    """The meaning of an ``error`` event on a connection that stays open."""
    rule = _rule_for_error(info)
    verdict: Verdict = rule.verdict if rule else "report"
    if verdict in ("fatal", "retry", "at_once"):
        # An error without CLOSE ends nothing; the close decides.
        verdict = "report"
    return Fault(verdict, info.code or info.type or "error", describe(info))


def fault_of_start(info: ErrorInfo) -> Fault:
    """An ``error`` event in place of a session; the socket stays open."""
    rule = _rule_for_error(info)
    verdict: Verdict = "fatal" if rule and rule.verdict == "fatal" else "retry"
    return Fault(
        verdict,
        info.code or info.type or "error",
        f"the server opened no session: {describe_all(info)}",
    )


def fault_of_refused_settings(info: ErrorInfo) -> Fault:
    """The server refused our session settings: nothing can be transcribed.

    A passing fault of the server (rate limit, server error) is retried.
    """
    rule = _rule_for_error(info)
    verdict: Verdict = "fatal"
    if rule is not None and rule.verdict in ("retry", "at_once"):
        verdict = "retry"
    return Fault(
        verdict,
        info.code or info.type or "session_refused",
        f"the server refused the session settings: {describe_all(info)}",
    )


def fault_of_close(
    close_code: int, reason: str, last_error: ErrorInfo | None
) -> Fault:
    """The meaning of a connection that the server or the network ended.

    ``last_error`` is an ``error`` event that arrived just before the close;
    its code decides first, then the reason's.  ``close_code`` 1006 stands for
    no CLOSE frame; ``reason`` then says what happened.
    """
    reason = clean_message(reason)
    kind, _, word = reason.partition(".")
    named = last_error or ErrorInfo(kind, word)
    rule = _rule_for_error(named, close_code)
    said = rule is not None and rule.verdict != "ignore"
    if not said:
        rule = _rule_for_number("close", close_code)
    verdict: Verdict = rule.verdict if rule else "retry"
    code = str(close_code)
    if said or last_error:
        code = named.code or named.type or code
    if last_error is not None:
        return Fault(verdict, code, describe_all(last_error))
    if close_code == NO_CLOSE_FRAME:
        return Fault(verdict, code, reason or "the connection broke off")
    meaning = rule.meaning if rule else "connection ended"
    text = f"connection closed with code {close_code}: {reason or meaning}"
    return Fault(verdict, code, text)


def fault_of_http(
    status: int, body: bytes = b"", retry_after: str = "", wall: float = 0.0
) -> Fault:
    """The meaning of an HTTP status in place of 101; ``wall`` is unix time.

    The body may be OpenAI's ``{"error": {...}}``; its code decides first, so
    that HTTP 429 with ``insufficient_quota`` is not tried again for ever.
    """
    info = _error_in_body(body)
    rule = _rule_for_error(info) or _rule_for_number("http", status)
    verdict: Verdict = rule.verdict if rule else "retry"
    meaning = rule.meaning if rule else "unexpected answer"
    detail = describe_all(info) if info != ErrorInfo() else meaning
    return Fault(
        verdict,
        info.code or str(status),
        f"the server answered HTTP {status}: {detail}",
        retry_after_s(retry_after, wall),
    )


def retry_after_s(value: str, wall: float) -> float:
    """A ``Retry-After`` in seconds from now on, at most `_MAX_WISH_S`, 0.0
    where there is none: a number or a date (RFC 9110, 10.2.3)."""
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = parsedate_to_datetime(value).timestamp() - wall
        except (ValueError, TypeError, OverflowError, IndexError):
            return 0.0
    return min(wait, _MAX_WISH_S) if math.isfinite(wait) and wait > 0 else 0.0


#: No server's wish keeps a call waiting for longer.
_MAX_WISH_S = 300.0


#: The name of an element, with its slash where it ends.
_TAG = re.compile(r"/?[a-z][a-z0-9]*")
#: So much of a body may hold words, in bytes and in characters.
_MAX_BODY, _MAX_WORDS = 16_384, 200


def _error_in_body(body: bytes) -> ErrorInfo:
    """What the body of a refusal says: JSON of many shapes, a page, a text."""
    body = body[:_MAX_BODY]
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
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

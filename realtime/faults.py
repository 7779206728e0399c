"""What an error event, a close code or an HTTP status means.

`RULES` is the one table; the README prints it and the tests walk it.  A
refusal by api.openai.com comes *after* HTTP 101, as an ``error`` event and
CLOSE 3000 (authentication) or 4000 (request); gateways answer with a plain
HTTP status; both end up here as one `Fault`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: ``fatal``: nobody but a person can mend it, so no further attempt.
#: ``retry``: back off and try again.  ``at_once``: reconnect without delay.
#: ``ignore``: part of normal operation.  ``report``: tell, change nothing.
Verdict = Literal["fatal", "retry", "at_once", "ignore", "report"]


@dataclass(frozen=True)
class Rule:
    """One row of the table: where a sign shows up and what it means."""

    where: Literal["code", "type", "close", "http"]
    sign: str
    verdict: Verdict
    meaning: str


RULES: tuple[Rule, ...] = (
    Rule("code", "invalid_api_key", "fatal", "the API key is wrong"),
    Rule("code", "beta_api_shape_disabled", "fatal", "beta dialect refused"),
    Rule("code", "missing_model", "fatal", "URL lacks model or intent"),
    Rule("code", "invalid_model", "fatal", "the model is refused"),
    Rule("code", "model_not_found", "fatal", "no access to the model"),
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
    Rule("close", "3000-3999", "fatal", "authentication refused"),
    Rule("close", "4000-4999", "fatal", "request refused"),
    Rule("close", "1008", "fatal", "refused by policy"),
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

_BY_WORD = {
    (rule.where, rule.sign): rule
    for rule in RULES
    if rule.where in ("code", "type")
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
    status, or a word of ours); ``message`` is one line for a person, without
    secrets; ``retry_after`` is the server's wish in seconds, or 0.
    """

    verdict: Verdict
    code: str
    message: str
    retry_after: float = 0.0

    @property
    def fatal(self) -> bool:
        return self.verdict == "fatal"


#: OpenAI echoes part of a refused key in its message; any key-like token is
#: masked before a message leaves this module.
_KEY_LIKE = re.compile(r"\b(?:sk|ek|sess)[-_][\w*.-]{3,}")
_BEARER = re.compile(r"(?i)\bbearer\s+[\w*.~+/=-]{4,}")
_MAX_MESSAGE = 500


def clean_message(text: str) -> str:
    """``text`` on one line, bounded, with anything like a key masked."""
    # Nothing beyond this can get into the message; a flood costs no time.
    text = text[: 8 * _MAX_MESSAGE]
    text = _BEARER.sub("Bearer ***", _KEY_LIKE.sub("***", text))
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"


def error_info(fields: Mapping[str, Any]) -> ErrorInfo:
    """Read an ``error`` object; anything may be missing or odd."""

    def word(name: str) -> str:
        value = fields.get(name)
        return clean_message(value) if isinstance(value, str) else ""

    return ErrorInfo(
        type=word("type"),
        code=word("code"),
        message=word("message"),
        param=word("param"),
        event_id=word("event_id"),
    )


def _rule_for_error(info: ErrorInfo) -> Rule | None:
    return _BY_WORD.get(("code", info.code)) or _BY_WORD.get(
        ("type", info.type)
    )


def _rule_for_number(where: str, number: int) -> Rule | None:
    for kind, low, high, rule in _RANGES:
        if kind == where and low <= number <= high:
            return rule
    return None


def describe(info: ErrorInfo) -> str:
    """The error as one line for a person."""
    text = info.message or info.code or info.type or "unspecified error"
    return f"{text} (param {info.param})" if info.param else text


def fault_of_error(info: ErrorInfo) -> Fault:
    """The meaning of an ``error`` event on a connection that stays open."""
    rule = _rule_for_error(info)
    verdict: Verdict = rule.verdict if rule else "report"
    if verdict in ("fatal", "retry", "at_once"):
        # An error without CLOSE ends nothing; the close decides.
        verdict = "report"
    return Fault(verdict, info.code or info.type or "error", describe(info))


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
        f"the server refused the session settings: {describe(info)}",
    )


def fault_of_close(
    close_code: int, reason: str, last_error: ErrorInfo | None
) -> Fault:
    """The meaning of a closed connection.

    ``last_error`` is an ``error`` event that arrived just before the close;
    its code decides first.  ``close_code`` 1006 stands for no CLOSE frame.
    """
    rule = None
    if last_error is not None:
        rule = _rule_for_error(last_error)
    if rule is None or rule.verdict in ("ignore", "report"):
        rule = _rule_for_number("close", close_code)
    verdict: Verdict = rule.verdict if rule else "retry"
    reason = clean_message(reason)
    if last_error is not None:
        code = last_error.code or last_error.type or str(close_code)
        return Fault(verdict, code, describe(last_error))
    meaning = rule.meaning if rule else "connection ended"
    text = f"connection closed with code {close_code}: {reason or meaning}"
    return Fault(verdict, str(close_code), text)


def fault_of_http(
    status: int, body: bytes = b"", retry_after: str = ""
) -> Fault:
    """The meaning of an HTTP status in place of 101.

    The body may be OpenAI's ``{"error": {...}}``; its code decides first, so
    that HTTP 429 with ``insufficient_quota`` is not tried again for ever.
    """
    info = ErrorInfo()
    try:
        parsed = json.loads(body)
        if isinstance(parsed, dict) and isinstance(parsed.get("error"), dict):
            info = error_info(parsed["error"])
    except (ValueError, RecursionError):
        pass
    rule = _rule_for_error(info) or _rule_for_number("http", status)
    verdict: Verdict = rule.verdict if rule else "retry"
    meaning = rule.meaning if rule else "unexpected answer"
    detail = describe(info) if info != ErrorInfo() else meaning
    try:
        wait = float(retry_after)
    except ValueError:
        wait = 0.0
    return Fault(
        verdict,
        info.code or str(status),
        f"the server answered HTTP {status}: {detail}",
        min(wait, 300.0) if math.isfinite(wait) and wait > 0 else 0.0,
    )

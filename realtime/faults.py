"""What an error event, a close code or an HTTP status means.

`RULES` is the one table; the README prints it and the tests walk it.  A
refusal by api.openai.com comes *after* HTTP 101, as an ``error`` event and
CLOSE 3000 (authentication) or 4000 (request); gateways answer with a plain
HTTP status; both end up here as one `Fault`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from .errors import (
    NOTHING_TO_COMMIT,
    ErrorInfo,
    clean_message,
    describe,
    describe_all,
    error_in_body,
)

#: ``fatal``: nobody but a person can mend it, so no further attempt.
#: ``retry``: back off and try again.  ``at_once``: reconnect without delay.
#: ``ignore``: part of normal operation.  ``report``: tell, change nothing.
Verdict = Literal["fatal", "retry", "at_once", "ignore", "report"]


@dataclass(frozen=True)
class Rule:
    """One row of the table: where a sign shows up and what it means.

    ``code`` and ``type`` are those of an ``error`` event or HTTP body, or of
    a CLOSE's reason (OpenAI's is ``type.code``).  ``refusal``: the ``type``,
    where the connection then ends with a CLOSE of `REFUSALS`.  ``http``: a
    status in place of 101; ``file``: in answer to a file, where it means
    something else.
    """

    where: Literal["code", "type", "refusal", "close", "http", "file"]
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
        NOTHING_TO_COMMIT,
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
    Rule("http", "409", "retry", "another request is in its way"),
    Rule("http", "425", "retry", "too early"),
    Rule("http", "429", "retry", "too many requests"),
    Rule("http", "400-499", "fatal", "request refused"),
    Rule("http", "300-399", "fatal", "the URL answers with a redirect"),
    Rule("http", "200-299", "fatal", "the URL is no WebSocket endpoint"),
    Rule("http", "500-599", "retry", "the server failed"),
    Rule("file", "400", "report", "this file is refused"),
    Rule("file", "408", "report", "request timed out"),
    Rule("file", "409", "report", "another request is in its way"),
    Rule("file", "413", "report", "this file is too large"),
    Rule("file", "415", "report", "this file is refused"),
    Rule("file", "422", "report", "this file is refused"),
    Rule("file", "425", "report", "too early"),
    Rule("file", "429", "report", "too many requests"),
    Rule("file", "502-504", "retry", "a gateway has no service behind it"),
    Rule("file", "520-530", "retry", "a gateway has no service behind it"),
    Rule("file", "500-599", "report", "the server failed"),
)

#: The CLOSE codes with which a server refuses: OpenAI's, and that of the
#: WebSocket standard.
REFUSALS = (1008, 3000, 4000)

_BY_WORD = {
    (rule.where, rule.sign): rule
    for rule in RULES
    if rule.where in ("code", "type", "refusal")
}
#: The narrowest first: one number comes before a range, wherever it stands.
_RANGES = sorted(
    (
        (rule.where, int(low), int(high or low), rule)
        for rule in RULES
        if rule.where in ("close", "http", "file")
        for low, _, high in [rule.sign.partition("-")]
    ),
    key=lambda entry: entry[2] - entry[1],
)


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


#: Stands for a connection that ended without a CLOSE.
NO_CLOSE_FRAME = 1006
#: The service is too busy; and what is between us and it has none (IANA's
#: registry of CLOSE codes).
TRY_LATER, BAD_GATEWAY = 1013, 1014
#: With these, and at a restart (1012), the line is a likelier cause than what a
#: session was sent.
CLOSED_BY_LINE = (NO_CLOSE_FRAME, 1012, TRY_LATER, BAD_GATEWAY)
#: The code of a fault of ours.
INTERNAL = "internal"


def rule_for_error(
    info: ErrorInfo, close_code: int | None = None
) -> Rule | None:
    """``close_code`` of the CLOSE that the error explains, if one does."""
    rule = _BY_WORD.get(("code", info.code.lower())) or _BY_WORD.get(
        ("type", info.type)
    )
    if rule is None and close_code in REFUSALS:
        rule = _BY_WORD.get(("refusal", info.type))
    return rule


def rule_for_number(where: str, number: int) -> Rule | None:
    for kind, low, high, rule in _RANGES:
        if kind == where and low <= number <= high:
            return rule
    return None


#: A time to wait in the text of an error: "Please try again in 1m3.2s."
#: or "Please retry after 26 seconds."
_TIME = (
    r"(\d{1,6}(?:\.\d{1,6})?) ?"
    r"(h|hrs?|hours?|ms|msecs?|milliseconds?|m|mins?|minutes?|s|secs?|seconds?|)"
)
_WISH = re.compile(
    rf"(?:try again|retry) (?:in|after) ((?:{_TIME} ?)+)(?!\w)", re.I
)


def wish_s(info: ErrorInfo) -> float:
    """How long its text asks to wait, in seconds, or 0.0."""
    asked = _WISH.search(info.message)
    if asked is None:
        return 0.0
    parts = re.findall(_TIME, asked[1].lower())
    return _bounded(sum(float(count) * _seconds(unit) for count, unit in parts))


def _seconds(unit: str) -> float:
    if unit.startswith(("ms", "milli")):
        return 0.001
    return {"h": 3600.0, "m": 60.0}.get(unit[:1], 1.0)


def passes(info: ErrorInfo) -> bool:
    """May what failed like this succeed later, without a change of ours?"""
    rule = rule_for_error(info, REFUSALS[0])
    return rule is None or rule.verdict != "fatal"


def refuses_all(info: ErrorInfo) -> bool:
    """Will all that is sent there fail like this, whatever it is?"""
    rule = rule_for_error(info)
    return rule is not None and rule.verdict == "fatal"


def fault_of_error(info: ErrorInfo) -> Fault:
    """The meaning of an ``error`` event on a connection that stays open."""
    rule = rule_for_error(info)
    verdict: Verdict = rule.verdict if rule else "report"
    if verdict in ("fatal", "retry", "at_once"):
        # An error without CLOSE ends nothing; the close decides.
        verdict = "report"
    return Fault(verdict, info.code or info.type or "error", describe(info))


def fault_of_turn(info: ErrorInfo) -> Fault:
    """Why a turn is given up that the service failed to transcribe."""
    text = f"transcription failed: {describe(info)}"
    return Fault("report", fault_of_error(info).code, text, wish_s(info))


def fault_of_start(info: ErrorInfo) -> Fault:
    """An ``error`` event in place of a session; the socket stays open."""
    rule = rule_for_error(info)
    verdict: Verdict = "fatal" if rule and rule.verdict == "fatal" else "retry"
    return Fault(
        verdict,
        info.code or info.type or "error",
        f"the server opened no session: {describe_all(info)}",
        wish_s(info),
    )


def fault_of_refused_settings(info: ErrorInfo) -> Fault:
    """The server refused our session settings: nothing can be transcribed.

    A passing fault of the server (rate limit, server error) is retried.
    """
    rule = rule_for_error(info)
    verdict: Verdict = "fatal"
    if rule is not None and rule.verdict in ("retry", "at_once"):
        verdict = "retry"
    return Fault(
        verdict,
        info.code or info.type or "session_refused",
        f"the server refused the session settings: {describe_all(info)}",
        wish_s(info),
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
    rule = rule_for_error(named, close_code)
    said = rule is not None and rule.verdict != "ignore"
    if not said:
        rule = rule_for_number("close", close_code)
    verdict: Verdict = rule.verdict if rule else "retry"
    code = str(close_code)
    if said or last_error:
        code = named.code or named.type or code
    if last_error is not None:
        text = describe_all(last_error)
        return Fault(verdict, code, text, wish_s(last_error))
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
    info = error_in_body(body)
    rule = rule_for_error(info) or rule_for_number("http", status)
    verdict: Verdict = rule.verdict if rule else "retry"
    meaning = rule.meaning if rule else "unexpected answer"
    detail = describe_all(info) if info != ErrorInfo() else meaning
    return Fault(
        verdict,
        info.code or str(status),
        f"the server answered HTTP {status}: {detail}",
        retry_after_s(retry_after, wall) or wish_s(info),
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
    return _bounded(wait)


#: No server's wish keeps a call waiting for longer.
_MAX_WISH_S = 300.0


def _bounded(wish: float) -> float:
    known = math.isfinite(wish) and wish > 0
    return min(wish, _MAX_WISH_S) if known else 0.0

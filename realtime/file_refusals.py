"""What a service says that refuses a file, as the events of a session."""

from __future__ import annotations

from typing import NamedTuple

from .errors import ErrorInfo, clean_message, describe_all, error_in_body
from .faults import (
    BAD_GATEWAY,
    TRY_LATER,
    Verdict,
    retry_after_s,
    rule_for_error,
    rule_for_number,
    wish_s,
)

#: One turn may wait for so long, in seconds.  Who names a longer time means all
#: of them.
_LONG_S = 10.0


class FileRefusal(NamedTuple):
    """What an HTTP status in answer to a file is as events: an ``error`` that
    a CLOSE follows, or (``close_code`` None) the failure of that turn."""

    error: ErrorInfo
    close_code: int | None


def refusal_of_file(
    status: int, body: bytes = b"", retry_after: str = "", wall: float = 0.0
) -> FileRefusal:
    """The meaning of an HTTP status but 200; ``wall`` is unix time.

    As with `fault_of_http` the body's words decide first.  One turn fails by
    itself where its file may be to blame, or where it may pass soon.
    """
    info = error_in_body(body)
    said = rule_for_error(info)
    rule = (
        said
        or rule_for_number("file", status)
        or rule_for_number("http", status)
    )
    detail = describe_all(info) if info != ErrorInfo() else ""
    text = detail or (rule.meaning if rule else "unexpected answer")
    text = f"the server answered HTTP {status}: {text}"
    wait = wish_s(info)
    if asked := retry_after_s(retry_after, wall):
        wait = asked
        text = f"try again in {wait:.3f} s: {text}"
    verdict: Verdict = rule.verdict if rule else "report"
    if status in (400, 422) and info.param not in ("", "file") and not said:
        # What all requests have: the next one is no better.
        verdict = "fatal"
    passing = status >= 500 or status in (408, 409, 425, 429)
    kind = "server_error" if passing else "invalid_request_error"
    if said or (info.type and verdict == "report"):
        kind = info.type
    close_code = None
    if verdict == "fatal":
        close_code = 3000 if status in (401, 403) else 4000
    elif passing and wait > _LONG_S:
        close_code = TRY_LATER
    elif verdict == "retry" and not said and not wait:
        close_code = BAD_GATEWAY
    return FileRefusal(
        ErrorInfo(kind, info.code or str(status), clean_message(text)),
        close_code,
    )

"""What errors, CLOSE codes and HTTP answers mean, without a connection."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.realtime.errors import (
    ErrorInfo,
    clean_message,
    describe,
    describe_all,
    error_of,
)
from ten_packages.extension.openai_asr_python.realtime.faults import (
    RULES,
    Fault,
    fault_of_close,
    fault_of_error,
    fault_of_http,
    fault_of_refused_settings,
    fault_of_start,
    retry_after_s,
    wish_s,
)

WORDS = [rule for rule in RULES if rule.where in ("code", "type")]
INFO = ErrorInfo("a_type", "a_code", "what happened", "a_param")


def info_of(rule) -> ErrorInfo:
    return ErrorInfo(**{rule.where: rule.sign}, message="so")


def test_a_message_is_one_line():
    assert clean_message("a\n b\t c") == "a b c"
    assert clean_message("a\x1b[2J\0\u202e") == r"a\u001b[2J\u0000\u202e"
    assert clean_message("می\u200cخواهم") == "می\u200cخواهم"
    assert clean_message("a" * 500) == "a" * 500
    assert clean_message("a" * 501) == "a" * 500 + "…"
    assert clean_message(" " * 3999 + "bc") == "b"


@pytest.mark.parametrize(
    ("fields", "info"),
    [
        ({}, ErrorInfo()),
        ({"error": "so", "event_id": "e"}, ErrorInfo(message="so")),
        ({"type": "error", "code": "c"}, ErrorInfo(code="c")),
        ({"type": "odd", "msg": "so"}, ErrorInfo("odd", message="so")),
        (
            {"error": {"type": "t", "code": 4, "param": "p", "event_id": "e"}},
            ErrorInfo("t", "4", "", "p", "e"),
        ),
        ({"error": {"code": True, "message": " "}}, ErrorInfo()),
        (
            {
                "error": {
                    "type": "a b",
                    "code": "c\u202e",
                    "param": "p" * 101,
                    "event_id": "e e",
                    "message": "so",
                }
            },
            ErrorInfo(message="so"),
        ),
        (
            {"error": {"code": 10**400, "param": "a[0].b"}},
            ErrorInfo(param="a[0].b"),
        ),
        ({"error": {"message": "", "detail": "so"}}, ErrorInfo(message="so")),
        ({"error": {"title": "so", "reason": "x"}}, ErrorInfo(message="so")),
        ({"error_description": "so"}, ErrorInfo(message="so")),
        ({"error": None, "reason": "so"}, ErrorInfo(message="so")),
    ],
)
def test_where_an_error_may_say_what_it_is(fields, info):
    assert error_of(fields) == info


def test_an_error_as_one_line():
    assert describe(INFO) == "what happened (param a_param)"
    assert describe(ErrorInfo("t", "c")) == "c"
    assert describe(ErrorInfo("t")) == "t"
    assert describe(ErrorInfo()) == "unspecified error"
    more = "(type a_type, code a_code, param a_param)"
    assert describe_all(INFO) == f"what happened {more}"
    assert describe_all(ErrorInfo("t", "c")) == "c (type t)"
    assert describe_all(ErrorInfo("t")) == "t"
    assert describe_all(ErrorInfo()) == "unspecified error"
    # What another part has described already.
    again = describe_all(INFO)
    assert describe_all(replace(INFO, message=again)) == again


@pytest.mark.parametrize("rule", WORDS, ids=lambda rule: rule.sign)
def test_a_word_of_the_table_in_each_place(rule):
    info = info_of(rule)
    passing = rule.verdict in ("retry", "at_once")
    stays = "ignore" if rule.verdict == "ignore" else "report"
    assert fault_of_error(info) == Fault(stays, rule.sign, "so")
    start = fault_of_start(info)
    assert start.verdict == ("fatal" if rule.verdict == "fatal" else "retry")
    assert start.code == rule.sign
    text = f"the server opened no session: {describe_all(info)}"
    assert start.message == text
    refused = fault_of_refused_settings(info)
    assert refused.verdict == ("retry" if passing else "fatal")
    assert refused.code == rule.sign
    text = f"the server refused the session settings: {describe_all(info)}"
    assert refused.message == text
    # 4000 is no refusal by itself, and 3000 is one.
    code = 3000 if passing else 4000
    if rule.verdict != "ignore":
        fault = fault_of_close(code, "", info)
        assert fault == Fault(rule.verdict, rule.sign, describe_all(info))
        reason = info.type or f"{info.type}.{info.code}"
        fault = fault_of_close(code, reason, None)
        assert (fault.verdict, fault.code) == (rule.verdict, rule.sign)
    body = json.dumps({"error": {rule.where: rule.sign}}).encode()
    assert fault_of_http(599, body).verdict == rule.verdict


@pytest.mark.parametrize("make", [fault_of_error, fault_of_start])
def test_an_error_without_a_word_of_the_table(make):
    verdict = "report" if make is fault_of_error else "retry"
    assert make(ErrorInfo()).verdict == verdict
    assert make(ErrorInfo()).code == "error"
    assert make(ErrorInfo("t")).code == "t"
    assert make(ErrorInfo("t", "c")).code == "c"


def test_settings_refused_without_a_word_of_the_table():
    fault = fault_of_refused_settings(ErrorInfo())
    assert (fault.verdict, fault.code) == ("fatal", "session_refused")
    assert fault_of_refused_settings(ErrorInfo("t")).code == "t"


@pytest.mark.parametrize(
    ("code", "reason", "verdict", "text"),
    [
        (1000, "", "retry", "code 1000: connection ended"),
        (1001, "", "at_once", "code 1001: server going away or session over"),
        (2999, "bye", "retry", "code 2999: bye"),
        (3000, "", "fatal", "code 3000: authentication refused"),
        (3001, "", "retry", "code 3001: a private code of the server"),
        (4999, "", "retry", "code 4999: a private code of the server"),
        (5000, "", "retry", "code 5000: connection ended"),
    ],
)
def test_a_close_code_of_the_table(code, reason, verdict, text):
    fault = fault_of_close(code, reason, None)
    assert fault == Fault(verdict, str(code), f"connection closed with {text}")


def test_a_connection_without_a_close():
    fault = fault_of_close(1006, "reset", None)
    assert fault == Fault("retry", "1006", "reset")
    assert fault_of_close(1006, "", None).message == "the connection broke off"


@pytest.mark.parametrize("code", [1008, 3000, 4000])
def test_a_close_that_refuses_a_request(code):
    info = ErrorInfo("invalid_request_error", "odd", "so")
    fault = fault_of_close(code, "", info)
    text = "so (type invalid_request_error, code odd)"
    assert fault == Fault("fatal", "odd", text)
    fault = fault_of_close(code, "invalid_request_error.odd", None)
    assert (fault.verdict, fault.code) == ("fatal", "odd")
    assert fault_of_close(1011, "", info).verdict == "retry"
    assert fault_of_close(1011, "", info).code == "odd"


def test_an_error_that_is_ignored_does_not_explain_a_close():
    info = ErrorInfo(code="input_audio_buffer_commit_empty")
    assert fault_of_close(3000, "", info).verdict == "fatal"
    fault = fault_of_close(1000, f"x.{info.code}", None)
    assert (fault.verdict, fault.code) == ("retry", "1000")


@pytest.mark.parametrize(
    ("status", "verdict", "meaning"),
    [
        (199, "retry", "unexpected answer"),
        (200, "fatal", "the URL is no WebSocket endpoint"),
        (399, "fatal", "the URL answers with a redirect"),
        (400, "fatal", "request refused"),
        (408, "retry", "request timed out"),
        (409, "retry", "another request is in its way"),
        (425, "retry", "too early"),
        (429, "retry", "too many requests"),
        (499, "fatal", "request refused"),
        (500, "retry", "the server failed"),
        (600, "retry", "unexpected answer"),
    ],
)
def test_an_http_status_of_the_table(status, verdict, meaning):
    text = f"the server answered HTTP {status}: {meaning}"
    fault = fault_of_http(status, b"{}", "7")
    assert fault == Fault(verdict, str(status), text, 7.0)
    assert fault.fatal is (verdict == "fatal")
    assert fault_of_http(status, b"[]").retry_after == 0.0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "so"}}', "so"),
        (b'{"error": "so"}', "so"),
        (b'[[{"message": "so"}]]', "so"),
        (b'"so"', "so"),
        (b"7", "unexpected answer"),
        (b'{"detail": "so"}', "so"),
        (b'{"detail": [{"msg": "so"}, {"msg": "x"}]}', "so"),
        (b'{"errors": {"title": "so"}}', "so"),
        (b'{"errors": [{"message": "so"}]}', "so"),
        (b'{"errors": [], "message": "so"}', "so"),
        (b"<html><TITLE x=1>so &amp; so</title><p>no</p>", "so & so"),
        (b"<style>a</style><p>so</p><script>b</script> on", "so on"),
        (b"<p>so 1 < 2", "so 1 < 2"),
        (b"caf\xc3\xa9 \xff", "caf\u00e9 \ufffd"),
        (b"a" * 201, "a" * 200),
        (b" " * 16_383 + b"ab", "unexpected answer"),
        (b"", "unexpected answer"),
    ],
)
def test_what_the_body_of_an_http_answer_says(body, words):
    fault = fault_of_http(600, body)
    assert fault.message == f"the server answered HTTP 600: {words}"
    assert fault.code == "600"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("301", 300.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:40 GMT", 0.0),
        ("soon", 0.0),
    ],
)
def test_how_long_a_server_wants_one_to_wait(value, seconds):
    assert retry_after_s(value, 60.0) == seconds
    assert fault_of_http(503, b"", value, 60.0).retry_after == seconds


_NUMBERS = ("1", "999999", ".5", ".", "-", "inf", "nan", "\u0663")
_UNITS = ("s", "ms", "m", "h", "seconds")
_PIECES = (" ", "try again in ", "retry after", *_NUMBERS, *_UNITS)


@given(
    st.one_of(
        st.text(),
        st.text("0123456789.hms \n-+e", max_size=60).map(
            lambda time: f"Please try again in {time}"
        ),
        st.lists(st.sampled_from(_PIECES)).map("".join),
    )
)
@example("try again in 999999h 999999m")
@example("retry after 301")
def test_no_text_keeps_a_call_waiting_for_ever(message: str):
    assert 0 <= wish_s(ErrorInfo(message=message)) <= 300


@given(
    st.integers(0, 299_000),
    st.sampled_from(["try again in", "retry after", "Retry in"]),
    st.booleans(),
)
def test_a_time_in_a_text_is_read_in_all_its_spellings(
    wish_ms: int, words: str, spaced: bool
):
    blank = " " if spaced else ""
    minutes, rest = divmod(wish_ms, 60_000)
    for time in (
        f"{wish_ms}{blank}ms",
        f"{wish_ms / 1000:.3f}{blank}s",
        f"{wish_ms / 1000:.3f}",
        f"{wish_ms / 1000:.3f} seconds",
        f"{minutes}{blank}m{blank}{rest / 1000:.3f}{blank}s",
    ):
        for end in ("", ".", ". Visit us."):
            info = ErrorInfo(message=f"Limit. Please {words} {time}{end}")
            assert wish_s(info) == pytest.approx(wish_ms / 1000), time

"""A failed start says why, in the server's own words; what lasts ends a call
and nothing else does."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest
from asr_call import Call, properties, run_call, spoken
from raw_service import Manners, RawService
from ten_packages.extension.openai_asr_python.realtime.faults import (
    fault_of_close,
    fault_of_http,
    retry_after_s,
)

FATAL, NON_FATAL = -1000, 1000
TYPE = "invalid_request_error"


def first_error(*manners: Manners) -> tuple[dict, RawService, Call]:
    with RawService(manners) as service:

        async def script(call: Call) -> None:
            await call.until(lambda: call.errors)

        call = run_call(properties(service.url), script)
    return call.errors[0], service, call


def nested(**fields: object) -> bytes:
    return json.dumps({"error": fields}).encode()


@pytest.mark.parametrize(
    ("status", "body", "code", "words", "severity"),
    [
        (
            401,
            nested(message="No such key.", type=TYPE, code="invalid_api_key"),
            "invalid_api_key",
            ["No such key.", TYPE, "invalid_api_key"],
            FATAL,
        ),
        (
            429,
            nested(message="Broke.", type="insufficient_quota", code=None),
            "429",
            ["Broke.", "insufficient_quota"],
            FATAL,
        ),
        (503, nested(message="Later.", code=1234), "1234", ["Later."], 1000),
        (503, b'{"error": "upstream is down"}', "503", ["upstream"], 1000),
        (503, b'{"message": "no upstream"}', "503", ["no upstream"], 1000),
        (503, b'{"detail": "no worker"}', "503", ["no worker"], 1000),
        (
            422,
            b'{"detail": [{"loc": ["query", "model", 0],'
            b' "msg": "field required", "type": "missing"}]}',
            "422",
            ["field required", "param model.0", "missing"],
            FATAL,
        ),
        (
            403,
            b'{"message": "no access", "code": "E7", "type": "gateway_error"}',
            "E7",
            ["no access", "gateway_error"],
            FATAL,
        ),
        (
            503,
            b'{"errors": [{"message": "first"}, {"message": "second"}]}',
            "503",
            ["first"],
            1000,
        ),
        (502, b'[{"error": {"message": "in a list"}}]', "502", ["list"], 1000),
        (502, b'"just a text"', "502", ["just a text"], 1000),
        (
            502,
            b"  no healthy\n upstream ",
            "502",
            ["no healthy upstream"],
            1000,
        ),
        (
            502,
            b"<html><head><title>502 Bad &amp; Gateway</title></head>"
            b"<body>long</body></html>",
            "502",
            ["502 Bad & Gateway"],
            1000,
        ),
        (502, b"<p>plain <b>page</b></p>", "502", ["plain page"], 1000),
        (502, b"", "502", ["the server failed"], 1000),
        (502, b"\xff\xfe\x00", "502", ["HTTP 502"], 1000),
        (502, b"[" * 60_000, "502", ["HTTP 502"], 1000),
        (502, b"null", "502", ["HTTP 502"], 1000),
    ],
)
def test_an_http_refusal_is_told_in_its_own_words(
    status, body, code, words, severity
):
    error, _, _ = first_error(Manners(http=(status, {}, body)))
    assert error["code"] == severity
    assert error["vendor_info"]["code"] == code
    for word in words:
        assert word in error["message"]
        assert word in error["vendor_info"]["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 700


@pytest.mark.parametrize("opens", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        {"error": {"type": "server_error", "code": "x1", "message": "no GPU"}},
        {"error": "no GPU", "code": "x1"},
        {"message": "no GPU", "code": "x1"},
    ],
)
def test_an_error_in_place_of_a_session_is_told_whether_or_not_it_closes(
    error, opens
):
    close = None if opens else (1011, "")
    says = [{"type": "error", **error}]
    manners = Manners(says=says, close=close, stays=opens)
    told, _, _ = first_error(manners)
    assert told["code"] == NON_FATAL
    assert told["vendor_info"]["code"] == "x1"
    assert "no GPU" in told["message"]


def test_a_gateways_error_without_a_type_is_told():
    message = "This operation requires ephemeral authentication."
    says = [{"error": {"code": "Unauthorized", "message": message}}]
    told, service, _ = first_error(Manners(says=says, close=(1008, "")))
    assert told["code"] == FATAL
    assert message in told["message"]
    assert service.connections == 1


@pytest.mark.parametrize(
    ("code", "reason", "verdict", "told"),
    [
        (3000, f"{TYPE}.invalid_api_key", "fatal", "invalid_api_key"),
        (3000, TYPE, "fatal", TYPE),
        (3000, "", "fatal", "3000"),
        (4000, f"{TYPE}.missing_model", "fatal", "missing_model"),
        (4000, f"{TYPE}.new_rule", "fatal", "new_rule"),
        (4000, TYPE, "fatal", TYPE),
        (4000, "insufficient_quota", "fatal", "insufficient_quota"),
        (4000, "rate_limit_error.x", "retry", "x"),
        (4000, "", "retry", "4000"),
        (4000, "try again", "retry", "4000"),
        (4000, "server_error", "retry", "server_error"),
        (1008, "", "retry", "1008"),
        (1008, "policy", "retry", "1008"),
        (1001, "", "at_once", "1001"),
        *(
            (code, "", "retry", str(code))
            for code in (1000, 1002, 1006, 1011, 1012, 1013, 3001, 3003, 3008)
        ),
        *(
            (code, "idle", "retry", str(code))
            for code in (4001, 4004, 4008, 4400, 4408, 4429, 4500, 4999)
        ),
    ],
)
def test_only_what_is_known_to_last_ends_a_call(code, reason, verdict, told):
    fault = fault_of_close(code, reason, None)
    assert (fault.verdict, fault.code) == (verdict, told)


@pytest.mark.parametrize("code", [3008, 4408, 4500])
def test_private_close_codes_are_retried(code):
    with RawService([Manners(close=(code, "come again"))]) as service:

        async def script(call: Call) -> None:
            await call.until(lambda: len(call.errors) >= 2)

        call = run_call(properties(service.url), script)
    assert {e["code"] for e in call.errors} == {NON_FATAL}
    assert service.connections >= 2
    assert "come again" in call.errors[0]["message"]


def test_retry_after_is_a_number_or_a_date():
    wall = 1_790_000_000.0
    for value, wait in (
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("", 0),
        ("soon", 0),
        ("nan", 0),
        ("1e9", 300),
        (formatdate(wall + 20, usegmt=True), 20),
        (formatdate(wall - 20, usegmt=True), 0),
        (formatdate(wall + 86400, usegmt=True), 300),
        ("Fri, 99 Foo 2026 99:99:99 GMT", 0),
        ("Wed, 21 Oct 99999 07:28:00 GMT", 0),
    ):
        assert retry_after_s(value, wall) == pytest.approx(wait), value
    date = formatdate(wall + 9, usegmt=True)
    assert fault_of_http(503, b"", date, wall).retry_after == pytest.approx(9)


def test_a_date_is_waited_for_on_the_wire():
    """A day ahead: only the bound ends it, so the call would hang; two
    seconds ahead the second attempt comes, and not before."""
    import time

    date = formatdate(time.time() + 3, usegmt=True)
    times: list[float] = []

    def retried(value: str) -> float:
        headers = {"Retry-After": value}
        manners = [Manners(http=(503, headers, b"")), Manners()]
        with RawService(manners) as service:

            async def script(call: Call) -> None:
                await call.until(lambda: call.metric("connect_delay"))
                times.append(time.monotonic())

            begin = time.monotonic()
            run_call(properties(service.url), script)
        return times.pop() - begin

    assert retried(date) > 1


def test_after_a_fatal_error_no_buffer_is_said_to_be_full():
    audio, _ = spoken([[1, 2]])
    says = [
        {
            "type": "error",
            "error": {"type": TYPE, "code": "invalid_api_key", "message": "no"},
        }
    ]
    with RawService([Manners(says=says, close=(3000, TYPE), wait=0.3)]) as it:

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until(lambda: len(call.errors) >= 2)

        call = run_call(properties(it.url), script)
    assert call.errors[0]["code"] == FATAL
    dropped = call.errors[1]
    assert dropped["vendor_info"]["code"] == "audio_dropped"
    assert "given up" in dropped["message"]
    assert "full" not in dropped["message"]

"""Broken and huge messages, over a real socket."""

from __future__ import annotations

import json

import pytest
from asr_call import Call, properties, run_call
from raw_service import Manners, RawService

MARKER = {"type": "error", "error": {"code": "marker", "message": "marker"}}


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xfe\x00\xc3\x28",
        b"[" * 200_000,
        "{",
        '{"type":"error","error":' * 5000,
        '{"type":"x","pad":"' + "a" * (1000 * 1024) + '"}',
        '{"type":"session.updated","session":' + "9" * 100_000 + "}",
    ],
    ids=["binary", "deep", "half", "deep error", "1000 KB", "long number"],
)
def test_broken_messages_over_a_real_socket(message):
    with RawService([Manners(then=[message, MARKER])]) as service:

        async def script(call: Call) -> None:
            await call.until(lambda: call.errors)
            await call.until_finalized("alive")

        call = run_call(properties(service.url), script)
    assert [e["vendor_info"]["code"] for e in call.errors] == ["marker"], (
        call.errors
    )
    assert service.connections == 1


def test_a_message_of_more_lists_than_any_event_has_is_not_read():
    """To make them would hold the loop for some tenths of a second."""

    def error(code: str, lists: str) -> str:
        told = json.dumps({"code": code, "message": code})
        return f'{{"type":"error","error":{told},"more":[{lists}]}}'

    then = [
        error("lists", ",".join(["[]"] * 50_000)),
        error("objects", ",".join(["{}"] * 50_000)),
        error("fewer", ",".join(["[],{}"] * 24_990)),
    ]
    with RawService([Manners(then=then)]) as service:

        async def script(call: Call) -> None:
            await call.until(lambda: call.errors)
            await call.until_finalized("alive")

        call = run_call(properties(service.url), script)
    assert [e["vendor_info"]["code"] for e in call.errors] == ["fewer"]
    assert service.connections == 1


def test_more_than_1_mb_costs_the_connection_only():
    huge = "x" * (17 * 1024 * 1024)
    manners = [Manners(then=[huge]), Manners(then=[MARKER])]
    with RawService(manners) as service:

        async def script(call: Call) -> None:
            await call.until(lambda: len(call.errors) >= 2)

        call = run_call(properties(service.url), script)
    codes = [e["vendor_info"]["code"] for e in call.errors]
    assert codes == ["1006", "marker"]

"""Answers of the class 1xx before the one to the handshake (RFC 9110, 15.2)."""

from __future__ import annotations

from typing import Any

import pytest
from asr_call import Call, properties, run_call
from proxy_servers import forward, listening, port_of

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"


def attempt(port: int, **params: Any) -> Call:
    """A call until its first session or error."""

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors or call.metric("connect_delay"))

    return run_call(properties(f"ws://127.0.0.1:{port}/v1", **params), script)


@pytest.mark.parametrize(
    "says", [CONTINUE, HINTS, CONTINUE + HINTS + b"HTTP/1.1 199 \r\n\r\n"]
)
def test_they_are_passed_over(server, says):
    with listening(forward(port_of(server), says)) as port:
        call = attempt(port)
    assert call.errors == []
    assert len(server.sessions) == 1


@pytest.mark.parametrize(
    "says", [CONTINUE, HINTS[:-2], b"HTTP/1.1 1", b"SSH-2.0"]
)
def test_what_is_no_answer_is_told_without_a_wait(says):
    async def serve(reader: Any, writer: Any) -> None:
        writer.write(says)

    with listening(serve) as port:
        call = attempt(port, connect_timeout_ms=60_000)
    assert call.errors[0]["vendor_info"]["code"] == "handshake"


def test_what_is_no_http_is_told_while_the_connection_stands():
    async def serve(reader: Any, writer: Any) -> None:
        writer.write(b"SSH-2.0-x\r\n")
        await reader.read()

    with listening(serve) as port:
        call = attempt(port, connect_timeout_ms=60_000)
    assert call.errors[0]["vendor_info"]["code"] == "handshake"

"""HTTP requests as clients should not send them."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from file_client import (
    FILE,
    FORM,
    KEY,
    MODEL,
    PATH,
    TEXT,
    WAV,
    answers,
    asked,
    audio_file,
    connect,
    form,
    part,
    request,
    silence,
)
from realtime_client import HANG_S, session

from devkit.server import Faults, LocalServer, ServerThread
from devkit.server.rest.wire import Limits

KEY_OF_WS = "AAAAAAAAAAAAAAAAAAAAAA=="
CHUNKED = {"Content_Length": "", "Transfer_Encoding": "chunked"}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(keys=[KEY]) as running:
        yield running


def chunked(body: bytes, size: int = 1000) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in [*pieces, b""])


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (form(MODEL), "missing_required_parameter", "'file'"),
        (form(), "missing_required_parameter", "'file'"),
        (form(FILE), None, "you must provide a model parameter"),
        (form(part("model", ""), FILE), None, "you must provide a model"),
        (b"", None, "Could not parse"),
        (FORM[:-20], None, "Could not parse"),
        (form(MODEL, FILE, FILE), "invalid_value", "more than one"),
        (form(MODEL, part("file", "a.wav")), "invalid_type", "a file"),
        (form(part("model", "x", "y"), FILE), "invalid_value", "'model'"),
        (form(part("model", b"\xff"), FILE), None, "UTF-8"),
        (form(part("model", "x" * 70_000), FILE), None, "too long"),
        (form(*[part(f"x{n}", "") for n in range(200)]), None, "count"),
        (form(MODEL, part("file", b"", "a.wav")), "invalid_value", "decoded"),
        (form(MODEL, part("file", WAV[:30], "a")), "invalid_value", "decoded"),
        (form(MODEL, part("file", b"x" * 999, "a")), "invalid_value", "mp3"),
        (
            form(MODEL, part("file", audio_file(silence(0)), "a.wav")),
            "audio_too_short",
            "0.1 seconds",
        ),
        (
            form(
                MODEL,
                FILE,
                part("chunking_strategy[type]", "server_vad"),
                part("chunking_strategy[threshold]", "NaN"),
            ),
            "invalid_type",
            "threshold",
        ),
        (
            form(MODEL, FILE, part("chunking_strategy", "[" * 60_000)),
            "invalid_value",
            "server_vad",
        ),
        (
            form(
                part("model", "gpt-4o-transcribe"),
                part("file", audio_file(silence(1501), form="FLAC"), "a.flac"),
            ),
            "invalid_value",
            "longer than 1500 seconds",
        ),
    ],
)
def test_bad_forms(
    server: ServerThread, body: bytes, code: str | None, text: str
) -> None:
    answer = asked(server, request(body))
    assert answer.status == 400
    assert answer.error["code"] == code
    assert text in answer.error["message"]
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(Content_Type="multipart/form-data"), 400),
        (request(Content_Type="multipart/form-data; boundary=other"), 400),
        (request(Content_Type="application/json"), 415),
        (request(Content_Type=""), 415),
        (request(b"", path="/v1/other"), 404),
        (request(b"", path="//[/"), 400),
        (request(b"", path="/v1/a\rb"), 400),
        (request(b"", path="/v1/realtime"), 426),
        (request(b"", method="PUT"), 405),
        (request(b"", method="OPTIONS"), 405),
        (request(b"", method="GET", Content_Length=""), 405),
        (request(Authorization=""), 401),
        (request(Authorization="Basic eDp5"), 401),
        (request(Host=""), 400),
        (request(Content_Length="5, 6"), 400),
        (request(Content_Length="-5"), 400),
        (request(b"", Content_Length=str(2**40)), 413),
        (request(b"zz\r\n", **CHUNKED), 400),
        (request(b"", Content_Length="", Transfer_Encoding="gzip"), 501),
        (request(b"", X_Long="a" * 100_000), 431),
        (b"A" * 100_000, 431),
        (b"GPOST / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_bad_requests(server: ServerThread, data: bytes, status: int) -> None:
    answer = asked(server, data)
    assert answer.status == status
    assert answer.error["message"]
    if status == 405:
        assert answer.headers["allow"] == "POST"


def test_a_head_has_no_body(server: ServerThread) -> None:
    with closing(connect(server)) as sock:
        sock.sendall(request(b"", method="HEAD") + request(Connection="close"))
        head, _, rest = read_all(sock).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ")
        assert rest.startswith(b"HTTP/1.1 200 ")


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


def test_one_connection_many_requests(server: ServerThread) -> None:
    with closing(connect(server)) as sock:
        # Pipelined, chunked, of HTTP/1.0 at the end.
        sock.sendall(
            request()
            + request(chunked(FORM), **CHUNKED)
            + request(b"", path="/v1/other")
            + request(version="1.0", Host="")
        )
        first, second, third, last = answers(sock, 4)
        assert [a.json["text"] for a in (first, second, last)] == [TEXT] * 3
        assert third.status == 404
        assert sock.recv(1) == b""


def test_a_refused_body_is_not_needed(server: ServerThread) -> None:
    """The client sees the answer, although it has not sent all."""
    with closing(connect(server)) as sock:
        sock.sendall(request(Authorization="Bearer sk-no")[:-100])
        [answer] = answers(sock)
        assert answer.status == 401
        assert answer.headers["connection"] == "close"
        sock.sendall(bytes(100))
        assert sock.recv(1) == b""


def test_the_body_is_asked_for(server: ServerThread) -> None:
    whole = request(FORM, "Expect: 100-continue")
    head, body = whole[: -len(FORM)], whole[-len(FORM) :]
    with closing(connect(server)) as sock:
        sock.sendall(head)
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        [answer] = answers(sock)
        assert answer.json["text"] == TEXT
        sock.sendall(head.replace(KEY.encode(), b"sk-other"))
        [answer] = answers(sock)
        assert answer.status == 401


def test_first_bytes_may_come_apart(server: ServerThread) -> None:
    whole = request()
    with closing(connect(server)) as sock:
        for piece in (whole[:1], whole[1:10], whole[10:]):
            sock.sendall(piece)
            asked(server, request())  # meanwhile the piece is read
        [answer] = answers(sock)
        assert answer.json["text"] == TEXT

    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    upgrade |= {"Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": KEY_OF_WS}
    whole = request(
        b"", method="GET", path="/v1/realtime", Content_Length="", **upgrade
    )
    with closing(connect(server)) as sock:
        for piece in (whole[:1], whole[1:3], whole[3:]):
            sock.sendall(piece)
            asked(server, request())  # meanwhile the piece is read
        assert sock.recv(100).startswith(b"HTTP/1.1 101 ")


def test_a_large_body_is_refused_before_it_is_there(
    server: ServerThread,
) -> None:
    body = form(MODEL, part("file", bytes(8_000_000), "a.wav"))
    answer = asked(server, request(body, Authorization="Bearer sk-no"))
    assert answer.status == 401


def test_a_client_that_has_said_half(server: ServerThread) -> None:
    with closing(connect(server)) as sock:
        sock.sendall(request()[:-1])
        sock.shutdown(socket.SHUT_WR)
        assert answers(sock)[0].status == 400


@pytest.mark.parametrize("sized", [True, False])
def test_more_than_the_service_takes(sized: bool) -> None:
    limits = Limits(body_bytes=100_000)
    with ServerThread(limits=limits) as server:
        body = form(MODEL, part("file", bytes(200_000), "a.wav"))
        data = request(body)
        if not sized:
            data = request(chunked(body, 50_000), **CHUNKED)
        answer = asked(server, data)
        assert answer.status == 413
        assert "(100000) exceeded" in answer.error["message"]
        assert asked(server, request()).status == 200


def test_who_is_slow_is_told_and_cut_off() -> None:
    limits = Limits(head_s=0.2, idle_s=0.2, pause_s=0.2, body_s=0.3)
    with ServerThread(limits=limits) as server:
        for data in (b"POST ", request()[:-1]):
            answer = asked(server, data)
            assert answer.status == 408
        for data in (request(), b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"):
            with closing(connect(server)) as sock:
                sock.sendall(data)
                answers(sock)
                assert sock.recv(1) == b""  # idle


def test_no_more_connections_than_allowed() -> None:
    with (
        ServerThread(limits=Limits(connections=1)) as server,
        closing(connect(server)) as first,
    ):
        first.sendall(request())
        answers(first)
        answer = asked(server, request())
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        first.sendall(request())
        assert answers(first)[0].status == 200


def test_who_leaves_stops_the_work() -> None:
    """A second request does not wait for what the first one left."""
    faults = Faults(slow_completed=1, slow_completed_ms=HANG_S * 2000)
    limits = Limits(at_work=1)
    with ServerThread(faults=faults, limits=limits) as server:
        with closing(connect(server)) as sock:
            sock.sendall(request())
            server.wait_for(
                lambda: server.requests and server.requests[0].audio_ms
            )
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        server.wait_for(lambda: server.requests[0].ended_at)
        with closing(connect(server)) as sock:
            sock.sendall(request()[:-50])
        server.wait_for(lambda: len(server.requests) == 2)
        assert asked(server, request()).json["text"] == TEXT


def test_frozen_and_dropped() -> None:
    with ServerThread() as server:
        server.freeze()
        with closing(connect(server)) as sock:
            sock.sendall(request())
            server.wait_for(lambda: server.requests)
            sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            sock.settimeout(HANG_S)
            server.thaw()
            assert answers(sock)[0].json["text"] == TEXT
            assert server.drop_connections() == 1
            with pytest.raises(ConnectionResetError):
                sock.recv(1)


def test_the_end_of_the_server_waits_for_nobody() -> None:
    with ServerThread(faults=Faults(never_completed=True)) as server:
        told = [connect(server) for _ in range(3)]
        for sock, data in zip(
            told, (b"", request()[:-9], request()), strict=True
        ):
            sock.sendall(data)
        server.wait_for(lambda: len(server.requests) == 2)
        server.wait_for(lambda: server.requests[1].audio_ms)
    for sock in told:
        with closing(sock), pytest.raises((ConnectionError, AssertionError)):
            assert sock.recv(1)


async def test_both_sides_on_one_port() -> None:
    async with LocalServer() as server, session(server) as client:
        await client.say(1)
        answer = await asyncio.to_thread(asked, server, request())
        assert answer.json["text"] == TEXT
        completed = await client.until(
            "conversation.item.input_audio_transcription.completed"
        )
        assert completed["transcript"] == "w000001"


def test_what_a_client_says_is_escaped_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = "a\x1b[31m\u202e\r.wav"
    with ServerThread() as server, caplog.at_level("INFO"):
        body = form(MODEL, part("file", WAV, name))
        asked(server, request(body, path=PATH + "?api-key=sk-secret"))
        asked(server, request(form(MODEL, part("file", WAV, "b" * 4000))))
        server.wait_for(lambda: all(r.ended_at for r in server.requests))
        assert server.requests[0].file_name == name
    lines = [r.getMessage() for r in caplog.records if "HTTP #" in r.msg]
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"[ -~]{1,500}", line), line
        assert "sk-" not in line


def test_samples_that_are_no_numbers(server: ServerThread) -> None:
    for value in (np.nan, np.inf):
        samples = np.full(8000, value, np.float32)
        file = audio_file(samples, subtype="FLOAT")
        answer = asked(server, request(form(MODEL, part("file", file, "a"))))
        assert answer.status == 200

"""What services over HTTP do wrong, and what becomes of the call."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import gzip
import itertools
import json
import logging
import socket
import struct
import threading
from http.cookiejar import Cookie

import pytest
import trustme
from asr_call import Call, run_call, spoken
from http_service import answer, error, over_http, serving, text, words_in
from proxy_servers import identity, listening
from ten_packages.extension.openai_asr_python.connection import (
    eyeballs,
    http_connection,
)
from ten_packages.extension.openai_asr_python.realtime import caution

FATAL, PASSING = -1000, 1000
KEY = "sk-test-0123456789"
SOON = text("one two")
#: What a service says to a question for nothing.
NO_FILE = (answer(status="400 No"),)


def say(call: Call):
    return call.send(spoken([[1, 2]])[0])


async def say_and_wait(call: Call) -> None:
    """Until its final came, or the call was given up."""
    await say(call)
    await call.finalize("end")
    await call.until(lambda: call.texts or FATAL in call.codes)


def run(*answers, asks=NO_FILE, **params):
    with serving(*answers, asks=asks) as service:
        call = run_call(over_http(service.url, **params), say_and_wait)
    return call, service


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has a third of a second."""
    monkeypatch.setattr(http_connection, "_PATIENCE", 0.01)


async def for_ever(asked, writer) -> None:
    await asyncio.get_running_loop().create_future()


# -- what ends a call -------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code", "told"),
    [
        (
            error(
                "401 No", f"Incorrect API key: {KEY}", code="invalid_api_key"
            ),
            "invalid_api_key",
            "Incorrect API key: ***",
        ),
        (answer(f"no: {KEY}".encode(), "401 No"), "401", "no: ***"),
        (answer(status="403 No"), "403", "HTTP 403"),
        (
            error("404 No", "no such model", code="model_not_found"),
            "model_not_found",
            "no such model",
        ),
        (
            error(
                "429 No",
                "pay",
                code="insufficient_quota",
                type="insufficient_quota",
            ),
            "insufficient_quota",
            "pay",
        ),
        (
            error("400 No", "what?", param="response_format"),
            "400",
            "what?",
        ),
        (answer(status="405 No"), "405", "HTTP 405"),
    ],
)
def test_what_lasts_is_one_fatal_error(reply, code, told):
    call, service = run(reply)
    assert call.codes == [FATAL]
    [problem] = [e for e in call.errors if e["code"] == FATAL]
    assert problem["vendor_info"]["code"] == code
    assert told in problem["message"]
    assert len(service.files) == 1
    assert KEY not in json.dumps(call.messages)


def test_no_turn_is_to_blame_where_no_endpoint_is_reached(monkeypatch):
    """However many there are: the first that each gets is the turn."""
    # Three do for seven then.
    monkeypatch.setattr(caution, "MOST_DEATHS", 0.5)
    with serving() as service:
        port = service.port
    urls = [f"http://127.0.0.1:{port}/v{n}" for n in range(1, 4)]

    async def script(call: Call) -> None:
        await say(call)
        await call.finalize("end")
        await call.until(lambda: "all were tried" in json.dumps(call.errors))
        with serving(SOON, port=port):
            await call.until(lambda: call.texts)

    fallbacks = [{"base_url": url} for url in urls[1:]]
    config = over_http(urls[0], fallbacks=fallbacks, fallback_after_ms=500)
    call = run_call(config, script)
    assert call.texts == ["one two"]
    assert "given up" not in json.dumps(call.errors)


@pytest.mark.parametrize(
    ("asks", "told"),
    [
        (None, "the connection was refused"),
        (answer(status="401 No"), "HTTP 401"),
        (answer(status="404 No"), "HTTP 404"),
        (answer(status="503 No"), "HTTP 503"),
        (answer(status="422 No"), "applied"),
    ],
)
def test_what_a_change_leads_to_is_asked_first(asks, told):
    """A turn would be too late: the update is answered by then."""
    replies = [] if asks is None else [asks] * 20

    async def script(call: Call) -> None:
        await say_and_wait(call)
        update = json.dumps({"params": {"base_url": other.url}})
        result, _ = await call.command("update_configs", update)
        message, _ = result.get_property_string("message")
        assert told in message
        assert result.get_property_int("code")[0] == (told != "applied") * -1
        await say(call)
        await call.finalize("more")
        await call.until(lambda: len(call.texts) == 2)

    with serving(SOON, SOON) as service:
        with serving(SOON, asks=tuple(replies)) as other:
            if asks is not None:
                call = run_call(over_http(service.url), script)
        if asks is None:
            call = run_call(over_http(service.url), script)
    assert call.texts == ["one two", "one two"]
    assert len(other.files) == (told == "applied")


def test_no_redirect_is_followed():
    elsewhere: list[bytes] = []

    async def serve(reader, writer):
        elsewhere.append(await reader.read(100))

    with listening(serve) as port:
        place = f"http://127.0.0.1:{port}/v1/audio/transcriptions"
        for status in ("301 Moved", "307 Temporary Redirect"):
            call, service = run(answer(status=status, location=place))
            assert call.codes == [FATAL]
            assert "redirect" in call.errors[0]["message"]
            assert len(service.files) == 1
    assert elsewhere == []


# -- what passes ------------------------------------------------------------


def test_the_named_time_is_waited_for_each_time():
    times = []

    def refuse(wait: str):
        async def refused(asked, writer):
            times.append(asyncio.get_running_loop().time())
            writer.write(answer(status="429 No", retry_after=wait))

        return refused

    async def heard(asked, writer):
        times.append(asyncio.get_running_loop().time())
        writer.write(SOON)

    call, service = run(refuse("1"), refuse("1"), heard)
    assert call.texts == ["one two"]
    assert len(service.files) == 3
    assert all(b - a >= 1 for a, b in itertools.pairwise(times))
    assert FATAL not in call.codes


def test_of_several_times_the_longest_is_waited_for():
    """A proxy in between may have added one."""
    times = []

    async def refuse(asked, writer):
        times.append(asyncio.get_running_loop().time())
        busy = answer(status="503 Busy", retry_after="1")
        writer.write(busy.replace(b"\r\n", b"\r\nretry-after: 0.1\r\n", 1))

    async def heard(asked, writer):
        times.append(asyncio.get_running_loop().time())
        writer.write(SOON)

    call, _ = run(refuse, heard, asks=[SOON])
    assert call.texts == ["one two"]
    assert times[1] - times[0] >= 1


@pytest.fixture
def first_connect(monkeypatch: pytest.MonkeyPatch):
    """``first_connect(work)``: what the first one does instead."""
    real = eyeballs.connect
    instead = []

    async def connect(sock, where):
        await (instead.pop()() if instead else real(sock, where))

    monkeypatch.setattr(eyeballs, "connect", connect)
    return instead.append


def outage_before_a_connection() -> None:
    call, service = run(SOON)
    assert call.texts == ["one two"]
    # It is asked before audio goes out again.
    assert len(service.asks) == len(service.files) == 1
    assert call.errors[0]["vendor_info"]["code"] == "1006"


def test_a_time_limit_of_the_system_is_an_outage(first_connect):
    """From Python 3.11 on it has the class of ours."""

    async def time_out():
        raise OSError(errno.ETIMEDOUT, "Connection timed out")

    first_connect(time_out)
    outage_before_a_connection()


@pytest.mark.usefixtures("impatient")
def test_time_that_runs_out_before_there_is_a_connection_is_an_outage(
    first_connect,
):
    first_connect(lambda: asyncio.Event().wait())
    outage_before_a_connection()


@pytest.mark.parametrize("status", ["429 Slow", "503 Busy"])
def test_a_long_time_is_waited_for_by_all_turns(status):
    """They are kept; nothing is sent or asked before it is over."""
    times = []

    async def note(asked, writer):
        times.append(asyncio.get_running_loop().time())
        writer.write(answer(status=status, retry_after="11"))

    async def script(call: Call) -> None:
        for word in (1, 2, 3):
            await call.send(spoken([[word]])[0])
            await call.finalize(f"{word}")
            if word == 1:
                await call.until(lambda: call.errors)
        await call.until(lambda: len(call.texts) == 3)

    async def heard(asked, writer):
        writer.write(text(f"word {words_in(asked)[0]}"))

    async def there(asked, writer):
        times.append(asyncio.get_running_loop().time())
        writer.write(answer(status="400 No"))

    with serving(note, heard, asks=(there,)) as service:
        call = run_call(over_http(service.url), script)
    assert call.texts == ["word 1", "word 2", "word 3"]
    assert (len(service.files), len(service.asks)) == (4, 1)
    assert times[1] - times[0] >= 10.9
    assert set(call.codes) == {PASSING}


@pytest.mark.parametrize(
    "name", ["content-type", "content-encoding", "retry-after", "server"]
)
def test_a_header_that_is_not_ascii_is_as_none(name):
    head = f"\r\n{name}: \u00ff\r\n\r\n".encode("latin-1")
    call, service = run(SOON.replace(b"\r\n\r\n", head, 1))
    assert call.texts == ["one two"]
    assert call.errors == []
    assert len(service.files) == 1


@pytest.mark.parametrize(
    "first",
    [
        error("500 No", "oh", type="server_error"),
        answer(b"x" * 10_000_000, "500 No"),
        answer(b"<h1>so", kind="text/html"),
        answer(b'{"text": 7}'),
        answer(b'{"text": "cut'),
        answer(b"[" * 100_000),
        answer(b'{"text":"' + b"\xff" + b'"}'),
        answer(gzip.compress(b'{"text": "hidden"}'), content_encoding="gzip"),
        answer(b"data: {}\n\n", kind="text/event-stream"),
        answer(
            b'data: {"type":"transcript.text.delta","delta":"one"}\n\n',
            kind="text/event-stream",
        ),
        answer(
            b'event: error\ndata: {"error":{"type":"server_error"}}\n\n',
            kind="text/event-stream",
        ),
        answer(status="408 Late"),
        answer(status="409 Locked"),
        answer(b'{"text": "", "error": {"message": "no room"}}'),
    ],
    ids=range(14),
)
def test_a_bad_answer_costs_one_more_request(first):
    call, service = run(first, SOON)
    assert call.texts == ["one two"]
    assert len(service.files) == 2
    assert (
        service.files[0].body[-5000:-100] == service.files[1].body[-5000:-100]
    )
    assert service.asks == []
    assert FATAL not in call.codes


def test_a_file_that_is_refused_is_reported_and_passed_over():
    refused = error("400 No", "odd audio", param="file")

    async def script(call: Call) -> None:
        await say(call)
        await call.finalize("1")
        await call.until(lambda: call.errors)
        await say(call)
        await call.finalize("2")
        await call.until(lambda: call.texts)

    with serving(refused, refused, SOON) as service:
        call = run_call(over_http(service.url), script)
        assert len(service.files) == 3
    [problem] = call.errors
    assert problem["code"] == PASSING
    assert "odd audio" in problem["message"]
    assert "given up: " in problem["message"]


@pytest.mark.parametrize("charset", ["bz2", "rot13", "undefined", "nonsense"])
def test_no_codec_is_taken_from_the_service(charset):
    told = json.dumps({"error": {"message": "odd model", "type": "t"}})
    first = answer(
        told.encode(),
        status="404 No",
        content_type=f"text/plain; charset={charset}",
    )
    call, _ = run(first)
    assert call.codes[0] == FATAL
    assert "odd model" in call.errors[0]["message"]


def padded(where: str, blanks: bytes) -> bytes:
    """An answer that is well formed, but for so many blanks in one place."""
    body = json.dumps({"text": "padded"}).encode()
    pads = dict.fromkeys(("header", "chunk", "body"), b"") | {where: blanks}
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n"
        b"a:" + pads["header"] + b"x\r\n\r\n"
        b"%x"
        % (len(body) + len(pads["body"]))
        + pads["chunk"]
        + b"\r\n"
        + pads["body"]
        + body
        + b"\r\n0\r\n\r\n"
    )


@pytest.mark.parametrize("piece", [50, 2**20])
@pytest.mark.parametrize(
    ("where", "blank"),
    [
        *itertools.product(["header", "chunk", "body"], [b" ", b"\t "]),
        # Each line goes on with the one before.
        ("header", b"\r\n "),
        ("header", b"\n\t"),
        ("body", b"\r\n"),
    ],
)
def test_an_answer_with_blanks_without_an_end_is_not_read(where, blank, piece):
    """h11 takes time with the square of their number, in the loop."""

    def sender(count):
        reply = padded(where, blank * (count // len(blank)))

        async def send(asked, writer):
            for at in range(0, len(reply), piece):
                writer.write(reply[at : at + piece])
                await writer.drain()
                await asyncio.sleep(0)

        return send

    call, service = run(sender(1024 - 2))
    assert call.texts == ["padded"]
    call, service = run(sender(1024 + 3), SOON)
    assert call.texts == ["one two"]
    assert len(service.files) == 2


def test_no_cookies_are_kept():
    """Of ever other names they would take ever more memory."""
    names = itertools.count()

    async def baked(asked, writer):
        cookies = "; Path=/\r\nset-cookie: ".join(
            f"c{next(names)}=1" for _ in range(50)
        )
        writer.write(answer({"text": "one two"}, set_cookie=cookies))

    kept = []

    async def script(call: Call) -> None:
        for count in (1, 2):
            await say_and_wait(call)
            await call.until_finals(count)
        kept.extend(o for o in gc.get_objects() if isinstance(o, Cookie))

    with serving(baked) as service:
        call = run_call(over_http(service.url), script)
    assert call.texts == ["one two"] * 2
    assert next(names) == 100
    assert kept == []


@pytest.mark.parametrize("in_tls", [False, True])
def test_an_answer_that_comes_twice_is_that_to_one_turn(in_tls, tmp_path):
    """Nor is a record of TLS that was not looked at the answer to the next."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def script(call: Call) -> None:
        for turn in range(1, 4):
            await call.send(spoken([[turn, turn + 1]])[0])
            await call.finalize(f"turn {turn}")
            await call.until(lambda: len(call.texts) == turn)  # noqa: B023

    async def twice(asked, writer):
        said = " ".join(map(str, words_in(asked)))
        writer.write(text(said) * 2)

    tls = identity(authority, "127.0.0.1")
    with (
        serving(twice) as service,
        listening(in_records(service.port), tls) as front,
    ):
        url = f"https://127.0.0.1:{front}/v1" if in_tls else service.url
        ca_file = str(tmp_path / "ca.pem") if in_tls else ""
        call = run_call(over_http(url, ca_file=ca_file), script)
    assert call.texts == ["1 2", "2 3", "3 4"]
    assert call.errors == []
    # Of the answer that was there already, nothing: they are sent again.
    assert len(service.files) == 5


def test_a_refusal_may_come_before_the_file_was_read():
    """As of what is too large, or of a key; and the rest is not read."""

    def refuse() -> None:
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(4096)
            peer.sendall(error("401 No", "so early", code="invalid_api_key"))
            at_once = struct.pack("ii", 1, 0)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

    async def script(call: Call) -> None:
        await call.send(spoken([[1, 2]] * 40)[0])
        await call.finalize("end")
        await call.until(lambda: call.errors)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The file must not be on its way as a whole.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        call = run_call(over_http(url, max_turn_ms=120_000), script)
        thread.join()
    assert "so early" in call.errors[0]["message"]


def in_records(port: int):
    """Hands on to ``port``; what comes from there as records of 64 bytes."""

    async def serve(reader, writer) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def answers() -> None:
            while data := await there.read(65536):
                # Those of one answer, all of them at once.
                while data.count(b"HTTP/1.1") % 2:
                    data += await there.read(65536)
                writer.writelines(
                    data[at : at + 64] for at in range(0, len(data), 64)
                )

        answering = asyncio.ensure_future(answers())
        with contextlib.closing(back):
            while data := await reader.read(65536):
                back.write(data)
        answering.cancel()

    return serve


def test_a_body_in_tiny_pieces_is_cut_off():
    sent = 0

    async def tiny(asked, writer):
        nonlocal sent
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n" * 1000)
            await writer.drain()
            sent += 1000

    call, _ = run(tiny, SOON)
    assert call.texts == ["one two"]
    # Else a body has 1 MB.
    assert sent < 2**20


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("200 OK", "application/json"),
        ("200 OK", "text/event-stream"),
        ("500 No", "text/html"),
    ],
)
def test_a_body_without_an_end_is_cut_off(status, kind):
    sent = 0

    async def endless(asked, writer):
        nonlocal sent
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n"
        writer.write(f"{head}content-length: {2**30}\r\n\r\n".encode())
        while sent < 2**30:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    call, service = run(endless, SOON)
    assert call.texts == ["one two"]
    # 1 MB, and what the system holds on its way.
    assert sent < 64 * 2**20
    assert len(service.files) == 2
    assert call.errors == service.asks == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["silent", "slow"])
def test_a_request_that_hangs_is_bounded(kind):
    async def slow(asked, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        await writer.drain()
        await for_ever(asked, writer)

    call, service = run(for_ever if kind == "silent" else slow, SOON)
    assert call.texts == ["one two"]
    assert len(service.files) == 2
    # Nor did it cost a connection.
    assert call.errors == service.asks == []


def test_a_slow_request_holds_up_no_other():
    """The text of what was said after it waits, but not its request."""
    later = asyncio.Event()

    async def in_turn(asked, writer):
        if words_in(asked) == [1]:
            await later.wait()
            writer.write(text("first"))
        else:
            later.set()
            writer.write(text("second"))

    async def script(call: Call) -> None:
        for word in (1, 2):
            await call.send(spoken([[word]])[0])
            await call.finalize(f"{word}")
        await call.until(lambda: len(call.texts) == 2)

    with serving(in_turn) as service:
        call = run_call(over_http(service.url), script)
    assert call.texts == ["first", "second"]


# -- the network ------------------------------------------------------------


def test_a_reset_in_the_middle_of_an_upload_costs_no_word():
    count = 0

    async def broken(reader, writer):
        nonlocal count
        count += 1
        if count == 1:
            await reader.read(1000)
            linger = b"\x01\0\0\0\0\0\0\0"
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return
        await service(reader, writer)

    with serving(SOON) as service, listening(broken) as port:
        url = f"http://127.0.0.1:{port}/v1"
        call = run_call(over_http(url), say_and_wait)
    assert call.texts == ["one two"]
    assert [e["vendor_info"]["code"] for e in call.errors] == ["1006"]
    told = "the connection broke off: the request failed: "
    assert call.errors[0]["message"].startswith(told)


def test_an_outage_is_told_as_that_of_a_websocket_and_costs_no_word():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await say(call)
        await call.finalize("end")
        # The first is that of the request, the others of attempts.
        await call.until(lambda: len(call.errors) >= 3)
        with serving(SOON, port=port) as service:
            await call.until(lambda: call.texts)
            assert (len(service.asks), len(service.files)) == (1, 1)

    call = run_call(over_http(f"http://127.0.0.1:{port}/v1"), script)
    assert call.texts == ["one two"]
    codes = [e["vendor_info"]["code"] for e in call.errors]
    assert codes[:2] == ["1006", "refused"]
    assert set(codes[2:]) <= {"refused", "finalize_timeout"}
    assert call.errors[1]["message"] == "the connection was refused"
    assert "the connection was refused" in call.errors[0]["message"]
    assert set(call.codes) == {PASSING}
    # It was connected twice: before the outage, and after it.
    assert len(call.metric("connect_delay")) == 2


@pytest.mark.parametrize("status", [502, 503, 504, 521])
@pytest.mark.parametrize("there", ["400 No", "405 No", "401 No", "500 What"])
def test_a_gateway_without_a_service_is_asked_before_audio_is_sent(
    status, there
):
    """As it is asked for a file: it may answer all else by itself."""
    down = answer(b"<h1>Bad Gateway", f"{status} Bad", kind="text/html")
    call, service = run(down, SOON, asks=(down, down, answer(status=there)))
    assert call.texts == ["one two"]
    assert (len(service.files), len(service.asks)) == (2, 3)
    assert {asked.method for asked in service.asks} == {"POST"}
    assert call.errors[0]["vendor_info"]["code"] == str(status)
    assert FATAL not in call.codes


@pytest.mark.parametrize("status", ["503 Busy", "429 Slow"])
def test_a_service_that_is_asked_names_the_time_as_well(status):
    times = []

    def note(reply: bytes):
        async def noted(asked, writer):
            times.append(asyncio.get_running_loop().time())
            writer.write(reply)

        return noted

    down = answer(status="502 Bad")
    late = note(answer(status=status, retry_after="2"))
    call, service = run(down, SOON, asks=(late, note(answer(status="400 No"))))
    assert call.texts == ["one two"]
    assert (len(service.files), len(service.asks)) == (2, 2)
    assert times[1] - times[0] >= 1.9


def test_a_call_that_stops_waits_for_no_service(host_log):
    async def script(call: Call) -> None:
        await say(call)
        await call.finalize("end")
        await call.until(lambda: call.ends)

    with serving(for_ever) as service:
        config = over_http(
            service.url, stop_timeout_ms=200, finalize_timeout_ms=200
        )
        run_call(config, script)
    assert "the call was stopped before it was transcribed" in host_log.text


# -- secrets ----------------------------------------------------------------


def test_nothing_of_a_request_is_logged(caplog):
    """Also where a host sets every logger to DEBUG."""
    for name in ("", "openai", "httpx2", "httpcore2", "httpcore2.http11"):
        caplog.set_level(logging.DEBUG, name)
    call, _ = run(
        error("500 No", f"so {KEY}"),
        SOON,
        query={"token": "hush-0123456789"},
        headers={"X-Key": "psst-0123456789"},
    )
    assert call.texts == ["one two"]
    for secret in (KEY, "hush-0123456789", "psst-0123456789"):
        assert secret not in caplog.text
    names = {record.name.partition(".")[0] for record in caplog.records}
    assert not names & {"openai", "httpx2", "httpcore2"}

"""Who the page's server lets in, and how it ends: without a browser."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from captions_command import (
    ROOT,
    address_of,
    captions,
    eventually,
    has_ended,
    start,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from devkit.captions.arguments import parse
from devkit.captions.cuts import AWAY, EARLY, ELSEWHERE, Cuts
from devkit.captions.relay import NoRelay, Relay
from devkit.captions.wishes import LONGEST, BadWish, Settings, read_wish
from devkit.script_audio import speak
from devkit.server import ServerThread
from devkit.server.script_engine import ScriptEngine, ScriptStream
from examples.live_page.ten_packages.extension.web_page.arrivals import (
    Arrivals,
)

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    # Nobody is there: for this no call is made.
    with captions("--server", "ws://127.0.0.1:9/v1") as (found, _):
        yield found


def get(
    address: str, path: str = "", **headers: str
) -> http.client.HTTPResponse:
    parts = urlsplit(address)
    link = http.client.HTTPConnection(parts.netloc, timeout=30)
    with closing(link):
        link.request("GET", parts.path + path, headers=headers)
        answer = link.getresponse()
        answer.read()
        return answer


def open_socket(
    address: str, origin: str | None = None, path: str = "socket", **more: Any
) -> ClientConnection:
    parts = urlsplit(address)
    return connect(
        f"ws://{parts.netloc}{parts.path}{path}",
        origin=f"http://{parts.netloc}" if origin is None else origin,
        proxy=None,
        **more,
    )


def next_of(page: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        said: dict[str, Any] = json.loads(page.recv(timeout=60))
        if said["type"] == kind:
            return said


def test_the_page_comes_with_the_rules_that_keep_others_out(address):
    answer = get(address)
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    kinds = [
        get(address, name).headers["Content-Type"]
        for name in ("page.js", "page.css", "icon.svg", "sample")
    ]
    kinds = [kind.split(";")[0].replace("x-wav", "wav") for kind in kinds]
    assert kinds == [
        "text/javascript",
        "text/css",
        "image/svg+xml",
        "audio/wav",
    ]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "[::1]", "127.1", ""]
)
def test_a_request_to_another_name_is_refused(address, host):
    port = urlsplit(address).port
    assert get(address, Host=f"{host}:{port}").status == 403
    assert get(address, Host=host or "127.0.0.1").status == 403


def test_localhost_is_this_machine_too(address):
    port = urlsplit(address).port
    assert get(address, Host=f"localhost:{port}").status == 200


@pytest.mark.parametrize("path", ["/", "/wrong/", "//", "/page.js", "/socket"])
def test_without_the_token_there_is_nothing(address, path):
    assert get(urlsplit(address)._replace(path=path).geturl()).status == 403


def test_part_of_the_token_is_none(address):
    for shorter in (address[:-2] + "/", address[:-1]):
        assert get(shorter).status in (403, 404)


@pytest.mark.parametrize(
    "path",
    ["../door.py", "%2e%2e/door.py", "files/x/call.jsonl", "/etc/passwd"],
)
def test_no_other_file_is_served(address, path):
    assert get(address, path).status == 404


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1"]
)
def test_a_socket_of_another_page_is_refused(address, origin):
    with pytest.raises(InvalidStatus, match="403"):
        open_socket(address, origin)


def test_a_socket_without_the_token_is_refused(address):
    parts = urlsplit(address)
    with pytest.raises(InvalidStatus, match="403"):
        open_socket(f"http://{parts.netloc}/wrong/")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}])
def test_nobody_plays_the_app(address, headers):
    netloc = urlsplit(address).netloc
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://{netloc}/app", additional_headers=headers, proxy=None)


def test_what_is_too_long_ends_the_connection(address):
    with open_socket(address) as page:
        next_of(page, "hello")
        page.send("x" * (LONGEST + 1))
        with pytest.raises(ConnectionClosed) as ended:
            next_of(page, "never")
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1009


def test_what_is_no_wish_is_refused_and_named(address):
    with open_socket(address) as page:
        assert "gpt-live-transcribe" in next_of(page, "hello")["models"]
        for sent, place in [
            ("[", "the message"),
            ('{"type": "start", "rate": 3, "settings": {}}', "start.rate"),
            ('{"type": "stop", "more": 1}', "stop.more"),
            ('{"type": "finalize"}', "there is no call"),
        ]:
            page.send(sent)
            assert next_of(page, "refused")["text"].startswith(place)


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "\ud800", "x" * 201])
def test_a_setting_fits_into_the_environment(text):
    wish = {"type": "update", "settings": {"model": text}}
    with pytest.raises(BadWish):
        read_wish(json.dumps(wish))


def test_settings_have_the_keys_of_the_extension():
    params = Settings(model="m", silence_ms="400").params()
    assert params["input_audio_transcription"]["model"] == "m"
    assert params["turn_detection"]["silence_duration_ms"] == "400"


def children(pid: int) -> list[str]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.split()


def test_ctrl_c_in_a_call_ends_it_and_leaves_nothing(tmp_path: Path):
    with (
        ServerThread(engine="script") as server,
        start("--server", server.url, "--keep", tmp_path) as process,
    ):
        with open_socket(address_of(process)) as page:
            begin = {"type": "start", "rate": 16000, "settings": {}}
            page.send(json.dumps(begin))
            next_of(page, "ready")
            page.send(bytes(640))
            apps = children(process.pid)
            assert len(apps) == 1
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(apps[0]), 0)
    [log] = tmp_path.glob("*/call.jsonl")
    assert has_ended(log)


SIGNAL_TO_A_THREAD = """
import signal, sys, threading
from devkit.captions.__main__ import main

def interrupt():
    sys.stdin.readline()
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main(["--no-browser", "--server", sys.argv[1]]))
"""


def test_ctrl_c_that_another_thread_gets_ends_it():
    with (
        ServerThread(engine="script") as server,
        subprocess.Popen(
            [sys.executable, "-c", SIGNAL_TO_A_THREAD, server.url],
            cwd=ROOT,
            env={**os.environ, "OPENAI_API_KEY": "sk-local"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        address_of(process)
        _, errors = process.communicate("\n", timeout=60)
    assert (process.returncode, errors) == (0, "")


STARTS_BOTH = """
import os, sys, tempfile, pathlib
from devkit.demo.processes import LocalServer, start_app
server = LocalServer(0, os.environ, ["--engine", "script"])
app = start_app(
    pathlib.Path("examples/live_page").resolve(),
    os.environ | dict(LIVE_PAGE_URL=sys.argv[1], LIVE_PAGE_SERVER=server.url),
    tempfile.TemporaryFile(),
)
print(server.pid, app.pid, flush=True)
app.wait()
"""


def test_children_end_with_a_parent_that_is_killed():
    """The app is at a page that never answers, so nothing else ends it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        at = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        with subprocess.Popen(
            [sys.executable, "-c", STARTS_BOTH, at],
            cwd=ROOT,
            env={**os.environ, "DEVKIT_RUNTIME": "standin"},
            stdout=subprocess.PIPE,
            text=True,
        ) as parent:
            try:
                assert parent.stdout is not None
                pids = list(map(int, parent.stdout.readline().split()))
                link, _ = silent.accept()
            finally:
                parent.kill()
        with closing(link):
            assert len(pids) == 2
            for pid in pids:
                eventually(lambda pid=pid: not is_alive(pid))


def is_alive(pid: int) -> bool:
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()[:1] not in ("", "Z")


def test_a_second_cut_waits_until_what_was_said_is_there():
    with (
        ServerThread(engine="script") as server,
        captions("--server", server.url) as (address, _),
        open_socket(address) as page,
    ):
        begin = {"type": "start", "rate": 16000, "settings": {}}
        page.send(json.dumps(begin))
        assert next_of(page, "cuts")["refusal"] == AWAY
        assert next_of(page, "cuts")["refusal"] == ""
        cut = '{"type": "cut", "away_s": 0}'
        # Long enough for a second one while it is away.
        page.send('{"type": "cut", "away_s": 1}')
        next_of(page, "cut")
        page.send(cut)
        assert next_of(page, "refused")["text"] == f"cut: {AWAY}"
        assert next_of(page, "cuts")["refusal"] == EARLY
        page.send(cut)
        assert next_of(page, "refused")["text"] == f"cut: {EARLY}"
        # Nothing was said, so it is time that ends this.
        assert next_of(page, "cuts")["refusal"] == ""
        page.send(cut)
        assert next_of(page, "cut")["connections"] == 1


UP = {"name": "metrics", "body": {"metrics": {"connect_delay": 9}}}
GONE = {
    "name": "error",
    "body": {"code": 1000, "message": "", "vendor_info": {"code": "1006"}},
}


def result(final: bool) -> dict[str, Any]:
    return {"name": "asr_result", "body": {"final": final, "text": "x"}}


def test_what_was_said_is_there_by_its_final_or_by_silence():
    connections = 1
    cuts = Cuts(lambda: connections)
    assert cuts.refusal(0) == AWAY
    assert cuts.hear(UP, 0)
    assert cuts.refusal(0) == ""
    cuts.hear(result(final=False), 1)
    assert cuts.refusal(1) == ""
    cuts.hear(GONE, 2)
    assert cuts.refusal(2) == AWAY
    cuts.hear(result(final=True), 2)  # of a turn before
    cuts.hear(UP, 3)
    assert cuts.refusal(3 + Cuts.QUIET_S - 0.1) == EARLY
    assert cuts.refusal(3 + Cuts.QUIET_S) == ""
    cuts.hear(result(final=False), 4)
    assert cuts.refusal(60) == EARLY
    cuts.hear(result(final=True), 60)
    assert cuts.refusal(60) == ""
    connections = 0
    assert cuts.refusal(60) == ELSEWHERE


#: Turns the line around, hides what follows, clears the screen.
ODD = "\u202e\u2066\U000e0041\x1b[2J\x9b\x07"


class _OddStream(ScriptStream):
    async def finish(self) -> str:
        return await super().finish() + ODD


class _OddEngine(ScriptEngine):
    def stream(self, rate: int) -> ScriptStream:
        return _OddStream(rate)


def test_what_the_service_says_is_fit_to_be_shown():
    with (
        ServerThread(engine=_OddEngine()) as server,
        captions("--server", server.url) as (address, _),
        open_socket(address) as page,
    ):
        begin = {"type": "start", "rate": 16000, "settings": {}}
        page.send(json.dumps(begin))
        next_of(page, "ready")
        page.send(speak([[1, 2]], 16000, 1000)[0].tobytes())
        page.send('{"type": "finalize"}')
        final: dict[str, Any] = {}
        while not final.get("final"):
            said = json.loads(page.recv(timeout=60))
            if said.get("name") == "asr_result":
                final = said["body"]
        assert final["text"].startswith("w000001 w000002\\u202e\\u2066")
        assert final["text"].isprintable()


def test_an_app_that_dies_is_told_and_another_call_can_begin():
    with (
        ServerThread(engine="script") as server,
        captions("--server", server.url) as (address, process),
        open_socket(address) as page,
    ):
        begin = json.dumps({"type": "start", "rate": 16000, "settings": {}})
        page.send(begin)
        next_of(page, "ready")
        [app] = children(process.pid)
        os.kill(int(app), signal.SIGKILL)
        over = next_of(page, "over")
        assert over["problem"].startswith("the app ended with status -9")
        page.send(begin)
        next_of(page, "ready")
        page.send('{"type": "stop"}')
        assert next_of(page, "over")["problem"] == ""


def test_a_port_in_use_is_one_line_and_status_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with start(
            "--server", "ws://127.0.0.1:9/v1", "--port", str(port)
        ) as it:
            _, errors = it.communicate(timeout=60)
    assert it.returncode == 2
    assert errors == f"devkit.captions: --port: {port} is in use\n"


def test_directories_for_what_is_kept_are_private(tmp_path):
    old = os.umask(0)
    try:
        parse(["--keep", str(tmp_path / "a" / "b"), "--no-browser"], {})
    finally:
        os.umask(old)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        assert path.stat().st_mode & 0o777 == 0o700


async def test_a_service_elsewhere_is_reached_by_connect_and_can_be_cut():
    """The fallback is left alone."""

    async def echo(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def reach(host: str, port: int) -> Stream:
        assert (host, port) in [("speech.example", 443), ("other.example", 443)]
        return await asyncio.open_connection("127.0.0.1", far_port)

    async def connected(
        host: str, password: str | None = None, says: bytes = b" 200 "
    ) -> Stream:
        user = f"{proxy.username}:{password or proxy.password}"
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(
            f"CONNECT {host}:443 HTTP/1.1\r\nProxy-Authorization: Basic"
            f" {base64.b64encode(user.encode()).decode()}\r\n\r\n".encode()
        )
        assert says in await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async def says(stream: Stream, word: bytes) -> bytes:
        stream[1].write(word)
        return await stream[0].readexactly(len(word))

    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    far_port = far.sockets[0].getsockname()[1]
    relay = Relay(
        "wss://speech.example/v1", "wss://other.example/v1", {}, reach
    )
    async with relay as way:
        assert way.url == "wss://speech.example/v1"
        proxy = urlsplit(way.environment["wss_proxy"])
        ours = await connected("speech.example")
        other = await connected("other.example")
        assert await says(ours, b"hello") == b"hello"
        assert relay.cut(away_s=60) == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await says(ours, b"lost")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await connected("speech.example")
        assert await says(other, b"still") == b"still"
        relay.cut(away_s=0)
        assert await says(await connected("speech.example"), b"back") == b"back"
        other[1].close()
        # Nobody else gets anywhere by it, and we nowhere else.
        await connected("speech.example", "guessed", b" 407 ")
        await connected("elsewhere.example", None, b" 407 ")
    far.close()


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("ws://speech.example/v1", {}),
        ("wss://speech.example/v1", {"HTTPS_PROXY": "http://proxy:3128"}),
    ],
)
def test_what_cannot_be_cut_is_said(url, environment):
    with pytest.raises(NoRelay):
        Relay(url, "", environment)


def test_how_late_a_text_is_counts_from_when_its_sound_came():
    arrivals = Arrivals(16000)
    for n in range(100):  # 20 ms each, from 5 s on; 1 s late from the 51st on
        arrivals.add(640, 5 + n * 0.02 + (n >= 50))
    assert arrivals.position_ms == 2000
    assert arrivals.since_ms(500, 10.0) == 5000 - 480
    assert arrivals.since_ms(1500, 10.0) == 5000 - 1000 - 1480
    assert arrivals.since_ms(2001, 10.0) is None

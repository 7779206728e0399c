"""Key and model: what the service says of them."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from http_service import answer, error, serving
from proxy_servers import listening
from websockets.asyncio.server import ServerConnection, serve

from devkit.script_audio import encode_words
from devkit.server import Faults, ServerThread

pytestmark = pytest.mark.standin("the doctor brings its own")

RATE = 16000
KEY = "sk-test-0123456789"


@contextmanager
def serve_sockets(
    serve_one: Callable[[ServerConnection], Awaitable[None]],
) -> Iterator[str]:
    """A WebSocket server in a thread; gives its base URL."""
    ready: Future[int] = Future()
    stop = threading.Event()

    async def live() -> None:
        quiet = logging.Logger("doctors_service", logging.CRITICAL)
        async with serve(serve_one, "127.0.0.1", 0, logger=quiet) as server:
            ready.set_result(server.sockets[0].getsockname()[1])
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{ready.result(10)}/v1"
    finally:
        stop.set()
        thread.join(10)


def test_a_session_is_opened_and_no_audio_sent(examine, server):
    outcome = examine(base_url=server.url, model="gpt-4o-transcribe")
    session = outcome.primary("session")
    assert session["status"] == "ok"
    [record] = server.sessions
    assert session["data"]["session_id"]
    assert session["data"]["session_id"] in session["summary"]
    assert session["data"]["model"] == "gpt-4o-transcribe"
    assert session["data"]["dialect"] == "ga"
    assert session["data"]["ready_ms"] >= 0
    server.wait_for(lambda: record.closed_at is not None)
    assert record.client_types() == ["session.update"]
    assert record.audio_bytes == 0


def test_the_beta_dialect(examine):
    with ServerThread(dialect="beta") as server:
        outcome = examine(base_url=server.url, model="gpt-4o-transcribe")
    assert outcome.primary("session")["data"]["dialect"] == "beta"


def test_a_wrong_key(examine):
    with ServerThread(keys=["sk-the-right-one"]) as server:
        outcome = examine(base_url=server.url)
    session = outcome.primary("session")
    assert outcome.status == 1
    assert session["status"] == "failed"
    assert session["data"]["code"] == "invalid_api_key"
    assert "Incorrect API key" in session["summary"]
    assert "check the key (params)" in session["next"]


def test_a_key_of_the_environment_is_named(doctor, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-wrong-0123456789")
    path = tmp_path / "p.json"
    with ServerThread() as server:
        content = {"api_key": "${env:MY_KEY}", "base_url": server.url}
        path.write_text(json.dumps(content))
        outcome = doctor(str(path), "--json")
    assert "environment MY_KEY" in outcome.primary("session")["next"]


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (401, "check the key"),
        (404, "check the path"),
        (429, "wait 7 s"),
        (500, "later"),
    ],
)
def test_a_refusal_over_http(status, step, examine, server):
    server.refuse(http_status=status, retry_after=7)
    session = examine(base_url=server.url).primary("session")
    assert session["status"] == "failed"
    assert f"HTTP {status}" in session["summary"]
    assert step in session["next"]


@pytest.mark.parametrize(
    ("refusal", "step"),
    [
        ("insufficient_quota", "credit"),
        ("model_not_found", "choose another model"),
    ],
)
def test_a_refusal_after_the_handshake(refusal, step, examine, server):
    server.refuse(error=refusal)
    session = examine(base_url=server.url).primary("session")
    assert session["data"]["code"] == refusal
    assert step in session["next"]


def test_a_service_that_says_nothing(examine, server):
    server.freeze()
    outcome = examine("--timeout", "0.5", base_url=server.url)
    session = outcome.primary("session")
    assert session["status"] == "failed"
    assert "no WebSocket handshake within 0.5 s" in session["summary"]
    assert "is it the service?" in session["next"]


def test_a_service_that_confirms_nothing_within_the_limit(examine):
    with ServerThread(faults=Faults(silent_start="always")) as server:
        outcome = examine("--timeout", "0.5", base_url=server.url)
    session = outcome.primary("session")
    said = "the WebSocket opened, but the server said nothing within 0.5 s"
    assert session["summary"] == said
    assert session["status"] == "failed"


def test_a_port_of_something_else(examine):
    async def greet(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"220 mail.test ESMTP\x1b[31m\r\n")
        await reader.read()

    with listening(greet) as port:
        outcome = examine(base_url=f"ws://127.0.0.1:{port}/v1")
    session = outcome.primary("session")
    assert session["status"] == "failed"
    assert "no WebSocket handshake" in session["summary"]
    assert "base_url" in session["next"]


def test_a_web_server(examine):
    with serving(
        asks=(answer(b"<title>Welcome</title>", kind="text/html"),)
    ) as web:
        outcome = examine(base_url=web.url.replace("http:", "ws:"))
    session = outcome.primary("session")
    assert session["status"] == "failed"
    assert "HTTP 200" in session["summary"]


@pytest.mark.parametrize(
    "session",
    [
        5,
        [],
        {"expires_at": float("nan")},
        {"expires_at": 10**400},
        {"audio": 5},
    ],
)
def test_a_service_that_says_odd_things_of_its_session(session, examine):
    async def serve(socket: ServerConnection) -> None:
        for kind in ("session.created", "session.updated"):
            event = {"type": kind, "session": session}
            await socket.send(json.dumps(event))
        await socket.wait_closed()

    with serve_sockets(serve) as url:
        found = examine(base_url=url).primary("session")
    assert found["status"] == "ok"
    assert found["data"]["expires_at"] is None
    assert found["data"]["model"] == "gpt-live-transcribe"


def test_a_key_that_a_service_repeats(examine):
    session = {"id": KEY, "audio": {"input": {"transcription": {"model": KEY}}}}

    async def serve(socket: ServerConnection) -> None:
        for kind in ("session.created", "session.updated"):
            event = {"type": kind, "session": session}
            await socket.send(json.dumps(event))
        await socket.wait_closed()

    with serve_sockets(serve) as url:
        outcome = examine(base_url=url)
    assert outcome.primary("session")["data"]["model"] == "***"
    assert KEY not in outcome.out


def test_a_fallback_does_not_help_the_first_one(examine, server):
    server.refuse(error="insufficient_quota")
    with ServerThread() as other:
        outcome = examine(
            base_url=server.url,
            fallbacks=[{"base_url": other.url}],
            fallback_after_ms=500,
        )
    assert outcome.primary("session")["status"] == "failed"
    second = outcome.checks["Endpoint fallbacks[0]", "session"]
    assert second["status"] == "ok"


def test_each_fallback_is_looked_at(examine, server):
    outcome = examine(
        base_url=server.url,
        fallbacks=[
            {"base_url": server.url, "api_key": "sk-wrong-0123456789"},
            {"base_url": "ws://127.0.0.1:9/v1", "api_key": "sk-other-01234"},
        ],
    )
    checks = outcome.checks
    assert outcome.primary("session")["status"] == "ok"
    session = checks["Endpoint fallbacks[0]", "session"]
    assert session["data"]["code"] == "invalid_api_key"
    assert checks["Endpoint fallbacks[1]", "tcp"]["status"] == "failed"
    assert outcome.status == 1


# -- HTTP ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (answer({"id": "whisper-1"}), "ok", "the service takes the key"),
        (error("401 No", code="invalid_api_key"), "failed", "HTTP 401"),
        (error("403 No"), "failed", "HTTP 403"),
        (error("404 No", code="model_not_found"), "failed", "HTTP 404"),
        (answer(b"not found", "404 No"), "warning", "no models endpoint"),
        (answer(status="405 No"), "warning", "no models endpoint"),
        (answer(status="500 Oh"), "failed", "HTTP 500"),
        (answer(content_encoding="gzip"), "failed", "answer is compressed"),
    ],
)
def test_the_models_endpoint(asked, status, said, examine):
    with serving(asks=(asked,)) as service:
        outcome = examine(
            base_url=service.url, transport="http", model="whisper-1"
        )
        [question] = service.asks
        assert service.files == []
    assert question.target == "/v1/models/whisper-1"
    assert question.headers["authorization"] == "Bearer sk-test-0123456789"
    found = outcome.primary("models")
    assert found["status"] == status
    assert said in found["summary"]
    assert bool(found["next"]) == (status != "ok")


def test_a_service_for_files_that_says_nothing(examine):
    async def hang(asked: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    with serving(asks=(hang,)) as service:
        outcome = examine(
            "--timeout",
            "1",
            base_url=service.url,
            transport="http",
            model="whisper-1",
        )
    assert "HTTP did not within 1 s" in outcome.primary("models")["summary"]


# -- the round trip -----------------------------------------------------------


@pytest.fixture
def speech(tmp_path: Path) -> str:
    words = encode_words([1, 2], RATE)
    path = tmp_path / "words.wav"
    soundfile.write(path, np.pad(words, (RATE // 5, RATE // 5)), RATE)
    return str(path)


def test_a_round_trip(examine, server, speech):
    outcome = examine(
        "--audio",
        speech,
        base_url=server.url,
        model="gpt-4o-transcribe",
        turn_detection={"enabled": False},
    )
    heard = outcome.checks["Round trip", "audio"]
    assert heard["status"] == "ok"
    assert heard["data"]["text"] == "w000001 w000002"
    assert 0 < heard["data"]["billed_s"] <= heard["data"]["seconds"]
    assert "are billed" in heard["summary"]
    assert len(heard["data"]["final_ms"]) == 1
    assert outcome.status == 0


def test_a_file_without_speech(examine, server, tmp_path):
    path = tmp_path / "quiet.wav"
    soundfile.write(path, np.zeros(RATE // 2, np.int16), RATE)
    outcome = examine("--audio", str(path), base_url=server.url)
    heard = outcome.checks["Round trip", "audio"]
    assert heard["status"] == "failed"
    assert "no text came" in heard["summary"]


def test_no_audio_goes_where_something_failed(examine, speech):
    outcome = examine("--audio", speech, base_url="ws://127.0.0.1:9/v1")
    assert outcome.checks["Round trip", "audio"]["status"] == "skipped"


def test_only_the_beginning_of_a_long_file_is_sent(tmp_path):
    from devkit.doctor.round_trip import LONGEST_S, read_speech

    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros((RATE * 60, 2), np.int16), RATE)
    speech = read_speech(path)
    assert speech.seconds == LONGEST_S
    assert speech.samples.shape[1] == 2


def test_a_service_that_is_slower_than_its_limit(examine):
    async def accept(reader, writer) -> None:
        await reader.read()

    with listening(accept) as port:
        outcome = examine(
            base_url=f"ws://127.0.0.1:{port}/v1", connect_timeout_ms=300
        )
    found = outcome.primary("session")
    assert found["status"] == "failed"
    assert "connect_timeout_ms (it is 300)" in found["next"]

"""Point 6: what only newer bases have; they are chosen once per process, so
`test_newer_base.py` runs this file (and more) in a process of its own."""

from __future__ import annotations

import json

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_ai_base.asr import AsyncASRBaseExtension
from ten_packages.extension.openai_asr_python.extension import (
    OpenAIASRExtension,
)

IS_NEWER = hasattr(AsyncASRBaseExtension, "on_connected")
newer_only = pytest.mark.skipif(not IS_NEWER, reason="the base is 0.7.41")
KEY = "sk-test-0123456789"
FATAL, NON_FATAL = -1000, 1000


def steps(call: Call) -> list[tuple[str, str]]:
    changes = call.of("connection_status_changed")
    return [(change["last"], change["current"]) for change in changes]


UP = [("disconnected", "connecting"), ("connecting", "connected")]


@pytest.mark.parametrize(
    "name", ["on_connected", "on_disconnected", "on_connecting"]
)
def test_no_class_of_ours_shadows_the_base(name):
    ours = [
        cls
        for cls in OpenAIASRExtension.__mro__
        if "openai_asr_python" in cls.__module__
    ]
    assert ours
    assert not [cls for cls in ours if name in vars(cls)]


def test_vendor_metadata_is_there_on_every_base():
    assert OpenAIASRExtension("asr").vendor_metadata() == {}


@newer_only
def test_a_reconnect_is_seen_step_by_step(server):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: len(steps(call)) >= 2)
        server.drop_connections(abort=True)
        await call.until(lambda: len(steps(call)) >= 5)
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2])
    down = [("connected", "disconnected")]
    assert steps(call)[:5] == UP + down + UP
    lost = call.of("connection_status_changed")[2]
    assert lost["code"] == NON_FATAL
    assert lost["vendor_info"]["vendor"] == "openai"
    assert lost["vendor_info"]["code"] == "1006"
    assert lost["message"]


@newer_only
def test_the_end_of_a_sessions_hour_is_a_regular_end(server):
    async def script(call: Call) -> None:
        await call.until(lambda: len(steps(call)) >= 2)
        server.expire_sessions()
        await call.until(lambda: len(steps(call)) >= 5)

    call = run_call(properties(server.url), script)
    assert call.of("connection_status_changed")[2]["code"] == 0


@newer_only
def test_a_fatal_error_ends_disconnected_and_stays_so(server):
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.send_data("trigger_connect")
        await call.until_finalized("end")

    key = "sk-wrong-0123456789"
    call = run_call(properties(server.url, api_key=key), script)
    last = call.of("connection_status_changed")[-1]
    assert last["current"] == "disconnected"
    assert last["code"] == FATAL
    assert len(server.sessions) == 1


@newer_only
def test_an_inert_extension_does_not_stay_connecting():
    async def script(call: Call) -> None:
        await call.until(lambda: len(steps(call)) >= 2)

    call = run_call(properties("ws://127.0.0.1:9/v1", sample_rate="x"), script)
    assert steps(call) == [UP[0], ("connecting", "disconnected")]
    assert call.of("connection_status_changed")[-1]["code"] == FATAL


@newer_only
def test_vendor_metadata_is_sent_without_secrets(server):
    config = properties(
        server.url,
        language="de",
        query={"token": "sk-query-0123456789"},
    )

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))

    call = run_call(config, script)
    metadata = call.of("metrics")[0]["metadata"]["vendor_metadata"]
    assert metadata["model"] == "gpt-4o-transcribe"
    assert metadata["language"] == "de"
    assert set(metadata) == {"model", "url", "language"}
    text = json.dumps(call.messages)
    for secret in (KEY, "sk-query-0123456789"):
        assert secret not in text

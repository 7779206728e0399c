"""A fault of ours ends in the log with its place and costs a connection at
most, wherever it is raised."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ten_packages.extension.openai_asr_python import connect_faults
from ten_packages.extension.openai_asr_python import openai_asr_client as client
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)
from test_client_stop import Calling, hang_guard

from devkit.server import LocalServer


@pytest.fixture
async def server():
    async with LocalServer("script") as running:
        yield running


class Bug(Exception):
    """Nothing that anybody expects."""


def raising_once(owner: Any, name: str, after: int = 0) -> Any:
    """A method that raises at its call number ``after`` + 1."""
    original = getattr(owner, name)
    calls = 0

    def broken(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after + 1:
            raise Bug("planted")
        return original(*arguments, **more)

    return broken


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("opened", 0),
        ("receive", 0),
        ("receive", 3),
        ("next_message", 2),
        ("next_message", 8),
        ("tick", 0),
        ("pong", 0),
    ],
)
async def test_a_fault_in_the_core_costs_a_connection(
    server, monkeypatch, name, after
):
    broken = raising_once(Transcription, name, after)
    monkeypatch.setattr(Transcription, name, broken)
    call = Calling(server.url, server_turns=True)
    await call.client.start()
    errors = call.listener.count.errors
    with hang_guard(20):
        while not errors:
            call.say(1, 900)
            await asyncio.sleep(0.02)
    call.say(2, 900)
    call.finalize("end")
    await call.until(lambda: "end" in call.listener.ends)
    await call.until(lambda: call.listener.heard[-1:] == [call.words - 1])
    assert len(errors) == 1
    assert "Bug('planted')" in errors[0]
    assert "test_internal_faults.py" in errors[0], "its place is missing"
    assert " in broken" in errors[0]
    errors.clear()
    await call.stop()
    heard = call.listener.heard
    assert heard == sorted(set(heard))
    assert len(heard) == call.words


@pytest.mark.parametrize("where", ["dialer", "explaining"])
async def test_a_fault_while_connecting_is_a_failed_attempt(
    server, monkeypatch, where
):
    call = Calling(server.url, server_turns=True)
    if where == "dialer":
        broken = raising_once(call.client._dialer, "open")
        monkeypatch.setattr(call.client._dialer, "open", broken)
    else:
        server.refuse(http_status=503)
        broken = raising_once(connect_faults, "fault_of_exception")
        monkeypatch.setattr(client, "fault_of_exception", broken)
    await call.client.start()
    errors = call.listener.count.errors
    if where == "explaining":
        await call.until(lambda: errors)
        server.refuse(False)
        assert "Bug('planted')" in errors.pop()
    call.say(2, 900)
    call.finalize("end")
    await call.until(lambda: call.listener.heard == [0, 1])
    await call.stop()


async def test_a_listener_that_fails_is_logged_with_the_place(server):
    call = Calling(server.url, server_turns=True)

    async def fails(turn: object) -> None:
        raise Bug("planted")

    call.listener.on_asr_delta = fails  # type: ignore[method-assign]
    await call.client.start()
    call.say(2, 900)
    call.finalize("end")
    errors = call.listener.count.errors
    await call.until(lambda: call.listener.heard == [0, 1])
    assert "listener failed" in errors[0]
    assert " in fails" in errors[0]
    errors.clear()
    await call.stop()

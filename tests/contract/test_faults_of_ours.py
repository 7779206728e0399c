"""What goes wrong in the extension itself is told, and ends nothing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_packages.extension.openai_asr_python.call.call import Call as Parts
from ten_packages.extension.openai_asr_python.contract.frames import (
    IncomingFrames,
)
from ten_packages.extension.openai_asr_python.contract.handlers import (
    AsrHandlers,
)
from ten_packages.extension.openai_asr_python.realtime.exchange import Exchange

NON_FATAL = 1000
SECRET_WORDS = "what somebody said"


def failing(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, times: int
) -> None:
    """Let a method raise so many times; it is called no more then."""
    original = getattr(owner, name)
    calls = itertools.count()

    def broken(self: Any, *arguments: Any, **more: Any) -> Any:
        if next(calls) < times:
            raise ValueError(SECRET_WORDS)
        return original(self, *arguments, **more)

    monkeypatch.setattr(owner, name, broken)


async def say_and_finalize(call: Call) -> None:
    audio, _ = spoken([[1, 2], [3]])
    await call.send(audio)
    await call.until_finalized("end")


def internal(call: Call) -> list[str]:
    assert set(call.codes) <= {NON_FATAL}
    told = [error["message"] for error in call.errors]
    assert SECRET_WORDS not in str(call.messages)
    return [text for text in told if text.startswith("internal error: ")]


@pytest.mark.parametrize(
    ("owner", "name", "where"),
    [
        (IncomingFrames, "_push", "on_audio_frame: "),
        (IncomingFrames, "receive", "on_audio_frame: "),
        (Parts, "finalize", "on_data: "),
        (AsrHandlers, "_send_counters", ""),
        (AsrHandlers, "on_asr_delta", ""),
    ],
)
def test_a_fault_is_a_message_and_the_call_goes_on(
    server, monkeypatch, owner, name, where
):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        failing(monkeypatch, owner, name, 1)
        if name == "_send_counters":
            server.drop_connections()
        # What it may cost.
        await call.send(np.zeros(160, np.int16))
        await call.until_finalized("first")
        await say_and_finalize(call)
        # It may be told after what was on its way.
        await call.until(lambda: call.errors)

    call = run_call(properties(server.url), script)
    [told] = internal(call)
    assert told.startswith(f"internal error: {where}")
    assert "ValueError at test_faults_of_ours.py:" in told
    assert call.texts == text_of([1, 2], [3])


def test_a_fault_is_told_whatever_outage_there_was(server, monkeypatch):
    async def script(call: Call) -> None:
        for losses in (1, 2):
            await call.until(lambda: len(server.sessions) == losses)  # noqa: B023
            server.drop_connections()
        # The third loss; of those in a row the fourth is the next that is told.
        await call.until(lambda: len(server.sessions) == 3)
        failing(monkeypatch, Exchange, "receive", 1)
        await say_and_finalize(call)

    call = run_call(properties(server.url), script)
    assert len(internal(call)) == 1
    assert call.texts == text_of([1, 2], [3])


def test_a_fault_that_stays_is_told_ever_more_rarely(server, monkeypatch):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        failing(monkeypatch, IncomingFrames, "receive", 20)
        for _ in range(20):
            await call.send(np.zeros(160, np.int16))
        await say_and_finalize(call)

    call = run_call(properties(server.url), script)
    told = internal(call)
    assert len(told) == 5
    assert told[-1] == f"{told[0]} (16 times by now)"
    assert call.texts == text_of([1, 2], [3])

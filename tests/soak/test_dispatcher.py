"""Results are handed over where their event is read, and whoever reads never
waits for the listener."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any

import pytest
from ten_packages.extension.openai_asr_python.connection.dispatcher import (
    Dispatcher,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    Interim,
    InternalFault,
    Result,
    TurnResult,
)


class Listener:
    """Hears interims; ``gate``: what it waits for first, if for anything."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.heard: list[str] = []
        self.tasks: list[Any] = []
        self._gate = gate

    async def on_asr_delta(self, turn: TurnResult) -> None:
        self.tasks.append(asyncio.current_task())
        if self._gate is not None:
            try:
                await asyncio.wait_for(self._gate.wait(), 0.05)
            except asyncio.TimeoutError:
                self.heard.append("waited")
        self.tasks.append(asyncio.current_task())
        self.heard.append(turn.text)


def interim(text: str) -> Interim:
    return Interim(TurnResult("item_1", text, 0, 1))


def dispatcher(results: deque[Result], listener: Any) -> Dispatcher:
    lines: list[str] = []
    made = Dispatcher(results, listener, lambda _: None, lines.append)
    made.start()
    return made


async def test_what_there_is_goes_out_without_a_task_switch():
    results: deque[Result] = deque([interim("one"), interim("two")])
    listener = Listener()
    made = dispatcher(results, listener)
    made.hand_over()
    assert listener.heard == ["one", "two"]
    assert not results
    await made.finish(5)


@pytest.mark.parametrize("opens", [True, False])
async def test_a_listener_that_waits_holds_nobody_up_and_keeps_the_order(opens):
    gate = asyncio.Event()
    results: deque[Result] = deque([interim("one")])
    listener = Listener(gate)
    made = dispatcher(results, listener)
    caller = asyncio.current_task()
    made.hand_over()
    assert asyncio.current_task() is caller
    results.append(interim("two"))
    made.hand_over()
    # It is still at the first.
    assert listener.heard == []
    if opens:
        gate.set()
    await made.finish(5)
    # A time that is up is told to it, and not to who was reading.
    waited = [] if opens else ["waited"]
    assert listener.heard == [*waited, "one", *waited, "two"]
    assert len(set(listener.tasks)) == 1
    assert caller not in listener.tasks


async def test_a_listener_that_is_cancelled_does_not_cancel_the_reader():
    class Cancelled(Listener):
        async def on_asr_delta(self, turn: TurnResult) -> None:
            raise asyncio.CancelledError

    made = dispatcher(deque([interim("one")]), Cancelled())
    made.hand_over()
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelled()
    made.cancel()


async def test_one_that_fails_is_told_and_the_rest_follows():
    class Failing(Listener):
        async def on_asr_delta(self, turn: TurnResult) -> None:
            if turn.text == "one":
                raise ValueError(turn.text)
            await super().on_asr_delta(turn)

        async def on_asr_client_error(self, problem: Any) -> None:
            self.heard.append(problem.fault.code)

    listener = Failing()
    made = dispatcher(deque([interim("one"), interim("two")]), listener)
    made.hand_over()
    assert listener.heard == ["two", "internal"]
    await made.finish(5)


async def turn_by_turn() -> None:
    """As long as an end that nobody heeds may take."""
    for _ in range(100_000):
        await asyncio.sleep(0)


@pytest.mark.parametrize("work", [turn_by_turn, lambda: asyncio.Event().wait()])
async def test_a_listener_that_hangs_is_cancelled_at_the_end(work):
    class Hanging(Listener):
        async def on_asr_delta(self, turn: TurnResult) -> None:
            try:
                await work()
            except asyncio.CancelledError:
                self.heard.append("cancelled")
                raise

    listener = Hanging()
    made = dispatcher(deque([interim("one")]), listener)
    made.hand_over()
    await made.finish(0.01)
    assert listener.heard == ["cancelled"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="cannot tell which")
@pytest.mark.parametrize("waits", [True, False])
async def test_what_a_listener_waited_for_was_cancelled(waits):
    """That ends the listener's call, and no more."""

    class Cancelled(Listener):
        async def on_asr_delta(self, turn: TurnResult) -> None:
            if turn.text == "one":
                if waits:
                    await asyncio.sleep(0)
                raise asyncio.CancelledError
            await super().on_asr_delta(turn)

        async def on_asr_client_error(self, problem: InternalFault) -> None:
            self.heard.append(problem.fault.code)

    results: deque[Result] = deque([interim("one"), interim("two")])
    listener = Cancelled()
    made = dispatcher(results, listener)
    made.hand_over()
    await made.finish(5)
    assert listener.heard == ["two", "internal"]

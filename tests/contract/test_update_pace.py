"""Many `update_configs` at once leave the event loop to others."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from ten_packages.extension.openai_asr_python.call.slot import SlotState
from ten_packages.extension.openai_asr_python.contract.lifecycle import (
    UpdateCommands,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor
from ten_runtime import Cmd


class Queue:
    """Carries out commands when told to; counts the loop's turns meanwhile."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, str]] = []
        self.turns = 0
        self.go = asyncio.Event()

    async def carry_out(self, payload: dict[str, Any]) -> str:
        self.taken.append((self.turns, payload["prompt"]))
        await self.go.wait()
        return "at once"

    async def count(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


def command(prompt: str) -> Cmd:
    found = Cmd.create("update_configs")
    found.set_property_from_json("", json.dumps({"prompt": prompt}))
    return found


@pytest.fixture
async def queue():
    queue = Queue()
    counting = asyncio.ensure_future(queue.count())
    yield queue
    counting.cancel()


def told(ten: AsyncMock) -> list[tuple[int, str]]:
    return [
        (
            call.args[0].get_property_int("code")[0],
            call.args[0].get_property_string("message")[0],
        )
        for call in ten.return_result.call_args_list
    ]


async def test_between_two_commands_others_run_and_the_order_stays(queue):
    ten, log, count = AsyncMock(), Mock(), 200
    answered: list[int] = []
    ten.return_result.side_effect = lambda _: answered.append(queue.turns)
    commands = UpdateCommands(
        queue, Mock(state=SlotState.RUNNING), Redactor(), log
    )
    asked = [
        asyncio.ensure_future(commands.answer(ten, command(f"call {n}")))
        for n in range(count)
    ]
    for _ in range(1000):
        # More than enough of the loop's turns.
        await asyncio.sleep(0)
    turns, prompts = zip(*queue.taken, strict=True)
    assert len(set(turns)) == len(turns)
    assert list(prompts) == [f"call {n}" for n in range(64)]
    refused = told(ten)
    # Those that are refused are told why, one at a time as well, and are in
    # the log ever more rarely.
    assert len(refused) == len(set(answered)) == count - 64
    lines = [call.args[0] for call in log.warn.call_args_list]
    assert len(lines) == 8
    assert lines[-1].endswith("try again later (128 so far)")
    assert set(refused) == {
        (-1, "64 others have no answer yet; try again later")
    }
    queue.go.set()
    await asyncio.gather(*asked)
    assert told(ten)[-64:] == [(0, "applied")] * 64

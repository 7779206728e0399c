"""A final whose time is up is the text so far; what comes later is counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asr_call import Call, properties, run_call, spoken, text_of

from devkit.server import Faults, ServerThread

TRANSCRIPTION = "conversation.item.input_audio_transcription."
#: Text that is sent at once is there by then, in ms.
LONG = 2000
ONE = spoken([[1, 2]])[0]
COUNTERS = {
    "endpoint_switches",
    "reconnects",
    "replayed_ms",
    "dropped_ms",
    "billed_ms",
    "saved_ms",
    "late_finals",
    "late_final_words",
}


class Slow:
    """A call with a server that leaves the texts to the test."""

    def __init__(self, server: ServerThread, call: Call) -> None:
        self.server = server
        self.call = call

    async def turn(self, index: int = 0) -> None:
        """Somebody speaks, and the service commits it."""
        await self.call.send(ONE)
        await self.server.until(
            lambda: (
                self.server.sessions
                and len(self.server.sessions[0].commits) > index
            )
        )

    def says(self, kind: str, index: int = 0, **fields: Any) -> None:
        item = self.server.sessions[0].commits[index].item_id
        self.server.send(
            {"type": TRANSCRIPTION + kind, "item_id": item, **fields}
        )

    async def shown(self, text: str) -> None:
        await self.call.until(
            lambda: text in [r["text"] for r in self.call.results]
        )


def run(script: Callable[[Slow], Any], **params: Any) -> Call:
    faults = Faults(never_completed="always")
    with ServerThread(engine="script", faults=faults) as server:
        return run_call(
            properties(server.url, **params),
            lambda call: script(Slow(server, call)),
        )


def counters(call: Call) -> list[dict[str, int]]:
    metrics = call.metric("vendor_metrics")
    return [m for m in metrics if "late_finals" in m]


def order(call: Call) -> list[Any]:
    found: list[Any] = []
    for name, message in call.messages:
        if name == "asr_finalize_end":
            found.append(message["finalize_id"])
        elif name == "asr_result" and message["final"]:
            info = message["metadata"]["asr_info"]
            found.append((message["text"], info.get("early")))
    return found


def test_a_finalize_whose_time_is_up_gets_the_text_so_far():
    async def script(slow: Slow) -> None:
        await slow.turn()
        slow.says("delta", delta="good ")
        slow.says("delta", delta="morning")
        await slow.shown("good morning")
        await slow.call.until_finalized("f")

    call = run(script, finalize_timeout_ms=300)
    assert order(call) == [("good morning", True), "f"]
    assert call.errors == []
    [final] = call.finals
    interims = [r for r in call.results if not r["final"]]
    assert {r["start_ms"] for r in interims} == {final["start_ms"]}
    assert {r["id"] for r in interims} == {final["id"]}
    assert all("early" not in r["metadata"]["asr_info"] for r in interims)
    assert final["metadata"]["asr_info"]["early"] is True


@pytest.mark.parametrize(
    ("later", "words"), [("good morning", None), ("good mourning to all", 3)]
)
def test_what_differs_later_is_counted_and_not_said(later, words):
    async def script(slow: Slow) -> None:
        await slow.turn()
        slow.says("delta", delta="good morning")
        await slow.shown("good morning")
        await slow.call.until_finals(1)
        usage = {"type": "duration", "seconds": 1}
        slow.says("completed", transcript=later, usage=usage)
        await slow.turn(1)
        slow.says("completed", 1, transcript="the next one")
        await slow.call.until_finals(2)

    call = run(script, final_timeout_ms=LONG)
    assert order(call) == [("good morning", True), ("the next one", None)]
    usages = [m for m in call.metric("vendor_metrics") if "usage" in m]
    assert usages == [{"usage": {"type": "duration", "seconds": 1}}]
    if words is None:
        assert counters(call) == []
    else:
        [counted] = counters(call)
        assert set(counted) == COUNTERS
        assert (counted["late_finals"], counted["late_final_words"]) == (
            1,
            words,
        )


def test_a_turn_without_text_is_waited_for():
    async def script(slow: Slow) -> None:
        await slow.turn()
        await slow.call.until_finalized("f")
        slow.says("completed", transcript="good morning")
        await slow.call.until_finals(1)

    call = run(script, finalize_timeout_ms=300, final_timeout_ms=100)
    assert order(call) == ["f", ("good morning", None)]
    assert [e["vendor_info"]["code"] for e in call.errors] == [
        "finalize_timeout"
    ]


def test_a_replay_does_not_say_it_again():
    async def script(slow: Slow) -> None:
        call, server = slow.call, slow.server
        await slow.turn()
        slow.says("delta", delta="good morning")
        await call.until_finals(1)
        await slow.turn(1)
        server.inject(never_completed="never")
        server.drop_connections(abort=True)
        await call.until_finals(2)

    call = run(script, final_timeout_ms=LONG)
    assert [early for _, early in order(call)] == [True, None]
    first, second = call.finals
    assert second["start_ms"] >= first["start_ms"] + first["duration_ms"]
    assert second["text"] == text_of([1, 2])[0]


@pytest.mark.parametrize("value", [-1, 120_001, "soon"])
def test_its_range(value):
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    config = properties("ws://127.0.0.1:1/v1", final_timeout_ms=value)
    call = run_call(config, script)
    assert call.codes == [-1000]
    assert "final_timeout_ms" in call.errors[0]["message"]


def test_the_document_names_the_counters():
    text = Path("docs/contract.md").read_text(encoding="utf-8")
    part = text.split("## What is ours")[1].split("## ")[0]
    assert set(re.findall(r"`(\w+)`", part)) >= COUNTERS

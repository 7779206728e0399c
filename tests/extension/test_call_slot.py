"""Which call a node has: the table of its states, and positions."""

from __future__ import annotations

import itertools
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from ten_packages.extension.openai_asr_python.call.slot import (
    SLOT_MOVES,
    CallSlot,
    NodeAudio,
    SlotState,
)
from ten_packages.extension.openai_asr_python.extension import (
    OpenAIASRExtension,
)
from ten_packages.extension.openai_asr_python.realtime.states import IllegalMove


class StubCall(SimpleNamespace):
    """What a slot knows of a call."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(
            fatal=None,
            running=False,
            received_ms=0,
            taken_ms=0,
            counters={},
            **fields,
        )

    async def start(self) -> None:
        self.running = True


async def slot_in(state: SlotState) -> CallSlot:
    """A slot that got there by its methods."""
    slot = CallSlot()
    call: Any = StubCall()
    if state in (SlotState.IDLE, SlotState.RUNNING, SlotState.GAVE_UP):
        slot.put(call)
    if state in (SlotState.RUNNING, SlotState.GAVE_UP):
        await slot.start()
    if state is SlotState.GAVE_UP:
        call.fatal = "refused"
    if state is SlotState.OVER:
        slot.close()
    assert slot.state is state
    return slot


async def go(slot: CallSlot, state: SlotState) -> None:
    if state is SlotState.IDLE:
        call: Any = StubCall()
        slot.put(call)
    elif state is SlotState.RUNNING:
        await slot.start()
    else:
        slot.close()


def test_each_state_has_a_sentence_and_a_line_in_the_table():
    assert set(SLOT_MOVES) == set(SlotState)
    assert len({state.value for state in SlotState}) == len(SlotState)
    assert all(len(state.value.split()) > 3 for state in SlotState)


@pytest.mark.parametrize(
    ("first", "then"),
    # What is given up, the core decides; nothing leads back to INERT.
    list(
        itertools.product(
            SlotState, [SlotState.IDLE, SlotState.RUNNING, SlotState.OVER]
        )
    ),
)
async def test_the_table_is_what_the_methods_keep_to(first, then):
    slot = await slot_in(first)
    call = slot.call
    if then in SLOT_MOVES[first]:
        await go(slot, then)
        assert slot.state is then
    else:
        with pytest.raises(IllegalMove, match=f"{first} -> "):
            await go(slot, then)
        assert (slot.state, slot.call) == (first, call)


async def test_only_a_call_that_may_go_on_is_living():
    for state in SlotState:
        slot = await slot_in(state)
        alive = state in (SlotState.IDLE, SlotState.RUNNING)
        assert (slot.living is not None) == alive


async def test_an_illegal_transition_leaves_no_callback(monkeypatch):
    extension = OpenAIASRExtension("asr")
    lines: list[str] = []
    monkeypatch.setattr(
        extension._log, "error", lambda text, *_: lines.append(text)
    )

    async def broken(*_: object) -> None:
        await extension._slot.start()

    monkeypatch.setattr(extension._frames, "drain", broken)
    await extension.on_stop(None)
    assert any("IllegalMove" in line for line in lines), lines


def test_the_next_call_begins_behind_one_that_was_given_up():
    audio = NodeAudio()
    audio.lose(Fraction(21, 2))
    assert audio.skip_lost() == (0, 10)
    assert audio.position_ms(5) == 15
    call: Any = StubCall()
    call.received_ms, call.taken_ms = 100, 60
    audio.skip_call(call)
    audio.lose(Fraction(1, 2))
    # The halves of a millisecond add up.
    assert audio.skip_lost() == (70, 41)
    assert audio.position_ms(0) == 111
    assert audio.skip_lost() == (111, 0)


async def test_a_finalize_goes_to_the_call_that_an_update_put_there(
    monkeypatch,
):
    """Meanwhile: while it waited for the frames that came before."""
    extension = OpenAIASRExtension("asr")
    asked: list[tuple[str, Any]] = []

    def stub(name: str) -> Any:
        return StubCall(finalize=lambda token: asked.append((name, token)))

    async def drain() -> None:
        extension._slot.put(stub("second"))
        await extension._slot.start()

    extension._slot.put(stub("first"))
    monkeypatch.setattr(extension._frames, "drain", drain)
    extension.finalize_id = "end"
    await extension.finalize(None)
    assert [(name, token[0]) for name, token in asked] == [("second", "end")]

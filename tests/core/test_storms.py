"""A server that ends each session is not dialed without an end."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_core import SERVER, TRANSCRIPTION, ScriptedCore
from sim import SILENCE, ms

SECOND = b"\x00" * 8000
LOUD = bytes(range(256)) * 31


def failed(item: str) -> dict[str, Any]:
    kind = TRANSCRIPTION + "failed"
    return {"type": kind, "item_id": item, "error": {"message": "no"}}


def word(item: str) -> dict[str, Any]:
    kind = TRANSCRIPTION + "completed"
    return {"type": kind, "item_id": item, "transcript": "x"}


def committed(item: str) -> dict[str, Any]:
    kind = "input_audio_buffer.committed"
    return {"type": kind, "item_id": item, "previous_item_id": None}


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize(
    "says",
    [
        [failed("a"), failed("b")],
        [failed("a")],
        [word("a")],
        [committed("a"), word("a")],
        [committed("a"), failed("a")],
    ],
)
def test_without_audio_there_is_no_progress(says, closes):
    core = ScriptedCore(SERVER)
    connections = 0
    while core.now < 160.0:
        if core.core.sessions.due_at() is None:
            if not closes:
                # It is content with this session.
                break
            core.core.exchange.closed(core.link, 1000, "", core.now)
        due = core.core.sessions.due_at()
        assert due is not None
        core.now = max(core.now, due)
        core.session()
        connections += 1
        # At once, then after about 0.5, 1, 2, 4, 8 and 10 s.
        assert connections <= 16
        for event in says:
            if not core.link.must_close:
                core.say(event)


def test_after_some_audio_the_next_attempt_is_made_at_once():
    core = ScriptedCore(SERVER)
    for number in range(20):
        core.session()
        core.hear(LOUD)
        core.wait(1.0)
        core.say(committed(f"i{number}"), word(f"i{number}"))
        core.core.exchange.closed(core.link, 1000, "", core.now)
        assert core.core.sessions.due_at() == core.now, number


def flooded() -> ScriptedCore:
    """More finals at once than a second may have."""
    core = ScriptedCore(SERVER)
    core.session()
    core.live(SILENCE * ms(1000))
    before = None
    for item in "abcdef":
        core.committed(item, before)
        core.transcribed("completed", item, transcript=item * 40_000)
        before = item
    assert [final[0] for final in core.finals] == ["a", "b", "c"]
    return core


def test_finals_beyond_what_a_second_may_have_come_later():
    core = flooded()
    core.wait(0.5)
    assert [final[0] for final in core.finals] == ["a", "b", "c", "d"]
    core.wait(1)
    assert [final[0] for final in core.finals] == list("abcdef")


def test_a_session_that_ends_while_its_finals_wait_leaves_nothing_due():
    """`wait` fails where a deadline does not move on."""
    core = flooded()
    core.core.exchange.closed(core.link, 1001, "", core.now)
    core.wait(20)
    core.session()
    core.live(SILENCE * ms(1000))
    core.committed("g", None)
    core.transcribed("completed", "g", transcript="g")
    assert core.finals[-1] == "g"

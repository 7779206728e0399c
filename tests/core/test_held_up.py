"""A process that stands still for a while: what came meanwhile is told late,
and was in time."""

from __future__ import annotations

import pytest
from scripted_core import ScriptedCore
from ten_packages.extension.openai_asr_python.realtime.results import (
    FinalizeEnd,
)
from test_failover import Call
from test_late_finals import WORDS, begun, told


def held_up(core: ScriptedCore, seconds: float) -> None:
    """A timer is set for what is due; nobody looks at it for so long."""
    core.core.exchange.deadline()
    core.now += seconds


def look_at_timer(core: ScriptedCore) -> None:
    """It rings at last."""
    due = core.core.exchange.deadline()
    if due is not None and due <= core.now:
        core.core.exchange.tick(core.now)
        core.look()


@pytest.mark.parametrize(
    "limits", [{"finalize_timeout_ms": 1000}, {"final_timeout_ms": 1000}]
)
def test_a_last_word_that_came_before_its_time_was_over(limits):
    core = begun(**limits)
    core.hear(WORDS)
    core.core.finalize("f", core.now)
    core.look()
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one two")
    core.wait(0.8)
    held_up(core, 2)
    # Neither what is said next nor what the user does looks at the clock.
    core.transcribed("delta", "a", delta=" three")
    core.hear(WORDS)
    core.core.finalize("g", core.now)
    core.look()
    assert told(core) == []
    core.transcribed("completed", "a", transcript="one two three four")
    look_at_timer(core)
    assert told(core) == ["one two three four", "f"]


@pytest.mark.parametrize("late", [0.0, 0.4, 1.0, 3.0])
def test_the_time_of_a_finalize_begins_as_it_is_asked_for(late):
    """It may have to wait before it can be carried out."""
    core = begun(finalize_timeout_ms=1000)
    core.hear(WORDS)
    asked_at = core.now
    core.wait(late)
    core.core.finalize("f", core.now, asked_at)
    core.look()
    core.committed("a", None)
    core.wait(5)
    assert told(core) == ["f?"]
    [end] = core.of(FinalizeEnd)
    assert end.waited_ms == pytest.approx(max(late, 1.0) * 1000, abs=20)
    core.transcribed("completed", "a", transcript="one two")
    assert told(core) == ["f?", "one two"]


def test_a_finalize_whose_answer_did_not_come_is_over():
    core = begun(finalize_timeout_ms=1000)
    core.hear(WORDS)
    core.core.finalize("f", core.now)
    core.look()
    core.committed("a", None)
    held_up(core, 2)
    core.hear(WORDS)
    assert told(core) == []
    look_at_timer(core)
    assert told(core) == ["f?"]
    core.transcribed("completed", "a", transcript="one two")
    assert told(core) == ["f?", "one two"]


def test_an_endpoint_whose_session_was_on_its_way():
    core = Call()
    core.connect()
    held_up(core, 4.6)
    look_at_timer(core)
    assert core.used == "primary"
    core.say({"type": "session.created", "session": {"id": "s", "audio": {}}})
    core.say({"type": "session.updated", "session": {}})
    assert core.core.sessions.active is core.link
    assert core.switches == []


def test_one_that_has_none_has_half_of_the_time_more_and_once():
    core = Call(fallback_after_ms=4000)
    begun_at = core.now
    core.connect()
    while core.used == "primary":
        held_up(core, 4.6)
        look_at_timer(core)
    assert core.now - begun_at == pytest.approx(9.2)


def test_who_is_on_time_has_no_more_than_that():
    core = Call(fallback_after_ms=4000)
    core.connect()
    core.wait(3.9)
    assert core.used == "primary"
    core.wait(0.2)
    assert core.used == "fallbacks[0]"

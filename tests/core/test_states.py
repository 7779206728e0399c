"""States move along their tables, and the document shows the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import pytest
from scripted_core import (
    CREATED,
    OTHER,
    SERVER,
    SETTINGS,
    UPDATED,
    ScriptedCore,
    created,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.states import (
    IllegalMove,
    Machine,
)

from devkit.sim.random_call import run
from devkit.state_tables import DOCUMENT, TABLES, with_tables

BETA = {"type": "transcription_session.created", "session": {"id": "s"}}
IDS = [states.__name__ for _, states, _ in TABLES]


class Light(Enum):
    RED = "stop"
    GREEN = "go"


def test_a_move_that_the_table_does_not_know_raises_and_changes_nothing():
    light = Machine(
        Light.RED,
        {Light.RED: frozenset({Light.GREEN}), Light.GREEN: frozenset()},
    )
    light.to(Light.GREEN)
    with pytest.raises(IllegalMove, match=r"GREEN -> Light\.RED"):
        light.to(Light.RED)
    assert light.state is Light.GREEN


@pytest.mark.parametrize(("title", "states", "moves"), TABLES, ids=IDS)
def test_a_table_tells_of_every_state(
    title: str, states: type[Enum], moves: Mapping[Any, frozenset[Any]]
):
    assert set(moves) == set(states)
    first = next(iter(states))
    reached, todo = {first}, [first]
    while todo:
        for state in moves[todo.pop()] - reached:
            reached.add(state)
            todo.append(state)
    assert reached == set(states)
    for state in states:
        assert isinstance(state.value, str)
        assert state.value


def stopped_while_waiting() -> None:
    core = ScriptedCore()
    core.core.stop(core.now)


def unannounced_turn() -> None:
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SILENCE * ms(1000))
    stopped = "input_audio_buffer.speech_stopped"
    core.say({"type": stopped, "item_id": "i", "audio_end_ms": 900})


def stopped_while_a_change_waits() -> None:
    core = ScriptedCore()
    core.session()
    core.hear(word_audio(1))
    core.core.change(OTHER, core.now)
    core.core.stop(core.now)


def refused_update() -> None:
    core = ScriptedCore()
    core.session()
    core.core.change(OTHER, core.now)
    core.look()
    core.say({"type": "error", "error": {"code": "no"}})


def update_overtaken() -> None:
    """A session that stands ready takes over before the answer."""
    core = ScriptedCore()
    core.connect()
    core.say(created(100.0), UPDATED)
    first = core.link
    core.hear(word_audio(1))
    core.wait(91.0)
    core.session()
    core.core.change(OTHER, core.now)
    core.core.hurry(core.now)
    core.core.exchange.closed(first, 1006, "", core.now)


def unconfirmed_settings() -> None:
    """Audio goes out on trial, and the server hears it; the next session
    speaks the other dialect, after we have begun in ours."""
    core = ScriptedCore(SERVER)
    core.connect()
    core.say(CREATED)
    core.wait(10.1)
    core.hear(word_audio(1))
    core.say({"type": "input_audio_buffer.speech_started", "item_id": "i"})
    core.core.exchange.closed(core.link, 1001, "", core.now)
    core.connect()
    core.say(CREATED)
    core.say(BETA)


def another_dialect_after_all() -> None:
    core = ScriptedCore()
    core.session()
    core.say(BETA)


def failed_after_an_early_final() -> None:
    core = ScriptedCore(final_timeout_ms=1000)
    core.session()
    core.hear(word_audio(1) * 10, commit=True)
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one")
    core.wait(1)
    core.transcribed("failed", "a", error={})


def failed(kind: str = "server_error", live: bool = False) -> ScriptedCore:
    """A turn failed, and the audio after it is held."""
    settings = replace(SETTINGS, live=live)
    core = ScriptedCore(settings, max_buffer_ms=4000)
    core.session()
    core.hear(word_audio(1) * 10, commit=True)
    core.committed("a", None)
    core.transcribed("failed", "a", error={"type": kind})
    return core


def nearly_full_while_a_failed_turn_waits() -> None:
    core = failed()
    core.hear(word_audio(2) * 110)
    core.wait(20)


def nearly_full_while_a_pause_is_waited_for() -> None:
    core = failed(live=True)
    core.hear(word_audio(2) * 20)
    core.wait(2)
    core.hear(word_audio(2) * 90)
    core.wait(20)


def silent_too_and_lost() -> None:
    """The session that gets the same sound is lost before its time is up."""
    core = ScriptedCore(SERVER)
    core.session()
    core.quiet(1)
    core.live(word_audio(1) * 10)
    core.quiet(12)
    core.session()
    core.quiet(8)
    core.core.exchange.closed(core.link, 1001, "", core.now)
    core.wait(2)
    core.session()


def silent_about_what_the_one_before_heard() -> None:
    """That ended a turn, gave no text of it, and was silent about the rest."""
    core = ScriptedCore(SERVER)
    core.session()
    core.quiet(1)
    core.live(word_audio(1) * 10)
    core.turn("a", 700, 1800)
    core.quiet(1)
    core.live(word_audio(2) * 10)
    core.quiet(11)
    core.session()
    core.quiet(8)


def refused_after_deaths(deaths: int) -> None:
    """So many sessions end on the only turn, and then it is refused."""
    core = ScriptedCore()
    core.session()
    core.hear(word_audio(1) * 10, commit=True)
    for _ in range(1 + deaths):
        core.core.exchange.closed(core.link, 1011, "", core.now)
        core.wait(12)
        core.session()
    for item in ("a", "b"):
        core.wait(2)
        core.committed(item, None)
        error = {"code": "insufficient_quota"}
        core.transcribed("failed", item, error=error)


def refused_when_slower() -> None:
    refused_after_deaths(2)


def refused_when_slowest() -> None:
    refused_after_deaths(3)


RARE = (
    refused_when_slower,
    refused_when_slowest,
    nearly_full_while_a_failed_turn_waits,
    nearly_full_while_a_pause_is_waited_for,
    silent_about_what_the_one_before_heard,
    silent_too_and_lost,
    failed_after_an_early_final,
    stopped_while_waiting,
    stopped_while_a_change_waits,
    unannounced_turn,
    refused_update,
    update_overtaken,
    unconfirmed_settings,
    another_dialect_after_all,
)

#: Kinds of faults that make the moves which are rare elsewhere: a session is
#: silent about what it hears, and one names the time to try a turn again.
RARE_KINDS = (
    "failing_timed",
    "frozen_before",
    "frozen_in_turn",
    "frozen_after_commit",
    "steady_sound",
)


def test_nothing_is_allowed_that_never_happens(monkeypatch):
    """In random calls with faults; a move that none makes is no rule."""
    made: set[tuple[Enum, Enum]] = set()
    to = Machine.to

    def noted(self: Machine[Any], state: Any) -> None:
        before = self.state
        to(self, state)
        made.add((before, state))

    monkeypatch.setattr(Machine, "to", noted)
    allowed = {
        (before, after)
        for _, states, moves in TABLES
        # Not in a simulated call: tests/soak/test_client_stop.py and
        # tests/extension/test_call_slot.py have those of client and node.
        if ".realtime." in states.__module__
        for before, afters in moves.items()
        for after in afters
        if before is not after
    }
    for rare in RARE:
        rare()
    for seed in range(60):
        if allowed <= made:
            break
        run(seed)
        for kind in RARE_KINDS if seed < 6 else ():
            run(seed, kinds={kind})
    assert allowed - made == set()


def test_the_document_shows_the_tables_as_they_are():
    text = DOCUMENT.read_text(encoding="utf-8")
    mended_by = "run: .venv/bin/python -m devkit.state_tables --write"
    assert with_tables(text) == text, mended_by

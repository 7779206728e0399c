"""What is known of one address is not believed of another one, and what one
says is not held against the other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from scripted_core import (
    CREATED,
    RETRY,
    SETTINGS,
    UPDATE,
    UPDATED,
    WALL,
    ScriptedCore,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    SessionLost,
    SettingsChanged,
)

TURN = word_audio(1) * 10 + SILENCE * ms(700)
BUSY = Fault("retry", "503", "busy", 300.0)
KEY_REFUSED = 3000, "invalid_request_error.invalid_api_key"
REFUSAL = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "Invalid value: language",
        "event_id": "evt_session_ga",
    },
}


def say(core: ScriptedCore, item: str, text: str) -> None:
    core.hear(TURN, commit=True)
    core.committed(item, None)
    core.transcribed("completed", item, transcript=text)


def unconfirmed(core: ScriptedCore) -> None:
    """A session of a server that confirms nothing, and transcribes."""
    core.connect()
    core.say(CREATED)
    core.wait(11)
    assert core.core.active is core.link


# -- a time to wait ----------------------------------------------------------


def test_a_time_that_the_address_before_named_is_no_matter_of_this_one():
    core = ScriptedCore()
    core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(BUSY, core.now)
    core.look()
    assert core.of(SessionLost)[-1].retry_ms >= 300_000
    core.core.change(SETTINGS, core.now, address="new")
    core.session()
    assert core.of(SettingsChanged) == [SettingsChanged(None, "new session")]
    say(core, "a", "one")
    core.core.exchange.closed(core.link, 1006, "reset", core.now)
    core.look()
    assert core.of(SessionLost)[-1].retry_ms == 0


def test_back_at_the_address_that_named_a_time_it_still_holds():
    core = ScriptedCore()
    core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(BUSY, core.now)
    for address in "new", None:
        core.core.change(SETTINGS, core.now, address=address)
        core.session()
    core.core.exchange.closed(core.link, 1006, "reset", core.now)
    core.look()
    assert core.of(SessionLost)[-1].retry_ms >= 299_000


def test_a_time_that_a_refused_address_named_is_no_matter_of_this_one():
    core = ScriptedCore()
    core.session()
    core.core.exchange.closed(core.link, 1006, "reset", core.now)
    core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(RETRY, core.now)
    core.core.change(SETTINGS, core.now, address="wrong", within_s=9.5)
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert attempt.address == "wrong"
    core.core.exchange.failed(BUSY, core.now)
    core.wait(10)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is not None
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert attempt.address is None


# -- what it is known to do ---------------------------------------------------


def test_the_other_address_may_refuse_though_the_first_confirms_nothing():
    core = ScriptedCore()
    unconfirmed(core)
    say(core, "a", "one")
    old = core.link
    core.core.change(replace(SETTINGS, prompt="x"), core.now, address="new")
    core.connect()
    core.say(CREATED)
    core.hear(TURN, commit=True)
    assert core.types == [UPDATE]
    core.say(REFUSAL)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is not None
    assert core.core.fatal is None
    assert core.core.active is old


@pytest.mark.parametrize("address", [None, "another key"])
def test_who_confirms_nothing_is_not_waited_for_again(address):
    core = ScriptedCore()
    unconfirmed(core)
    say(core, "a", "one")
    core.core.change(replace(SETTINGS, prompt="x"), core.now, address=address)
    core.connect()
    core.say(CREATED)
    core.wait(1)
    [answer] = core.of(SettingsChanged)
    assert answer == SettingsChanged(None, "new session")


def test_another_address_that_confirms_does_so():
    core = ScriptedCore()
    unconfirmed(core)
    say(core, "a", "one")
    core.core.change(SETTINGS, core.now, address="new")
    core.session()
    assert core.of(SettingsChanged)[0].refused is None
    assert core.core.sessions.habits.confirms


def test_no_update_goes_to_a_session_that_confirmed_nothing_so_far():
    core = ScriptedCore()
    unconfirmed(core)
    old, sent = core.link, len(core.sent)
    core.core.change(replace(SETTINGS, prompt="x"), core.now, within_s=9.5)
    core.look()
    assert UPDATE not in core.types[sent:]
    core.connect()
    core.say(CREATED)
    core.link = old
    # The running session is no worse off.
    core.wait(10)
    assert core.of(SettingsChanged)[0].refused is not None
    assert core.core.active is old
    say(core, "a", "one")
    assert core.finals == ["one"]


# -- the end of what was in force ------------------------------------------


@pytest.mark.parametrize("ready", [True, False])
def test_the_old_key_is_refused_while_a_new_one_is_on_its_way(ready):
    core = ScriptedCore()
    core.session()
    core.hear(TURN, commit=True)
    core.core.change(SETTINGS, core.now, address="new key", within_s=9.5)
    core.core.exchange.next_attempt(core.now)
    old, new = core.link, core.core.exchange.opened(core.now, WALL)
    events = [json.dumps(event) for event in (CREATED, UPDATED)]
    if ready:
        for event in events:
            core.core.exchange.receive(new, event, core.now)
    core.core.exchange.closed(old, *KEY_REFUSED, core.now)
    core.link, core.sent = new, []
    core.look()
    if not ready:
        core.say(*events)
    assert core.of(SettingsChanged) == [SettingsChanged(None, "new session")]
    assert core.of(AudioDropped) == []
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert core.finals == ["one"]


def test_old_and_new_key_are_refused():
    core = ScriptedCore()
    core.session()
    core.core.change(SETTINGS, core.now, address="new key", within_s=9.5)
    core.core.exchange.next_attempt(core.now)
    old, new = core.link, core.core.exchange.opened(core.now, WALL)
    core.core.exchange.closed(old, *KEY_REFUSED, core.now)
    core.core.exchange.closed(new, *KEY_REFUSED, core.now)
    core.look()
    [answer] = core.of(SettingsChanged)
    assert answer.refused is not None
    assert answer.refused.fatal
    # The old one has the last word on itself.
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert attempt.address is None
    core.core.exchange.failed(Fault("fatal", "401", "no"), core.now)
    core.look()
    assert core.core.fatal is not None

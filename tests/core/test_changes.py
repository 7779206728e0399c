"""A change of the settings: one answer each, and no word lost by it."""

from __future__ import annotations

import random
from dataclasses import replace

from sim import Call, Faults, SimServer
from ten_packages.extension.openai_asr_python.realtime.results import (
    SettingsChanged,
)

from bench.soak.core import run_batch


def make_call(owner: str = "server", **faults: float) -> Call:
    rng = random.Random(1)
    call = Call(rng, SimServer(rng, Faults(**faults)), owner)
    call.say(3)
    call.pause(1500)
    return call


def answers(call: Call) -> list[SettingsChanged]:
    return [r for r in call.results if isinstance(r, SettingsChanged)]


def test_the_end_answers_a_change_under_way():
    call = make_call()
    call.say(2)
    call.change(by_session=False)
    call.stop()
    [answer] = answers(call)
    assert answer.refused is not None


def test_a_change_after_the_end_is_refused_at_once():
    call = make_call()
    call.stop()
    call.change(by_session=True)
    [answer] = answers(call)
    assert answer.refused is not None


def test_a_fatal_fault_answers_a_change_and_ends_all_attempts():
    call = make_call()
    call.say(2)
    call.change(by_session=False)
    call.drop(3000)
    call.wait(30)
    [answer] = answers(call)
    assert answer.refused is not None
    assert call.core.fatal is not None


def test_a_change_during_an_outage_does_not_undo_the_back_off():
    call = make_call()
    call.reachable = False
    call.drop()
    call.wait(4)
    before = call.faults_done
    call.change(by_session=True)
    call.wait(9)
    assert call.faults_done - before < 8
    call.reachable = True
    call.say(2)
    call.finish()
    call.check()


def test_an_update_without_an_answer_does_not_hold_up_the_call():
    call = make_call(mute_change=1.0)
    call.change(by_session=False)
    call.say(3)
    call.pause(12_000)
    [answer] = answers(call)
    assert answer.refused is not None
    assert answer.refused.code == "timeout"
    call.say(3)
    call.finish()
    call.check()
    assert len(call.heard) == 9


def test_a_change_holds_for_what_is_said_later():
    for by_session in (True, False):
        call = make_call()
        call.change(by_session, model="whisper-1")
        call.pause(3000)
        assert [a.refused for a in answers(call)] == [None]
        expected = replace(call.settings, model="whisper-1")
        assert call.core.settings == expected
        [connection] = call.connections
        assert (connection.model, connection.prompt) == (
            "whisper-1",
            "change 1",
        )
        call.say(2)
        call.finish()
        call.check()


def detector(silence_ms: int) -> dict[str, object]:
    return {
        "type": "server_vad",
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
    }


def test_turns_keep_the_times_of_the_detector_that_found_them():
    """The end of a turn is its end less the silence that ended it then."""
    call = make_call()
    call.server.faults = Faults(delay_s=0.0, no_completed=1.0)
    call.say(3)
    call.pause(700)
    call.server.faults = Faults(delay_s=6.0)
    call.say(3)
    call.pause(600)
    # The head is stuck, so the change is made while turns wait.
    call.change(by_session=False, turn_detection=detector(900))
    call.pause(6000)
    assert [a.refused for a in answers(call)] == [None]
    call.finish()
    call.check()


def test_a_change_waits_for_a_connection_under_way_without_spinning():
    call = make_call("client", delay_s=0.5)
    call.connect_s = 30.0
    call.drop()
    call.say(2)
    call.change(by_session=True, model="whisper-1")
    call.pause(12_000)
    assert len(answers(call)) == 1
    call.finish()
    call.check()


def test_a_spare_session_makes_room_for_a_change():
    rng = random.Random(1)
    call = Call(rng, SimServer(rng, Faults(delay_s=9.0), life=30.0), "client")
    call.say(2)
    call.finalize()
    call.wait(0.2)
    while call.core.sessions.standby is None:
        call.say(4)
        call.finalize()
    call.pause(300)
    call.change(by_session=True, model="whisper-1")
    call.pause(9000)
    assert [a.refused for a in answers(call)] == [None]
    call.finish()
    call.check()


def test_calls_in_which_the_soak_found_broken_changes():
    calls = [20000318, 20001024, 20002242, 20003006, 711170001654]
    # The next turn had begun with silence while earlier ones were waited for.
    calls += [120000774]
    # A third connection beside a spare; a time at a cut of the clock; a turn
    # of no length that overlapped the next.
    calls += [40000135, 50000470, 4242420003844]
    assert run_batch(calls)[1] == {}

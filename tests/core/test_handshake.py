"""From an open WebSocket to settings that are in force, or why not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from scripted_core import (
    APPEND,
    CREATED,
    SETTINGS,
    TRANSCRIPTION,
    UPDATED,
    ScriptedCore,
)
from sim import SILENCE, Call, Faults, SimServer, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    ServerProblem,
    SessionLost,
    SessionReady,
)

BETA_CREATED = {
    "type": "transcription_session.created",
    "session": {"input_audio_format": "pcm16"},
}
LOAD = {
    "type": "server_error",
    "code": "model_load_error",
    "message": "failed to load model x: file not found",
}
SPEECH = word_audio(1) + SILENCE * ms(500)


def lost(core: ScriptedCore) -> SessionLost:
    [found] = core.of(SessionLost)
    return found


def unconfirmed() -> ScriptedCore:
    """A session that gets audio after ten seconds, never confirmed."""
    core = ScriptedCore()
    core.connect()
    core.hear(SPEECH, commit=True)
    core.say(CREATED)
    core.wait(9.9)
    assert APPEND not in core.types
    core.wait(0.2)
    assert APPEND in core.types
    return core


# -- an error in place of a session ------------------------------------------


def test_an_error_in_place_of_a_session_is_told_before_any_timeout():
    core = ScriptedCore()
    core.connect()
    core.say({"type": "error", "error": LOAD})
    core.wait(0.6)
    fault = lost(core).fault
    assert fault.code == "model_load_error"
    for word in ("failed to load model x", "server_error", "model_load_error"):
        assert word in fault.message
    assert fault.verdict == "retry"
    assert core.link.must_close


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ({"error": "no such model"}, "error", "no such model"),
        ({"error": "busy", "code": "E42"}, "E42", "busy"),
        ({"message": "no room", "code": 507}, "507", "no room"),
        ({"error": {"code": 503, "message": "later"}}, "503", "later"),
        ({"error": {}}, "error", "unspecified"),
        ({"error": None}, "error", "unspecified"),
        ({}, "error", "unspecified"),
    ],
)
def test_errors_of_other_shapes_are_read(error, code, words):
    core = ScriptedCore()
    core.connect()
    core.say({"type": "error", **error})
    core.wait(0.6)
    assert lost(core).fault.code == code
    assert words in lost(core).fault.message


@pytest.mark.parametrize("typed", [True, False])
def test_a_close_right_behind_explains_more_and_is_one_report(typed):
    core = ScriptedCore()
    core.connect()
    message = "This operation requires ephemeral authentication."
    error = {"error": {"code": "Unauthorized", "message": message}}
    core.say({"type": "error", **error} if typed else error)
    core.now += 0.1
    core.core.exchange.closed(core.link, 1008, "", core.now)
    core.look()
    fault = lost(core).fault
    assert fault.fatal
    assert fault.code == "Unauthorized"
    assert message in fault.message


def test_an_error_before_session_created_is_no_refusal():
    core = ScriptedCore()
    core.connect()
    core.say({"type": "error", "error": LOAD})
    core.now += 0.3
    core.say(CREATED, UPDATED)
    core.wait(2)
    assert core.of(SessionLost) == []
    assert len(core.of(SessionReady)) == 1
    [problem] = core.of(ServerProblem)
    assert "failed to load" in problem.fault.message


@pytest.mark.parametrize("code", ["insufficient_quota", "invalid_api_key"])
def test_what_lasts_ends_the_call_also_without_a_close(code):
    core = ScriptedCore()
    core.connect()
    core.say({"type": "error", "error": {"code": code, "message": "no"}})
    core.wait(0.6)
    assert lost(core).fault.fatal
    assert core.core.exchange.deadline() is None


@pytest.mark.parametrize("protocol", ["auto", "ga"])
def test_refused_settings_are_told_as_such_and_at_once(protocol):
    core = ScriptedCore(protocol=protocol)
    core.connect()
    if protocol == "auto":
        core.say(CREATED)
    asked = core.sent[0]["event_id"]
    error = {"code": "invalid_value", "message": "no", "event_id": asked}
    core.say({"type": "error", "error": error})
    fault = lost(core).fault
    assert fault.fatal
    assert "session settings" in fault.message
    assert "code invalid_value" in fault.message


def test_an_error_before_the_session_is_not_taken_for_refused_settings():
    """With a fixed protocol the settings go out before the server speaks."""
    core = ScriptedCore(protocol="ga")
    core.connect()
    core.say({"type": "error", "error": LOAD})
    core.wait(0.6)
    assert "opened no session" in lost(core).fault.message


# -- a server that does not speak first --------------------------------------


def test_a_silent_server_is_spoken_to_after_two_seconds():
    core = ScriptedCore()
    core.connect()
    core.wait(1.9)
    assert core.sent == []
    core.wait(0.2)
    assert core.types == ["session.update"]
    core.say(CREATED, UPDATED)
    assert core.types == ["session.update"]
    assert len(core.of(SessionReady)) == 1
    assert core.of(ServerProblem) == core.of(SessionLost) == []


@pytest.mark.parametrize(
    "created",
    [
        BETA_CREATED,
        {"type": "transcription_session.created", "session": {"id": "s"}},
        {**CREATED, "session": {"input_audio_format": "pcm16"}},
    ],
)
def test_a_silent_server_that_turns_out_to_speak_beta(created):
    core = ScriptedCore()
    core.connect()
    core.wait(2.1)
    core.say(created)
    assert core.types == ["session.update", "transcription_session.update"]
    wrong = {"code": "invalid_value", "param": "type", "message": "unknown"}
    core.say(
        {
            "type": "error",
            "error": {**wrong, "event_id": core.sent[0]["event_id"]},
        },
        {"type": "transcription_session.updated", "session": {}},
    )
    assert len(core.of(SessionReady)) == 1
    core.wait(2)
    assert core.of(ServerProblem) == core.of(SessionLost) == []


def test_a_fixed_protocol_is_not_given_up_for_what_the_server_says():
    core = ScriptedCore(protocol="ga")
    core.connect()
    core.say(BETA_CREATED)
    assert core.types == ["session.update"]


# -- a server that does not confirm ------------------------------------------


def test_no_audio_goes_out_before_the_settings_are_confirmed():
    core = ScriptedCore()
    core.connect()
    core.hear(SPEECH, commit=True)
    core.say(CREATED)
    core.wait(2.9)
    assert core.types == ["session.update"]
    core.say(UPDATED)
    assert APPEND in core.types
    assert core.of(ServerProblem) == []


def test_the_missing_event_is_named_once():
    core = ScriptedCore()
    core.connect()
    core.say(CREATED)
    core.wait(3.1)
    [problem] = core.of(ServerProblem)
    assert "session.updated" in problem.fault.message
    assert problem.fault.code == "no_session_updated"
    core.wait(4)
    assert len(core.of(ServerProblem)) == 1


@pytest.mark.parametrize("protocol", ["auto", "ga"])
def test_of_the_next_connection_no_confirmation_is_waited_for(protocol: str):
    core = ScriptedCore(protocol=protocol)
    core.connect()
    core.say(CREATED)
    core.hear(SPEECH, commit=True)
    core.wait(10.1)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w1")
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    core.connect()
    if protocol == "auto":
        core.say(CREATED)
    core.hear(SPEECH)
    assert APPEND in core.types


def test_a_server_that_never_confirms_is_used_after_ten_seconds():
    core = unconfirmed()
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w1")
    assert [f.turn.text for f in core.of(Final)] == ["w1"]
    # The next connection does not wait for what will not come.
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    core.connect()
    core.say(CREATED)
    core.hear(SPEECH, commit=True)
    assert APPEND in core.types
    assert len(core.of(ServerProblem)) == 1
    # What it refuses is still a refusal.
    asked = core.sent[0]["event_id"]
    error = {"code": "invalid_value", "message": "no", "event_id": asked}
    core.say({"type": "error", "error": error})
    assert core.of(SessionLost)[-1].fault.fatal


def test_a_server_that_answers_nothing_is_tried_after_ten_seconds():
    core = unconfirmed()
    # It says nothing about the audio either.
    core.wait(15.1)
    assert lost(core).fault.code == "no_session_updated"
    assert core.core.watermark == 0
    core.now += 1
    core.session()
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w1")
    assert [f.turn.text for f in core.of(Final)] == ["w1"]


def test_a_trial_without_speech_goes_on():
    core = ScriptedCore()
    core.connect()
    core.say(CREATED)
    core.wait(10.1)
    core.hear(SILENCE * ms(3000))
    core.wait(40)
    assert core.of(SessionLost) == []


def test_nothing_is_let_go_of_in_a_trial_of_a_servers_detector():
    vad = {
        "type": "server_vad",
        "silence_duration_ms": 500,
        "prefix_padding_ms": 300,
    }
    core = ScriptedCore(replace(SETTINGS, turn_detection=vad))
    core.connect()
    core.say(CREATED)
    core.wait(10.1)
    for _ in range(14):
        core.hear(SPEECH)
        core.wait(1)
    assert core.core.watermark == 0
    core.wait(2)
    assert lost(core).fault.code == "no_session_updated"


@pytest.mark.parametrize("after", [3.5, 6, 9.9])
def test_a_slow_confirmation_is_waited_for(after):
    core = ScriptedCore()
    core.connect()
    core.hear(SPEECH, commit=True)
    core.say(CREATED)
    core.wait(after)
    assert APPEND not in core.types
    core.say(UPDATED)
    assert APPEND in core.types
    assert core.of(SessionLost) == []


@pytest.mark.parametrize("after", [11, 20])
def test_a_confirmation_that_comes_late_is_waited_for_the_next_time(after):
    """No text of audio that was heard under the server's defaults."""
    core = ScriptedCore()
    core.connect()
    core.hear(SPEECH, commit=True)
    core.say(CREATED)
    core.wait(after)
    assert APPEND in core.types
    core.say(UPDATED)
    fault = lost(core).fault
    assert "session.updated" in fault.message
    assert core.core.watermark == 0
    core.connect()
    core.say(CREATED)
    core.wait(after)
    assert APPEND not in core.types
    core.say(UPDATED)
    assert APPEND in core.types
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w1")
    assert [f.turn.text for f in core.of(Final)] == ["w1"]


def test_a_server_that_confirmed_before_is_given_up_without_an_answer():
    core = ScriptedCore()
    core.session()
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    core.results.clear()
    core.connect()
    core.say(CREATED)
    core.hear(SPEECH, commit=True)
    core.wait(10.1)
    fault = lost(core).fault
    assert fault.code == "no_session_updated"
    assert fault.message == "no session.updated came within 10 s"
    assert APPEND not in core.types


def test_a_servers_words_about_audio_end_the_trial():
    core = ScriptedCore()
    core.connect()
    core.hear(SPEECH, commit=True)
    core.say(CREATED)
    core.wait(10.1)
    core.say({"type": TRANSCRIPTION + "delta", "item_id": "a", "delta": "w1"})
    # Now the bounds of turns count, as with any server.
    core.wait(14)
    assert core.of(SessionLost) == []


def test_a_server_that_never_confirms_loses_nothing():
    rng = random.Random(3)
    for owner in ("server", "client", "local"):
        call = Call(rng, SimServer(rng, Faults(never_ready=1.0)), owner)
        for _ in range(4):
            call.say(3)
            call.pause(1500)
        call.finalize()
        call.drop()
        call.say(3)
        call.finish()
        call.check()
        assert len(call.heard) == 15


# -- ends of our own making ---------------------------------------------------


def test_an_end_of_our_own_making_is_not_called_a_close():
    core = ScriptedCore()
    core.session()
    core.answers_pings = False
    core.hear(SPEECH, commit=True)
    core.wait(12)
    fault = lost(core).fault
    assert fault.code == "no_answer"
    assert "1006" not in fault.message
    assert "closed" not in fault.message

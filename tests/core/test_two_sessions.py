"""Two sessions at once, and changes of the settings between them."""

from __future__ import annotations

from dataclasses import replace

from scripted_core import (
    COMMIT,
    CREATED,
    OTHER,
    RETRY,
    SERVER,
    SETTINGS,
    UPDATE,
    UPDATED,
    VAD,
    ScriptedCore,
    created,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    SessionLost,
    SessionReady,
    SettingsChanged,
)
from ten_packages.extension.openai_asr_python.realtime.session import (
    SessionState,
)

SPEECH = word_audio(1) + SILENCE * ms(270)


def with_spare(ready: bool = True, **limits: int):
    """A session with something undelivered, 10 s before its end, and the
    one that follows."""
    core = ScriptedCore(**{"turn_timeout_ms": 200_000, **limits})
    core.connect()
    core.say(created(100), UPDATED)
    core.hear(SPEECH, commit=True)
    old = core.link
    core.wait(90.1)
    core.connect()
    if ready:
        core.say(CREATED, UPDATED)
    assert core.core.active is old
    assert core.core.sessions.standby is core.link
    return core, old


def run(core: ScriptedCore, seconds: float) -> None:
    """Let time pass for all connections."""
    until = core.now + seconds
    links = [core.core.active, core.core.sessions.standby, core.link]
    while (due := core.core.exchange.deadline()) is not None and due <= until:
        core.now = max(core.now, due)
        core.core.exchange.tick(core.now)
        for link in links:
            if link is not None and link.wants_ping:
                link.take_ping()
                core.core.exchange.pong(link, core.now)
        core.look()
        if core.core.sessions.due_at() is not None:
            break
    core.now = until


def test_an_update_that_the_session_before_was_sent_is_sent_again():
    core = ScriptedCore(turn_timeout_ms=200_000)
    core.connect()
    core.say(created(100), UPDATED)
    old = core.link
    core.wait(90.1)
    assert core.core.exchange.next_attempt(core.now)
    core.core.change(OTHER, core.now)
    core.look()
    assert core.types[-1] == UPDATE
    core.hear(SPEECH)
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.sent = []
    core.say(CREATED, UPDATED)
    assert core.core.active is old
    core.core.exchange.closed(old, 1006, "", core.now)
    core.look()
    assert core.core.active is core.link
    core.sent = []
    run(core, 4.9)
    assert core.types.count(UPDATE) == 0
    run(core, 0.2)
    assert core.types.count(UPDATE) == 1
    core.say(UPDATED)
    assert [a.applies for a in core.of(SettingsChanged)] == ["next turn"]
    assert core.core.settings == OTHER


def test_a_spare_session_of_the_old_settings_is_given_up():
    core, old = with_spare()
    spare = core.link
    core.core.change(OTHER, core.now)
    core.core.hurry(core.now)
    core.link = old
    core.sent = []
    core.look()
    assert UPDATE in core.types
    assert not spare.must_close
    core.say(UPDATED)
    [answer] = core.of(SettingsChanged)
    assert answer.applies == "next turn"
    assert spare.must_close
    assert spare.session.state is SessionState.OVER
    assert core.core.sessions.standby is None
    # The next one is opened with the new ones.
    run(core, 0.1)
    assert core.core.exchange.next_attempt(core.now).settings == OTHER


def test_a_change_by_session_does_not_wait_for_the_spare_one():
    core, old = with_spare()
    spare = core.link
    core.core.change(OTHER, core.now, by_session=True)
    assert spare.must_close
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert attempt.settings == OTHER
    assert not old.must_close


def test_a_refused_change_gives_up_the_session_it_was_for():
    core = ScriptedCore()
    core.session()
    old = core.link
    core.hear(SPEECH)
    core.core.change(OTHER, core.now, by_session=True, within_s=6.0)
    assert core.core.exchange.next_attempt(core.now)
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.sent = []
    core.look()
    run(core, 6.1)
    [answer] = core.of(SettingsChanged)
    assert answer.refused.code == "timeout"
    assert core.link.must_close
    assert core.core.sessions.standby is None
    assert core.core.active is old
    assert core.core.settings == SETTINGS


def test_a_spare_session_that_dies_is_opened_again_after_a_pause():
    core, old = with_spare()
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    assert core.of(SessionLost) == []
    assert core.core.active is old
    assert not core.core.exchange.next_attempt(core.now + 0.9)
    run(core, 1.3)
    core.session()
    assert core.core.sessions.standby is core.link


def test_a_session_that_dies_while_the_spare_one_opens():
    core, old = with_spare(ready=False)
    core.core.exchange.closed(old, 1006, "", core.now)
    core.look()
    [lost] = core.of(SessionLost)
    assert not lost.replaced
    assert core.core.active is None
    # The one that opens is waited for.
    assert not core.core.exchange.next_attempt(core.now + 60)
    core.say(CREATED, UPDATED)
    assert core.core.active is core.link
    assert core.types.count(COMMIT) == 1
    [first, second] = core.of(SessionReady)
    assert (first.recovered, second.recovered) == (False, True)


def test_a_fatal_fault_gives_up_the_session_that_opens():
    core, old = with_spare(ready=False)
    core.core.exchange.closed(old, 3000, "", core.now)
    core.look()
    assert core.core.fatal is not None
    assert core.link.must_close
    assert core.core.sessions.standby is None
    assert not core.core.exchange.next_attempt(core.now + 60)
    [dropped] = core.of(AudioDropped)
    assert (dropped.duration_ms, dropped.cause) == (300, "given_up")
    assert core.core.exchange.deadline() is None


def test_what_an_overtaken_session_says_counts_no_more():
    core, old = with_spare()
    run(core, 7.6)
    assert core.core.active is core.link
    assert old.must_close
    core.core.exchange.receive(
        old, '{"type": "input_audio_buffer.committed"}', 1.0
    )
    core.core.exchange.closed(old, 3000, "", core.now)
    core.look()
    assert core.core.fatal is None
    assert core.of(SessionLost) == []
    core.look()
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert [r.turn.text for r in core.of(Final)] == ["one"]


def test_a_hand_over_waits_for_a_decision_at_a_mark():
    core = ScriptedCore(SERVER)
    core.connect()
    core.say(created(100), UPDATED)
    old = core.link
    core.wait(90.1)
    core.hear(SPEECH)
    core.answers_pings = False
    core.core.finalize("f", core.now)
    core.look()
    assert old.hold is not None
    core.session()
    assert core.core.active is old
    assert core.of(FinalizeEnd) == []


def test_another_owner_in_the_middle_of_a_turn_takes_a_new_session():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH)
    wider = replace(SETTINGS, turn_detection=VAD)
    core.core.change(wider, core.now)
    core.look()
    assert not core.core.exchange.next_attempt(core.now)
    core.core.hurry(core.now)
    core.look()
    assert core.types.count(UPDATE) == 1  # That of the handshake.
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt.settings == wider
    # In a pause the running session is updated.
    core = ScriptedCore()
    core.session()
    core.core.change(wider, core.now)
    core.look()
    assert core.types.count(UPDATE) == 2


def test_a_change_after_a_fatal_fault_is_refused_with_it():
    core = ScriptedCore()
    core.session()
    core.core.exchange.closed(core.link, 3000, "", core.now)
    core.core.change(OTHER, core.now)
    core.look()
    [answer] = core.of(SettingsChanged)
    assert answer.refused == core.core.fatal
    core = ScriptedCore()
    core.core.stop(core.now)
    core.core.change(OTHER, core.now)
    core.look()
    [answer] = core.of(SettingsChanged)
    assert answer.refused == Fault("report", "stopped", "the call is over")


def test_attempts_that_fail_are_told_with_their_pauses():
    core = ScriptedCore()
    for attempt in (1, 2, 3):
        assert core.core.exchange.next_attempt(core.now)
        core.core.exchange.failed(RETRY, core.now)
        core.look()
        lost = core.of(SessionLost)[-1]
        assert lost.fault == RETRY
        assert (lost.attempt, lost.was_ready) == (attempt, False)
        assert not lost.replaced
        due = core.core.exchange.deadline()
        assert lost.retry_ms == round((due - core.now) * 1000)
        core.now = due
    core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(replace(RETRY, retry_after=30.0), core.now)
    core.look()
    assert 30_000 <= core.of(SessionLost)[-1].retry_ms <= 37_500


def test_an_attempt_is_due_once():
    core = ScriptedCore()
    assert core.core.exchange.deadline() == core.now
    assert not core.core.exchange.next_attempt(core.now - 0.1)
    core.core.start(core.now + 5)
    assert core.core.exchange.next_attempt(core.now)
    assert not core.core.exchange.next_attempt(core.now)
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.say(CREATED, UPDATED)
    core.core.start(core.now)
    assert not core.core.exchange.next_attempt(core.now)


def test_audio_of_a_session_that_gave_way_is_dropped_when_it_is_lost():
    core = ScriptedCore(max_buffer_ms=1000, window_ms=3_600_000)
    core.session()
    core.hear(SPEECH * 3)
    core.hear(SPEECH * 3)
    # The session has it all.
    assert core.of(AudioDropped) == []
    assert core.core.watermark == 0
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.session()
    assert core.of(AudioDropped) == [AudioDropped(0, 800)]
    assert core.core.watermark == ms(800)
    assert core.core.dropped == ms(800)


def test_audio_that_was_never_sent_is_dropped_at_once():
    core = ScriptedCore(max_buffer_ms=1000, window_ms=3_600_000)
    core.core.audio(SPEECH * 3)
    core.core.audio(SPEECH * 3)
    core.look()
    assert core.of(AudioDropped) == [AudioDropped(0, 800)]
    assert core.core.watermark == ms(800)
    core.session()
    core.core.audio(SPEECH * 4)
    core.look()
    assert core.of(AudioDropped)[1:] == [AudioDropped(1800, 200)]
    core.core.commit()
    core.look()
    assert core.types[-1] == COMMIT

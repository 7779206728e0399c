"""Places where small breaks of the core once passed unseen."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from scripted_core import (
    APPEND,
    CLEAR,
    COMMIT,
    CREATED,
    OTHER,
    RETRY,
    SERVER,
    SETTINGS,
    UPDATE,
    UPDATED,
    ScriptedCore,
    created,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    ServerProblem,
    SessionLost,
    SessionReady,
    SettingsChanged,
    TurnFailed,
)

SPEECH = word_audio(1) + SILENCE * ms(270)
FATAL = Fault("fatal", "no", "the key is refused")


def speech(core: ScriptedCore, item: str, start: int, stop: int) -> None:
    """The server's detector heard a turn and ended it."""
    kind = "input_audio_buffer.speech_"
    core.say(
        {"type": kind + "started", "item_id": item, "audio_start_ms": start},
        {"type": kind + "stopped", "item_id": item, "audio_end_ms": stop},
    )


def appended(core: ScriptedCore) -> int:
    """Samples that went out in ``sent``."""
    audio = [e["audio"] for e in core.sent if e["type"] == APPEND]
    return sum(len(base64.b64decode(data)) for data in audio)


# -- an attempt that is stale ------------------------------------------------


def test_a_connection_for_a_change_that_is_over_is_broken_off():
    core = ScriptedCore()
    core.core.change(OTHER, core.now, address="there", within_s=2.0)
    attempt = core.core.exchange.next_attempt(core.now)
    assert (attempt.settings, attempt.address) == (OTHER, "there")
    core.wait(2.1)
    [answer] = core.of(SettingsChanged)
    assert answer.refused.code == "timeout"
    assert attempt.over
    attempt = core.core.exchange.next_attempt(core.now)
    assert (attempt.settings, attempt.address) == (SETTINGS, None)
    # That one counts.
    core.core.exchange.failed(FATAL, core.now)
    assert core.core.fatal == FATAL


def test_a_spare_one_for_settings_that_were_replaced_is_broken_off():
    core = ScriptedCore()
    core.connect()
    core.say(created(100), UPDATED)
    core.wait(90.1)
    spare = core.core.exchange.next_attempt(core.now)
    core.core.change(OTHER, core.now)
    core.look()
    assert not spare.over
    core.say(UPDATED)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is None
    assert core.core.settings == OTHER
    assert spare.over
    core.wait(0.1)
    assert core.core.exchange.next_attempt(core.now).settings == OTHER


def test_an_attempt_that_is_broken_off_does_not_end_the_session_there_is():
    core = ScriptedCore()
    core.session()
    core.core.change(OTHER, core.now, by_session=True, within_s=2.0)
    late = core.core.exchange.next_attempt(core.now)
    core.wait(2.1)
    [answer] = core.of(SettingsChanged)
    assert answer.refused == Fault(
        "report", "timeout", "the service did not answer in time"
    )
    assert late.over
    assert core.core.active is core.link
    assert not core.link.must_close
    assert not core.core.exchange.next_attempt(core.now + 60)


@pytest.mark.parametrize("opened", [False, True])
def test_a_change_of_address_does_not_wait_for_one_that_hangs(opened):
    core = ScriptedCore()
    hangs = core.core.exchange.next_attempt(core.now)
    if opened:
        link = core.core.exchange.opened(core.now, 1.7e9)
    core.core.change(SETTINGS, core.now, address="there")
    assert link.must_close if opened else hangs.over
    attempt = core.core.exchange.next_attempt(core.now)
    assert (attempt.settings, attempt.address) == (SETTINGS, "there")


def test_other_settings_wait_for_an_attempt_at_the_same_address():
    """Else one that takes its time never comes about where many change."""
    core = ScriptedCore()
    slow = core.core.exchange.next_attempt(core.now)
    core.core.change(OTHER, core.now)
    assert not slow.over
    assert core.core.exchange.next_attempt(core.now) is None


# -- finalizes after a hand-over ----------------------------------------------


def test_a_finalize_waits_also_where_another_owner_takes_over():
    """Its mark was silence for the client's session; the server that owns
    the turns now may have something to say before it."""
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH, commit=True)
    core.hear(SILENCE * ms(1000))
    core.core.finalize("f", core.now)
    core.look()
    assert core.types.count(COMMIT) == 1
    core.core.change(SERVER, core.now)
    core.core.hurry(core.now)
    core.session()
    assert core.core.active is core.link
    # The mark of the commit is decided; at that of the finalize it waits.
    core.wait(0.5)
    core.answers_pings = False
    core.wait(2.0)
    assert core.of(FinalizeEnd) == []
    core.answers_pings = True
    core.look()
    core.wait(2.0)
    assert [end.timed_out for end in core.of(FinalizeEnd)] == [False]


def test_a_finalize_is_repeated_by_the_next_session():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH)
    core.core.finalize("f", core.now)
    core.look()
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.hear(SPEECH)
    core.session()
    assert core.types.count(COMMIT) == 1
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert [end.token for end in core.of(FinalizeEnd)] == ["f"]
    [ready] = core.of(SessionReady)[1:]
    assert ready.recovered
    assert ready.replayed_ms == 300
    assert core.core.replay.replayed == ms(300)
    assert core.core.sessions.reconnects == 1


# -- early text --------------------------------------------------------------


def test_early_text_of_another_item_is_that_turns_or_the_next_ones():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH)
    core.transcribed("delta", "x", delta="one")
    core.hear(SILENCE, commit=True)
    core.hear(SPEECH)
    core.transcribed("delta", "z", delta="two")
    core.committed("y", None)
    core.transcribed("completed", "y")
    [final] = core.of(Final)
    assert (final.turn.item_id, final.turn.text) == ("y", "one")
    interims = [(r.turn.item_id, r.turn.text) for r in core.of(Interim)]
    assert interims == [("x", "one"), ("y", "one"), ("z", "two")]
    core.hear(SILENCE, commit=True)
    core.committed("z", "y")
    core.transcribed("completed", "z", transcript="two!")
    assert [r.turn.text for r in core.of(Final)] == ["one", "two!"]


def test_text_of_its_own_is_not_replaced_by_early_text():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH)
    core.transcribed("delta", "x", delta="one")
    core.transcribed("delta", "y", delta="own")
    core.hear(SILENCE, commit=True)
    core.committed("y", None)
    core.transcribed("completed", "y")
    assert [r.turn.text for r in core.of(Final)] == ["own"]
    assert core.core.active.session.turns.by_id == {}


# -- back-off -----------------------------------------------------------------


def test_quiet_that_was_let_go_ends_the_back_off():
    core = ScriptedCore(SERVER)
    for _ in range(3):
        core.now += 60.0
        assert core.core.exchange.next_attempt(core.now)
        core.core.exchange.failed(RETRY, core.now)
    core.now += 60.0
    core.session()
    assert [lost.attempt for lost in core.of(SessionLost)] == [1, 2, 3]
    for _ in range(12):
        core.hear(SILENCE * ms(1000))
        core.wait(1.0)
    assert core.core.watermark > ms(2000)
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    lost = core.of(SessionLost)[-1]
    assert (lost.attempt, lost.retry_ms) == (1, 0)
    assert lost.was_ready


def test_quiet_is_not_let_go_where_the_client_owns_the_turns():
    core = ScriptedCore()
    core.session()
    for _ in range(12):
        core.hear(SILENCE * ms(1000))
        core.wait(1.0)
    assert core.core.watermark == 0


def test_quiet_is_not_let_go_while_a_turn_is_open():
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SPEECH)
    speech(core, "a", 0, 300)
    for _ in range(12):
        core.hear(SILENCE * ms(1000))
        core.wait(1.0)
    assert core.core.watermark == 0


# -- client silence ----------------------------------------------------------


def test_silence_before_an_update_is_discarded_and_no_commit_with_it():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH, commit=True)
    core.hear(SILENCE * ms(2000))
    core.sent = []
    core.core.change(OTHER, core.now)
    assert core.sent == []
    core.core.hurry(core.now)
    core.look()
    assert core.types == [CLEAR, UPDATE]
    assert core.core.watermark == 0
    core.say(UPDATED)
    [answer] = core.of(SettingsChanged)
    assert (answer.refused, answer.applies) == (None, "next turn")
    # From a second before the clear.
    assert appended(core) == ms(1000)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert [r.turn.text for r in core.of(Final)] == ["one"]
    assert core.core.watermark == ms(300)


def test_silence_of_the_length_of_a_turn_is_let_go():
    core = ScriptedCore()
    core.session()
    for _ in range(29):
        core.hear(SILENCE * ms(1000))
        core.wait(1.0)
    assert CLEAR in core.types
    assert COMMIT not in core.types
    received = core.core.received
    assert ms(1000) <= received - core.core.watermark <= ms(10_000)
    core.hear(SPEECH, commit=True)
    assert core.types[-1] == COMMIT


def test_silence_behind_an_open_commit_is_let_go_but_held():
    """Else the next turn begins with it, and becomes too long."""
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH, commit=True)
    for _ in range(14):
        core.hear(SILENCE * ms(2000))
    assert CLEAR in core.types
    assert core.core.watermark == 0
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert [r.turn.text for r in core.of(Final)] == ["one"]


def test_a_replay_cuts_an_endless_turn_at_a_pause():
    """It looks for one as closely as when the audio came."""
    core = ScriptedCore(max_turn_ms=5000, replay_packet_ms=1000)
    word, gap = word_audio(1) * 17, SILENCE * ms(150)
    core.hear((word + gap) * 20)
    core.session()
    core.wait(5)
    core.look()
    position, commits = 0, []
    for event in core.sent:
        if event["type"] == APPEND:
            position += len(base64.b64decode(event["audio"]))
        elif event["type"] == COMMIT:
            commits.append(position)
    assert len(commits) > 1
    period = len(word + gap)
    assert all(at % period == 0 or at % period > len(word) for at in commits)


def test_short_silence_goes_on_from_where_it_began():
    core = ScriptedCore()
    core.session()
    core.hear(SILENCE * ms(400))
    core.sent = []
    core.core.change(OTHER, core.now)
    core.look()
    core.say(UPDATED)
    assert core.types[:3] == [CLEAR, UPDATE, APPEND]
    assert appended(core) == ms(400)


# -- the end -----------------------------------------------------------------


def test_what_is_held_at_the_end_is_reported_unless_it_is_silent():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH, commit=True)
    core.core.stop(core.now)
    core.core.stop(core.now)
    core.look()
    [dropped] = core.of(AudioDropped)
    assert (dropped.start_ms, dropped.duration_ms) == (0, 300)
    assert dropped.cause == "stopped"
    assert core.core.dropped == ms(300)
    silent = ScriptedCore()
    silent.session()
    silent.hear(SILENCE * ms(300))
    silent.core.stop(silent.now)
    silent.look()
    assert silent.of(AudioDropped) == []


def test_what_is_held_at_a_fatal_fault_is_reported_as_given_up():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH)
    core.core.change(OTHER, core.now)
    core.core.finalize("f", core.now)
    core.core.exchange.closed(core.link, 3000, "", core.now)
    core.look()
    [dropped] = core.of(AudioDropped)
    assert dropped.cause == "given_up"
    [answer] = core.of(SettingsChanged)
    assert answer.refused == core.core.fatal
    assert [end.token for end in core.of(FinalizeEnd)] == ["f"]
    assert not core.core.audio(SPEECH)
    assert core.core.received == ms(300)
    core.core.finalize("g", core.now)
    core.look()
    assert [end.token for end in core.of(FinalizeEnd)] == ["f", "g"]


def test_a_gap_is_reported_with_its_cause_on_both_sides():
    core = ScriptedCore(max_buffer_ms=1000)
    core.session()
    core.hear(SPEECH * 2)
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.hear(SPEECH * 3)
    core.look()
    assert core.of(AudioDropped) == [AudioDropped(0, 500, "overflow")]
    core.core.stop(core.now)
    core.look()
    assert core.of(AudioDropped)[1:] == [AudioDropped(500, 1000, "stopped")]


# -- answers that do not come ------------------------------------------------


def test_a_turn_without_an_answer_is_sent_again_and_then_reported():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH, commit=True)
    core.wait(15.1)
    assert core.link.must_close
    core.session()
    assert core.types.count(COMMIT) == 1
    core.wait(15.1)
    [failed] = core.of(TurnFailed)
    assert failed.fault.code == "no_result"
    assert failed.fault.message == "the server sent no result"
    assert (failed.item_id, failed.start_ms) == ("", 0)
    assert core.core.watermark == ms(300)
    assert core.core.dropped == ms(300)


def test_a_refused_spare_session_is_told_once():
    core = ScriptedCore()
    core.connect()
    core.say(created(100), UPDATED)
    core.wait(90.1)
    assert core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(FATAL, core.now)
    core.look()
    [told] = core.of(ServerProblem)
    assert told.fault.verdict == "report"
    assert told.fault.message == "the next session is refused: " + FATAL.message
    assert told.fault.code == "no"
    assert core.core.fatal is None
    assert not core.core.exchange.next_attempt(core.now)


def test_a_spare_session_that_fails_is_tried_with_pauses():
    core = ScriptedCore()
    core.connect()
    core.say(created(100), UPDATED)
    core.wait(90.1)
    assert core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(RETRY, core.now)
    assert not core.core.exchange.next_attempt(core.now + 0.9)
    assert core.core.exchange.next_attempt(core.now + 1.3)
    core.core.exchange.failed(replace(RETRY, retry_after=4.0), core.now)
    assert not core.core.exchange.next_attempt(core.now + 3.9)
    assert core.core.exchange.next_attempt(core.now + 5.1)
    assert core.of(SessionLost) == []


def test_a_change_that_changes_nothing_stays_here():
    core = ScriptedCore()
    core.session()
    core.sent = []
    core.core.change(SETTINGS, core.now)
    core.look()
    [answer] = core.of(SettingsChanged)
    assert (answer.refused, answer.applies) == (None, "at once")
    assert core.sent == []
    assert not core.core.exchange.next_attempt(core.now)
    core.core.change(SETTINGS, core.now, address="there")
    assert core.core.exchange.next_attempt(core.now).address == "there"
    core.core.exchange.opened(core.now, 1.7e9)
    core.core.exchange.receive(
        core.core.sessions.standby, '{"type": "session.updated"}', 101.0
    )
    core.link = core.core.active
    core.say(CREATED, UPDATED)
    assert core.of(SettingsChanged)[1].applies == "new session"
    assert core.core.address == "there"


# -- a session that died or is refused while something waits -------------------


def test_a_change_that_is_refused_half_way_leaves_the_old_session():
    core = ScriptedCore()
    core.session()
    first = core.link
    core.core.change(OTHER, core.now, by_session=True)
    assert core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(FATAL, core.now)
    core.look()
    [answer] = core.of(SettingsChanged)
    assert answer.refused == FATAL
    assert core.core.active is first
    assert core.core.settings == SETTINGS
    assert not core.core.exchange.next_attempt(core.now + 60)
    core.hear(SPEECH, commit=True)
    assert core.types[-1] == COMMIT


def test_an_update_that_is_refused_leaves_the_old_settings():
    core = ScriptedCore()
    core.session()
    core.core.change(OTHER, core.now)
    core.look()
    core.hear(SPEECH, commit=True)
    assert core.types[-1] == UPDATE
    error = {"code": "bad", "message": "so", "event_id": "evt_change"}
    core.say({"type": "error", "error": error})
    [answer] = core.of(SettingsChanged)
    assert (answer.refused.verdict, answer.refused.code) == ("fatal", "bad")
    assert core.core.settings == SETTINGS
    assert core.of(SessionLost) == []
    assert core.types[-1] == COMMIT


def updated_with(*events: dict[str, object]) -> ScriptedCore:
    """A session that is told other settings, and answers with these; none of
    them names the message that it answers."""
    core = ScriptedCore()
    core.session()
    core.core.change(OTHER, core.now)
    core.look()
    core.say({"type": "error", "error": {"code": "bad", "message": "so"}})
    core.hear(SPEECH, commit=True)
    assert core.types[-1] == UPDATE
    assert core.of(SettingsChanged) == []
    for event in events:
        core.say(event)
    core.wait(0.6)
    return core


def test_an_error_that_names_no_message_refuses_an_update():
    core = updated_with()
    [answer] = core.of(SettingsChanged)
    assert (answer.refused.verdict, answer.refused.code) == ("fatal", "bad")
    assert core.core.settings == SETTINGS
    assert core.troubles == []
    assert core.types[-1] == COMMIT


def test_an_error_beside_a_confirmation_is_no_refusal():
    core = updated_with(UPDATED)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is None
    assert core.core.settings == OTHER
    assert core.troubles == ["bad"]
    assert core.types[-1] == COMMIT


def test_an_error_before_an_update_is_no_answer_to_it():
    core = ScriptedCore()
    core.session()
    core.say({"type": "error", "error": {"code": "bad", "message": "so"}})
    core.core.change(OTHER, core.now)
    core.look()
    assert core.types[-1] == UPDATE
    core.wait(0.6)
    assert core.troubles == ["bad"]
    assert core.of(SettingsChanged) == []
    core.say(UPDATED)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is None


def test_an_update_without_an_answer_takes_a_new_session():
    core = ScriptedCore()
    core.session()
    core.core.change(OTHER, core.now)
    core.look()
    core.wait(9.9)
    assert core.of(SettingsChanged) == []
    core.wait(0.2)
    [answer] = core.of(SettingsChanged)
    assert answer.refused.code == "timeout"
    assert core.link.must_close
    assert core.core.exchange.next_attempt(core.now).settings == SETTINGS


def test_a_session_that_dies_during_an_update_is_followed_by_one_with_it():
    core = ScriptedCore()
    core.session()
    core.core.change(OTHER, core.now)
    core.look()
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt.settings == OTHER
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.say(CREATED, UPDATED)
    [answer] = core.of(SettingsChanged)
    assert (answer.refused, answer.applies) == (None, "new session")
    assert core.core.settings == OTHER


def test_a_change_waits_for_a_pause_and_then_no_longer():
    core = ScriptedCore()
    core.session()
    core.hear(SPEECH)
    core.core.change(OTHER, core.now)
    core.look()
    core.wait(4.9)
    assert UPDATE not in core.types[1:]
    core.wait(0.2)
    assert core.types[-1] == UPDATE
    hasty = ScriptedCore()
    hasty.session()
    hasty.hear(SPEECH)
    hasty.core.change(OTHER, hasty.now, within_s=2.0)
    hasty.wait(0.9)
    assert UPDATE not in hasty.types[1:]
    hasty.wait(0.2)
    assert hasty.types[-1] == UPDATE


def test_a_second_session_for_a_change_waits_for_a_pause_and_no_longer():
    core = ScriptedCore()
    core.session()
    first = core.link
    core.hear(SPEECH)
    core.core.change(OTHER, core.now, by_session=True)
    began = core.now
    core.session()
    assert core.core.active is first
    while (due := core.core.exchange.deadline()) <= began + 5.1:
        assert core.core.active is first
        core.now = max(core.now, due)
        core.core.exchange.tick(core.now)
        for link in {first, core.link}:
            if link.wants_ping:
                link.take_ping()
                core.core.exchange.pong(link, core.now)
        if core.core.active is core.link:
            break
    assert core.now == began + 5.0
    assert first.must_close
    core.look()
    assert core.of(SettingsChanged)[0].applies == "new session"


def test_one_of_two_sessions_that_dies_is_replaced_by_the_other():
    core = ScriptedCore()
    core.connect()
    core.say(created(100), UPDATED)
    first = core.link
    core.hear(SPEECH)
    core.wait(90.1)
    core.session()
    assert core.core.active is first
    core.core.exchange.closed(first, 3000, "", core.now)
    core.look()
    [lost] = core.of(SessionLost)
    assert lost.replaced
    assert (lost.retry_ms, lost.fault.verdict) == (0, "retry")
    assert core.core.active is core.link
    assert core.core.fatal is None
    assert core.of(SessionReady)[-1].recovered
    assert appended(core) == ms(300)


@pytest.mark.parametrize("late", [False, True])
def test_the_notice_of_a_pause_may_come_when_the_next_turn_has_begun(late):
    """Its commit lies before the onset, if not before the padding."""
    core, speech = ScriptedCore(SERVER), word_audio(1) * 10
    core.session()
    core.hear(speech)
    core.started("a", 0)
    for pause_ms in (200, 300):
        core.core.finalize(pause_ms, core.now)
        core.look()
        core.hear(SILENCE * ms(pause_ms))
    assert core.types.count(COMMIT) == 2
    second_ms = core.core.active.session.turns.commits[-1].end // 8
    core.hear(speech)
    core.committed("a", None)
    core.started("b", second_ms - 50)
    core.transcribed("completed", "a", transcript="one")
    if not late:
        core.committed("pause", "a")
        core.transcribed("completed", "pause", transcript="")
    core.core.finalize("c", core.now)
    core.look()
    core.committed("b", "pause")
    core.transcribed("completed", "b", transcript="two")
    last = core.of(Final)[-1].turn
    assert (last.text, last.duration_ms > 100) == ("two", True)
    assert core.core.watermark // 8 >= last.start_ms + last.duration_ms

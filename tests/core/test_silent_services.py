"""A service whose detector freezes while its connection lives on.

Every session is alive here: it answers each PING at once.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scripted_core import COMMIT, SERVER, TRANSCRIPTION, ScriptedCore
from sim import ms, word_audio
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.audio.speech import sound_finder
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    FinalizeEnd,
    TurnFailed,
)

#: 300 ms of sound, and three seconds of it.
WORD = word_audio(1) * 10
MUSIC = word_audio(2) * 100


def call(**limits: int) -> ScriptedCore:
    """Somebody said a word, a second after the call began."""
    core = ScriptedCore(SERVER, **limits)
    core.session()
    core.quiet(1)
    core.live(WORD)
    return core


def goes_on(core: ScriptedCore) -> bool:
    """Is the session there, and no other one wanted?"""
    return core.core.active is not None and (
        core.core.sessions.due_at() is None
    )


def let_go(core: ScriptedCore, audio: bytes) -> None:
    """Two sessions are silent about some sound."""
    core.live(audio)
    core.quiet(16)
    core.session()
    core.quiet(30)
    assert goes_on(core)


# -- before speech_started ---------------------------------------------


def test_it_is_told_once_after_11_s_and_another_session_gets_the_sound():
    core = call()
    core.quiet(10.5)
    assert core.troubles == []
    assert goes_on(core)
    core.quiet(0.5)
    assert core.troubles == ["no_turn"]
    core.session()
    assert WORD in core.audio
    assert core.troubles == ["no_turn"]


def test_what_a_second_session_is_silent_about_was_no_speech():
    core = call()
    core.quiet(11)
    core.session()
    core.quiet(8)
    assert core.core.watermark == 0
    core.quiet(30)
    assert core.troubles == ["no_turn"]
    assert goes_on(core)
    assert core.core.watermark > ms(1000) + len(WORD)


def test_after_two_false_alarms_there_is_none_for_two_hours():
    core = ScriptedCore(SERVER)
    core.session()
    core.quiet(1)
    let_go(core, WORD)
    # A word is too little now.
    core.live(WORD)
    core.quiet(30)
    assert core.troubles == ["no_turn"]
    let_go(core, MUSIC)
    core.live(MUSIC)
    core.quiet(30)
    assert core.troubles == ["no_turn"] * 2
    core.wait(7200)
    let_go(core, MUSIC)
    assert core.troubles == ["no_turn"] * 3


@pytest.mark.parametrize("level", [100, 1000, 8000])
def test_steady_noise_is_never_waited_for(level: int):
    core = ScriptedCore(SERVER, find_sound=sound_finder("g711_ulaw", 8000))
    core.session()
    noise = np.random.default_rng(1).normal(0, level, ms(60_000))
    samples = noise.clip(-32768, 32767).astype(np.int16)
    core.live(encode(samples, "ulaw").tobytes())
    assert core.troubles == []
    assert goes_on(core)
    assert core.core.watermark > ms(50_000)


def test_an_event_ends_the_suspicion():
    core = call()
    core.quiet(9)
    core.started("a", 700)
    core.stopped("a", 1800)
    core.quiet(8)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.quiet(20)
    assert core.troubles == []
    assert goes_on(core)
    assert core.finals == ["one"]


def test_sound_that_it_began_to_speak_of_is_kept():
    core = call()
    core.turn("a", 700, 1800)
    core.quiet(14)
    assert core.core.watermark == 0
    core.transcribed("completed", "a", transcript="one")
    assert core.finals == ["one"]
    assert core.troubles == []


def test_what_two_sessions_were_silent_about_is_kept_for_a_turn_before():
    core = call()
    core.turn("a", 700, 1800)
    core.quiet(1)
    core.live(WORD)
    core.quiet(11)
    assert core.troubles == ["no_turn"]
    core.session()
    core.turn("a", 700, 1800)
    core.transcribed("completed", "a", transcript="one")
    # The other word is still waited for.
    core.quiet(9)
    assert core.core.watermark == ms(1800)
    core.turn("b", 2400, 3200, "a")
    core.transcribed("completed", "b", transcript="two")
    assert core.finals == ["one", "two"]
    assert core.troubles == ["no_turn"]


def test_too_little_sound_is_let_go_only_behind_what_is_delivered():
    core = ScriptedCore(SERVER)
    core.session()
    core.quiet(1)
    let_go(core, WORD)
    before = core.core.watermark
    sent_ms = len(core.audio) * 1000 // ms(1000)
    core.live(WORD)
    core.turn("a", sent_ms, sent_ms + 800)
    core.quiet(0.5)
    core.live(WORD)
    core.quiet(13)
    assert core.core.watermark == before
    core.transcribed("completed", "a", transcript="one")
    core.quiet(3)
    assert core.core.watermark > before + ms(2000)
    assert core.troubles == ["no_turn"]


def test_a_finalize_is_not_answered_before_its_bound():
    core = call()
    core.quiet(4)
    core.core.finalize("f", core.now)
    core.look()
    core.quiet(4.5)
    assert core.of(FinalizeEnd) == []
    core.quiet(0.6)
    assert [end.timed_out for end in core.of(FinalizeEnd)] == [True]


def after_false_alarms() -> ScriptedCore:
    """A finalize, right after a word, where sound need not be speech."""
    core = ScriptedCore(SERVER)
    core.session()
    core.quiet(1)
    let_go(core, WORD)
    let_go(core, MUSIC)
    core.live(WORD)
    core.core.finalize("f", core.now)
    core.look()
    return core


def test_after_false_alarms_a_finalize_waits_for_a_detector_that_hears():
    core = after_false_alarms()
    core.quiet(0.4)
    assert core.of(FinalizeEnd) == []
    heard_ms = len(core.audio) // ms(1)
    core.turn("b", heard_ms - 900, heard_ms - 100)
    core.quiet(3)
    assert core.of(FinalizeEnd) == []
    core.transcribed("completed", "b", transcript="one")
    assert core.finals == ["one"]
    assert [end.timed_out for end in core.of(FinalizeEnd)] == [False]


def test_after_false_alarms_a_finalize_does_not_wait_for_long():
    core = after_false_alarms()
    core.quiet(0.9)
    assert core.of(FinalizeEnd) == []
    core.quiet(0.6)
    assert [end.timed_out for end in core.of(FinalizeEnd)] == [False]


def test_what_gave_way_before_a_second_session_heard_it_is_reported():
    """And what was said meanwhile is not let go for it: that one alone is
    silent about that."""
    core = ScriptedCore(SERVER, max_buffer_ms=15_000)
    core.session()
    core.quiet(1)
    core.live(MUSIC)
    core.quiet(12)
    assert core.troubles == ["no_turn"]
    core.quiet(6)
    core.live(MUSIC)
    core.quiet(4)
    core.live(MUSIC)
    core.session()
    core.quiet(16)
    assert core.troubles == ["no_turn"] * 2
    spans = [
        (dropped.start_ms, dropped.start_ms + dropped.duration_ms)
        for dropped in core.of(AudioDropped)
    ]
    for at in (2000, 23_000, 30_000):
        assert any(start <= at < end for start, end in spans)


def test_a_word_before_the_frames_end_is_waited_for_as_well():
    core = call()
    core.quiet(0.7)
    core.wait(10)
    assert core.troubles == []
    core.wait(14)
    assert core.troubles == ["no_turn"]
    core.session()
    assert WORD in core.audio


def test_the_begin_of_a_word_is_not_let_go():
    """Whenever the session is asked how far it heard."""
    for tenths in range(20, 60):
        core = ScriptedCore(SERVER)
        core.session()
        core.quiet(tenths / 10)
        core.live(WORD)
        core.quiet(14)
        core.session()
        assert WORD in core.audio, tenths


def test_what_a_detector_cannot_know_yet_is_not_waited_for():
    core = call()
    core.wait(60)
    assert core.troubles == []
    assert goes_on(core)


def test_what_was_no_speech_is_let_go_also_while_a_finalize_waits():
    core = ScriptedCore(SERVER, finalize_timeout_ms=120_000)
    core.session()
    core.quiet(1)
    core.live(MUSIC)
    core.quiet(16)
    core.session()
    core.quiet(9.5)
    core.answers_pings = False
    core.core.finalize("f", core.now)
    core.look()
    core.quiet(4)
    core.answers_pings = True
    core.core.exchange.pong(core.link, core.now)
    core.quiet(20)
    assert core.troubles == ["no_turn"]
    assert goes_on(core)
    assert len(core.of(FinalizeEnd)) == 1


# -- after speech_started ----------------------------------------------


def frozen_in_a_turn() -> ScriptedCore:
    core = call()
    core.started("a", 700)
    core.quiet(12)
    return core


def test_a_turn_that_does_not_end_is_sent_to_another_session():
    core = frozen_in_a_turn()
    assert core.troubles == ["no_turn_end"]
    core.session()
    assert WORD in core.audio
    core.turn("b", 700, 1800)
    core.transcribed("completed", "b", transcript="one")
    core.quiet(20)
    assert core.finals == ["one"]
    assert core.troubles == ["no_turn_end"]


def test_the_second_time_a_commit_ends_it():
    core = frozen_in_a_turn()
    core.session()
    core.started("b", 700)
    assert COMMIT not in core.types
    core.quiet(14)
    assert core.types.count(COMMIT) == 1
    assert goes_on(core)
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="one")
    core.quiet(20)
    assert core.finals == ["one"]
    assert core.types.count(COMMIT) == 1
    assert core.troubles == ["no_turn_end"]


def test_three_sessions_that_freeze_cost_the_first_sentence_only():
    """They do so when somebody begins to speak; the fourth one works."""
    another = word_audio(3) * 10
    core = frozen_in_a_turn()
    core.live(another)
    core.quiet(1)
    for item in ("b", "c"):
        core.session()
        core.started(item, 700)
        # A commit ends it, and that has no answer.
        core.wait(30)
    assert core.troubles == ["no_turn_end", "no_result", "no_result"]
    (failed,) = core.of(TurnFailed)
    assert failed.start_ms + failed.duration_ms < 3000
    core.session()
    assert another in core.audio
    assert core.of(AudioDropped) == []


def test_a_turn_that_is_not_ended_by_a_commit_either_is_one_false_alarm():
    core = frozen_in_a_turn()
    core.session()
    core.started("b", 700)
    # It is asked for its text in vain, and then given up.
    core.quiet(30)
    assert core.types.count(COMMIT) == 1
    core.session()
    core.quiet(1)
    core.live(MUSIC)
    core.quiet(40)
    assert core.troubles[-1] == "no_turn"


@pytest.mark.parametrize(
    ("detector", "codes"),
    [
        ({"type": "server_vad", "silence_duration_ms": 500}, ["no_turn_end"]),
        ({"type": "server_vad", "silence_duration_ms": 3000}, []),
        ({"type": "semantic_vad", "eagerness": "high"}, ["no_turn_end"]),
        ({"type": "semantic_vad"}, []),
        ({"type": "semantic_vad", "eagerness": "low"}, []),
    ],
)
def test_a_turn_may_have_pauses_as_long_as_its_detector_allows(
    detector: dict[str, object], codes: list[str]
):
    core = ScriptedCore(replace(SERVER, turn_detection=detector))
    core.session()
    core.quiet(1)
    core.started("a", 700)
    for _ in range(5):
        core.live(WORD)
        core.quiet(2.8)
    assert core.troubles == codes


def test_a_turn_without_text_is_told_and_sent_again_once():
    core = call()
    core.started("a", 700)
    core.quiet(0.5)
    core.stopped("a", 1800)
    core.committed("a", None)
    core.quiet(14)
    assert core.troubles == []
    core.quiet(1.5)
    assert core.troubles == ["no_result"]
    core.session()
    assert WORD in core.audio
    core.turn("b", 700, 1800)
    core.quiet(16)
    assert core.troubles == ["no_result"] * 2
    assert core.finals == []
    assert core.core.watermark >= ms(1800)


def test_sound_behind_a_turn_without_text_makes_no_storm():
    """Each session ends the turn, gives no text of it, and is silent about a
    sound behind it."""

    def end_turn() -> None:
        core.turn("a", 700, 1800)

    core = call()
    end_turn()
    core.quiet(1)
    core.live(WORD)
    for _ in range(60):
        core.quiet(1)
        due_at = core.core.sessions.due_at()
        if due_at is not None and due_at <= core.now:
            core.session()
            end_turn()
    # Two times 15 s, as without that sound.
    assert core.troubles.count("no_result") >= 2
    assert core.troubles.count("no_turn") <= 2
    assert core.core.watermark >= ms(1800)


def test_a_mark_that_is_delivered_holds_up_nothing():
    """While the server was asked what it has to say of it, a turn ended."""
    core = ScriptedCore(SERVER)
    core.session()
    second = word_audio(1) * (ms(1000) // len(word_audio(1)))
    core.answers_pings = False
    core.hear(second)
    core.core.finalize("f", core.now)
    core.look()
    hold = core.link.hold
    assert hold is not None
    # Both in one piece of what the socket gave.
    for event in (
        {"type": "input_audio_buffer.committed", "item_id": "a"},
        {"type": TRANSCRIPTION + "completed", "item_id": "a"},
    ):
        core.core.exchange.receive(core.link, json.dumps(event), core.now)
    assert core.core.watermark >= hold.mark
    assert core.core.audio(second)

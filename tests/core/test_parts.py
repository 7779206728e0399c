"""The small parts of the core, each by itself."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_core import CREATED, SETTINGS, UPDATED, ScriptedCore
from sim import SILENCE, find_speech, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.audio_buffer import (
    AudioBuffer,
)
from ten_packages.extension.openai_asr_python.realtime.backoff import (
    Backoff,
    Retries,
)
from ten_packages.extension.openai_asr_python.realtime.change import Attempt
from ten_packages.extension.openai_asr_python.realtime.endpoints import (
    Endpoint,
)
from ten_packages.extension.openai_asr_python.realtime.errors import ErrorInfo
from ten_packages.extension.openai_asr_python.realtime.events import ServerEvent
from ten_packages.extension.openai_asr_python.realtime.finalizes import (
    Covered,
    Covers,
    FinalizeQueue,
)
from ten_packages.extension.openai_asr_python.realtime.habits import (
    ServerHabits,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.result_queue import (
    ResultQueue,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    SessionLost,
    SessionReady,
)
from ten_packages.extension.openai_asr_python.realtime.sent_audio import (
    SentAudio,
)
from ten_packages.extension.openai_asr_python.realtime.session import Session
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.turn import Turn

WORD = word_audio(1)
VAD = {"type": "server_vad", "silence_duration_ms": 500}
SERVER = SessionSettings(
    model="gpt-4o-transcribe", wire_format="g711_ulaw", turn_detection=VAD
)


# -- back-off ----------------------------------------------------------------


class Dice(random.Random):
    """Draws one end of a range."""

    def __init__(self, highest: bool) -> None:
        super().__init__()
        self.highest = highest

    def uniform(self, a: float, b: float) -> float:
        return b if self.highest else a


def test_delays_double_up_to_a_bound():
    for highest, share in ((True, 1.0), (False, 0.5)):
        backoff = Backoff(Dice(highest))
        delays = [backoff.next_delay() for _ in range(8)]
        steps = [0, 0.5, 1, 2, 4, 8, 10, 10]
        assert delays == [share * step for step in steps]
        assert backoff.attempt == 8
        for _ in range(2000):
            backoff.next_delay()
        assert backoff.next_delay() == share * 10
        backoff.reset()
        assert backoff.attempt == 0
        assert backoff.next_delay() == 0


def test_a_servers_wish_is_stretched_and_never_shortens():
    assert Backoff(Dice(False)).next_delay(4.0) == 4.0
    assert Backoff(Dice(True)).next_delay(4.0) == 5.0
    assert Backoff(Dice(True)).next_delay(0.4) == 0.5
    backoff = Backoff(Dice(True))
    for _ in range(6):
        backoff.next_delay()
    assert backoff.next_delay(1.0) == 10.0


# -- the clock of a session --------------------------------------------------


def test_a_session_counts_from_its_first_audio():
    clock = SentAudio(8000)
    assert clock.position(5) == 5
    clock.skip_to(1000)
    clock.append(800)
    clock.skip_to(1800)
    clock.append(800)
    assert clock.position(0) == 1000
    assert clock.position(1599) == 2599
    assert clock.position_of_ms(100) == 1800
    # A server's mistake.
    assert clock.position_of_ms(10_000) == 2600


def test_a_jump_is_kept_until_it_is_not_asked_for_any_more():
    clock = SentAudio(8000)
    clock.skip_to(1000)
    clock.append(804)
    clock.skip_to(5000)
    clock.append(800)
    clock.skip_to(9000)
    clock.append(800)
    assert clock.position(803) == 1803
    assert clock.position(804) == 5000
    assert clock.position(1604) == 9000
    # 100 ms are 800 samples, within 1 ms of where the jump is.
    assert clock.position_of_ms(100) == 5000
    assert clock.position_of_ms(99) == 1792
    assert clock.position_of_ms(101) == 5004
    clock.forget_before(4999)
    assert clock.position(0) == 1000
    clock.forget_before(5000)
    assert clock.position(804) == 5000
    assert clock.position(1604) == 9000
    clock.forget_before(20_000)
    assert clock.position(1605) == 9001


def test_a_whole_ms_before_a_jump_is_before_it():
    clock = SentAudio(8000)
    clock.skip_to(0)
    clock.append(808)
    clock.skip_to(5000)
    clock.append(800)
    assert clock.position_of_ms(100) == 800
    assert clock.position_of_ms(101) == 5000


#: Appended samples, or a position to go on or back to, in ms.
_SENDING = st.lists(
    st.tuples(
        st.sampled_from(["append", "skip", "rewind"]), st.integers(1, 2000)
    ),
    max_size=20,
)


@given(_SENDING, st.integers(0, 4000))
def test_what_is_discarded_was_not_sent(steps, since):
    """Going back, without what was delivered before: `clear`."""
    clock = SentAudio(1000)
    sent: list[int] = []
    for step, size in steps:
        if step == "append":
            sent += range(clock.end, clock.end + size)
            clock.append(size)
        elif step == "skip":
            clock.skip_to(clock.end + size)
        else:
            clock.skip_to(max(clock.end - size, 0))
            sent = []
    left = [position for position in sent if position >= since]
    assert clock.sent_since(since) == len(left)


@given(_SENDING, st.integers(1, 2000))
def test_a_session_counts_on_where_its_audio_is_sent_again(steps, last):
    clock = SentAudio(8000)
    sent: list[int] = []
    for step, size in [*steps, ("append", last)]:
        if step == "append":
            sent += range(clock.end, clock.end + size * 8, 8)
            clock.append(size * 8)
        elif step == "skip":
            clock.skip_to(clock.end + size * 8)
        else:
            clock.rewind(max(clock.end - size * 8, 0))
            # What it was sent before is not asked for any more.
            sent = [-1] * len(sent)
    assert clock.samples == len(sent) * 8
    for at_ms, position in enumerate(sent):
        if position >= 0:
            assert clock.position_of_ms(at_ms) == position
    assert clock.position_of_ms(10**9) == clock.end


# -- finalizes ---------------------------------------------------------------


def upto(start: int, stop: int) -> Covers:
    """Only the positions from ``start`` to ``stop`` are covered."""

    def covers(position: int, now: float) -> Covered:
        return "yes" if start <= position <= stop else "no"

    return covers


def test_finalizes_are_answered_in_order_and_in_time():
    queue = FinalizeQueue(5000)
    assert queue.times() == []
    queue.ask("a", 100, 10.0)
    queue.ask("b", 200, 11.0)
    assert queue.positions == [100, 200]
    assert queue.times() == [15.0]
    assert list(queue.answers(upto(200, 300), 12.0)) == []
    assert list(queue.answers(upto(0, 100), 12.0)) == [
        FinalizeEnd("a", 2000, False)
    ]
    assert queue.times() == [16.0]
    assert list(queue.answers(upto(0, 0), 15.999)) == []
    assert list(queue.answers(upto(0, 0), 16.0)) == [
        FinalizeEnd("b", 5000, True)
    ]
    assert queue.positions == []


def test_a_finalize_waits_for_a_word_about_sound_that_may_be_speech():
    queue = FinalizeQueue(5000)
    queue.ask("a", 100, 10.0)

    def unheard(position: int, now: float) -> Covered:
        return "if silent"

    assert list(queue.answers(unheard, 10.5)) == []
    assert queue.times() == [15.0, 11.5]
    # It was said that somebody speaks, and nothing came of it.
    assert list(queue.answers(upto(0, 0), 11.0)) == []
    assert queue.times() == [15.0]
    assert list(queue.answers(unheard, 12.0)) == []
    assert list(queue.answers(unheard, 12.999)) == []
    assert list(queue.answers(unheard, 13.0)) == [FinalizeEnd("a", 3000, False)]
    assert queue.times() == []


# -- the audio that is held --------------------------------------------------


def test_what_is_held_and_what_gives_way():
    held = AudioBuffer(2, 4, lambda data: None)
    assert not held.append(b"aabbccdd", 0)
    assert (held.start, held.end) == (0, 4)
    assert held.complete
    assert held.append(b"ee", 0)
    assert (held.start, held.end) == (1, 5)
    assert not held.complete
    assert held.read(0, 3) == b"bbcc"
    assert held.read(2, 9) == b"ccddee"
    assert held.read(0, 1) == b""
    held.advance(1)
    assert held.complete
    held.advance(3)
    assert (held.start, held.watermark) == (3, 3)
    held.advance(2)
    assert held.watermark == 3
    held.advance(9)
    assert (held.start, held.watermark, held.end) == (5, 5, 5)


def test_marks_are_in_order_and_each_once():
    held = AudioBuffer(1, 100, lambda data: None)
    held.append(b"a" * 50, 0)
    for at in (20, 10, 20, 30, 10):
        held.mark(at)
    assert held.marks == [10, 20, 30]
    assert held.next_mark(0) == 10
    assert held.next_mark(10) == 20
    assert held.next_mark(30) is None
    held.advance(20)
    assert held.marks == [30]


def held_with(*pieces: bytes) -> AudioBuffer:
    held = AudioBuffer(1, 100_000, find_speech)
    for piece in pieces:
        held.append(piece, 0)
    return held


def test_without_a_detector_the_level_of_the_audio_counts():
    held = held_with(SILENCE * 100, WORD, SILENCE * 100)
    assert held.span(0, 440) == (100, 340)
    assert held.span(150, 200) == (150, 200)
    assert held.span(0, 100) is None
    assert held.span(100, 100) is None
    assert held.has_speech(0, 440)
    assert not held.has_speech(340, 440)
    assert held.next_speech(0) is None
    held.advance(200)
    assert held.span(0, 440) == (200, 340)


def test_with_a_detector_its_word_counts_from_then_on():
    held = held_with(WORD, SILENCE * 60)
    local = held.local
    local.listen(True, held.end)
    assert (local.heard_from, local.spans) == (300, [])
    held.append(WORD * 4, 0)
    local.listen(True, held.end)
    assert local.heard_from == 300
    assert held.has_speech(0, 1000)
    assert not held.has_speech(300, 1000)
    # A turn of which it told nothing has sound somewhere.
    assert held.span(300, 1000) == (300, 1000)
    local.spans.append([500, 700])
    local.spans.append([800, 900])
    assert held.span(300, 1000) == (500, 900)
    assert held.span(0, 1000) == (0, 900)
    assert held.span(600, 650) == (600, 650)
    assert held.has_speech(699, 750)
    assert not held.has_speech(700, 800)
    assert held.next_speech(0) == 0
    assert held.next_speech(300) == 500
    assert held.next_speech(699) == 500
    assert held.next_speech(700) == 800
    assert held.next_speech(900) is None
    held.advance(699)
    assert len(local.spans) == 2
    held.advance(700)
    assert local.spans == [[800, 900]]
    local.listen(False, held.end)
    assert local.spans is None


def test_what_stands_out_against_a_voice():
    held = held_with(SILENCE * 100, WORD)
    assert not held.stands_out(WORD, 0, 100)
    assert held.stands_out(WORD, 0, 340)
    assert not held.stands_out(b"", 0, 100)


# -- a session ---------------------------------------------------------------


def session(settings=SETTINGS, wall: float = 1000.0) -> Session:
    return Session(settings, "ga", Limits(), 50.0, wall, ServerHabits())


def test_when_a_session_is_followed_by_the_next():
    for life, early, switch in ((100, 10, 2.5), (3600, 60, 5), (10, 1, 0.25)):
        core = ScriptedCore()
        core.connect()
        expiry = 1.7e9 + life
        core.say({**CREATED, "session": {"id": "s", "expires_at": expiry}})
        end = core.now + life
        found = core.link.session
        assert found.rollover_at == pytest.approx(end - early)
        assert found.switch_at == pytest.approx(end - switch)


@pytest.mark.parametrize("expiry", [0, -1, 1e11, "x", None, 1.7e9 + 9])
def test_a_session_that_tells_no_life_worth_the_name(expiry):
    core = ScriptedCore()
    core.connect()
    core.say({**CREATED, "session": {"id": "s", "expires_at": expiry}})
    assert core.link.session.rollover_at is None


@pytest.mark.parametrize(
    ("code", "age", "explains"),
    [
        (1000, 2.0, True),
        (1000, 2.1, False),
        (4000, 60, True),
        (4000, 61, False),
    ],
)
def test_which_error_explains_a_close(code, age, explains):
    core = ScriptedCore()
    core.session()
    core.say({"type": "error", "error": {"code": "c", "message": "so"}})
    error = core.link.session.errors.behind(code, core.now + age)
    assert error == (ErrorInfo(code="c", message="so") if explains else None)


def test_an_error_is_told_once_no_close_can_follow():
    core = ScriptedCore()
    core.session()
    found = core.link.session.errors
    core.say({"type": "error", "error": {"code": "c"}})
    [due] = found.due(0.1)
    assert found.take(core.now, 0.1) == []
    assert [p.code for p in found.take(due, 0.1)] == ["c"]
    assert found.take(due, 0.1) == found.due(0.1) == []


def test_how_long_it_took_to_be_ready():
    core = ScriptedCore()
    assert core.core.exchange.next_attempt(core.now)
    core.now += 0.25
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.now += 0.5
    core.say(CREATED, UPDATED)
    assert core.of(SessionReady) == [SessionReady("s", 750)]


# -- PING and PONG -----------------------------------------------------------


def link(settings: SessionSettings = SETTINGS, **limits: int) -> Link:
    attempt = Attempt(Endpoint(settings, None), 0.0)
    found = Link(session(settings), attempt, Limits(**limits), 0.0)
    for event in (CREATED, UPDATED):
        found.session.receive(ServerEvent(event), 0.0)
    assert found.session.ready
    return found


def send(found: Link, length_ms: int, now: float) -> None:
    found.session.append(b"", ms(length_ms))
    found.audio_sent(ms(length_ms), now)


def test_pings_while_audio_flows_and_while_it_does_not():
    found = link()
    assert found.times() == [20.0]
    assert found.tick(19.9) is None
    assert not found.wants_ping
    send(found, 40, 1.0)
    assert found.times() == [3.0]
    assert found.tick(2.9) is None
    assert not found.wants_ping
    assert found.tick(3.0) is None
    assert found.take_ping()
    assert found.times() == [9.0]
    assert found.tick(8.9) is None
    assert not found.wants_ping
    found.pong(8.95)
    assert found.times() == [23.0]
    assert found.tick(22.9) is None
    assert not found.wants_ping
    assert found.tick(23.0) is None
    assert found.take_ping()


def test_a_pong_that_does_not_come_in_time():
    found = link()
    assert found.tick(20.0) is None
    assert found.take_ping()
    assert found.tick(25.9) is None
    assert not found.wants_ping
    fault = found.tick(26.0)
    assert fault is not None
    assert (fault.verdict, fault.code) == ("retry", "no_answer")


def test_a_ping_that_did_not_go_out_covers_what_was_sent_since():
    found = link()
    send(found, 40, 0.0)
    found.ask_ping(1.0)
    send(found, 40, 1.5)
    found.ask_ping(2.0)
    assert found.times() == [7.0]
    found.pong(2.5)
    assert found.times() == [21.0]
    found.pong(2.6)  # one too many


def test_what_is_awaited_makes_pings_as_often():
    found = link()
    found.session.commit(0.0)
    assert found.times() == [3.0]


def test_audio_goes_out_up_to_the_window_only():
    found = link(window_ms=1000)
    send(found, 499, 0.0)
    assert not found.wants_ping
    send(found, 1, 0.0)
    assert found.wants_ping
    assert not found.is_full
    assert found.take_ping()
    send(found, 499, 0.0)
    assert not found.is_full
    send(found, 1, 0.0)
    assert found.is_full
    assert not found.wants_ping
    found.pong(1.0)
    # The PONG proved the first half; the second one needs its own.
    assert not found.is_full
    assert found.wants_ping


def test_a_hold_is_decided_by_the_second_pong():
    found = link(SERVER)
    send(found, 400, 0.0)
    found.begin_hold(ms(400), 0, 1.0)
    assert found.is_held(6.9)
    assert not found.is_held(7.0)
    assert sorted(found.times()) == [7.0, 7.0]
    assert found.take_ping()
    found.pong(1.2)
    # The trip of 0.2 s counts; so 0.1 s are left of 0.3 s.
    assert found.times()[1:] == [7.0, pytest.approx(1.3)]
    found.tick(1.29)
    assert not found.wants_ping
    found.tick(1.31)
    assert found.wants_ping
    assert found.times()[1:] == [7.0]
    assert found.is_held(1.4)
    found.pong(1.5)
    assert not found.is_held(1.5)
    found.tick(1.5)
    assert len(found.times()) == 1
    found.mark_done(ms(400))
    assert found.hold is None
    assert found.marked_to == ms(400)


def test_a_hold_waits_for_what_the_server_has_to_look_at():
    found = link(SERVER)
    send(found, 4000, 0.0)  # It may look at that for 2 s.
    assert found.take_ping()
    found.pong(0.0)
    found.begin_hold(ms(4000), 0, 0.0)
    assert found.take_ping()
    found.pong(0.1)
    assert found.times()[1:] == [6.0, pytest.approx(2.3)]
    found.looked_to(ms(3000), 0.2)
    assert found.times()[1:] == [6.0, pytest.approx(1.0)]
    found.looked_to(ms(4000), 0.3)
    assert found.times()[1:] == [6.0, pytest.approx(0.6)]


def test_a_hold_while_an_update_is_out_wakes_nobody():
    found = link(SERVER)
    found.begin_hold(0, 0, 1.0)
    found.session.update(SETTINGS)
    assert len(found.times()) == 1


def test_quiet_is_proved_by_the_pong_of_a_later_ping():
    found = link(SERVER)
    send(found, 1000, 0.0)
    found.ask_ping(0.0)
    assert found.take_ping()
    found.pong(0.1)
    assert found.take_quiet() is None
    # It may look at that second for half a second; and 2 s more.
    found.ask_ping(2.5)
    assert found.take_ping()
    found.pong(2.6)
    assert found.take_quiet() is None
    found.ask_ping(2.61)
    assert found.take_ping()
    found.pong(2.7)
    assert found.take_quiet() == ms(1000)
    assert found.take_quiet() is None


# -- times of a turn ---------------------------------------------------------


def turns(core: ScriptedCore, kind: type) -> list[tuple[int, int]]:
    return [(r.turn.start_ms, r.turn.duration_ms) for r in core.of(kind)]


def heard(core: ScriptedCore, item: str, start: int, stop: int, text) -> None:
    kind = "input_audio_buffer.speech_"
    core.say(
        {"type": kind + "started", "item_id": item, "audio_start_ms": start},
        {"type": kind + "stopped", "item_id": item, "audio_end_ms": stop},
    )
    core.committed(item, None)
    core.transcribed("completed", item, transcript=text)


def test_padding_and_silence_are_no_speech():
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SILENCE * ms(1000) + WORD * 10 + SILENCE * ms(700))
    heard(core, "a", 700, 1800, " one ")
    assert turns(core, Final) == [(1000, 300)]
    [final] = core.of(Final)
    assert (final.turn.text, final.turn.model) == ("one", "gpt-4o-transcribe")
    assert core.core.watermark == ms(1800)


def test_padding_that_is_cut_short_is_looked_at():
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SILENCE * ms(100) + WORD * 10 + SILENCE * ms(700))
    heard(core, "a", 0, 900, "one")
    assert turns(core, Final) == [(100, 300)]


def test_a_clients_turn_is_where_its_sound_is():
    core = ScriptedCore()
    core.session()
    core.hear(SILENCE * ms(100) + WORD * 10 + SILENCE * ms(200))
    core.transcribed("delta", "a", delta="o")
    assert turns(core, Interim) == [(100, 500)]
    core.hear(b"", commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert turns(core, Final) == [(100, 300)]
    # What goes on without a pause begins where that ended.
    core.hear(WORD * 10, commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="two")
    assert turns(core, Final)[1] == (600, 300)


def test_text_for_silence_is_not_shown_early():
    core = ScriptedCore()
    core.session()
    core.hear(SILENCE * ms(300))
    core.transcribed("delta", "a", delta="o")
    assert core.of(Interim) == []
    core.hear(WORD)
    core.transcribed("delta", "a", delta="h")
    core.transcribed("delta", "a", delta=" ")
    assert [r.turn.text for r in core.of(Interim)] == ["oh"]


def test_a_replayed_turn_keeps_its_start():
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SILENCE * ms(1000) + WORD * 20)
    start = "input_audio_buffer.speech_started"
    core.say({"type": start, "item_id": "a", "audio_start_ms": 700})
    core.transcribed("delta", "a", delta="o")
    assert turns(core, Interim) == [(1000, 600)]
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    [lost] = core.of(SessionLost)
    assert (lost.retry_ms, lost.attempt, lost.was_ready) == (0, 1, True)
    core.session()
    core.say({"type": start, "item_id": "b", "audio_start_ms": 760})
    core.transcribed("delta", "b", delta="o")
    assert turns(core, Interim)[1] == (1000, 600)


def test_interims_that_nobody_took_give_way_to_the_next():
    core = ScriptedCore()
    core.session()
    core.hear(WORD * 10)
    for delta in ("a", "b"):
        kind = "conversation.item.input_audio_transcription.delta"
        event = {"type": kind, "item_id": "i", "delta": delta}
        core.core.exchange.receive(core.link, json.dumps(event), core.now)
    assert [r.turn.text for r in core.core.results] == ["ab"]


def test_a_ready_spare_session_takes_over_before_the_other_expires():
    core = ScriptedCore(turn_timeout_ms=200_000)
    core.connect()
    core.say({**CREATED, "session": {"id": "s", "expires_at": 1.7e9 + 100}})
    core.say(UPDATED)
    first, began = core.link, core.now
    core.hear(WORD * 10, commit=True)
    core.wait(89.0)
    assert not core.core.exchange.next_attempt(core.now)
    core.wait(1.1)
    core.session()
    assert core.core.active is first
    for when, active in ((97.4, first), (97.6, core.link)):
        while (due := core.core.exchange.deadline()) <= began + when:
            core.now = max(due, core.now)
            core.core.exchange.tick(core.now)
            for each in {first, core.link}:
                if each.take_ping():
                    core.core.exchange.pong(each, core.now)
        assert core.core.active is active
    assert first.must_close


def test_the_servers_word_on_an_onset_counts_more_than_sound():
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SILENCE * ms(800) + WORD * 20 + SILENCE * ms(400))
    heard(core, "a", 700, 1800, "one")
    assert turns(core, Final) == [(1000, 300)]


def test_a_late_confirmation_is_told_as_such():
    core = ScriptedCore()
    core.connect()
    core.say(CREATED)
    core.wait(10.1)
    core.hear(WORD * 10)
    core.say(UPDATED)
    [lost] = core.of(SessionLost)
    assert (lost.fault.verdict, lost.fault.code) == (
        "at_once",
        "no_session_updated",
    )
    assert lost.retry_ms == 0
    assert "came 10.1 s after session.update" in lost.fault.message


def test_that_the_next_session_comes_late_is_told_once_for_each():
    retries = Retries(random.Random(1))
    assert not retries.is_late(due_at=9.0, end=10.0, now=5.0)
    assert retries.is_late(due_at=11.0, end=10.0, now=5.0)
    assert not retries.is_late(due_at=12.0, end=10.0, now=6.0)
    retries.taken_over()
    assert not retries.is_late(due_at=21.0, end=20.0, now=20.5)
    assert retries.is_late(due_at=21.0, end=20.0, now=15.0)


def test_a_loss_waits_as_long_as_the_service_asked():
    retries = Retries(random.Random(1))
    retries.heed(4.0, now=100.0)
    assert 4.0 <= retries.after_loss(now=100.0) <= 5.0
    assert 0.0 <= retries.after_loss(now=110.0) <= 0.5


def test_a_mark_of_ours_where_a_long_turn_may_be_cut_is_ours():
    for order in ((True, False), (False, True)):
        buffer = AudioBuffer(1, ms(1000), find_speech)
        buffer.append(word_audio(1) * 2, 0)
        for cut in order:
            buffer.mark(60, cut=cut)
        assert buffer.marks == [60]
        assert buffer.cuts == set()
    buffer.mark(90, cut=True)
    assert buffer.cuts == {90}
    buffer.advance(100)
    assert buffer.cuts == set()


def test_what_gave_way_is_told_once_in_whatever_pieces():
    buffer = AudioBuffer(1, ms(1000), lambda data: None)
    queue = ResultQueue(buffer, SETTINGS)
    for start, stop in (100, 200), (50, 300), (0, 300), (0, 400):
        queue.dropped_audio(ms(start), ms(stop))
    told = [
        (result.start_ms, result.duration_ms)
        for result in queue.results
        if isinstance(result, AudioDropped)
    ]
    assert sum(length for _, length in told) == 400
    ends = [(start, start + length) for start, length in sorted(told)]
    assert [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]
    assert queue.dropped == ms(400)


@pytest.mark.parametrize(("clipped", "start_ms"), [(True, 1100), (False, 1300)])
def test_a_turn_at_the_begin_of_a_session_has_less_padding(clipped, start_ms):
    """What is before it the session never had: silence that was skipped."""
    buffer = AudioBuffer(1, ms(10_000), find_speech)
    buffer.append(SILENCE * ms(1100) + word_audio(1) * 20, 0)
    queue = ResultQueue(buffer, SERVER)
    turn = Turn("a", ms(1000), SERVER, clipped=clipped)
    turn.speech_started()
    turn.speech_stopped(ms(1700), 1.0)
    turn.commit(1.0)
    turn.complete(ServerEvent({"transcript": "one"}), ms)
    queue.final(turn)
    (final,) = queue.results
    assert final.turn.start_ms == start_ms

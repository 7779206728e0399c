"""What the random calls of `devkit.sim` found, one small case each."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from sim import SILENCE, Call, Faults, SimServer, find_speech, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    TurnFailed,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

from bench.soak.core import run_batch
from devkit.sim.kinds import ALL, OLD

VAD = {"type": "server_vad", "silence_duration_ms": 500}
TRANSCRIPTION = "conversation.item.input_audio_transcription."


def make_call(owner: str = "server", **options) -> Call:
    rng = random.Random(1)
    life = options.pop("life", None)
    faults = options.pop("faults", None)
    return Call(rng, SimServer(rng, faults, life), owner, **options)


class Line:
    """A core on a session, with the server's events said one by one."""

    def __init__(self, turn_detection=VAD, **limits) -> None:
        settings = SessionSettings(
            model="gpt-4o-transcribe",
            wire_format="g711_ulaw",
            turn_detection=turn_detection,
        )
        # What is said here goes out at once, without any PONG.
        limits = {"window_ms": 3_600_000, **limits}
        self.core = Transcription(
            settings,
            Limits(packet_ms=100, replay_packet_ms=1000, **limits),
            protocol="ga",
            find_speech=find_speech,
            rng=random.Random(1),
        )
        self.now = 0.0
        self.core.start(self.now)
        self.connect()

    def pong(self, now: float) -> None:
        """The PING that was asked for goes out, and is answered."""
        assert self.link.wants_ping
        self.link.take_ping()
        self.core.exchange.pong(self.link, now)

    def connect(self) -> None:
        assert self.core.exchange.next_attempt(self.now)
        self.link = self.core.exchange.opened(self.now, 1e9)
        self.sent()
        self.event("session.updated")

    def event(self, kind: str, **fields) -> None:
        message = json.dumps({"type": kind, **fields})
        self.core.exchange.receive(self.link, message, self.now)

    def started(self, item: str, at_ms: int) -> None:
        kind = "input_audio_buffer.speech_started"
        self.event(kind, item_id=item, audio_start_ms=at_ms)

    def stopped(self, item: str, at_ms: int, previous: str | None) -> None:
        kind = "input_audio_buffer.speech_stopped"
        self.event(kind, item_id=item, audio_end_ms=at_ms)
        self.committed(item, previous)

    def committed(self, item: str, previous: str | None) -> None:
        kind = "input_audio_buffer.committed"
        self.event(kind, item_id=item, previous_item_id=previous)

    def completed(self, item: str, text: str) -> None:
        self.event(TRANSCRIPTION + "completed", item_id=item, transcript=text)

    def sent(self) -> list[str]:
        """The types of all messages that go out now."""
        types = []
        while True:
            message = self.core.exchange.next_message(self.link, self.now)
            if message is None:
                return types
            types.append(json.loads(message)["type"].rpartition(".")[2])

    def of(self, kind: type) -> list:
        return [r for r in self.core.results if isinstance(r, kind)]

    def talk(self, length_ms: int) -> None:
        """Words with gaps of 70 ms."""
        word = word_audio(1) + SILENCE * ms(70)
        self.core.audio(word * (length_ms // 100))


def test_a_turn_ended_by_finalize_keeps_the_start_that_the_server_told():
    call = make_call(faults=Faults(delay_s=5))
    call.pause(500)
    call.say(3)
    call.pause(2000)
    call.say(3)
    call.pause(200)
    call.finalize()
    call.finish()
    call.check()
    finals = [r.turn for r in call.results if isinstance(r, Final)]
    starts = [turn.start_ms for turn in finals if turn.text]
    assert starts == [call.spoken[0].start // 8, call.spoken[3].start // 8]


@pytest.mark.parametrize("error_s", [4000.0, -4000.0])
def test_a_wrong_wall_clock_does_not_open_session_after_session(error_s):
    call = make_call(life=3600.0, wall_error_s=error_s)
    for _ in range(5):
        call.say(3)
        call.pause(3000)
    call.finish()
    call.check()
    assert call.opened == 1


def test_the_core_does_not_spin_while_the_next_session_is_slow_to_open():
    call = make_call(life=40.0)
    call.say(2)
    call.pause(34_000)
    call.server.faults = Faults(never_ready=1)
    call.pause(10_000)  # `Call.wait` raises when a deadline stays in the past
    call.finish()
    call.check()


def test_audio_is_reported_as_dropped_once():
    line = Line(max_buffer_ms=10_000)
    line.talk(8000)
    line.sent()
    line.talk(12_000)  # 2 s of what it pushes out were never sent
    line.now = 1.0
    line.core.exchange.closed(line.link, 1006, "", line.now)
    line.now = 2.0
    line.connect()
    dropped = line.of(AudioDropped)
    stretches = sorted(
        (d.start_ms, d.start_ms + d.duration_ms) for d in dropped
    )
    assert stretches[0][0] == 0
    assert stretches[-1][1] == 10_000
    for before, after in pairwise(stretches):
        assert before[1] <= after[0]
    assert sum(d.duration_ms for d in dropped) == 10_000
    assert line.core.dropped == ms(10_000)


def test_the_report_of_a_failed_turn_covers_audio_that_gave_way():
    line = Line(max_buffer_ms=10_000)
    line.talk(3000)
    line.sent()
    line.started("a", 0)
    line.core.audio(SILENCE * ms(1000))
    line.sent()
    line.stopped("a", 3500, None)
    line.core.audio(SILENCE * ms(7000))  # the first second is not held now
    line.sent()
    line.event(
        TRANSCRIPTION + "failed", item_id="a", error={"type": "server_error"}
    )
    failed = line.of(TurnFailed)
    assert [turn.start_ms for turn in failed] == [0]


def test_a_finalize_in_silence_waits_for_the_turn_before_after_a_replay():
    line = Line()
    line.talk(1000)
    line.sent()
    line.started("a", 0)
    line.core.audio(SILENCE * ms(2000))
    line.sent()
    line.stopped("a", 1500, None)
    line.core.finalize("f", line.now)
    line.sent()
    line.now = 1.0
    line.core.exchange.closed(line.link, 1006, "", line.now)
    line.connect()
    line.sent()
    # All is sent again, but the server has not said a word about it yet.
    assert line.of(FinalizeEnd) == []
    line.started("b", 0)
    line.stopped("b", 1500, None)
    line.completed("b", "hello")
    line.pong(1.1)
    line.now = 4.0  # time enough for it to look at 3 s of audio
    line.core.exchange.tick(line.now)
    line.sent()
    kinds = [type(r) for r in line.core.results]
    assert kinds.index(Final) < kinds.index(FinalizeEnd)


def test_text_for_an_item_that_never_was_does_not_hold_up_the_turns():
    line = Line()
    line.talk(1000)
    line.sent()
    line.event(TRANSCRIPTION + "delta", item_id="strange", delta="boo")
    line.started("a", 0)
    line.core.audio(SILENCE * ms(1000))
    line.sent()
    line.stopped("a", 1500, None)
    line.completed("a", "hello")
    assert [final.turn.text for final in line.of(Final)] == ["hello"]


def test_a_lost_notice_does_not_let_a_turn_swallow_the_next_ones():
    line = Line()
    line.talk(1000)
    line.sent()
    line.started("a", 0)
    line.core.finalize("f1", line.now)
    assert line.sent() == ["commit"]
    # The server ends "a" there, but its notice is lost.
    line.talk(1000)
    line.core.audio(SILENCE * ms(1000))
    line.sent()
    line.started("b", 1000)
    line.talk(1000)
    line.sent()
    line.core.finalize("f2", line.now)
    line.sent()
    line.committed("b", None)
    line.completed("a", "one")
    # The words of "b" are not delivered: they must still be held.
    assert line.core.watermark == ms(1000)


def test_a_turn_that_never_ends_gives_up_only_its_own_audio():
    line = Line(turn_timeout_ms=1000)
    for attempt in (1, 2):
        line.talk(1000 if attempt == 1 else 0)
        line.sent()
        line.started(f"a{attempt}", 0)
        if attempt == 1:
            line.core.audio(SILENCE * ms(1000))
            line.talk(1000)
            line.core.audio(SILENCE * ms(1000))
        line.sent()
        # No end of "a" comes, but that of the turn after it.
        line.started(f"b{attempt}", 1700)
        line.stopped(f"b{attempt}", 3500, f"a{attempt}")
        line.now += 1.5
        line.core.exchange.tick(line.now)
        if attempt == 1:
            line.connect()
    failed = line.of(TurnFailed)
    assert [(turn.start_ms, turn.item_id) for turn in failed] == [(0, "a2")]
    assert line.core.watermark <= ms(2000)


def test_a_fast_replay_does_not_cut_a_turn_that_the_server_has_ended():
    """The server is heard later than a burst of audio is sent."""
    line = Line(max_turn_ms=10_000)
    line.talk(2000)
    line.sent()
    line.started("a", 0)
    for _ in range(8):
        line.core.audio(SILENCE * ms(1000))
        line.talk(3050)
    assert "commit" not in line.sent()
    line.stopped("a", 2500, None)
    line.started("b", 2700)
    line.pong(0.1)
    line.now = 1.0
    line.core.exchange.tick(line.now)
    messages = line.sent()
    assert "commit" not in messages[:1]


def test_a_turn_that_really_does_not_end_is_bounded():
    line = Line(max_turn_ms=10_000)
    line.talk(2000)
    line.sent()
    line.started("a", 0)
    line.talk(10_000)
    assert "commit" not in line.sent()
    assert line.link.wants_ping
    line.pong(0.1)
    line.now = 10.0
    line.core.exchange.tick(line.now)
    assert "commit" in line.sent()


def test_a_hold_that_is_over_does_not_wake_the_client_again_and_again():
    line = Line()
    line.talk(1000)
    line.core.finalize("f", line.now)
    line.sent()
    assert line.link.hold is not None
    line.pong(0.1)
    # The transport takes nothing more for the moment.
    line.now = 1.0
    line.core.exchange.tick(line.now)
    due = line.core.exchange.deadline()
    assert due is not None
    assert due > line.now


def test_nothing_connects_after_the_end():
    line = Line()
    line.talk(1000)
    line.sent()
    line.started("a", 0)
    line.core.stop(line.now)
    line.event(
        TRANSCRIPTION + "failed", item_id="a", error={"type": "server_error"}
    )
    assert not line.core.exchange.next_attempt(line.now + 100)


def test_an_item_that_comes_after_its_commit_was_given_up_shifts_no_text():
    call = make_call("client")
    call.pause(200)
    call.say(2)
    call.commit()
    call.pause(300)
    call.say(2)
    call.commit()
    call.leap(400)  # answers wait at the socket while the timers are due
    call.finish()
    call.check()


#: Calls of `bench.soak.core` that broke a promise once.
FOUND = (10000378, 10000532, 10000834, 10001788, 10001972)
#: The same, of all kinds of faults.
FOUND_OF_ALL = (
    971000002110,
    973000000219,
    973000003632,
    978000002964,
    978000003243,
    979000000910,
    980000001785,
    980000003712,
    952700000305,
    952700001320,
    996000003476,
    997000001167,
    998000003530,
    103000000881,
)


@pytest.mark.parametrize("seed", [*FOUND, *FOUND_OF_ALL])
def test_a_call_that_once_failed(seed):
    tally, complaints = run_batch([seed], OLD if seed in FOUND else ALL)
    assert complaints == {}
    # One of these was stopped early.
    assert tally.words > (50 if seed == 980000003712 else 100)


def quiet_seconds(line: Line, seconds: int, answers: bool = True) -> None:
    """Silence in real time; the server has nothing to say about it."""
    for _ in range(seconds):
        line.now += 1.0
        line.core.audio(SILENCE * ms(1000))
        line.sent()
        line.core.exchange.tick(line.now)
        if line.link.wants_ping and answers:
            line.pong(line.now)


def test_silence_is_let_go_only_when_the_server_lived_on():
    """It may have died between the PONG and what its detector said."""
    line = Line()
    quiet_seconds(line, 3)
    assert not line.link.wants_ping  # The first PING is answered.
    quiet_seconds(line, 5, answers=False)
    assert line.link.wants_ping
    assert line.core.watermark == 0
    line.pong(line.now)
    assert line.core.watermark > ms(1000)


def test_silence_is_let_go_only_when_there_was_time_to_look_at_it():
    """A server may answer PINGs before it has looked at the audio."""
    line = Line()
    line.core.audio(SILENCE * ms(60_000))
    line.sent()
    for second in range(1, 40):
        quiet_seconds(line, 1)
        assert line.core.watermark <= ms(2000) * second
    assert line.core.watermark > ms(20_000)
    quiet_seconds(line, 60)  # By then it has caught up.
    assert line.core.received - line.core.watermark < ms(10_000)


def test_a_server_that_dies_after_its_pong_does_not_answer_for_its_detector():
    """The end signal waits for a PONG behind what there was to say."""
    line = Line()
    line.talk(1000)
    line.core.finalize("f", line.now)
    line.sent()
    line.pong(0.1)
    assert line.link.hold is not None
    for line.now in (0.5, 1.0, 2.0, 4.0):
        line.core.exchange.tick(line.now)
        line.sent()
    assert line.of(FinalizeEnd) == []
    # Alive after all; but it must say something about so much sound.
    line.pong(4.0)
    line.sent()
    assert line.of(FinalizeEnd) == []
    line.core.exchange.tick(line.core.limits.finalize_timeout_ms / 1000)
    [end] = line.of(FinalizeEnd)
    assert (end.token, end.timed_out) == ("f", True)


def test_a_turn_whose_first_audio_gave_way_does_not_start_in_the_next():
    line = Line({"type": "semantic_vad"}, max_buffer_ms=8000)
    line.talk(400)
    line.core.audio(SILENCE * ms(2600))
    line.talk(1000)
    line.sent()
    line.started("a", 0)
    line.core.audio(SILENCE * ms(5500))  # "a" is half gone.
    line.sent()
    line.event(TRANSCRIPTION + "delta", item_id="a", delta="one")
    assert [r.turn.start_ms for r in line.of(Interim)] == [0]


@pytest.mark.parametrize("fills", ["the_buffer", "more"])
def test_words_before_a_burst_that_fills_the_buffer_are_committed(fills):
    """They were sent; that their audio gave way does not make it silence."""
    call = make_call("client", limits=Limits(max_buffer_ms=12_000))
    call.pause(400)
    call.say(2)
    call.pause(200)
    call.stall()
    call.pause(12_000 if fills == "the_buffer" else 60_000)
    call.catch_up()
    call.finish()
    call.check()
    assert call.heard == ["w1", "w2"]
    [final] = [r.turn for r in call.results if isinstance(r, Final)]
    assert final.start_ms == 400


def test_a_finalize_waits_for_the_commit_around_its_position():
    """Its own commit gave way with the audio before it."""
    call = make_call("client", limits=Limits(max_buffer_ms=8_000))
    call.wait(1)  # Connected.
    call.say(1)
    call.pause(200)
    call.stall()
    call.pause(10_000)
    call.finalize()
    call.pause(10_000)
    call.catch_up()
    call.finish()
    call.check()
    assert call.heard == ["w1"]
    kinds = [
        type(r) for r in call.results if isinstance(r, Final | FinalizeEnd)
    ]
    assert kinds[:2] == [Final, FinalizeEnd]


def test_a_start_that_was_shown_stays_when_a_replay_hears_it_later():
    line = Line()
    line.core.audio(SILENCE * ms(400))
    line.talk(1000)
    line.core.audio(SILENCE * ms(600))
    line.sent()
    line.started("a", 100)
    line.event(TRANSCRIPTION + "delta", item_id="a", delta="one")
    assert [r.turn.start_ms for r in line.of(Interim)] == [400]
    line.core.exchange.closed(line.link, 1006, "", line.now)
    line.connect()
    line.sent()
    line.started("b", 450)
    line.stopped("b", 1900, None)
    line.completed("b", "one")
    assert [r.turn.start_ms for r in line.of(Final)] == [400]


def test_a_commit_too_short_to_be_made_is_no_end_when_somebody_else_listens():
    call = make_call("server")
    call.say(1, 60, 120)
    call.change_owner("local")
    call.resume()
    call.commit()
    call.drop(1000)
    call.pause(2000)
    call.finish()
    call.check()

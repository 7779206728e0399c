"""Anything in any order: hypothesis looks for the shortest broken call.

What must hold after every step is in `devkit.sim.watch`.
"""

from __future__ import annotations

import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)
from sim import OWNERS, WORD_SAMPLES, Call, Faults, SimServer
from ten_packages.extension.openai_asr_python.realtime.limits import Limits

from devkit.sim.random_call import PACES
from devkit.sim.troubles import FREEZES

CODES = (1000, 1001, 1002, 1006, 1009, 1011, 1012, 1013)
REFUSALS = ("invalid_request_error.invalid_api_key", "insufficient_quota")
CHANCE = st.sampled_from((0.0, 0.0, 0.3))
FAULTS = st.builds(
    Faults,
    fail=CHANCE,
    duplicate=CHANCE,
    late_delta=CHANCE,
    no_committed=CHANCE,
    no_completed=CHANCE,
    wrong_id=CHANCE,
    empty=CHANCE,
    invent=CHANCE,
    junk=CHANCE,
    never_ready=CHANCE,
    refuse_session=CHANCE,
    error_event=CHANCE,
    refuse_change=CHANCE,
    mute_change=CHANCE,
    delay_s=st.sampled_from((0.0, 1.0, 5.0)),
)


class OneCall(RuleBasedStateMachine):
    """A call in which everything may happen."""

    call: Call

    @initialize(
        seed=st.integers(0, 2**16),
        owner=st.sampled_from(OWNERS),
        life=st.sampled_from((None, 15.0, 40.0)),
        tells=st.booleans(),
        buffer_ms=st.sampled_from((6_000, 120_000)),
        turn_ms=st.sampled_from((5_000, 30_000)),
        connect_s=st.sampled_from((0.0, 3.0, 12.0)),
        wall_error_s=st.sampled_from((0.0, 5000.0, -5000.0)),
    )
    def begin(
        self, seed, owner, life, tells, buffer_ms, turn_ms, connect_s,
        wall_error_s,
    ):  # fmt: skip
        rng = random.Random(seed)
        limits = Limits(
            packet_ms=100,
            replay_packet_ms=1000,
            max_buffer_ms=buffer_ms,
            # As the configuration has it: no turn outlives the buffer.
            max_turn_ms=min(turn_ms, buffer_ms // 2),
        )
        server = SimServer(rng, Faults(delay_s=1.0), life, tells)
        self.call = Call(
            rng,
            server,
            owner,
            limits,
            connect_s=connect_s,
            wall_error_s=wall_error_s,
        )

    def alive(self) -> bool:
        return not self.call.stopped and self.call.core.fatal is None

    @rule(words=st.integers(1, 8), gap_ms=st.sampled_from((30, 60, 200)))
    @precondition(alive)
    def say(self, words, gap_ms):
        self.call.say(words, gap_ms)

    @rule(words=st.integers(20, 60))
    @precondition(alive)
    def say_much(self, words):
        self.call.say(words, 60)

    @rule(
        cut=st.integers(1, WORD_SAMPLES - 1),
        what=st.sampled_from(("finalize", "commit", "drop", "freeze")),
    )
    @precondition(alive)
    def in_the_middle_of_a_word(self, cut, what):
        self.call.say(2, 60, cut)
        getattr(self.call, what)()
        self.call.resume()

    @rule(length_ms=st.sampled_from((20, 150, 600, 2000, 9000)))
    @precondition(alive)
    def pause(self, length_ms):
        self.call.pause(length_ms)

    @rule(length_ms=st.sampled_from((20, 150, 600)))
    @precondition(alive)
    def noise(self, length_ms):
        self.call.noise(length_ms)

    @rule(seconds=st.sampled_from((0.0, 0.2, 1.0, 6.0, 20.0)))
    def wait(self, seconds):
        self.call.wait(seconds)

    @rule(
        words=st.sampled_from((0, 1, 30)),
        length_ms=st.sampled_from((600, 9000, 130_000)),
    )
    @precondition(alive)
    def stall(self, words, length_ms):
        self.call.stall()
        self.call.pause(length_ms)
        if words:
            self.call.say(words)
        self.call.catch_up()

    @rule()
    @precondition(alive)
    def finalize(self):
        self.call.finalize()

    @rule()
    @precondition(alive)
    def commit(self):
        self.call.commit()

    @rule(
        by_session=st.booleans(),
        silence_ms=st.sampled_from((300, 700)),
        in_a_word=st.booleans(),
        then=st.sampled_from(
            ("", "drop", "drop_one", "freeze", "finalize", "stop")
        ),
    )
    @precondition(alive)
    def change(self, by_session, silence_ms, in_a_word, then):
        what = {}
        if self.call.owner == "server":
            what["turn_detection"] = {
                "type": "server_vad",
                "prefix_padding_ms": 300,
                "silence_duration_ms": silence_ms,
            }
        if in_a_word:
            self.call.say(1, 60, WORD_SAMPLES // 2)
        self.call.change(by_session, **what)
        if then:
            getattr(self.call, then)()
        if in_a_word:
            self.call.resume()

    @rule(faults=FAULTS)
    def misbehave(self, faults):
        self.call.server.faults = faults

    @rule(code=st.sampled_from(CODES))
    @precondition(alive)
    def drop(self, code):
        self.call.drop(code)

    @rule(code=st.sampled_from(CODES))
    @precondition(alive)
    def drop_one(self, code):
        self.call.drop_one(code)

    @rule(what=st.sampled_from(("freeze", "deafen")))
    def go_quiet(self, what):
        getattr(self.call, what)()

    @rule(how=st.sampled_from(PACES))
    def slow_down(self, how):
        self.call.slow_down(*how)

    @rule(status=st.sampled_from((408, 429, 500, 503)), wish=st.booleans())
    def refuse(self, status, wish):
        self.call.refuse(status, "3" if wish else "")

    @rule(reachable=st.booleans())
    def reach(self, reachable):
        self.call.reachable = reachable

    @rule(seconds=st.sampled_from((1.0, 30.0, 4000.0)))
    @precondition(alive)
    def leap(self, seconds):
        self.call.leap(seconds)

    @rule(seconds=st.sampled_from((-7200.0, 0.0, 7200.0)))
    def step_the_wall_clock(self, seconds):
        self.call.wall_error_s = seconds

    @rule(reason=st.sampled_from(REFUSALS), one=st.booleans())
    @precondition(lambda self: self.alive() and self.call.core.active)
    def end_for_good(self, reason, one):
        (self.call.drop_one if one else self.call.drop)(4000, reason)

    @rule(refuses=st.booleans())
    def revoke_the_key(self, refuses):
        self.call.refuses_spare = refuses

    @rule(
        owner=st.sampled_from((*OWNERS, "local_skip")),
        in_a_word=st.booleans(),
        then=st.sampled_from(("", "drop", "drop_one", "finalize", "stop")),
    )
    @precondition(alive)
    def change_owner(self, owner, in_a_word, then):
        if in_a_word:
            self.call.say(1, 60, WORD_SAMPLES // 2)
        self.call.change_owner(owner)
        if then:
            getattr(self.call, then)()
        if in_a_word:
            self.call.resume()

    @rule()
    @precondition(lambda self: self.alive() and self.call.detector)
    def change_detector(self):
        self.call.listen()

    @rule()
    @precondition(alive)
    def change_nothing(self):
        self.call.change_nothing()

    @rule()
    @precondition(alive)
    def stop(self):
        self.call.stop()

    finish_s = 300

    def teardown(self):
        if not hasattr(self, "call"):
            return
        call = self.call
        if self.alive():
            call.finish(self.finish_s)
            call.check()
            return
        call.wait(60)
        assert call.watch.answered == len(call.asked)
        if call.core.fatal is not None and not call.stopped:
            assert call.core.watermark == call.core._buffer.end


class AnyKindOfCall(OneCall):
    """One in which the new kinds of faults may happen as well."""

    finish_s = 1200

    @rule(kind=st.sampled_from(FREEZES))
    def stop_listening(self, kind):
        self.call.numb(kind)

    @rule(
        seconds=st.sampled_from((0.3, 1.4, 1.6, 12.0)),
        cut=st.one_of(st.none(), st.integers(1, WORD_SAMPLES - 1)),
    )
    @precondition(OneCall.alive)
    def send_nothing(self, seconds, cut):
        self.call.say(2, 60, cut)
        self.call.gap(seconds)
        if cut is not None:
            self.call.resume()

    @rule(
        seconds=st.sampled_from((0.0, 0.8, 4.0, 12.0)),
        once=st.integers(0, 10),
        row=st.integers(0, 3),
        timed=st.booleans(),
    )
    def fail_turns(self, seconds, once, row, timed):
        failing = self.call.server.troubles.failing
        failing.until = self.call.now + seconds
        failing.once, failing.row, failing.timed = once, row, timed

    @rule(seconds=st.sampled_from((None, 6.0, 15.0)))
    def kill_by_audio(self, seconds):
        troubles = self.call.server.troubles
        troubles.audio_s = seconds and (seconds, seconds)

    @rule(many=st.sampled_from((None, 20, 60)))
    def kill_by_messages(self, many):
        self.call.server.troubles.messages = many and (many, many)

    @rule(seconds=st.sampled_from((None, 6.0)))
    def kill_by_speed(self, seconds):
        troubles = self.call.server.troubles
        troubles.burst_s = seconds and (seconds, seconds)

    @rule(word=st.integers(1, 8))
    def kill_by_a_word(self, word):
        self.call.server.troubles.poison.add(len(self.call.spoken) + word)

    @rule(seconds=st.sampled_from((3.0, 25.0)))
    @precondition(OneCall.alive)
    def play_music(self, seconds):
        self.call.music(seconds)

    def teardown(self):
        super().teardown()
        if hasattr(self, "call") and self.call.stopped:
            self.call.check()


TestOneCall = OneCall.TestCase
TestAnyKindOfCall = AnyKindOfCall.TestCase
TestOneCall.settings = TestAnyKindOfCall.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

"""Local turns where silence is not sent: nothing said is lost by it."""

from __future__ import annotations

import random

import pytest
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    FinalizeEnd,
)

from devkit.sim.call import Call
from devkit.sim.server import Faults, SimServer
from devkit.sim.words import WORD_SAMPLES, ms


def make_call(owner: str, seed: int = 1, faults: Faults | None = None) -> Call:
    rng = random.Random(seed)
    return Call(rng, SimServer(rng, faults), owner)


def sent_ms(call: Call) -> int:
    """Audio that the open connection was sent, in ms."""
    return sum(c._heard for c in call.connections) * 1000 // ms(1000)


def test_only_speech_and_what_surrounds_it_is_sent():
    sent = {}
    for owner in ("local", "local_skip"):
        call = make_call(owner)
        call.pause(20_000)
        for words in (4, 6):
            call.say(words)
            call.pause(15_000)
        sent[owner] = sent_ms(call)
        finals = [r.turn for r in call.results if isinstance(r, Final)]
        starts = [call.spoken[k].start * 1000 // ms(1000) for k in (0, 4)]
        assert [turn.start_ms for turn in finals] == starts
        assert [len(turn.text.split()) for turn in finals] == [4, 6]
        call.finish()
        call.check()
    assert sent["local"] > 45_000
    # Speech, 100 ms before each turn and 100 ms behind it.
    speech = 10 * WORD_SAMPLES + (3 + 5) * ms(60)
    assert sent["local_skip"] == speech * 1000 // ms(1000) + 2 * 200


def test_a_finalize_in_silence_is_answered_and_sends_nothing():
    call = make_call("local_skip")
    call.pause(3000)
    call.finalize()
    call.wait(1)
    assert [r for r in call.results if isinstance(r, FinalizeEnd)]
    assert sent_ms(call) == 0
    call.say(3)
    call.finalize()
    call.pause(3000)
    assert call.heard == ["w1", "w2", "w3"]
    call.finish()
    call.check()


def test_an_hour_of_silence_is_not_kept():
    call = make_call("local_skip")
    for _ in range(60):
        call.pause(10_000)
    assert call.core.received - call.core.watermark < ms(6_000)
    assert call.core.dropped == 0
    assert sent_ms(call) == 0


@pytest.mark.parametrize("owner", ["local", "local_skip"])
def test_random_faults_lose_nothing(owner):
    for seed in range(40):
        rng = random.Random(seed)
        call = Call(rng, SimServer(rng, Faults(delay_s=3)), owner)
        for _ in range(20):
            choice = rng.random()
            call.say(rng.randint(1, 8))
            if choice < 0.2:
                call.pause(rng.uniform(0, 400))
                call.finalize()
            call.pause(rng.uniform(150, 4000))
            if choice > 0.6:
                call.drop()
            if choice > 0.9:
                call.reachable = False
            elif rng.random() < 0.5:
                call.reachable = True
        call.finish()
        try:
            call.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None

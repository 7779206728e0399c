"""Calls through the core against the simulated service."""

from __future__ import annotations

import random

import pytest
from sim import Call, Faults, SimServer
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    FinalizeEnd,
)


def make_call(owner: str = "server", seed: int = 1, **options) -> Call:
    rng = random.Random(seed)
    faults = options.pop("faults", None)
    life = options.pop("life", None)
    return Call(rng, SimServer(rng, faults, life), owner, **options)


def test_turns_are_delivered_once_in_order_with_true_times():
    call = make_call()
    call.pause(700)
    for words in (3, 5, 2):
        call.say(words)
        call.pause(1200)
    call.finish()
    call.check()
    finals = [r.turn for r in call.results if isinstance(r, Final)]
    finals = [turn for turn in finals if turn.text]
    starts = [call.spoken[i].start * 1000 // 8000 for i in (0, 3, 8)]
    assert [t.start_ms for t in finals] == starts
    assert [t.duration_ms for t in finals] == [210, 390, 120]


@pytest.mark.parametrize("owner", ["server", "client"])
def test_finalize_delivers_the_open_turn(owner):
    call = make_call(owner)
    call.pause(400)
    call.say(4)
    call.finalize()
    call.wait(5)
    assert call.heard == ["w1", "w2", "w3", "w4"]
    assert [r for r in call.results if isinstance(r, FinalizeEnd)]
    call.finish()
    call.check()


@pytest.mark.parametrize("owner", ["server", "client"])
def test_random_faults_lose_nothing(owner):
    for seed in range(60):
        rng = random.Random(seed)
        call = Call(rng, SimServer(rng, Faults(delay_s=3)), owner)
        for _ in range(25):
            choice = rng.random()
            call.say(rng.randint(1, 8))
            if owner == "client" or choice < 0.2:
                call.pause(rng.uniform(0, 400))
                call.finalize()
            call.pause(rng.uniform(150, 1500))
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

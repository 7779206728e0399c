"""A fixed set of random calls; `python -m bench.soak.core` runs many more."""

from __future__ import annotations

import random

import pytest
from sim import OWNERS, Call, Faults, SimServer

from bench.soak.core import main, run_batch
from devkit.sim.kinds import ALL
from devkit.sim.random_call import owner_of
from devkit.sim.troubles import KINDS


@pytest.mark.parametrize("first", range(0, 160, 40))
def test_no_call_loses_or_doubles_a_word(first):
    tally, complaints = run_batch(list(range(first, first + 40)))
    assert complaints == {}
    assert tally.calls == 40
    assert tally.faults > 200
    assert tally.delivered > tally.words // 2
    counted = tally.delivered + tally.reported + tally.let_go
    assert counted + tally.after_end == tally.words


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "old"])
def test_no_kind_of_fault_loses_a_word_in_silence(kind):
    tally, complaints = run_batch(list(range(12)), frozenset({kind}))
    assert complaints == {}
    assert tally.calls == 12
    assert tally.kinds[kind] > 4


def test_kinds_of_faults_come_together():
    tally, complaints = run_batch(list(range(1000, 1050)), ALL)
    assert complaints == {}
    assert all(tally.kinds[kind] for kind in KINDS)


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("kind", ["steady_sound", "silent_start"])
def test_an_hour_without_speech_costs_two_reconnects_at_most(owner, kind):
    rng = random.Random(1)
    server = SimServer(rng, Faults(delay_s=1.0), None)
    call = Call(rng, server, owner, kinds=frozenset({kind}))
    call.piece_ms = 1000
    call.say(5)
    call.pause(2000)
    call.finalize()
    call.wait(5)
    if kind == "silent_start":
        call.pause(3_600_000)
    for _ in range(36 if kind == "steady_sound" else 0):
        call.music(100)
    # What is said after it is heard.
    call.say(5)
    call.finish()
    call.check()
    assert call.watch.delivered == 10
    assert call.opened <= 3


def test_every_owner_of_turns_takes_part():
    owners = {owner_of(seed) for seed in range(40)}
    assert owners >= {"server", "semantic", "client", "local"}


def test_the_command_says_what_was_lost_and_repeats_a_call(capsys):
    options = ["--kinds", "old", "--processes", "1"]
    assert main(["--words", "200", "--seed", "2", *options]) == 0
    output = capsys.readouterr().out
    assert "lost 0  doubled 0  out of order 0" in output
    assert "gap 0" in output
    assert main(["--call", "7", *options]) == 0


def test_an_unknown_kind_is_named(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--kinds", "old,frozen"])
    assert stop.value.code == 2
    assert "no kind of fault: frozen" in capsys.readouterr().err


def test_wrong_usage_is_one_clear_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--words", "0"])
    assert stop.value.code == 2
    assert "--words" in capsys.readouterr().err

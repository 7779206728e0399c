"""A fixed set of random calls; `python -m bench.soak.core` runs many more."""

from __future__ import annotations

import pytest

from bench.soak.core import main, run_batch
from devkit.sim.random_call import owner_of


@pytest.mark.parametrize("first", range(0, 200, 40))
def test_no_call_loses_or_doubles_a_word(first):
    tally, complaints = run_batch(list(range(first, first + 40)))
    assert complaints == {}
    assert tally.calls == 40
    assert tally.faults > 200
    assert tally.delivered > tally.words // 2


def test_every_owner_of_turns_takes_part():
    owners = {owner_of(seed) for seed in range(40)}
    assert owners >= {"server", "semantic", "client", "local"}


def test_the_command_says_what_was_lost_and_repeats_a_call(capsys):
    assert main(["--words", "200", "--seed", "2", "--processes", "1"]) == 0
    output = capsys.readouterr().out
    assert "lost 0  doubled 0  out of order 0" in output
    assert main(["--call", "7"]) == 0


def test_wrong_usage_is_one_clear_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--words", "0"])
    assert stop.value.code == 2
    assert "--words" in capsys.readouterr().err

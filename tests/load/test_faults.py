"""`bench.faults`: the account of a call's words, and a call of ours."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from bench.faults import runs
from bench.faults.account import account
from bench.faults.page import details, spread, summary
from bench.faults.scenarios import SCENARIOS
from bench.faults.script import make_script
from devkit.script_audio import BROKEN, WORD_MS, word_text

SECONDS = 5
BEGIN_US = 7_000_000


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    return make_script(SECONDS, tmp_path_factory.mktemp("script"))


def text_of(word):
    return BROKEN if word is None else word_text(word)


def counted(script, finals, errors=()):
    """``finals``: the numbers of words in each, None for a piece of one; all
    come at the end."""
    at = BEGIN_US + script.plan.seconds * 1_000_000
    notes = {
        "begin": BEGIN_US,
        "results": [
            (0, at, " ".join(map(text_of, words)), 1) for words in finals
        ],
        "errors": [(0, at, text) for text in errors],
        "pushed": [BEGIN_US, BEGIN_US + 10_000 + 5_000],
    }
    return account(script, notes, {"connections": 2})


def test_every_word_once_is_whole(script):
    found = counted(script, [[0, 1], range(2, len(script.words))])
    assert found.whole
    assert found.words == found.delivered == len(script.words)
    first_end_s = (script.words[0] + WORD_MS) / 1000
    assert found.latest_s == pytest.approx(script.plan.seconds - first_end_s)
    assert found.late_ms == (5, 5)
    assert found.connections == 2


def test_a_missing_word_is_lost(script):
    found = counted(script, [range(1, len(script.words))])
    assert (found.lost, found.told) == (1, 0)
    assert (found.doubled, found.disorder) == (0, 0)
    assert not found.whole


def test_a_word_that_the_client_reported_is_told(script):
    said = f"failed; given up: {WORD_MS} ms of audio from {script.words[0]} ms"
    found = counted(
        script, [range(1, len(script.words))], [f"{said} on", "something else"]
    )
    assert (found.lost, found.told) == (1, 1)
    assert found.said == "something else"


def test_a_word_of_two_finals_is_doubled(script):
    last = len(script.words) - 1
    found = counted(script, [range(last + 1), [last]])
    assert (found.lost, found.doubled, found.disorder) == (0, 1, 0)
    assert not found.whole


def test_a_final_behind_a_later_one_is_out_of_order(script):
    found = counted(script, [range(2, len(script.words)), [0, 1]])
    assert (found.lost, found.doubled, found.disorder) == (0, 0, 1)


def test_a_piece_of_a_word_is_no_word(script):
    found = counted(script, [[1, None], range(2, 3)])
    assert (found.delivered, found.broken) == (2, 1)
    assert not found.whole


def test_a_call_of_ours_survives_resets(script, tmp_path):
    """The command's own path: processes, sockets, faults that strike."""
    resets = next(s for s in SCENARIOS if s.name == "resets")
    strikes = resets.strikes(script)
    found = runs.run([sys.executable], "ours", resets, script, tmp_path / "run")
    assert found.whole
    assert found.words == len(script.words)
    assert found.connections == 1 + len(strikes) > 2


@pytest.mark.parametrize(
    ("late_ms", "kept", "tries"),
    [([3], 3, 1), ([900, 4, 5], 4, 2), ([900, 700, 800], 700, 3)],
    ids=["in time", "again", "never"],
)
def test_a_run_that_was_fed_late_is_made_again(
    script, tmp_path, monkeypatch, late_ms, kept, tries
):
    good = counted(script, [range(len(script.words))])
    made = iter([replace(good, late_ms=(1, late)) for late in late_ms])
    folders = []

    def one(command, who, scenario, script, folder):
        folders.append(folder)
        return next(made)

    monkeypatch.setattr(runs, "run", one)
    found = runs.run_in_time(["python"], "ours", None, script, tmp_path)
    assert found.late_ms == (1, kept)
    assert len(set(folders)) == tries


def test_every_scenario_fits_into_a_short_call(script):
    last = script.plan.seconds
    for scenario in SCENARIOS:
        assert all(at > 0 for at, _ in scenario.strikes(script))
        if not scenario.name.startswith("away"):
            assert all(at < last for at, _ in scenario.strikes(script))


def test_the_tables_have_each_run(script):
    good = counted(script, [range(len(script.words))])
    bad = counted(script, [[0]], ["a | `b`"])
    results = {
        ("none", "ours"): [good, good],
        ("none", "other"): [good, bad],
        ("none", "gone"): "a run gave no figures",
    }
    names = ["ours", "other", "gone"]
    share = round(100 / len(script.words))
    assert summary(results, names)[-1] == (
        f"| `none` | 100 | {share} to 100 | no figures |"
    )
    head, line, *rows = details(results, names)
    assert len(rows) == 3
    assert all(row.count(" | ") == head.count(" | ") for row in rows)
    assert "`a / 'b'`" in rows[1]
    assert line.count("---") == head.count(" | ") + 1


def test_a_spread_is_the_least_and_the_most():
    assert spread([3, 3]) == "3"
    assert spread([5, 3, 4]) == "3 to 5"
    assert spread([1.04, 1.01]) == "1.0"

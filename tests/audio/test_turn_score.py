"""The benchmark counts what it says it counts."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from bench.skip_silence import sample_scene, speak
from bench.turns.scenes import groups, spoken
from bench.turns.score import Score, score

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scene():
    """Twelve turns that are all found."""
    whole = spoken("a test rms", "rms", rate=16000)
    end = int((whole.turns[3][1] + 700) * 16)
    return dataclasses.replace(
        whole, samples=whole.samples[:end], turns=whole.turns[:4]
    )


def relabelled(scene, turns):
    result = score(dataclasses.replace(scene, turns=turns), {})
    return result.missed, result.split, result.merged, result.false


def test_a_right_answer_has_no_faults(scene):
    result = score(scene, {})
    assert result.faults == 0
    assert result.turns == 4
    assert len(result.onset_ms) == len(result.commit_ms) == 4
    assert all(400 < delay < 700 for delay in result.commit_ms)


def test_every_fault_has_its_column(scene):
    first, second, third, fourth = scene.turns
    assert relabelled(scene, [first, second, third]) == (0, 0, 0, 1)
    joined = (first[0], second[1])
    assert relabelled(scene, [joined, third, fourth]) == (0, 1, 0, 0)
    middle = sum(first) / 2
    halves = [(first[0], middle), (middle + 1, first[1])]
    rest = [second, third, fourth]
    assert relabelled(scene, halves + rest) == (0, 0, 1, 0)
    nowhere = (first[1] + 150, first[1] + 200)
    assert relabelled(scene, [first, nowhere, *rest]) == (1, 0, 0, 0)


def test_scores_add_up():
    total = Score()
    total.add(Score(turns=2, missed=1, onset_ms=[1.0]))
    total.add(Score(turns=3, false=1, onset_ms=[2.0]))
    assert (total.turns, total.faults) == (5, 2)
    assert total.onset_ms == [1.0, 2.0]


@pytest.mark.parametrize("group", ["pauses 700 ms", "level -40 dBFS"])
def test_the_detector_holds_its_score(group):
    """Guards the defaults; the whole table is in docs/turn_detection.md."""
    assert sum(score(s, {}).faults for s in groups()[group]()) == 0


def test_scenes_are_the_same_every_time():
    one, other = (spoken("same rms", "rms", noise_kind="pink") for _ in "ab")
    assert (one.samples == other.samples).all()
    assert one.turns == other.turns


def test_command_line_errors_are_one_line():
    run = subprocess.run(
        [sys.executable, "-m", "bench.turns", "--only", "nothing"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "nothing" in run.stderr


def test_the_bench_of_silence_hears_the_whole_call():
    scene = sample_scene()
    heard = speak(scene, skip=False)
    assert heard.sent / 24000 == pytest.approx(
        len(scene.samples) / scene.rate, abs=1
    )

"""What a run's notes mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load.figures import Spread, figures, middle
from bench.load.plan import FRAME, Plan
from bench.load.speech import make_plan

SECONDS = 2
FRAMES = SECONDS * 100
BEGIN_MS = 5_000


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two calls; somebody speaks from 300 to 800 ms of the track."""
    track = tmp_path / "track.pcm"
    track.write_bytes(bytes(FRAME * 1000))
    return Plan(str(track), [(300, 800)], [0, 100], SECONDS)


def run(plan: Plan, *, late_ms: int = 0, commit_ms: int = 1400):
    """Two calls in two groups, each message 40 ms of audio and 3 ms late."""
    due = [
        BEGIN_MS + 10 * k + 5 * group for k in range(FRAMES) for group in (0, 1)
    ]
    notes = {
        "begin": BEGIN_MS * 1000,
        "cpu_s": 0.4,
        "wall_s": 2.0,
        "rss_mb": 50.0,
        "groups": 2,
        "pushed": [(at + late_ms) * 1000 for at in due],
        "held": [0, 1000, 2000],
        "busy": [0, 0, 1000],
        "results": [
            (0, (BEGIN_MS + 907) * 1000, 2, 0),
            (0, (BEGIN_MS + 1007) * 1000, 2, 1),
        ],
    }
    sessions = [
        {
            "appends": [
                ((BEGIN_MS + 40 * k + 33 + 5 * call) * 1000, 48 * 40 * (k + 1))
                # The first 200 ms, of silence, are one message.
                for k in range(4, FRAMES // 4)
            ],
            "commits": [(BEGIN_MS + commit_ms + 5 * call - 100 * call) * 1000],
            "words": [
                ((BEGIN_MS + 900) * 1000, 1, 0),
                ((BEGIN_MS + 900) * 1000, 2, 0),
                ((BEGIN_MS + 1000) * 1000, 2, 1),
            ],
        }
        for call in (0, 1)
    ]
    return figures(plan, notes, {"cpu_s": 0.2, "sessions": sessions})


def test_audio_is_matched_by_its_position(plan):
    found = run(plan).to_wire
    # Of four frames the first waits for the other three; silence, which waits
    # for more, does not count.
    assert 13 <= found.p50 <= 23
    assert found.worst == pytest.approx(33)


def test_events_are_matched_with_what_comes_of_them(plan):
    found = run(plan)
    assert found.to_result == Spread(7, 7, 7)
    assert (found.results, found.words) == (2, 6)


def test_a_final_that_never_comes_is_lost(plan):
    assert run(plan).lost == 1


def test_a_commit_is_matched_with_the_end_of_speech(plan):
    assert run(plan).to_commit == Spread(600, 600, 600)
    # In the middle of the speech: of something else.
    assert str(run(plan, commit_ms=500).to_commit) == "-"


def test_shares_of_calls_and_seconds(plan):
    found = run(plan)
    assert found.cpu == pytest.approx(100)
    assert found.messages == pytest.approx(23)
    assert found.cores == pytest.approx(0.2)
    assert found.service_cores == pytest.approx(0.1)


def test_who_does_not_keep_up_is_overloaded(plan):
    assert not run(plan, late_ms=50).overloaded
    assert run(plan, late_ms=500).overloaded


def test_rounds_have_a_median(plan):
    rounds = [run(plan, commit_ms=at) for at in (1400, 1600, 1450)]
    assert middle(rounds).to_commit.p50 == 650


def test_a_plan_has_its_share_of_speech(tmp_path):
    plan = make_plan(3, 100, tmp_path)
    for call in range(3):
        said = sum(min(b, 100_000) - a for a, b in plan.said(call))
        assert 0.3 < said / 100_000 < 0.5

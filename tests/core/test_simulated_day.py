"""A short day of many calls; `python -m bench.day` runs a whole one."""

from __future__ import annotations

import pytest

from bench.day import __main__ as command
from bench.day.calls import Outcome
from bench.day.plan import Outage, Plan, Trouble
from bench.day.report import most_in_a_second, recovery
from devkit.sim.random_call import Tally

DOWN = Outage(Trouble.DOWN, 100.0, 130.0)
LIMITED = Outage(Trouble.LIMITED, 160.0, 175.0, 20)
#: Spread over the seconds that the back-off and its jitter leave it, a second
#: has a quarter of them; with nothing to spread them it has half or more.
MOST = 0.35


def short_day(calls: int, limit: int | None = None) -> Plan:
    return Plan(calls, 1, (DOWN, LIMITED), limit, day_s=240.0, mean_s=45.0)


DAY = short_day(200)


@pytest.fixture(scope="module")
def day() -> list[Outcome]:
    return command.run_day(DAY)


def test_no_word_of_a_day_is_lost_or_doubled(day: list[Outcome]) -> None:
    assert [o.complaint for o in day if o.complaint] == []
    tallies = [o.tally for o in day]
    assert sum(t.words for t in tallies) > 3000
    assert all(t.delivered + t.reported >= t.words for t in tallies)
    delivered = sum(t.delivered for t in tallies)
    # Only who hung up before it was over has words that are reported.
    assert sum(t.reported for t in tallies) < delivered / 10


@pytest.mark.parametrize("outage", [DOWN, LIMITED])
def test_calls_come_back_one_after_the_other(
    day: list[Outcome], outage: Outage
) -> None:
    seen = recovery(DAY, outage, day)
    assert seen.waiting > 30
    # The others hung up first.
    assert seen.back > 0.7 * seen.waiting
    assert 0 < seen.after < MOST * seen.waiting


def test_a_service_that_takes_few_at_a_time_is_not_stormed() -> None:
    limit = 4
    plan = short_day(80, limit)
    day = command.run_day(plan)
    assert [o.complaint for o in day if o.complaint] == []
    taken = [int(a.at) for o in day for a in o.attempts if a.accepted]
    assert max(map(taken.count, taken)) == limit
    seen = recovery(plan, DOWN, day)
    assert seen.back > 2 * limit


def test_processes_make_no_difference() -> None:
    plan = short_day(12)
    assert command.run_day(plan, 2) == command.run_day(plan)


def test_attempts_of_any_second_are_counted() -> None:
    assert most_in_a_second([0.0, 0.9, 1.0, 1.8, 1.95]) == 3
    assert most_in_a_second([]) == 0


@pytest.mark.parametrize(
    ("complaint", "status", "shown"),
    [
        ("", 0, "lost 0  doubled 0  other broken promises 0"),
        ("lost: w1", 1, "lost 1  doubled 0  other broken promises 0"),
        ("doubled: part of w1", 1, "lost 0  doubled 1"),
        ("times: w1", 1, "lost 0  doubled 0  other broken promises 1"),
    ],
)
def test_a_broken_promise_is_the_exit_status(
    complaint: str,
    status: int,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally(words=1, delivered=1)
    outcome = Outcome(10.0, 20.0, tally, complaint=complaint)
    monkeypatch.setattr(command, "run_day", lambda *_: [outcome])
    assert command.main(["--calls", "1"]) == status
    out = capsys.readouterr().out
    assert shown in out
    assert complaint in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--calls", "0"],
        ["--processes", "0"],
        ["--limit", "0"],
        ["--seed", "-1"],
        ["--limit", "5", "--processes", "2"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        command.main(arguments)
    assert error.value.code == 2

"""What happened in a day."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from devkit.sim.random_call import Tally

from .calls import Outcome
from .plan import PROFILE, Outage, Plan

#: After an outage attempts are looked at for so long at most: the longest delay
#: of the back-off and of a Retry-After, and a margin.
_AFTER_S = 60.0
#: The back-off of those who were there from its beginning has grown by then.
_GROWN_S = 10.0
_SHOWN = 10


@dataclass(frozen=True)
class Recovery:
    """How the calls came through an outage.

    ``calls``: that lived when it began, ``waiting``: when it ended, ``back``:
    of those, who had a connection again.  Attempts: ``at_once`` within its
    first second, ``during`` and ``after`` the most in any one second of it
    from its tenth on, and after its end.  ``all_back_s``: from its end until
    the last of ``back`` was taken.
    """

    calls: int
    waiting: int
    back: int
    at_once: int
    during: int
    after: int
    all_back_s: float


def most_in_a_second(times: Sequence[float]) -> int:
    """The most of these, which are in order, in any one second."""
    return max(
        (bisect_left(times, at + 1.0) - n for n, at in enumerate(times)),
        default=0,
    )


def most_at_once(outcomes: Sequence[Outcome]) -> int:
    """The most calls that lived at the same time."""
    changes = [(o.start, 1) for o in outcomes] + [(o.end, -1) for o in outcomes]
    return max(accumulate(step for _, step in sorted(changes)), default=0)


def attempts_of(outcomes: Sequence[Outcome]) -> list[float]:
    """When connections were tried, in order."""
    return sorted(a.at for o in outcomes for a in o.attempts)


def recovery(
    plan: Plan, outage: Outage, outcomes: Sequence[Outcome]
) -> Recovery:
    """How the calls of a day came through one of its outages."""
    start, end = outage.start, outage.end
    later = [o.start for o in plan.outages if o.start > end]
    calls = [o for o in outcomes if o.start < start < o.end]
    waiting = [o for o in outcomes if o.start < end < o.end]
    if end == start:
        waiting = calls
    back = []
    for outcome in waiting:
        taken = (a.at for a in outcome.attempts if a.accepted and a.at >= end)
        at = next(taken, None)
        if at is not None:
            back.append(at - end)
    times = attempts_of(outcomes)

    def between(low: float, high: float) -> list[float]:
        return times[bisect_left(times, low) : bisect_left(times, high)]

    return Recovery(
        len(calls),
        len(waiting),
        len(back),
        len(between(start, start + 1)),
        most_in_a_second(between(start + _GROWN_S, end)),
        most_in_a_second(between(end, min([end + _AFTER_S, *later]))),
        max(back, default=0.0),
    )


def tally_of_all(outcomes: Sequence[Outcome]) -> Tally:
    """What became of the words of these calls."""
    total = Tally()
    for outcome in outcomes:
        total.add(outcome.tally)
    return total


def broken(outcomes: Sequence[Outcome]) -> list[str]:
    """The promises that were broken, one for each call."""
    return [o.complaint for o in outcomes if o.complaint]


def render(plan: Plan, outcomes: Sequence[Outcome]) -> str:
    """The tables for people."""
    lines = [*_hours(plan, outcomes), "", *_outages(plan, outcomes), ""]
    lines += _sums(outcomes)
    complaints = broken(outcomes)
    lines += complaints[:_SHOWN]
    return "\n".join(lines)


def _hours(plan: Plan, outcomes: Sequence[Outcome]) -> list[str]:
    lines = [
        "hour  calls  at once  attempts  most/s    words  delivered  reported"
    ]
    length = plan.day_s / len(PROFILE)
    times = attempts_of(outcomes)
    for hour in range(len(PROFILE)):
        low, high = hour * length, (hour + 1) * length
        begun = [o for o in outcomes if low <= o.start < high]
        living = [
            Outcome(max(o.start, low), min(o.end, high))
            for o in outcomes
            if o.start < high and o.end > low
        ]
        tried = times[bisect_left(times, low) : bisect_left(times, high)]
        tally = tally_of_all(begun)
        lines.append(
            f"{hour:4}  {len(begun):5}  {most_at_once(living):7}"
            f"  {len(tried):8}  {most_in_a_second(tried):6}"
            f"  {tally.words:7}  {tally.delivered:9}  {tally.reported:8}"
        )
    return lines


def _outages(plan: Plan, outcomes: Sequence[Outcome]) -> list[str]:
    lines = [
        "attempts in a second, and against the calls that live",
        "outage                    calls    first s  after 10 s        back"
        "   all back",
    ]
    for outage in plan.outages:
        seen = recovery(plan, outage, outcomes)
        at, seconds = round(outage.start), outage.end - outage.start
        clock = f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
        name = f"{clock} {outage.trouble.name.lower()} {seconds:.0f} s"
        lines.append(
            f"{name:24} {seen.calls:6}"
            f"{_share(seen.at_once, seen.calls)}"
            f"{_share(seen.during, seen.waiting)}"
            f"{_share(seen.after, seen.waiting)}"
            f"  {seen.all_back_s:7.1f} s"
        )
    return lines


def _share(count: int, calls: int) -> str:
    return f"  {count:4} {count / max(calls, 1):5.2f}"


def _sums(outcomes: Sequence[Outcome]) -> list[str]:
    times = attempts_of(outcomes)
    taken = sum(a.accepted for o in outcomes for a in o.attempts)
    tally = tally_of_all(outcomes)
    complaints = broken(outcomes)
    lost = sum(text.startswith("lost") for text in complaints)
    doubled = sum("doubled" in text for text in complaints)
    hours = sum(o.end - o.start for o in outcomes) / 3600
    return [
        f"calls {len(outcomes)}  hours of calls {hours:.0f}  at once"
        f" {most_at_once(outcomes)}  longer than an hour"
        f" {sum(o.end - o.start > 3600 for o in outcomes)}",
        f"attempts {len(times)}  taken {taken}  most in a second"
        f" {most_in_a_second(times)}  sent again"
        f" {tally.replayed_s:.0f} s",
        f"words {tally.words}  delivered {tally.delivered}"
        f"  reported {tally.reported}  lost {lost}  doubled {doubled}"
        f"  other broken promises {len(complaints) - lost - doubled}",
    ]

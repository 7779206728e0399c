"""python -m bench.day: a day of many calls on a virtual clock.

Calls come, talk and hang up through a day in which the service is out now and
then; each is the real core against a simulated service.  Shown are the calls
at once, the attempts to connect per second, and what became of the words.
The day of one --seed is always the same, on any number of --processes.  Exit
status: 0 no promise was broken, 1 one was (a word lost or doubled, for one), 2
wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from .calls import Outcome, run_calls
from .plan import Plan, outages_of
from .report import broken, render


def run_day(plan: Plan, processes: int = 1) -> list[Outcome]:
    """All calls of the day.

    Calls know nothing of each other, but for the service's limit: with one
    they have to be in one process.
    """
    shares = [range(n, plan.calls, processes) for n in range(processes)]
    if processes == 1:
        return run_calls(plan, shares[0])
    with ProcessPoolExecutor(processes) as pool:
        parts = list(pool.map(partial(run_calls, plan), shares))
    return sorted((o for part in parts for o in part), key=lambda o: o.start)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.day", description="A simulated day of many calls."
    )
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--processes", type=int, help="default: one for each core"
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="connections that the service takes in a second (HTTP 429 beyond; "
        "default: any number); needs one process",
    )
    options = parser.parse_args(arguments)
    numbers = (options.calls, options.processes or 1, options.limit or 1)
    if min(numbers) < 1 or options.processes == 0 or options.limit == 0:
        parser.error("--calls, --processes, --limit: at least 1")
    if options.seed < 0:
        parser.error("--seed: at least 0")
    if options.limit is not None and (options.processes or 1) > 1:
        parser.error("--limit needs --processes 1")
    processes = options.processes or os.cpu_count() or 1
    if options.limit is not None:
        processes = 1
    plan = Plan(
        options.calls, options.seed, outages_of(options.seed), options.limit
    )
    start = time.monotonic()
    outcomes = run_day(plan, processes)
    seconds = time.monotonic() - start
    print(render(plan, outcomes))
    print(f"seed {plan.seed}  processes {processes}  seconds {seconds:.0f}")
    return 1 if broken(outcomes) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

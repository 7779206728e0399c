"""python -m bench.soak.core: words through the core, with faults.

Speaks --words words in calls with random faults, against a simulated
service on a virtual clock, and looks after every step whether each word is
delivered, held or reported.  The calls of one --seed are always the same;
--call repeats a single one.  Exit status: 0 no promise was broken, 1 one
was, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from itertools import count, islice

from devkit.sim.kinds import ALL, OLD, kinds_of, parse_kinds
from devkit.sim.random_call import Tally, owner_of, run
from devkit.sim.state import Violation
from devkit.sim.troubles import KINDS

#: Calls of one seed have the numbers from seed * this on.
CALLS_PER_SEED = 10_000_000
_BATCH = 25
_SHOWN = 10


def run_batch(
    seeds: list[int], kinds: frozenset[str] = OLD, live: bool = False
) -> tuple[Tally, dict[int, str]]:
    """Some calls: what happened, and the complaints of calls that failed."""
    tally, complaints = Tally(), {}
    for seed in seeds:
        try:
            tally.add(run(seed, kinds=kinds, live=live))
        except Violation as violation:
            complaints[seed] = str(violation)
        except Exception:
            last = traceback.format_exc().strip().splitlines()[-3:]
            complaints[seed] = " | ".join(line.strip() for line in last)
    return tally, complaints


def soak(
    words: int,
    seed: int,
    processes: int,
    kinds: frozenset[str] = ALL,
    live: bool = False,
) -> tuple[Tally, dict[int, str]]:
    """Calls until so many words were spoken, or ten calls failed."""
    tally = Tally()
    complaints: dict[int, str] = {}
    seeds = count(seed * CALLS_PER_SEED)
    with ProcessPoolExecutor(processes) as pool:
        todo: set[Future[tuple[Tally, dict[int, str]]]] = set()
        spoken = 0.0
        while tally.words < words and len(complaints) < _SHOWN:
            while len(todo) < 2 * processes:
                batch = list(islice(seeds, _BATCH))
                todo.add(pool.submit(run_batch, batch, kinds, live))
            done = next(as_completed(todo))
            todo.discard(done)
            more, failed = done.result()
            tally.add(more)
            complaints |= failed
            if sys.stderr.isatty() and tally.words - spoken >= words / 100:
                spoken = tally.words
                print(f"\r{tally.words} words", end="", file=sys.stderr)
        for late in todo:
            late.cancel()
    return tally, complaints


def summary(tally: Tally, seconds: float) -> str:
    """The line for people."""
    return (
        f"words spoken {tally.words}  delivered {tally.delivered}"
        f"  reported {tally.reported}  let go after two silent sessions"
        f" {tally.let_go}  after the end {tally.after_end}"
        "  lost 0  doubled 0  out of order 0\n"
        f"faults {tally.faults}  calls {tally.calls}"
        f"  sessions {tally.sessions}  replayed {tally.replayed_s:.0f} s of"
        f" {tally.audio_s:.0f} s  longest outage"
        f" {tally.longest_outage_s:.0f} s  peak held"
        f" {tally.peak_held_ms} ms  changes of settings {tally.changes},"
        f" {tally.changed} in force  seconds {seconds:.0f}\n"
        f"changes of the endpoint {tally.switches}  faults by kind: "
        + ", ".join(f"{kind} {tally.kinds[kind]}" for kind in KINDS)
    )


def _kinds(text: str) -> frozenset[str]:
    try:
        return parse_kinds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak.core",
        description="Words through the core, with faults.",
    )
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--kinds",
        type=_kinds,
        default=ALL,
        metavar="NAMES",
        help="kinds of faults, with commas (default: all): " + ", ".join(KINDS),
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="where the client ends the turns a live model hears: its words"
        " come before that",
    )
    parser.add_argument("--call", type=int, help="repeat this one call")
    options = parser.parse_args(arguments)
    if options.words < 1 or options.processes < 1 or options.seed < 0:
        parser.error("--words, --processes: at least 1; --seed: at least 0")
    start = time.monotonic()
    if options.call is not None:
        tally, complaints = run_batch(
            [options.call], options.kinds, options.live
        )
    else:
        tally, complaints = soak(
            options.words,
            options.seed,
            options.processes,
            options.kinds,
            options.live,
        )
    seconds = time.monotonic() - start
    for seed, complaint in sorted(complaints.items()):
        chosen = ", ".join(sorted(kinds_of(seed, options.kinds)))
        print(f"call {seed} ({owner_of(seed)}; {chosen}): {complaint}")
    if complaints:
        print(f"{len(complaints)} calls broke a promise; repeat one: --call N")
        return 1
    if options.call is None:
        print(f"seed {options.seed}")
    print(summary(tally, seconds))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

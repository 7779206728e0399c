"""python -m bench.soak.memory: does an hour's call grow?

Lets the core live through hours of a simulated call with faults and prints
what the process holds after every quarter of an hour.  Exit status: 0 it
does not grow by more than a tenth after the first hour, 1 it does.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tracemalloc
from pathlib import Path

from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

from devkit.sim.call import OWNERS, Call
from devkit.sim.random_call import CODES
from devkit.sim.server import Faults, SimServer

ROOT = Path(__file__).resolve().parents[2]
#: Less than this is a matter of the moment, in bytes.
_MOMENT = 20_000


def held_size(core: Transcription, *patterns: str) -> int:
    """Bytes that the package's files of these patterns hold, but for the
    audio itself, whose amount is a matter of where in a turn the call is."""
    gc.collect()
    wanted = [
        tracemalloc.Filter(True, str(ROOT / pattern)) for pattern in patterns
    ]
    kept = tracemalloc.take_snapshot().filter_traces(wanted)
    audio = core._buffer._data
    return sum(trace.size for trace in kept.traces) - sys.getsizeof(audio)


def hours(owner: str, seconds: float, seed: int) -> list[tuple[float, int]]:
    """(minutes of the call, bytes that the core holds), every 15 minutes."""
    rng = random.Random(seed)
    faults = Faults(duplicate=0.1, late_delta=0.1, junk=0.02, fail=0.01)
    call = Call(rng, SimServer(rng, faults, life=3600), owner)
    call.keep_results = False
    start, sizes = call.now, []
    tracemalloc.start()
    due = 900.0
    while call.now - start < seconds:
        call.say(rng.randint(1, 12))
        call.pause(rng.uniform(700, 4000))
        if rng.random() < 0.3:
            call.finalize()
        if rng.random() < 0.02:
            call.drop(rng.choice(CODES))
        # Where finalizes were asked is the account of this test; its numbers
        # were made in the core and would be taken for the core's.
        call.asked_at[: call.watch.answered] = [0] * call.watch.answered
        if call.now - start >= due:
            sizes.append(
                ((call.now - start) / 60, held_size(call.core, "realtime/*"))
            )
            due += 900.0
    tracemalloc.stop()
    call.finish()
    call.check()
    return sizes


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak.memory",
        description="Does an hour's call grow?",
    )
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.hours < 2:
        parser.error("--hours: at least 2")
    grows = False
    for owner in OWNERS:
        sizes = hours(owner, options.hours * 3600, options.seed)
        row = "  ".join(f"{size / 1e3:.0f}" for _, size in sizes)
        print(f"{owner:9} kB every 15 min: {row}", flush=True)
        early = max(size for minutes, size in sizes if minutes < 61)
        grows |= sizes[-1][1] > early * 1.1 + _MOMENT
    return int(grows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

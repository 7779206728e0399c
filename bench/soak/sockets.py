"""python -m bench.soak.sockets: words over real sockets, with faults.

The real client talks to a local server, as fast as the machine allows, and
the server misbehaves by a schedule that --seed decides.  Half the streams let
the server end the turns, half commit them, and half of these have a live model;
with --http all commit.  Half have a second server, for when the first one is
away.  Exit status: 0 no promise was broken, 1 one was, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from multiprocessing import get_context

from bench.load.feed import rss_mb

from .schedule import SCHEDULED
from .stream import Count, Stream
from .ten_stream import TenStream


def run_stream(
    words: int,
    seed: int,
    words_per_fault: float,
    faults: tuple[str, ...],
    ten: bool = False,
    http: bool = False,
) -> tuple[Count, float, float]:
    """One stream in this process: the account, memory at 10 % and at the
    end, in MB."""
    for name in ("websockets", "devkit", "ten_runtime"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if ten:
        before = rss_mb()
        whole = TenStream(words, seed, words_per_fault, faults)
        return whole.run_ten(), before, rss_mb()

    async def live() -> tuple[Count, float]:
        stream = Stream(words, seed, words_per_fault, faults, http)
        task = asyncio.ensure_future(stream.run())
        early = 0.0
        while not task.done():
            await asyncio.wait({task}, timeout=0.1)
            if not early and len(stream.listener.heard) >= words / 10:
                early = rss_mb()
        return task.result(), early

    count, early = asyncio.run(live())
    return count, early, rss_mb()


def soak(
    words: int,
    streams: int,
    seed: int,
    words_per_fault: float,
    faults: tuple[str, ...] = SCHEDULED,
    ten: bool = False,
    http: bool = False,
) -> tuple[Count, list[tuple[float, float]]]:
    """All streams, on all processors; the account and each one's memory."""
    total, memory = Count(), []
    share = -(-words // streams)
    workers = min(streams, os.cpu_count() or 1)
    # A fresh process for each stream, so that its memory is its own.
    with get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        jobs = [
            pool.apply_async(
                run_stream,
                (share, seed * 1000 + k, words_per_fault, faults, ten, http),
            )
            for k in range(streams)
        ]
        for job in jobs:
            count, early, late = job.get()
            total.add(count)
            memory.append((early, late))
    return total, memory


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak.sockets",
        description="Words over real sockets, with faults.",
    )
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument(
        "--minutes", type=float, help="go on with new seeds for so long"
    )
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--fault-rate",
        type=float,
        default=1 / 30,
        help="scheduled faults per word; 0: none at all",
    )
    parser.add_argument(
        "--faults",
        nargs="+",
        choices=SCHEDULED,
        default=list(SCHEDULED),
        metavar="NAME",
        help="kinds of scheduled faults (default: all): "
        + ", ".join(SCHEDULED),
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--ten",
        action="store_true",
        help="the whole extension, on the stand-in host",
    )
    how.add_argument("--http", action="store_true", help="each turn is a file")
    options = parser.parse_args(arguments)
    if min(options.words, options.streams) < 1 or options.seed < 0:
        parser.error("--words, --streams: at least 1; --seed: at least 0")
    if not 0 <= options.fault_rate <= 1:
        parser.error("--fault-rate: 0 to 1")
    per_fault = 1 / options.fault_rate if options.fault_rate else 0.0
    start = time.monotonic()
    total, seed = Count(), options.seed
    while True:
        count, memory = soak(
            options.words,
            options.streams,
            seed,
            per_fault,
            tuple(options.faults),
            options.ten,
            options.http,
        )
        total.add(count)
        seconds = time.monotonic() - start
        if options.minutes is None or seconds >= options.minutes * 60:
            break
        seed += 1
    early = " ".join(f"{early:.0f}" for early, _ in memory)
    late = " ".join(f"{late:.0f}" for _, late in memory)
    print(
        f"words spoken {total.words}  delivered {total.delivered}"
        f"  reported {total.reported}  lost {total.lost}"
        f"  doubled {total.doubled}  out of order {total.disorder}"
        f"  broken {total.broken}\n"
        f"scheduled faults {total.faults}  sessions {total.sessions}"
        f"  longest recovery {total.longest_recovery_s:.1f} s"
        f"  finalizes without an answer {total.unanswered}"
        f"  changes of the server {total.switches}, turns heard by the second"
        f" one {total.elsewhere}\n"
        f"RSS in MB at a tenth {early}, at the end {late}"
        f"  seed {options.seed}  streams {options.streams}"
        f"  seconds {seconds:.0f}\n"
        "scheduled faults by kind: "
        + ", ".join(f"{k} {total.kinds[k]}" for k in options.faults)
    )
    for error in total.errors[:10]:
        print(error)
    return 0 if total.clean else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

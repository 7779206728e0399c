"""python -m devkit.matrix: try every combination of settings.

Runs one call for each combination, request and change of settings against
local servers, over real sockets, and writes docs/compatibility.md.  What
failed is tried again, one call at a time, for a busy machine can be to blame;
what fails then is printed, and nothing is written.  With --every N only each
Nth is run and nothing is written.  Exit status: 0 every call did what is
expected of it, 1 one did not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from devkit.shown import one_line

from .judge import AnyCell, all_cells
from .report import FILE, document
from .run import run_cells

#: Complaints that are printed, and characters of each.
_SHOWN = 20
_LONGEST = 1000
#: Calls of one task: some 10 s.
_PIECE = 300


def _run(cells: list[AnyCell], at_once: int = 4) -> dict[AnyCell, str]:
    return asyncio.run(run_cells(cells, at_once))


def _run_all(cells: list[AnyCell], processes: int) -> dict[AnyCell, str]:
    """Each with its complaint, "" for none; tells how far it is."""
    pieces = -(-len(cells) // _PIECE)
    found: dict[AnyCell, str] = {}
    with ProcessPoolExecutor(processes) as pool:
        # Neighbours differ in what costs time: pieces of every kind.
        tasks = [pool.submit(_run, cells[k::pieces]) for k in range(pieces)]
        for task in as_completed(tasks):
            found |= task.result()
            failed = sum(map(bool, found.values()))
            print(
                f"{len(found)} of {len(cells)} calls, {failed} failed",
                flush=True,
            )
    return found


def _failed(complaints: dict[AnyCell, str]) -> dict[AnyCell, str]:
    return {cell: text for cell, text in complaints.items() if text}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devkit.matrix",
        description="Try every combination of settings over real sockets.",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.every < 1 or options.processes < 1:
        parser.error("--every, --processes: at least 1")
    start = time.monotonic()
    complaints = _run_all(all_cells()[:: options.every], options.processes)
    first = _failed(complaints)
    for cell, text in list(first.items())[:_SHOWN]:
        print(f"{cell}: {one_line(text)[:_LONGEST]}")
    if first:
        print(f"trying {len(first)} again, one at a time", flush=True)
        complaints |= _run(list(first), at_once=1)
    failed = _failed(complaints)
    for cell, text in list(failed.items())[:_SHOWN]:
        print(f"again: {cell}: {one_line(text)[:_LONGEST]}")
    seconds = time.monotonic() - start
    print(f"{len(complaints)} calls, {len(failed)} failed, {seconds:.0f} s")
    if failed:
        return 1
    if options.every == 1:
        FILE.write_text(document(), encoding="utf-8")
        print(f"written: {FILE.name}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

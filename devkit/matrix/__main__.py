"""python -m devkit.matrix: try every combination of settings.

Runs one call for each combination, request and change of settings against
local servers, over real sockets, and writes docs/compatibility.md.  With
--every N only each Nth is run and nothing is written.  Exit status: 0 every
call did what is expected of it, 1 one did not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from devkit.shown import one_line

from .judge import AnyCell, all_cells
from .report import FILE, document
from .run import run_cells

#: Complaints that are printed, and characters of each.
_SHOWN = 20
_LONGEST = 1000


def _run(cells: list[AnyCell]) -> dict[AnyCell, str]:
    return asyncio.run(run_cells(cells))


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
    cells = all_cells()[:: options.every]
    # Neighbours differ in what costs time: shares of every kind.
    shares = [cells[k :: options.processes] for k in range(options.processes)]
    start = time.monotonic()
    complaints: dict[AnyCell, str] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for found in pool.map(_run, shares):
            complaints |= found
    failed = {cell: text for cell, text in complaints.items() if text}
    for cell, text in list(failed.items())[:_SHOWN]:
        print(f"{cell}: {one_line(text)[:_LONGEST]}")
    seconds = time.monotonic() - start
    print(f"{len(cells)} calls, {len(failed)} failed, {seconds:.0f} s")
    if options.every == 1:
        FILE.write_text(document(complaints), encoding="utf-8")
        print(f"written: {FILE.name}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

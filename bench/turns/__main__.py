"""python -m bench.turns: score the local turn detector.

Prints one line a group of recordings; with --print-table the Markdown
table of docs/turn_detection.md. Exit status: 0 done, 2 wrong usage or the
recordings are missing.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from .scenes import groups
from .score import Score, score

_COLUMNS = (
    "recordings", "turns", "missed", "split", "merged", "false",
    "onset error ms mean", "p95", "lost at start ms p95",
    "commit delay ms mean", "p95",
)  # fmt: skip


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.0f}" if values else "-"


def _p95(values: list[float]) -> str:
    return f"{np.percentile(values, 95):.0f}" if values else "-"


def cells(title: str, result: Score) -> list[str]:
    """One row of the table."""
    sizes = [abs(value) for value in result.onset_ms]
    counts = (result.turns, result.missed, result.split, result.merged,
              result.false)  # fmt: skip
    return [
        title,
        *map(str, counts),
        _mean(result.onset_ms),
        _p95(sizes),
        _p95(result.clipped_ms),
        _mean(result.commit_ms),
        _p95(result.commit_ms),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.turns")
    parser.add_argument(
        "--print-table", action="store_true", help="Markdown, for the docs"
    )
    parser.add_argument("--only", default="", help="groups with this in it")
    for option in ("threshold", "prefix-padding-ms", "silence-duration-ms",
                   "min-speech-ms"):  # fmt: skip
        kind = float if option == "threshold" else int
        parser.add_argument(f"--{option}", type=kind)
    arguments = vars(parser.parse_args())
    table, only = arguments.pop("print_table"), arguments.pop("only")
    settings = {k: v for k, v in arguments.items() if v is not None}
    chosen = {t: make for t, make in groups().items() if only in t}
    if not chosen:
        print(f"bench.turns: --only {only}: no such group", file=sys.stderr)
        return 2
    total = Score()
    print(line(list(_COLUMNS), table))
    if table:
        print("|" + "---|" * len(_COLUMNS))
    try:
        for title, make in chosen.items():
            result = Score()
            for scene in make():
                result.add(score(scene, settings))
            total.add(result)
            print(line(cells(title, result), table), flush=True)
    except (FileNotFoundError, ValueError, ImportError) as error:
        print(f"bench.turns: {error}", file=sys.stderr)
        return 2
    print(line(cells("all", total), table))
    return 0


def line(values: list[str], table: bool) -> str:
    if table:
        return "| " + " | ".join(values) + " |"
    widths = (31, *[max(len(column), 6) for column in _COLUMNS[1:]])
    return " ".join(
        value.ljust(width) if not place else value.rjust(width)
        for place, (value, width) in enumerate(zip(values, widths, strict=True))
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

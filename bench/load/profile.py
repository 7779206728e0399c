"""python -m bench.load.profile: which stage of a call takes how much.

The calls of `bench.load` with a clock around each stage of the extension.
Exit status: 0 done, 1 a run gave no figures, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devkit.bootstrap import runtime_is_importable

from .plan import Plan
from .report import machine, write_text
from .runs import RunError, measure
from .speech import make_plan

_PATHS = ("feed", "floor", "default", "server")
_CLOCKS = ("default", "server")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.load.profile",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=8)
    hosts = ["standin"] + ["ten"] * runtime_is_importable()
    parser.add_argument("--host", choices=hosts, default=hosts[0])
    parser.add_argument(
        "--write", action="store_true", help="into docs/performance.md"
    )
    options = parser.parse_args(arguments)
    if options.calls < 1 or options.seconds < 5:
        parser.error("--calls: at least 1; --seconds: at least 5")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    given = sys.argv[1:] if arguments is None else list(arguments)
    lines = [
        " ".join(["$ python -m bench.load.profile", *given]),
        machine([]),
        f"{options.calls} calls, {options.seconds} s; CPU in ms per second and"
        " call; in brackets how often a second",
    ]
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = make_plan(options.calls, options.seconds, folder)
        try:
            found = of_paths(options.host, plan, folder)
        except RunError as error:
            print(error, file=sys.stderr)
            return 1
    print(*found, sep="\n")
    if options.write:
        write_text("profile", "\n".join(lines + found))
    return 0


def of_paths(host: str, plan: Plan, folder: Path) -> list[str]:
    """The table; raises `RunError`."""
    calls, total = len(plan.starts), {}
    stages: dict[str, dict[str, tuple[float, float]]] = {}
    for path in _PATHS:
        module = "profiled" if path in _CLOCKS else "on_ten"
        command = [sys.executable, "-m", f"bench.load.{module}"]
        notes, _ = measure(
            command, path, plan, folder, {"DEVKIT_RUNTIME": host}
        )
        per = notes["wall_s"] * calls
        total[path] = notes["cpu_s"] / per * 1000
        stages[path] = {
            stage: (ns / per / 1e6, count / per)
            for stage, (ns, count) in notes.get("stages", {}).items()
        }
    lines = [f"{'':<26}" + "".join(f"{path:>18}" for path in _CLOCKS)]
    for stage in dict.fromkeys(s for path in _CLOCKS for s in stages[path]):
        cells = [stages[path].get(stage) for path in _CLOCKS]
        lines.append(
            f"{stage:<26}"
            + "".join(
                f"{'-':>18}" if c is None else f"{c[0]:>10.2f} ({c[1]:>5.1f})"
                for c in cells
            )
        )
    for name, values in (
        (
            "the rest: host, base class, asyncio",
            [
                total[p] - total["feed"] - sum(c[0] for c in stages[p].values())
                for p in _CLOCKS
            ],
        ),
        ("above the feed", [total[p] - total["feed"] for p in _CLOCKS]),
        ("the floor, above the feed", [total["floor"] - total["feed"]] * 2),
    ):
        lines.append(
            f"{name:<36}" + "".join(f"{v:>8.2f}{'':>10}" for v in values)
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())

"""python -m bench.load: many calls in one process.

Frames of 10 ms at 16 kHz in real time, 40 % of it speech, against a scripted
service in another process.  --peers: the clients of others on the same feed.
Exit status: 0 done, 1 a run gave no figures, 2 wrong usage or no recordings.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.turns.scenes import SPEECH
from devkit.bootstrap import runtime_is_importable
from devkit.generated import ROOT

from .figures import Figures, figures, middle
from .peers import LOAD_PEERS, PEERS, environment, version
from .plan import Plan
from .report import Table, machine, write
from .runs import RunError, measure
from .speech import SPEECH_SHARE, make_plan

PATHS = ("feed", "floor", "default", "server")


@dataclass(frozen=True)
class Subject:
    """Who is measured, on which host."""

    host: str
    path: str
    python: str = sys.executable

    def run(self, plan: Plan, folder: Path) -> Figures:
        """One run; raises `RunError`."""
        module = "plain" if self.host == "plain" else "on_ten"
        command = [self.python, "-m", f"bench.load.{module}"]
        runtime = {"TEN": "ten"}.get(self.host, "standin")
        notes, heard = measure(
            command, self.path, plan, folder, {"DEVKIT_RUNTIME": runtime}
        )
        return figures(plan, notes, heard)


def on_hosts(hosts: Sequence[str]) -> list[Subject]:
    """The extension and what it is compared with, on each host."""
    return [Subject(host, path) for host in hosts for path in PATHS]


def peers() -> tuple[list[Subject], list[str]]:
    """The clients of others that can be installed, and their versions."""
    found = [Subject("plain", path) for path in ("feed", "floor")]
    versions: list[str] = []
    for peer in LOAD_PEERS:
        try:
            python = environment(peer)
        except RunError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        found.append(Subject("plain", peer, str(python)))
        versions.append(version(python, PEERS[peer][1]))
    return found, list(dict.fromkeys(versions))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.load", description=__doc__.splitlines()[0]
    )
    hosts = ["standin"] + ["TEN"] * runtime_is_importable()
    parser.add_argument(
        "--peers", action="store_true", help="the clients of others, too"
    )
    parser.add_argument("--calls", type=int, nargs="+")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--speech",
        type=Path,
        default=SPEECH,
        metavar="DIR",
        help="recordings, one utterance each, in place of the committed ones",
    )
    parser.add_argument(
        "--hosts", nargs="+", choices=hosts, help="default: what is importable"
    )
    parser.add_argument(
        "--write", action="store_true", help="into docs/performance.md"
    )
    options = parser.parse_args(arguments)
    options.calls = options.calls or (
        [20] if options.peers else [1, 20, 100, 300]
    )
    options.hosts = options.hosts or (hosts[:1] if options.peers else hosts)
    if min(*options.calls, options.rounds) < 1 or options.seconds < 5:
        parser.error("--calls, --rounds: at least 1; --seconds: at least 5")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    part = "peers" if options.peers else "bench"
    subjects = on_hosts(options.hosts)
    versions: list[str] = []
    if options.peers:
        others, versions = peers()
        subjects += others
    given = sys.argv[1:] if arguments is None else list(arguments)
    text = [
        " ".join(["$ python -m bench.load", *given]),
        machine(versions),
        f"{options.seconds} s a run, {SPEECH_SHARE:.0%} speech, frames of"
        f" 10 ms at 16 kHz; each figure the median of {options.rounds} run(s);"
        " CPU in ms per second and call, times in ms: p50 / p99 / worst",
    ]
    print(*text, sep="\n")

    def show(lines: list[str]) -> None:
        print(*lines, sep="\n", flush=True)
        text.extend(lines)

    tables: list[Table] = []
    with tempfile.TemporaryDirectory() as name:
        try:
            for host, group in itertools.groupby(subjects, lambda s: s.host):
                table = Table(host)
                tables.append(table)
                show(table.head())
                run_all(table, list(group), options, Path(name), show)
        except FileNotFoundError as error:
            print(error, file=sys.stderr)
            return 2
    keep(part, tables)
    if options.write:
        write(part, "\n".join(text), tables)
    return int(any(table.failures for table in tables))


def run_all(
    table: Table,
    subjects: Sequence[Subject],
    options: argparse.Namespace,
    folder: Path,
    show: Callable[[list[str]], None],
) -> None:
    """Fill the table.  The rounds of a count take turns, so that a machine
    that changes its speed does so for all."""
    for calls in options.calls:
        plan = make_plan(calls, options.seconds, folder, options.speech)
        rounds: dict[str, list[Figures]] = {s.path: [] for s in subjects}
        for _, subject in itertools.product(range(options.rounds), subjects):
            if (calls, subject.path) in table.failures:
                continue
            try:
                rounds[subject.path].append(subject.run(plan, folder))
            except RunError as error:
                table.failures[calls, subject.path] = str(error)
        for path, found in rounds.items():
            if (calls, path) not in table.failures:
                table.cells[calls, path] = middle(found)
        show(table.lines(calls))


def keep(part: str, tables: Sequence[Table]) -> None:
    """All figures, for other programs, in build/load."""
    path = ROOT / "build" / "load" / f"{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"host": table.host, "calls": calls, "path": which, **asdict(found)}
        for table in tables
        for (calls, which), found in table.cells.items()
    ]
    path.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.exit(main())

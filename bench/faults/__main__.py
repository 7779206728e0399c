"""python -m bench.faults: how many words of a call survive faults.

This extension on the stand-in host, and the clients of others, on the same
audio, against the devkit's server with the same faults at the same times.
Exit status: 0 done, 1 a run gave no figures, or a client lost words without a
fault, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from bench.load.peers import PEERS, environment, version
from bench.load.report import machine
from bench.load.runs import RunError

from .account import Account
from .page import details, summary, write
from .runs import run_in_time
from .scenarios import SCENARIOS
from .script import Script, make_script

OURS = "ours"
CLIENTS = (
    OURS,
    "livekit-session",
    "pipecat-server",
    "openai-reconnect",
    "openai",
)
_SCENARIOS = {scenario.name: scenario for scenario in SCENARIOS}
#: Speech below this has no place for the faults.
_SHORTEST_S = 5

Cell = tuple[str, str]


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--clients", nargs="+", choices=CLIENTS, default=CLIENTS)
    add("--scenarios", nargs="+", choices=_SCENARIOS, default=[*_SCENARIOS])
    add("--rounds", type=int, default=2)
    add("--seconds", type=int, default=66, help="of speech, in a run")
    add("--at-once", type=int, default=len(CLIENTS), help="runs at a time")
    add("--write", action="store_true", help="into docs/faults_peers.md")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.at_once) < 1:
        parser.error("--rounds, --at-once: at least 1")
    if options.seconds < _SHORTEST_S:
        parser.error(f"--seconds: at least {_SHORTEST_S}")
    return options


def pythons(clients: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The Python of each client that there is, and the versions."""
    found: dict[str, str] = {}
    versions: list[str] = []
    for client in clients:
        if client == OURS:
            found[client] = sys.executable
            continue
        try:
            python = environment(client)
        except RunError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        found[client] = str(python)
        versions.append(version(python, PEERS[client][1]))
    return found, list(dict.fromkeys(versions))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    clients, versions = pythons(options.clients)
    given = sys.argv[1:] if arguments is None else list(arguments)
    kind = machine(versions)
    with tempfile.TemporaryDirectory() as name:
        script = make_script(options.seconds, Path(name))
        results = run_all(script, clients, options, Path(name))
    runs = [a for found in results.values() if found for a in found]
    usual, worst = (
        max((a.late_ms[which] for a in runs), default=0.0) for which in (0, 1)
    )
    lines = [
        "```",
        " ".join(["$ python -m bench.faults", *given]),
        f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}; {kind}",
        f"{len(script.words)} words in {script.plan.seconds} s, the last of"
        f" them silence; {options.rounds} run(s) of each, up to"
        f" {options.at_once} at a time",
        f"99 % of a run's frames went in at most {usual:.0f} ms late, all at"
        f" most {worst:.0f} ms",
        "```",
        "",
    ]
    shown = {
        cell: found or "a run gave no figures"
        for cell, found in results.items()
    }
    names = list(clients)
    lines += [*summary(shown, names), "", *details(shown, names)]
    print(*lines, sep="\n")
    if options.write:
        write(lines)
    return int(not all(results.values()) or not sound(results))


def run_all(
    script: Script,
    clients: dict[str, str],
    options: argparse.Namespace,
    folder: Path,
) -> dict[Cell, list[Account]]:
    """All rounds; an empty list where one gave no figures.  The clients of a
    scenario run at the same time, so that the machine is the same for all."""
    jobs: dict[tuple[int, str, str], Future[Account]] = {}
    results: dict[Cell, list[Account]] = {}
    with ThreadPoolExecutor(options.at_once) as pool:
        for turn in range(options.rounds):
            for scenario in options.scenarios:
                for client, python in clients.items():
                    jobs[turn, scenario, client] = pool.submit(
                        run_in_time,
                        [python],
                        client,
                        _SCENARIOS[scenario],
                        script,
                        folder / f"{turn}-{scenario}-{client}",
                    )
        failed: set[Cell] = set()
        try:
            for (turn, scenario, client), job in jobs.items():
                cell = scenario, client
                try:
                    found = job.result()
                    results.setdefault(cell, []).append(found)
                    what = f"{found.delivered} of {found.words}"
                except RunError as error:
                    failed.add(cell)
                    results.setdefault(cell, [])
                    what = f"no figures: {error}"
                print(turn + 1, scenario, client, what, file=sys.stderr)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {cell: [] if cell in failed else results[cell] for cell in results}


def sound(results: dict[Cell, list[Account]]) -> bool:
    """Without a fault every client delivers every word, or it is not used as
    it should be."""
    wrong = [
        client
        for (scenario, client), found in results.items()
        if scenario == SCENARIOS[0].name and not all(a.whole for a in found)
    ]
    for client in wrong:
        print(f"{client}: words are missing without a fault", file=sys.stderr)
    return not wrong


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

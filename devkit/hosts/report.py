"""Two runs of the same tests, side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

HOSTS = {"standin": "stand-in", "ten": "TEN"}
_ORDER = ("passed", "failed", "aborted", "skipped")


@dataclass
class Run:
    """What became of the tests on one host: test -> (outcome, why)."""

    outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def count(self) -> Counter[str]:
        return Counter(outcome for outcome, _ in self.outcomes.values())

    def of(self, test: str) -> tuple[str, str]:
        return self.outcomes.get(test, ("missing", "was not collected"))


def read_run(path: Path) -> Run:
    """The lines of :mod:`devkit.hosts.outcomes`; the worst of a test counts."""
    run = Run()
    if not path.exists():
        return run
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        before, _ = run.of(entry["test"])
        if before != "failed":
            run.outcomes[entry["test"]] = (entry["outcome"], entry["why"])
    return run


def differences(standin: Run, ten: Run) -> dict[str, str]:
    """Tests that did not end alike, and how they ended."""
    found = {}
    for test in [*standin.outcomes, *ten.outcomes]:
        here, there = standin.of(test), ten.of(test)
        if here[0] != there[0]:
            found[test] = f"{_told('standin', here)}; {_told('ten', there)}"
    return found


def _told(host: str, outcome: tuple[str, str]) -> str:
    how, why = outcome
    return f"{HOSTS[host]}: {how}" + (f" ({why})" if why else "")


def report(standin: Run, ten: Run) -> str:
    """The counts, then the differences."""
    counts = {"standin": standin.count(), "ten": ten.count()}
    lines = [_row("", HOSTS.values())]
    for outcome in _ORDER:
        numbers = [str(counts[host][outcome]) for host in HOSTS]
        lines.append(_row(outcome, numbers))
    found = differences(standin, ten)
    lines += ["", f"{len(found)} of the tests ended differently."]
    lines += [f"- {test}: {how}" for test, how in found.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:10}" + "".join(f"{cell:>10}" for cell in cells)

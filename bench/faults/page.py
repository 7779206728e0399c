"""The tables, and docs/faults_peers.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from devkit.generated import ROOT, with_part
from devkit.shown import harmless

from .account import Account
from .scenarios import SCENARIOS

DOCUMENT = ROOT / "docs" / "faults_peers.md"
_MARKS = "<!-- faults -->", "<!-- end of faults -->"
#: Characters of an error that a client told.
_SAID = 90

#: Scenario and client: its runs, or why there is none.
Results = Mapping[tuple[str, str], Sequence[Account] | str]

_COLUMNS: list[tuple[str, Callable[[Account], float]]] = [
    ("words", lambda a: a.words),
    ("delivered", lambda a: a.delivered),
    ("lost", lambda a: a.lost),
    ("of these told", lambda a: a.told),
    ("doubled", lambda a: a.doubled),
    ("out of order", lambda a: a.disorder),
    ("pieces", lambda a: a.broken),
    ("latest, s", lambda a: a.latest_s),
    ("connections", lambda a: a.connections),
    ("failed items", lambda a: a.failed),
]


def spread(values: Sequence[float]) -> str:
    """One figure, or the least and the most of several runs."""
    shown = [f"{v:.1f}" if isinstance(v, float) else str(v) for v in values]
    least, most = (
        shown[values.index(edge)] for edge in (min(values), max(values))
    )
    return least if least == most else f"{least} to {most}"


def summary(results: Results, clients: Sequence[str]) -> list[str]:
    """Per scenario and client, how many of 100 words were delivered."""
    lines = _head(["delivered, %", *clients])
    for scenario in _scenarios(results):
        cells = [f"`{scenario}`"]
        for client in clients:
            runs = results[scenario, client]
            cells.append(
                "no figures"
                if isinstance(runs, str)
                else spread([round(100 * a.delivered / a.words) for a in runs])
            )
        lines.append(_row(cells))
    return lines


def details(results: Results, clients: Sequence[str]) -> list[str]:
    """Every figure of each."""
    names = [name for name, _ in _COLUMNS]
    lines = _head(["scenario", "client", *names, "the last error told"])
    for scenario in _scenarios(results):
        for client in clients:
            runs = results[scenario, client]
            first = [f"`{scenario}`", client]
            if isinstance(runs, str):
                rest = [""] * len(_COLUMNS)
                lines.append(_row([*first, *rest, _quoted(runs)]))
                continue
            cells = [spread([value(a) for a in runs]) for _, value in _COLUMNS]
            lines.append(_row([*first, *cells, _quoted(runs[-1].said)]))
    return lines


def _scenarios(results: Results) -> list[str]:
    there = {scenario for scenario, _ in results}
    return [s.name for s in SCENARIOS if s.name in there]


def _head(names: Sequence[str]) -> list[str]:
    return [_row(names), "|" + "---|" * len(names)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _quoted(text: str) -> str:
    """A text of others, in a cell."""
    cut = text if len(text) <= _SAID else f"{text[:_SAID]}…"
    shown = harmless(cut).replace("|", "/").replace("`", "'")
    return f"`{shown}`" if shown else ""


def write(lines: Sequence[str]) -> None:
    """Put what was printed into the page."""
    document = with_part(DOCUMENT.read_text(), *_MARKS, "\n".join(lines) + "\n")
    DOCUMENT.write_text(document)

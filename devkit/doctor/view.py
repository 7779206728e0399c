"""Checks on a terminal, and as JSON."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, TextIO

from .checks import Check, Report, Status

_WIDTH = 80
_NAME_WIDTH = 12
_SUMMARY = " " * 24
_DETAIL = " " * 13
_COLORS: dict[Status, str] = {
    "ok": "\x1b[32m",
    "warning": "\x1b[33m",
    "failed": "\x1b[31m",
    "skipped": "\x1b[2m",
}
_END = "\x1b[0m"
FORMAT_VERSION = 1


def takes_color(stream: TextIO) -> bool:
    """Is it a terminal, and does nobody mind?"""
    return (
        stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


class Terminal:
    """Prints each check as it comes; ``verbose``: with what is folded."""

    def __init__(self, stream: TextIO, *, color: bool, verbose: bool) -> None:
        self._stream = stream
        self._color = color
        self._verbose = verbose

    def begin(self, group: str, about: str) -> None:
        """The heading of a group."""
        text = f"{group}  {about}".rstrip()
        print(*_wrapped(text, "", "  "), sep="\n", file=self._stream)

    def show(self, check: Check) -> None:
        """A check, its details and the next step."""
        name = check.name
        if len(name) > _NAME_WIDTH:
            name += ":"
        head = f"  {check.status:<8} {name:<{_NAME_WIDTH}} "
        lines = list(_wrapped(check.summary, head, _SUMMARY))
        for line in [*check.detail, *(check.folded if self._verbose else ())]:
            lines += _wrapped(line, _DETAIL, f"{_DETAIL}  ")
        if check.next:
            lines += _wrapped(
                f"next: {check.next}", _DETAIL, f"{_DETAIL}      "
            )
        if self._color:
            mark = f"{_COLORS[check.status]}{check.status}{_END}"
            lines[0] = lines[0].replace(check.status, mark, 1)
        print(*lines, sep="\n", file=self._stream, flush=True)

    def conclude(self, report: Report) -> None:
        """The one thing that is wrong, or that nothing is."""
        wrong, doubtful = report.of("failed"), report.of("warning")
        skipped = report.of("skipped")
        print(file=self._stream)
        if wrong:
            first = wrong[0]
            where = f"{first.group}: " if first.about_endpoint else ""
            text = (
                f"{len(wrong)} failed. First: {where}{first.name}:"
                f" {first.summary}"
            )
            lines = [*_wrapped(text, "", "  ")]
            if first.next:
                lines += _wrapped(f"next: {first.next}", "  ", "        ")
        else:
            counts = [
                f"{len(checks)} {name}"
                for checks, name in (
                    (doubtful, "warnings" if len(doubtful) > 1 else "warning"),
                    (skipped, "skipped"),
                )
                if checks
            ]
            told = f" ({', '.join(counts)})" if counts else ""
            lines = [f"Nothing failed{told}."]
        print(*lines, sep="\n", file=self._stream, flush=True)


def _wrapped(text: str, first: str, others: str) -> Iterator[str]:
    wrapped = textwrap.wrap(
        text,
        _WIDTH - 1,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    yield from wrapped or [first.rstrip()]


def as_json(report: Report) -> str:
    """The whole report, one object."""
    checks: list[dict[str, Any]] = [
        {
            "name": check.name,
            "group": check.group,
            "status": check.status,
            "summary": check.summary,
            "detail": [*check.detail, *check.folded],
            "next": check.next,
            "data": dict(check.data),
        }
        for check in report.checks
    ]
    whole = {"format": FORMAT_VERSION, "ok": report.ok, "checks": checks}
    return json.dumps(whole, ensure_ascii=True, indent=2)


def complain(text: str) -> None:
    """One line on standard error."""
    print(f"devkit.doctor: {text}", file=sys.stderr, flush=True)

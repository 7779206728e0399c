"""What the checks tell, without a secret, in the order in which they end.

Like `machine` it needs no package at all: one that is missing is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: How the groups of checks of an endpoint begin.
ENDPOINT = "Endpoint "
Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    ``next`` is the next step, unless it is ok.  ``detail`` are lines that are
    always shown, ``folded`` those that are shown on request; ``data`` is the
    same for programs, as JSON has it.
    """

    name: str
    status: Status
    summary: str
    next: str = ""
    detail: Sequence[str] = ()
    folded: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""

    @property
    def about_endpoint(self) -> bool:
        """Is it one of several groups with the same checks?"""
        return self.group.startswith(ENDPOINT)


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


class Report:
    """All checks; ``show`` is told of each one as it comes, and of each group
    (name and what it is about) as it begins."""

    def __init__(
        self,
        show: Callable[[Check], None],
        begin: Callable[[str, str], None],
    ) -> None:
        self.checks: list[Check] = []
        self._show = show
        self._begin = begin
        self._group = ""
        #: Makes texts, and values as JSON has them, fit to be shown.  Until
        #: the package can be imported only our own words come by.
        self.clean: Callable[[str], str] = _plain
        self.clean_value: Callable[[Any], Any] = lambda value: value

    def begin(self, group: str, about: str = "") -> None:
        """The checks that follow are about this."""
        self._group = group
        self._begin(group, self.clean(about))

    def add(self, check: Check) -> None:
        """Keep it, and have it shown."""
        cleaned = Check(
            self.clean(check.name),
            check.status,
            self.clean(check.summary),
            self.clean(check.next),
            [self.clean(line) for line in check.detail],
            [self.clean(line) for line in check.folded],
            self.clean_value(dict(check.data)),
            self._group,
        )
        self.checks.append(cleaned)
        self._show(cleaned)

    def of(self, status: Status) -> list[Check]:
        """Those that ended so."""
        return [check for check in self.checks if check.status == status]

    @property
    def ok(self) -> bool:
        """Has none failed?"""
        return not self.of("failed")

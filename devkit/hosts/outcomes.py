"""A pytest plugin: one line of JSON for each outcome, written at once.

An abort of the process loses no outcome but that of the test that ran.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

#: Environment variable with the file's name.
FILE = "DEVKIT_OUTCOMES"


def _write(**what: Any) -> None:
    with open(os.environ[FILE], "a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def pytest_runtest_logstart(nodeid: str) -> None:
    """What has only this line has ended the process."""
    _write(test=nodeid, outcome="aborted", why="the process ended")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The call, and what went wrong before or after it."""
    if report.when == "call" or report.outcome != "passed":
        _write(test=report.nodeid, outcome=report.outcome, why=_why(report))


def _why(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ""
    return (str(crash.message).splitlines() or [""])[0]

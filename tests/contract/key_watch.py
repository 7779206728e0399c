"""P7: no key of any test shows up in any log of the whole test run.

Collects what every logger says at DEBUG, also those that do not propagate
(websockets' own logger shows request headers at that level), and fails the
session where a key shows up.
"""

from __future__ import annotations

import contextlib
import logging
import re

import pytest
from host_log import LogCall, log_calls

#: Keys in tests look like this; texts of the service that mask one do not.
KEYS = re.compile(r"\b(?:sk|ek)-[A-Za-z]+-\d{6,}[A-Za-z0-9]*")
#: The devkit's own server is no part of the package.
_NOT_OURS = ("devkit.",)


class KeyWatch(logging.Handler):
    """``found`` holds (logger, key) of every leak, ``count`` all records."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: set[tuple[str, str]] = set()
        self.count = 0
        #: The test's own WebSocket client is at work, which is not ours.
        self.foreign_client = False
        self.ears = contextlib.ExitStack()
        self._listens = False

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        if record.name.startswith(_NOT_OURS):
            return
        if self.foreign_client and record.name == "websockets.client":
            return
        try:
            text = self.format(record)
        except Exception:
            text = f"{record.msg} {record.args}"
        for key in KEYS.findall(text):
            self.found.add((record.name, key))

    def listen_to_ten(self) -> None:
        """Once; until `ears` is closed."""
        if not self._listens:
            self._listens = True
            self.ears.enter_context(log_calls(self.hear))

    def hear(self, call: LogCall) -> None:
        """TEN's own lines go to no logger of Python's."""
        self.count += 1
        for key in KEYS.findall(call.text):
            self.found.add(("ten_env", key))

    def listen_everywhere(self) -> None:
        """What a host that logs everything would do."""
        root = logging.getLogger()
        loggers = [root, *root.manager.loggerDict.values()]
        for logger in loggers:
            if isinstance(logger, logging.Logger) and (
                logger is root or not logger.propagate
            ):
                if self not in logger.handlers:
                    logger.addHandler(self)
                if not logger.name.startswith(_NOT_OURS):
                    logger.setLevel(logging.DEBUG)
        for name in ("websockets", "websockets.client", "websockets.server"):
            logging.getLogger(name).setLevel(logging.DEBUG)


WATCH = KeyWatch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # The tests of the local server talk to it with a bare client.
    WATCH.foreign_client = item.path.parent.name == "server"
    WATCH.listen_everywhere()
    WATCH.listen_to_ten()


def pytest_sessionfinish(session: pytest.Session) -> None:
    WATCH.ears.close()
    if WATCH.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> None:
    for logger, key in sorted(WATCH.found):
        terminalreporter.write_line(
            f"FAILED: a key was logged by {logger!r}: {key[:5]}…", red=True
        )

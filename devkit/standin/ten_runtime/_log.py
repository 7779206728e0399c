"""Log lines: one logger ``ten_runtime``, lines on stderr.

``TEN_LOG_LEVEL`` (debug, info, warning, error; default warning) is the level
of the stderr handler only: the logger itself lets everything pass, so that a
handler added by a test sees a whole run.
"""

from __future__ import annotations

import logging
import os
import sys
from types import TracebackType

from ._files import one_line
from .log_level import LogLevel

LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}
LEVEL_NAMES = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}

logger = logging.getLogger("ten_runtime")


class _StderrHandler(logging.Handler):
    """Writes to whatever ``sys.stderr`` is now (test runners replace it)."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


def _set_up() -> None:
    logger.setLevel(logging.DEBUG)
    if any(type(h).__name__ == "_StderrHandler" for h in logger.handlers):
        return
    handler = _StderrHandler()
    wanted = os.environ.get("TEN_LOG_LEVEL", "warn").lower()
    wanted = wanted.replace("warning", "warn")
    handler.setLevel(LEVEL_NAMES.get(wanted, logging.WARNING))
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    logger.addHandler(handler)


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def log_line(
    level: LogLevel,
    text: str,
    *,
    node: str | None = None,
    category: str | None = None,
    error: BaseException | None = None,
    leftover_tasks: int = 0,
) -> None:
    """Write one line; ``error`` adds its traceback below.

    The record carries ``ten_node``, ``ten_category`` and
    ``ten_leftover_tasks`` for handlers that want to tell lines apart.
    """
    prefix = f"[{node}] " if node else ""
    if category:
        prefix += f"[{one_line(category)}] "
    info: _ExcInfo | None = None
    if error is not None:
        info = (type(error), error, error.__traceback__)
    logger.log(
        LEVELS.get(level, logging.DEBUG),
        "%s",
        prefix + one_line(text),
        exc_info=info,
        extra={
            "ten_node": node,
            "ten_category": category,
            "ten_leftover_tasks": leftover_tasks,
        },
    )


_set_up()

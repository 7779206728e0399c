"""Severity of a log line."""

from enum import IntEnum


class LogLevel(IntEnum):
    """Levels of ``ten_env.log``."""

    INVALID = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4

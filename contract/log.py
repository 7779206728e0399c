"""Log lines through TEN, at the configured level, without secrets."""

from __future__ import annotations

import contextlib

from ten_runtime import AsyncTenEnv

from ..realtime.shown import harmless
from ..safety.redaction import Redactor

_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


class ExtensionLog:
    """Passes lines at ``level`` or above to ``ten_env``, once there is one;
    made harmless, since not every reader of a log is a program."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.ten_env: AsyncTenEnv | None = None
        self.level = "INFO"

    def debug(self, text: str, category: str | None = None) -> None:
        self._line("DEBUG", text, category)

    def info(self, text: str, category: str | None = None) -> None:
        self._line("INFO", text, category)

    def warn(self, text: str, category: str | None = None) -> None:
        self._line("WARN", text, category)

    def error(self, text: str, category: str | None = None) -> None:
        self._line("ERROR", text, category)

    def _line(self, level: str, text: str, category: str | None) -> None:
        env = self.ten_env
        if env is None or _LEVELS.index(level) < _LEVELS.index(self.level):
            return
        # Of all that can fail, this is what nobody can be told about.
        with contextlib.suppress(Exception):
            # In this order: an escape inside a secret would hide it.
            shown = harmless(self._redactor.text(text))
            log = getattr(env, f"log_{level.lower()}")
            log(shown, category=category)

"""Log lines through TEN, at the configured level, without secrets."""

from __future__ import annotations

from ten_runtime import AsyncTenEnv

from .realtime.shown import harmless
from .redaction import Redactor

_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


class ExtensionLog:
    """Passes lines at ``level`` or above to ``ten_env``, once there is one;
    made harmless, since not every reader of a log is a program."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.ten_env: AsyncTenEnv | None = None
        self.level = "INFO"

    def _on(self, level: str) -> AsyncTenEnv | None:
        if _LEVELS.index(level) < _LEVELS.index(self.level):
            return None
        return self.ten_env

    def debug(self, text: str, category: str | None = None) -> None:
        if env := self._on("DEBUG"):
            env.log_debug(self._shown(text), category=category)

    def info(self, text: str, category: str | None = None) -> None:
        if env := self._on("INFO"):
            env.log_info(self._shown(text), category=category)

    def warn(self, text: str, category: str | None = None) -> None:
        if env := self._on("WARN"):
            env.log_warn(self._shown(text), category=category)

    def error(self, text: str, category: str | None = None) -> None:
        if env := self._on("ERROR"):
            env.log_error(self._shown(text), category=category)

    def _shown(self, text: str) -> str:
        # In this order: an escape inside a secret would hide it.
        return harmless(self._redactor.text(text))

"""Log lines through TEN, at the configured level, without secrets."""

from __future__ import annotations

from ten_runtime import AsyncTenEnv

from .redaction import Redactor

_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


class ExtensionLog:
    """Passes lines at ``level`` or above to ``ten_env``, once there is one."""

    def __init__(self, redactor: Redactor) -> None:
        self._shown = redactor.text
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

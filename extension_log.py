"""Log lines through TEN, at the configured level."""

from __future__ import annotations

from ten_runtime import AsyncTenEnv

from .realtime.shown import harmless

_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


class ExtensionLog:
    """Passes lines at ``level`` or above to ``ten_env``, once there is one;
    made harmless, since not every reader of a log is a program."""

    def __init__(self) -> None:
        self.ten_env: AsyncTenEnv | None = None
        self.level = "INFO"

    def _on(self, level: str) -> AsyncTenEnv | None:
        if _LEVELS.index(level) < _LEVELS.index(self.level):
            return None
        return self.ten_env

    def debug(self, text: str, category: str | None = None) -> None:
        if env := self._on("DEBUG"):
            env.log_debug(harmless(text), category=category)

    def info(self, text: str, category: str | None = None) -> None:
        if env := self._on("INFO"):
            env.log_info(harmless(text), category=category)

    def warn(self, text: str, category: str | None = None) -> None:
        if env := self._on("WARN"):
            env.log_warn(harmless(text), category=category)

    def error(self, text: str, category: str | None = None) -> None:
        if env := self._on("ERROR"):
            env.log_error(harmless(text), category=category)

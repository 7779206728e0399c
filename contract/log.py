"""Log lines through TEN, at the configured level, without secrets."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from ten_runtime import AsyncTenEnv

from ..realtime.shown import harmless
from ..safety.redaction import Redactor

_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
#: Of a line, and of a part of a configuration, in characters: to look for
#: secrets in half a million of them would hold the loop for seconds.
_LONGEST_LINE = 65_536
_LONGEST_PART = 4096


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
            shown = harmless(self._redactor.text(text[:_LONGEST_LINE]))
            log = getattr(env, f"log_{level.lower()}")
            log(shown, category=category)


def brief(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration for one line: of its longest parts only the length."""
    return {name: _brief(value, 1) for name, value in fields.items()}


def _brief(value: Any, levels: int) -> Any:
    size = len(json.dumps(value, ensure_ascii=False))
    if size <= _LONGEST_PART:
        return value
    if levels and isinstance(value, Mapping):
        inner = {k: _brief(v, levels - 1) for k, v in value.items()}
        if len(json.dumps(inner)) <= 2 * _LONGEST_PART:
            return inner
    return f"({size} characters)"

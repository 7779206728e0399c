"""``ten.log`` of an App's property: where its lines go.

``{"handlers": [{"matchers": [{"level", "category"?}], "formatter": {"type":
"plain"|"json"}, "emitter": {"type": "console"|"file", "config": {...}}}]}``.
"""

from __future__ import annotations

import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ._files import Checker, Problem
from ._log import LEVEL_NAMES, logger

_EMITTERS = ("console", "file", "otlp")
_STREAMS = ("stdout", "stderr")


class _Matcher(NamedTuple):
    level: int
    category: str | None


def _matches(matchers: list[_Matcher], record: logging.LogRecord) -> bool:
    category = getattr(record, "ten_category", None)
    return any(
        record.levelno >= level and wanted in (None, category)
        for level, wanted in matchers
    )


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": self.formatTime(record),
            "level": record.levelname,
            "category": getattr(record, "ten_category", None) or "",
            "message": record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)


class LogConfig:
    """The handlers of one App, from its start to its end."""

    def __init__(self) -> None:
        self._read: list[tuple[list[_Matcher], bool, str, str]] = []
        self._open: list[logging.Handler] = []

    def read(self, value: Any, path: str) -> list[Problem]:
        """Take over ``value``; what is wrong with it comes back."""
        check = Checker()
        if not check.is_object(value, path, ("handlers",)):
            return check.problems
        path = f"{path}.handlers"
        handlers = value.get("handlers")
        if not isinstance(handlers, list) or not handlers:
            text = "required, must be an array of at least one handler"
            check.complain(path, text)
            return check.problems
        self._read = [
            read
            for index, item in enumerate(handlers)
            if (read := _handler(item, f"{path}[{index}]", check))
        ]
        return check.problems

    def open(self) -> None:
        """From now on lines go there."""
        for matchers, as_json, kind, where in self._read:
            handler: logging.Handler
            if kind == "file":
                handler = logging.FileHandler(where, encoding="utf-8")
            elif kind == "console":
                handler = logging.StreamHandler(getattr(sys, where))
            else:
                continue  # no collector to send to here
            plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
            handler.setFormatter(_Json() if as_json else plain)
            handler.addFilter(partial(_matches, matchers))
            logger.addHandler(handler)
            self._open.append(handler)

    def close(self) -> None:
        """The App has ended."""
        for handler in self._open:
            logger.removeHandler(handler)
            handler.close()
        self._open.clear()


def _handler(
    item: Any, path: str, check: Checker
) -> tuple[list[_Matcher], bool, str, str] | None:
    if not check.is_object(item, path, ("matchers", "formatter", "emitter")):
        return None
    listed = item.get("matchers")
    matchers = [
        _Matcher(LEVEL_NAMES[matcher["level"]], matcher.get("category"))
        for matcher in (listed if isinstance(listed, list) else [])
        if isinstance(matcher, dict) and matcher.get("level") in LEVEL_NAMES
    ]
    if not matchers or len(matchers) != len(listed or []):
        allowed = ", ".join(LEVEL_NAMES)
        text = f"required, one or more objects with a level of {allowed}"
        check.complain(f"{path}.matchers", text)
    formatter = _object(item, "formatter").get("type")
    if formatter not in ("plain", "json"):
        text = "required, must be plain or json"
        check.complain(f"{path}.formatter.type", text)
    emitter = _object(item, "emitter")
    kind = emitter.get("type")
    if kind not in _EMITTERS:
        text = f"required, must be one of {', '.join(_EMITTERS)}"
        check.complain(f"{path}.emitter.type", text)
        return None
    where = _where(kind, _object(emitter, "config"))
    if where is None:
        text = "a file needs a path, a console a stream (stdout or stderr)"
        check.complain(f"{path}.emitter.config", text)
        return None
    return matchers, formatter == "json", kind, where


def _object(tree: dict[str, Any], key: str) -> dict[str, Any]:
    value = tree.get(key)
    return value if isinstance(value, dict) else {}


def _where(kind: str, config: dict[str, Any]) -> str | None:
    """Path of a file, name of a stream."""
    if kind == "file":
        path = config.get("path")
        if not isinstance(path, str) or not path:
            return None
        return str(Path(path).absolute())
    if kind == "console":
        stream = config.get("stream", "stdout")
        return str(stream) if stream in _STREAMS else None
    return ""

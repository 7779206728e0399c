"""What is configured in secret stays out of what is said of an app."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ten_runtime._placeholder import (
    UnresolvedPlaceholder,
    resolve,
    variable,
)

from devkit.bootstrap import EXTENSION_PACKAGE

_RULE = f"ten_packages.extension.{EXTENSION_PACKAGE}.safety.redaction"


def masking(directory: Path) -> Callable[[str], str]:
    """A text without the secrets of our nodes in this app, wherever in it they
    stand, nor what looks like a key; by the extension's own rule, and as it is
    where that cannot be imported."""
    try:
        rule = importlib.import_module(_RULE)
    except Exception:
        return str
    redactor = rule.Redactor()
    content: Any = None
    file = directory / "property.json"
    # A pipe would be waited for; and what is no JSON is complained of.
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = json.loads(file.read_bytes()) if file.is_file() else None
    for properties in _properties(content):
        redactor.learn(rule.secrets_in(_filled_in(properties)))
    text: Callable[[str], str] = redactor.text
    return text


def _filled_in(value: Any) -> Any:
    """With what stands for its placeholders, where there is something."""
    if isinstance(value, dict):
        return {key: _filled_in(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled_in(inner) for inner in value]
    if not isinstance(value, str) or variable(value) is None:
        return value
    try:
        return resolve(value)
    except UnresolvedPlaceholder:
        return ""


def _properties(content: Any) -> Iterator[Any]:
    """Those of our nodes, however deep."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("addon") == EXTENSION_PACKAGE:
                yield value.get("property")
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value

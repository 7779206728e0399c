"""What is configured in secret stays out of what is said of an app."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ten_runtime._placeholder import variable

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
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = json.loads((directory / "property.json").read_bytes())
    for properties in _properties(content):
        secrets = rule.secrets_in(properties)
        redactor.learn(secrets)
        names = filter(None, map(variable, secrets))
        redactor.learn(os.environ.get(name, "") for name in names)
    text: Callable[[str], str] = redactor.text
    return text


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

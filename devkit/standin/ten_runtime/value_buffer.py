"""Wire form of a :class:`~ten_runtime.value.Value`, for log fields."""

from __future__ import annotations

import json

from .value import Value


def to_log_text(value: Value) -> str:
    """One line of JSON; buffers are given by their length only."""
    return json.dumps(value._plain(), ensure_ascii=False, default=_describe)


def _describe(item: object) -> str:
    if isinstance(item, bytes):
        return f"<{len(item)} bytes>"
    return str(item)

"""Where a property stands as its user wrote it."""

from __future__ import annotations

from collections.abc import Mapping


class Spelling:
    """The path in the user's properties of each field.

    ``paths``: by the field's own path, where it was found.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths

    def __call__(self, field: str) -> str:
        """The path of ``field``, which may lie inside of a known one."""
        if field in self._paths:
            return self._paths[field]
        first, dot, rest = field.partition(".")
        return self._paths.get(first, first) + dot + rest

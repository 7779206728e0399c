"""Typed access to properties, the same for messages and environments."""

from __future__ import annotations

from typing import Any

from .error import TenError


class TypedProperties:
    """Getters give a default and an error for what is missing or of another
    type; nothing converts."""

    def get_property_int(self, path: str) -> tuple[int, TenError | None]:
        """An integer, else 0."""
        return self._get(path, int, 0)

    def set_property_int(self, path: str, value: int) -> TenError | None:
        """Set an int64."""
        return self._set(path, value, int)

    def get_property_string(self, path: str) -> tuple[str, TenError | None]:
        """A string, else an empty one."""
        return self._get(path, str, "")

    def set_property_string(self, path: str, value: str) -> TenError | None:
        """Set a string."""
        return self._set(path, value, str)

    def get_property_bool(self, path: str) -> tuple[bool, TenError | None]:
        """A bool, else False."""
        return self._get(path, bool, False)

    def set_property_bool(self, path: str, value: int) -> TenError | None:
        """Set a bool (any int counts)."""
        return self._set(path, value, bool)

    def get_property_float(self, path: str) -> tuple[float, TenError | None]:
        """A real, else 0.0."""
        return self._get(path, float, 0.0)

    def set_property_float(self, path: str, value: float) -> TenError | None:
        """Set a float64."""
        return self._set(path, value, float)

    def _get(
        self, path: str, kind: type, default: Any
    ) -> tuple[Any, TenError | None]:
        raise NotImplementedError

    def _set(self, path: str, value: object, kind: type) -> TenError | None:
        raise NotImplementedError

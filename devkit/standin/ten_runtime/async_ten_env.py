"""The environment of an :class:`~ten_runtime.AsyncExtension`."""

from __future__ import annotations

import asyncio
from typing import Any

from ._sending import AsyncSending
from .error import TenError


class AsyncTenEnv(AsyncSending):
    """Properties, sending and logging; errors come as values."""

    async def get_property_to_json(
        self, path: str | None = None
    ) -> tuple[str, TenError | None]:
        """JSON text of one property, or of all (path None or "")."""
        await asyncio.sleep(0)  # the real one crosses a thread here
        return self._owner.to_json(path)

    async def set_property_from_json(
        self, path: str, json_str: str
    ) -> TenError | None:
        """Set a property; raises ``ValueError`` if ``json_str`` is no JSON."""
        await asyncio.sleep(0)
        return self._owner.set_json(path, json_str)

    async def _get(
        self, path: str, kind: type, default: Any
    ) -> tuple[Any, TenError | None]:
        await asyncio.sleep(0)
        return self._owner.get(path, kind, default)

    async def _set(
        self, path: str, value: object, kind: type
    ) -> TenError | None:
        await asyncio.sleep(0)
        return self._owner.set(path, value, kind)

    async def get_property_int(self, path: str) -> tuple[int, TenError | None]:
        """An integer; ``(0, error)`` if missing or of another type."""
        return await self._get(path, int, 0)

    async def set_property_int(self, path: str, value: int) -> TenError | None:
        """Set an int64."""
        return await self._set(path, value, int)

    async def get_property_string(
        self, path: str
    ) -> tuple[str, TenError | None]:
        """A string; ``("", error)`` if missing or of another type."""
        return await self._get(path, str, "")

    async def set_property_string(
        self, path: str, value: str
    ) -> TenError | None:
        """Set a string."""
        return await self._set(path, value, str)

    async def get_property_bool(
        self, path: str
    ) -> tuple[bool, TenError | None]:
        """A bool; ``(False, error)`` if missing or of another type."""
        return await self._get(path, bool, False)

    async def set_property_bool(
        self, path: str, value: bool
    ) -> TenError | None:
        """Set a bool."""
        return await self._set(path, value, bool)

    async def get_property_float(
        self, path: str
    ) -> tuple[float, TenError | None]:
        """A real; ``(0.0, error)`` if missing or of another type."""
        return await self._get(path, float, 0.0)

    async def set_property_float(
        self, path: str, value: float
    ) -> TenError | None:
        """Set a float64."""
        return await self._set(path, value, float)

    async def is_property_exist(
        self, path: str
    ) -> tuple[bool, TenError | None]:
        """Whether it exists; a missing one is ``(False, None)``."""
        await asyncio.sleep(0)
        return self._owner.exists(path)

    async def init_property_from_json(self, json_str: str) -> TenError | None:
        """Replace the package's property.json; only in on_configure."""
        await asyncio.sleep(0)
        return self._owner.set_init_json(json_str)

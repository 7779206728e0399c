"""The environment of an :class:`~ten_runtime.AsyncExtension`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ._sending import AsyncSending
from .error import TenError

T = TypeVar("T")
Getter = Callable[[Any, str], Coroutine[Any, Any, tuple[T, TenError | None]]]
Setter = Callable[[Any, str, T], Coroutine[Any, Any, TenError | None]]


def _typed_property(kind: type[T], default: T) -> tuple[Getter[T], Setter[T]]:
    """Like :func:`._properties.typed_property`, to be awaited."""

    async def get_property(
        self: AsyncTenEnv, path: str
    ) -> tuple[T, TenError | None]:
        await asyncio.sleep(0)
        return self._owner.get(path, kind, default)

    async def set_property(
        self: AsyncTenEnv, path: str, value: T
    ) -> TenError | None:
        await asyncio.sleep(0)
        return self._owner.set(path, value, kind)

    return get_property, set_property


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

    get_property_int, set_property_int = _typed_property(int, 0)
    get_property_string, set_property_string = _typed_property(str, "")
    get_property_bool, set_property_bool = _typed_property(bool, False)
    get_property_float, set_property_float = _typed_property(float, 0.0)

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

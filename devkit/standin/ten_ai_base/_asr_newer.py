"""What the newer base adds to 0.7.41: connection status, vendor metadata.

Its source was not read; this follows from how extensions use it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from ._asr_base import AsyncASRBaseExtension as _Base
from .message import ModuleErrorVendorInfo, ModuleType
from .utils import encrypt

CONNECTING, CONNECTED, DISCONNECTED = "connecting", "connected", "disconnected"
#: Keys of ``vendor_metadata()`` that are masked before they leave.
SECRET_KEYS = ("key", "api_key", "access_key", "app_key", "token", "secret")


class AsyncASRBaseExtension(_Base):
    """The base of July and August 2026."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "start_connection" in cls.__dict__:
            wrapped = _announced(cls.__dict__["start_connection"])
            setattr(cls, "start_connection", wrapped)  # noqa: B010

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._connection_status = DISCONNECTED

    def vendor_metadata(self) -> dict[str, Any]:
        """Raw facts about the vendor session; secrets are masked here."""
        return {}

    async def on_connected(self) -> None:
        """To be called once the vendor session can be used."""
        await self._change_status(CONNECTED)

    async def on_disconnected(
        self,
        code: int = 0,
        message: str = "",
        vendor_info: ModuleErrorVendorInfo | None = None,
    ) -> None:
        """To be called when the vendor session is gone."""
        await self._change_status(DISCONNECTED, code, message, vendor_info)

    async def _change_status(
        self,
        current: str,
        code: int = 0,
        message: str = "",
        vendor_info: ModuleErrorVendorInfo | None = None,
    ) -> None:
        last = self._connection_status
        if current == last or (current, last) == (CONNECTED, DISCONNECTED):
            return
        self._connection_status = current
        info = vendor_info or ModuleErrorVendorInfo(vendor=self.vendor())
        payload = {
            "id": self.uuid,
            "module": ModuleType.ASR.value,
            "vendor_info": info.model_dump(),
            "current": current,
            "last": last,
            "code": code,
            "message": message,
            "metadata": self._shown_metadata(),
        }
        self._key_point(f"connection_status_changed: {payload}")
        await self._send("connection_status_changed", payload)

    def _shown_metadata(self) -> dict[str, Any]:
        masked = {
            key: encrypt(value)
            if key in SECRET_KEYS and isinstance(value, str)
            else value
            for key, value in self.vendor_metadata().items()
        }
        return {**(self.metadata or {}), "vendor_metadata": masked}


_StartConnection = Callable[[AsyncASRBaseExtension], Awaitable[None]]


def _announced(start: _StartConnection) -> _StartConnection:
    """``start_connection`` that reports "connecting" first."""

    @functools.wraps(start)
    async def announced(self: AsyncASRBaseExtension) -> None:
        await self._change_status(CONNECTING)
        await start(self)

    return announced

"""Waiting times between connection attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .message import ModuleError, ModuleErrorCode, ModuleType

ErrorHandler = Callable[[ModuleError], Awaitable[None]]


class ReconnectManager:
    """Back-off that doubles from ``base_delay`` to ``max_delay`` seconds."""

    def __init__(
        self,
        base_delay: float = 0.5,
        max_delay: float = 4.0,
        logger: Any = None,
    ) -> None:
        self.base_delay = base_delay
        self.max_delay = max_delay
        self.logger = logger
        self.attempts = 0
        self._connected = False

    def mark_connection_successful(self) -> None:
        """Start over with the next attempt."""
        self.attempts = 0
        self._connected = True

    def get_attempts_info(self) -> dict[str, Any]:
        """Where the counting stands."""
        return {"current_attempts": self.attempts, "unlimited_retries": True}

    async def handle_reconnect(
        self,
        connection_func: Callable[[], Awaitable[None]],
        error_handler: ErrorHandler | None = None,
    ) -> bool:
        """Wait and try once; False if it raised. The caller loops.

        The error handed on has the fatal code although attempts go on.
        """
        self._connected = False
        self.attempts += 1
        delay = min(self.base_delay * 2 ** (self.attempts - 1), self.max_delay)
        if self.logger is not None:
            self.logger.log_warn(
                f"reconnect attempt {self.attempts} in {delay} s"
            )
        await asyncio.sleep(delay)
        try:
            await connection_func()
        except Exception as error:
            if self.logger is not None:
                self.logger.log_error(
                    f"reconnect attempt {self.attempts} failed: {error}"
                )
            if error_handler is not None:
                await error_handler(_failed(self.attempts, error))
            return False
        return True


def _failed(attempt: int, error: Exception) -> ModuleError:
    return ModuleError(
        module=ModuleType.ASR.value,
        code=int(ModuleErrorCode.FATAL_ERROR.value),
        message=f"reconnect attempt {attempt} failed: {error}",
    )

"""Who looks on at what goes over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class WireTrace(Protocol):
    """Who looks on, for a log."""

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """A WebSocket message was ``sent`` or ``received``."""

    def note(self, kind: str, **fields: Any) -> None:
        """A connection was opened or closed, or could not be opened."""


class GuardedTrace:
    """Another trace, if there is one, that costs nothing where it fails:
    ``tell`` is given what it raised."""

    def __init__(
        self, trace: WireTrace | None, tell: Callable[[Exception], None]
    ) -> None:
        self._trace = trace
        self._tell = tell

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """A WebSocket message was ``sent`` or ``received``."""
        if self._trace is not None:
            try:
                self._trace.message(kind, connection, message)
            except Exception as error:
                self._tell(error)

    def note(self, kind: str, **fields: Any) -> None:
        """A connection was opened or closed, or could not be opened."""
        if self._trace is not None:
            try:
                self._trace.note(kind, **fields)
            except Exception as error:
                self._tell(error)

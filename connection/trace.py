"""Who looks on at what goes over the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..safety.redaction import Redactor


class WireTrace(Protocol):
    """Who looks on, for a log; `AudioDumper` does."""

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """A WebSocket message was ``sent`` or ``received``."""

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """A connection was opened or closed, or could not be opened."""


class OverheardTrace:
    """Shows a redactor what the server says, on its way to another trace."""

    def __init__(self, redactor: Redactor, trace: WireTrace | None) -> None:
        self._redactor = redactor
        self._trace = trace

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """A WebSocket message was ``sent`` or ``received``."""
        if kind == "received":
            self._redactor.overhear(message)
        if self._trace is not None:
            self._trace.message(kind, connection, message)

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """A connection was opened or closed, or could not be opened."""
        if self._trace is not None:
            self._trace.note(kind, fields)


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

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """A connection was opened or closed, or could not be opened."""
        if self._trace is not None:
            try:
                self._trace.note(kind, fields)
            except Exception as error:
                self._tell(error)

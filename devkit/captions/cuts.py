"""When the connection may be cut.

An extension passes over a turn that ends some sessions in a row
(docs/core.md), so cuts one after the other would lose what was said. One has
to wait until what was sent again has its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_FATAL = -1000
#: A close code of a WebSocket: the connection is gone.
_CLOSED = re.compile(r"[134]\d{3}")

AWAY = "there is no connection"
ELSEWHERE = "there is no connection to the first service"
EARLY = "wait until what was said is there"


class Cuts:
    """Follows what the app of a call tells.

    ``connections`` counts those that a cut would reset. Times are seconds of
    any one clock.
    """

    #: So long after a connection is up again nothing was said before it, where
    #: no turn has come.
    QUIET_S = 6.0

    def __init__(self, connections: Callable[[], int]) -> None:
        self._connections = connections
        self._connected = False
        self._turn_open = False
        self._owed = False
        self._quiet_at = 0.0

    def refusal(self, now: float) -> str:
        """Why there may be no cut now; "" where there may."""
        if not self._connected:
            return AWAY
        if not self._connections():
            return ELSEWHERE
        if self._owed and (self._turn_open or now < self._quiet_at):
            return EARLY
        return ""

    def lose(self) -> None:
        """The connection is gone: what was said will be sent again."""
        self._connected, self._owed = False, True

    def hear(self, message: dict[str, Any], now: float) -> bool:
        """A message of the app; is the connection up again by it?"""
        name, body = message.get("name"), message.get("body", {})
        up = False
        if name == "asr_result":
            self._turn_open = not body["final"]
            # While there is no connection it is the text of what was before.
            if body["final"] and self._connected:
                self._owed = False
        elif name == "error":
            code = str((body.get("vendor_info") or {}).get("code") or "")
            if body["code"] == _FATAL or _CLOSED.fullmatch(code):
                self.lose()
        elif name == "metrics":
            up = "connect_delay" in body["metrics"]
        elif name == "connection_status_changed":
            up = body["current"] == "connected"
            if body["current"] == "disconnected":
                self.lose()
        up = up and not self._connected
        if up:
            self._connected, self._quiet_at = True, now + self.QUIET_S
        return up

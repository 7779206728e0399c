"""The services of a simulated call, where it has several, and their outages."""

from __future__ import annotations

import random
from dataclasses import replace

from ten_packages.extension.openai_asr_python.realtime.faults import (
    Fault,
    fault_of_http,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)

from .server import SimServer

#: How long the client waits for a connection, in s: its connect_timeout_ms.
CONNECT_S = 10.0
#: How an endpoint may fail, and what it then does.
OUTAGES = {
    "refused": "connections are refused, those that there are die",
    "busy": "the same, with a time to wait",
    "hangs": "connections do not come about, those that there are freeze",
    "mute": "sessions are not confirmed",
    "key": "refuses for good: HTTP 401",
    "quota": "refuses for good: HTTP 429 with insufficient_quota",
    "model": "refuses for good: the settings of each session",
    "fails": "turn after turn fails, for a reason that passes",
    "fails_for_good": "turn after turn fails: no quota",
    "dies": "sessions die after a moment",
}
#: Those that last until a person mends them.
FOR_GOOD = ("key", "quota", "model")
_QUOTA = {"type": "insufficient_quota", "code": "insufficient_quota"}


class SimEndpoint:
    """One service of a call; what the core dials by.

    ``ends_turns``: has its model a detector?  ``outage``: how it fails, one of
    `OUTAGES`, or ""; ``serves_since``: when the last one ended, in s.
    """

    def __init__(
        self,
        server: SimServer,
        name: str = "",
        model: str = "",
        ends_turns: bool = True,
    ) -> None:
        self.server = server
        self.name = name
        self.outage = ""
        self.serves_since = 0.0
        self._model = model
        self._ends_turns = ends_turns
        self._first: SessionSettings | None = None
        self._own: SessionSettings
        self._until = 0.0
        self._well = server.faults, server.life
        server.name = name

    def settings(self, first: SessionSettings) -> SessionSettings:
        """Its own, where the call's first endpoint has these.

        Whoever ends the turns there does so here, where that is possible; else
        the local detector, as `config` has it.
        """
        if first is not self._first:
            # Asked for at every step, and changed a few times in a call.
            self._first, self._own = first, self._own_of(first)
        return self._own

    def _own_of(self, first: SessionSettings) -> SessionSettings:
        if not self._model:
            return replace(first, endpoint=self.name)
        turns = first.turn_detection if self._ends_turns else None
        return replace(
            first, endpoint=self.name, model=self._model, turn_detection=turns
        )

    # -- outages -----------------------------------------------------------

    def fail(self, outage: str, until: float) -> None:
        """It fails like this from now on."""
        self._mend()
        self.outage, self._until = outage, until
        server = self.server
        self._well = server.faults, server.life
        if outage == "mute":
            server.faults = replace(server.faults, never_ready=1.0)
        elif outage.startswith("fails"):
            server.faults = replace(server.faults, fail=1.0)
            lasting = outage == "fails_for_good"
            server.fails_with = _QUOTA if lasting else None
        elif outage == "model":
            server.refuses_model = True
        elif outage == "dies":
            server.life = 0.5
            server.tells_expiry = False

    def look(self, now: float) -> None:
        """Is the outage over?"""
        if self.outage and now >= self._until:
            self.recover(self._until)

    def over_at(self) -> float | None:
        """When the outage is over."""
        return self._until if self.outage else None

    def recover(self, now: float) -> None:
        """All is well from now on."""
        if self.outage:
            self.outage, self.serves_since = "", now
            self._mend()

    def _mend(self) -> None:
        server = self.server
        server.faults, server.life = self._well
        server.refuses_model = False
        server.fails_with = None

    def refusal(self, rng: random.Random) -> Fault | None:
        """Why an attempt fails now, if it does so at once."""
        if self.outage == "refused":
            return Fault("retry", "refused", "no")
        if self.outage == "busy":
            return fault_of_http(503, b"", rng.choice(("0.5", "3")))
        if self.outage == "key":
            return fault_of_http(401)
        if self.outage == "quota":
            return fault_of_http(
                429, b'{"error":{"code":"insufficient_quota"}}'
            )
        return None

"""A change of the settings, and an attempt to connect."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .endpoints import Endpoint
from .settings import SessionSettings
from .states import Machine

#: A change is answered at the latest after this, in seconds.
ANSWER_S = 10.0
#: It waits so long for a pause, then it is made in the middle of a turn.
PATIENCE_S = 5.0


class ChangeState(Enum):
    """How a change of the settings is made."""

    WAITS = "for a pause; then the running session is updated"
    SENT = "the update is out, its answer awaited"
    WANTED = "a session of its own is to be opened"
    STARTED = "that is opened, or is ready and waits for a pause"
    MADE = "the new settings are in force"
    REFUSED = "the old ones stay"


_C = ChangeState
CHANGE_MOVES = {
    _C.WAITS: frozenset({_C.SENT, _C.WANTED, _C.REFUSED}),
    _C.SENT: frozenset({_C.WAITS, _C.WANTED, _C.MADE, _C.REFUSED}),
    _C.WANTED: frozenset({_C.STARTED, _C.REFUSED}),
    _C.STARTED: frozenset({_C.WANTED, _C.MADE, _C.REFUSED}),
    _C.MADE: frozenset[ChangeState](),
    _C.REFUSED: frozenset[ChangeState](),
}


@dataclass(eq=False)
class Change:
    """Endpoints that wait to be put in force, whole or not at all.

    ``index``: which of them is used.  Times in s.
    """

    endpoints: tuple[Endpoint, ...]
    index: int
    by_session: bool
    force_at: float
    give_up_at: float
    _machine: Machine[ChangeState] = field(init=False)

    def __post_init__(self) -> None:
        first = ChangeState.WANTED if self.by_session else ChangeState.WAITS
        self._machine = Machine(first, CHANGE_MOVES)

    @property
    def state(self) -> ChangeState:
        return self._machine.state

    @property
    def endpoint(self) -> Endpoint:
        """The one that is used."""
        return self.endpoints[self.index]

    @property
    def settings(self) -> SessionSettings:
        """What its session is told."""
        return self.endpoint.settings

    def to(self, state: ChangeState) -> None:
        """Go on to ``state``."""
        self._machine.to(state)
        if state is ChangeState.WANTED:
            self.by_session = True

    def hurry(self, now: float) -> None:
        """It waits for no pause any more."""
        self.force_at = min(self.force_at, now)


@dataclass(eq=False)
class Attempt:
    """A connection that the client shall open.

    ``at``: when it was asked for, in s.  ``change``: what it is for, None for
    the settings in force.  ``over``: nobody waits for it any more.
    """

    endpoint: Endpoint
    at: float
    change: Change | None = None
    over: bool = False

    @property
    def settings(self) -> SessionSettings:
        """What the session is to be told."""
        return self.endpoint.settings

    @property
    def address(self) -> object:
        """Where it is opened."""
        return self.endpoint.address

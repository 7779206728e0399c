"""A change of the settings while the call goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .settings import SessionSettings

#: A change is answered at the latest after this, in seconds.
ANSWER_S = 10.0
#: It waits so long for a pause, then it is made in the middle of a turn.
PATIENCE_S = 5.0

#: ``waits``: for a pause, then the running session is updated.  ``sent``: the
#: update is out.  ``wanted``: a session of its own shall take over; an attempt
#: is to be made.  ``tried``: it is made, or that session waits for a pause.
Stage = Literal["waits", "sent", "wanted", "tried"]


@dataclass
class Change:
    """Settings that wait to be put in force, whole or not at all.

    ``address``: where a session with them is opened; whatever the client
    dials by, nothing that the core looks into.
    """

    settings: SessionSettings
    address: object
    stage: Stage
    force_at: float
    give_up_at: float

    @property
    def by_session(self) -> bool:
        """A session of its own takes over."""
        return self.stage in ("wanted", "tried")


@dataclass(eq=False)
class Attempt:
    """A connection that the client shall open.

    ``change``: what it is for, None for the settings in force.
    """

    settings: SessionSettings
    address: object
    change: Change | None = None

"""A change of the settings while the call goes on."""

from __future__ import annotations

from dataclasses import dataclass

from .settings import SessionSettings

#: A change waits so long for a pause, then it is made in the middle of a
#: turn; and so long again for the service's answer.  In seconds.
PATIENCE_S = 5.0


@dataclass
class Change:
    """Settings that wait to be put in force.

    ``by_session``: a new session is needed (another model, key or URL);
    otherwise the running one is updated.  ``tried``: the attempt is made.
    """

    settings: SessionSettings
    by_session: bool
    force_at: float
    give_up_at: float
    tried: bool = False


def change_at(
    settings: SessionSettings, by_session: bool, now: float
) -> Change:
    """A change asked for ``now``."""
    return Change(settings, by_session, now + PATIENCE_S, now + 2 * PATIENCE_S)

"""When the text that a turn has so far becomes its final."""

from __future__ import annotations

from .finalizes import FinalizeQueue
from .session import Session


class EarlyFinals:
    """Ends the turn at the head whose time is up, if there is text of it.

    It is up where a finalize waited too long for a turn of before, and
    ``timeout_ms`` after a turn's commit, 0: never.  A turn of which nothing
    was known at that moment is not ended by it.
    """

    def __init__(self, finalizes: FinalizeQueue, timeout_ms: int) -> None:
        self._finalizes = finalizes
        self._timeout = timeout_ms / 1000

    def times(self, session: Session) -> list[float]:
        """When it is up by itself, in seconds."""
        turn = session.turns.head()
        if turn is None or not (self._timeout and turn.text_since):
            return []
        ended_at = session.items.ended_at(turn)
        if ended_at is None or turn.text_since > ended_at + self._timeout:
            return []
        return [ended_at + self._timeout]

    def look_at(self, session: Session, now: float) -> None:
        """End the first turn where its time is up."""
        turn = session.turns.head()
        if turn is None:
            return
        asked = turn.begin < self._finalizes.overdue(now)
        if asked or min(self.times(session), default=now + 1) <= now:
            self.end(session, now)

    def end(self, session: Session, now: float) -> bool:
        """End the first turn, if there is text that is surely its own."""
        turn = session.turns.head()
        if turn is None or not turn.text_since:
            return False
        if session.items.ended_at(turn) is None:
            return False
        session.turns.end_early(turn, now)
        return True

"""When the text that a turn has so far becomes its final."""

from __future__ import annotations

import math
from collections.abc import Callable

from .finalizes import FinalizeQueue
from .link import Link
from .session import Session
from .turn import Turn
from .turn_list import TurnList

#: The peer must have shown that it reads what it is sent, so shortly before, in
#: seconds: of one that is gone the text so far is all that it will ever say.
_ALIVE_S = 1.0


class EarlyFinals:
    """Ends the turn at the head whose time is up, if there is text of it.

    It is up where a finalize waited too long for a turn of before, and
    ``timeout_ms`` after a turn's commit, 0: never.  A turn of which
    nothing was known at that moment is not ended by it.
    """

    def __init__(
        self,
        finalizes: FinalizeQueue,
        timeout_ms: int,
        is_before: Callable[[Turn, int, TurnList], bool],
    ) -> None:
        self._finalizes = finalizes
        self._is_before = is_before
        self._timeout = timeout_ms / 1000 or math.inf
        self._alive = min(_ALIVE_S, finalizes.timeout / 2, self._timeout / 2)

    def _due(self, session: Session) -> float:
        """When the time of the first turn is up, in seconds."""
        turn = session.turns.head()
        if turn is None or not turn.text_since:
            return math.inf
        ended_at = session.items.ended_at(turn)
        if ended_at is None:
            return math.inf
        due = ended_at + self._timeout
        if turn.text_since > due:
            due = math.inf
        turns, asked = session.turns, math.inf
        for position, deadline in self._finalizes.waiting:
            if self._is_before(turn, position, turns):
                asked = deadline
                break
        if ended_at > asked - self._alive:
            # It was sent just now, after an outage, and has not much text yet.
            asked = math.inf
        return min(due, asked)

    def times(self, link: Link) -> list[float]:
        """When something of this becomes due."""
        due = self._due(link.session)
        if due == math.inf:
            return []
        since = due - self._alive
        if not (self._is_deaf(link) or link.pings.were_asked(since)):
            return [since]
        return [due] if self._lives(link, since) else []

    def look_at(self, link: Link, now: float) -> None:
        """End the first turn where its time is up."""
        due = self._due(link.session)
        since = due - self._alive
        if now >= since and not link.pings.were_asked(since):
            link.ask_ping(now)
        if now >= due and self._lives(link, since):
            self.end(link.session, now)

    def _is_deaf(self, link: Link) -> bool:
        """Is there nobody whom a PING would reach?"""
        return link.session.settings.as_files

    def _lives(self, link: Link, since: float) -> bool:
        """Has the peer shown since then that it lives?"""
        head = link.session.turns.head()
        if head is not None and self._is_deaf(link):
            return head.heard_at >= since
        return link.pings.prove(since)

    def end(self, session: Session, now: float) -> bool:
        """End the first turn, if there is text that is surely its own."""
        turn = session.turns.head()
        if turn is None or not turn.text_since:
            return False
        if session.items.ended_at(turn) is None:
            return False
        session.turns.end_early(turn, now)
        return True

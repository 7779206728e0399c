"""The times that the service named for turns which it refused."""

from __future__ import annotations

import random
from collections import deque
from typing import NamedTuple

from .audio_buffer import AudioBuffer
from .faults import wish_s
from .feed import Feed
from .link import Link
from .session import MIN_COMMIT_MS
from .turn import Turn

#: So many are remembered; a call has no more turns that failed and are not
#: delivered.
_MOST = 256
#: After it had the time to look at all there is, a server has so long to say
#: that a turn is over, in s.
_SAY_S = 1.0


class Wish(NamedTuple):
    """When a turn that failed may be sent, in s."""

    turn: Turn
    at: float

    @property
    def end(self) -> int:
        """Where that turn ends."""
        return self.turn.begin if self.turn.end is None else self.turn.end


class Wishes:
    """Nothing is sent of a turn before its time, in whatever session.

    So the first undelivered turn may be one that no session has; `next` tells.
    """

    def __init__(
        self, buffer: AudioBuffer, feed: Feed, rng: random.Random
    ) -> None:
        self._buffer = buffer
        self._feed = feed
        self._rng = rng
        self._wishes: deque[Wish] = deque(maxlen=_MOST)

    def heard(self, turn: Turn) -> None:
        """The service said something about a turn: perhaps when to try
        again."""
        wish = 0.0 if turn.failure is None else wish_s(turn.failure)
        if wish:
            wish *= self._rng.uniform(1.0, 1.1)
            self._wishes.append(Wish(turn, turn.failed_at + wish))

    def clear(self) -> None:
        """Another service named none of them."""
        self._wishes.clear()

    def forget(self, now: float) -> bool:
        """Those are over whose turn is behind us, or whose time has come; was
        there one?"""
        held = len(self._wishes)
        for wish in list(self._wishes):
            if wish.end <= self._buffer.watermark or wish.at <= now:
                self._wishes.remove(wish)
        return len(self._wishes) < held

    def holds(self, now: float) -> list[tuple[int, float]]:
        """From where on nothing shall be sent before a time."""
        self.forget(now)
        return [(wish.turn.begin, wish.at) for wish in self._wishes]

    def not_before(self, turn: Turn, now: float) -> float:
        """When this turn may be sent."""
        times = [at for begin, at in self.holds(now) if begin <= turn.begin]
        return max(times, default=now)

    def times(self, link: Link) -> list[float]:
        """When to look whether one of these turns is the first."""
        looks = self._to_be_marked(link) is not None or self._next(link)
        return [link.looked_at + _SAY_S] if looks else []

    def next(self, link: Link, now: float) -> Wish | None:
        """That of the first undelivered turn, where no session has it."""
        begin = self._to_be_marked(link)
        if begin is not None and now >= link.looked_at + _SAY_S:
            # What comes before it may still be open, for want of silence.
            self._buffer.mark(begin)
        by_client = link.session.turns.by_client
        if not by_client and now < link.looked_at + _SAY_S:
            # It may be about to say something of what comes before it.
            return None
        return self._next(link)

    @property
    def _first(self) -> Wish | None:
        return min(self._wishes, key=lambda w: w.turn.begin, default=None)

    def _to_be_marked(self, link: Link) -> int | None:
        """Where such a turn begins, if all before it was sent."""
        first = self._first
        if first is None or self._feed.has_packet(link):
            return None
        begin = first.turn.begin
        reached = max(link.marked_to, link.session.sent - 1) >= begin
        return None if reached or begin in self._buffer.marks else begin

    def _next(self, link: Link) -> Wish | None:
        wish, turns = self._first, link.session.turns
        if wish is None:
            return None
        begin, head = wish.turn.begin, turns.head()
        if max(link.marked_to, self._buffer.watermark) < begin:
            return None
        pending = turns.pending
        if head and len(turns) == 1 and head is turns.uncommitted_turn():
            # Where speech was cut, it has begun again already.
            least = MIN_COMMIT_MS * link.session.settings.rate // 1000
            pending = begin - head.begin >= least
        return None if pending else wish

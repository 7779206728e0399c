"""How much a session is asked for at once, after others ended barren."""

from __future__ import annotations

import math
from collections import deque
from enum import Enum

from .audio_buffer import AudioBuffer
from .endpoints import Endpoint
from .first_turn import FirstTurn
from .limits import Limits
from .link import Link
from .states import Machine


class CautionState(Enum):
    """What a session is sent of the audio that is held."""

    NONE = "all at once"
    TURNS = "one turn, and the next one after its final"
    SLOWER = "the same, no faster than three times the speed of speech"
    SLOWEST = "the same, little faster than speech, in small messages"


_C = CautionState
CAUTION_MOVES = {
    _C.NONE: frozenset({_C.NONE, _C.TURNS}),
    _C.TURNS: frozenset({_C.NONE, _C.TURNS, _C.SLOWER}),
    _C.SLOWER: frozenset({_C.NONE, _C.TURNS, _C.SLOWEST}),
    _C.SLOWEST: frozenset({_C.NONE, _C.TURNS, _C.SLOWEST}),
}
_NEXT = {_C.TURNS: _C.SLOWER, _C.SLOWER: _C.SLOWEST, _C.SLOWEST: _C.SLOWEST}
_SPEED = {_C.SLOWER: 3.0, _C.SLOWEST: 1.25}
#: Audio in one message, where the number of messages may be what ends them.
_LARGE_PACKET_MS = 1000
#: Sessions that end on the same turn alone, until it is passed over.
MOST_DEATHS = 3
_MOST_KEPT = 256


class Caution:
    """Learns from how sessions end.

    A replay that ends without a final makes the next ones careful, until
    nothing is left to be sent again.
    """

    def __init__(self, buffer: AudioBuffer, limits: Limits, rate: int) -> None:
        self._first_turn = FirstTurn(buffer, rate)
        self._rate = rate
        self._large = rate * _LARGE_PACKET_MS // 1000
        self._small = rate * limits.replay_packet_ms // 1000
        #: Nothing goes out before, in s.
        self._not_before = 0.0
        self._stops: list[tuple[int, float]] = []
        self._machine = Machine(CautionState.NONE, CAUTION_MOVES)
        #: Which sessions ended on the first undelivered turn alone.
        self._deaths: deque[tuple[Endpoint, float]] = deque(maxlen=_MOST_KEPT)

    @property
    def state(self) -> CautionState:
        return self._machine.state

    @property
    def careful(self) -> bool:
        """Is one turn sent after the other?"""
        return self.state is not CautionState.NONE

    # -- what goes out ------------------------------------------------------

    def anew(self) -> None:
        """Another session is fed, or the same once more."""
        self._first_turn.anew()
        self._not_before = 0.0

    def hold(self, stops: list[tuple[int, float]]) -> None:
        """From each position on nothing goes out before a time, in s."""
        self._stops = stops

    def times(self) -> list[float]:
        """When something may go out that waits for its time."""
        times = [at for _, at in self._stops]
        if self.careful:
            times += self._first_turn.times()
        return [*times, self._not_before] if self._not_before else times

    def tick(self, now: float) -> None:
        """Whose time is there?"""
        if now >= self._not_before:
            self._not_before = 0.0
        self._first_turn.tick(now)
        self._stops = [stop for stop in self._stops if now < stop[1]]

    def stop(self, link: Link) -> int | None:
        """Up to where audio may go out now; None: wherever it ends."""
        stops = [max(at, link.session.sent) for at, _ in self._stops]
        end = self._first_turn.stop(link) if self.careful else None
        return min(stops if end is None else [*stops, end], default=None)

    def holds(self, link: Link) -> bool:
        """Shall nothing go out now, whatever there is?"""
        if not self.careful:
            return bool(self._not_before)
        turns = link.session.turns
        return (
            bool(self._not_before or turns.commits)
            or link.ahead > 0
            or any(turn.closed for turn in turns)
        )

    def is_little(self, link: Link, samples: int) -> bool:
        """Too little for a message, where few are to be sent?"""
        if samples and self._first_turn.ends_at(link.session.sent + samples):
            return False
        return samples < self._large

    def next_size(self, samples: int, now: float) -> int:
        """How many of so many samples go out now; the rest waits."""
        slowest = self.state is CautionState.SLOWEST
        size = min(samples, self._small if slowest else self._large)
        pause = size / self._rate / _SPEED.get(self.state, math.inf)
        self._not_before = now + pause if pause else 0.0
        return size

    # -- what became of it ----------------------------------------------------

    def replay_ended(self) -> None:
        """What was sent at once ended without a final."""
        self._deaths.clear()
        self._machine.to(CautionState.TURNS)

    def delivered(self) -> None:
        """A final came: whatever ended sessions, the next turn begins anew."""
        self._deaths.clear()
        if self.careful:
            self._machine.to(CautionState.TURNS)

    def turn_ended(self, weight: float, endpoint: Endpoint) -> bool:
        """A session ended that had been sent only the first turn that is
        undelivered; True: that is to be passed over.

        ``weight``: 1, or less where the end may be no matter of the turn.
        Each endpoint's count: what ends those of several is the line.
        """
        self._deaths.append((endpoint, weight))
        here = (each for at, each in self._deaths if at.is_at(endpoint))
        if sum(here) < MOST_DEATHS:
            self._machine.to(_NEXT[self.state])
            return False
        self._deaths.clear()
        self._machine.to(CautionState.TURNS)
        return True

    def over(self) -> None:
        """Nothing is left to be sent again."""
        self._machine.to(CautionState.NONE)

"""Where the first undelivered turn ends, as far as can be known: for a session
that is sent one turn after the other, and where a turn is passed over."""

from __future__ import annotations

import math

from .audio_buffer import AudioBuffer
from .link import Link
from .session import MIN_COMMIT_MS, Session

#: Where a turn is passed over, what follows without such a pause goes, too.
PAUSE_MS = 120
#: Silence beyond what ends a turn, if there is so much: a detector works in
#: steps, and does not judge loudness as we do.
_MORE_MS = 300
#: So many times the pause tell how loud a voice is.
_VOICE = 5
#: How far ahead of what is sent it is looked for.
_REACH_MS = 2000
#: After it had the time to look at the end, a server has so long to say that
#: the turn is over; else it hears one that goes on, or none.
_SAY_S = 1.0


class FirstTurn:
    """Tells by level where the server will end the first undelivered turn.

    Up to there goes out, and then it is waited for: what follows may be what
    ends sessions, and would take this turn with it.
    """

    def __init__(self, buffer: AudioBuffer, rate: int) -> None:
        self._buffer = buffer
        self._more = rate * _MORE_MS // 1000
        self._reach = rate * _REACH_MS // 1000
        self.anew()

    def anew(self) -> None:
        """Another session is fed, or the same once more."""
        self._begin = -1
        self._first: int | None = None
        self._passed = 0
        self._stop: int | None = None
        self._until = math.inf

    def times(self) -> list[float]:
        """When the end is waited for no longer, in s."""
        return [self._until] if self._until < math.inf else []

    def tick(self, now: float) -> None:
        """Is the time over in which the server would have told the end?"""
        if now >= self._until and self._stop is not None:
            self._passed, self._begin = self._stop, -1
            self._until = math.inf

    def ends_at(self, position: int) -> bool:
        """Is it sent whole, up to this position?"""
        return position == self._stop

    def stop(self, link: Link) -> int | None:
        """Up to where audio goes out now; None: no end is known so far."""
        session, buffer = link.session, self._buffer
        pause = (
            session.settings.longest_pause_ms * session.settings.rate // 1000
        )
        begin = max(buffer.watermark, self._passed)
        if not pause or session.turns.by_client:
            return None
        if begin != self._begin:
            self._begin, self._until = begin, math.inf
            self._first = self._stop = None
        if self._first is None:
            self._first = buffer.first_sound(begin)
        if self._stop is None and self._first is not None:
            known = min(buffer.end, session.sent + pause + self._reach)
            found = buffer.first_pause(self._first, known, pause)
            if found is None:
                # What has none is not read again, but for a part that tells
                # how loud the voice is.
                self._first = max(self._first, known - _VOICE * pause)
            else:
                end, sound = found
                most = end + pause + self._more
                stop = most if sound >= known else min(sound, most)
                self._stop = max(stop, session.sent)
        if self._stop is not None and session.sent >= self._stop:
            self._until = min(self._until, link.looked_at + _SAY_S)
        return self._stop


def end_of_first(buffer: AudioBuffer, session: Session, sent: int) -> int:
    """Where the turn ends of which a session had all before ``sent``."""
    turns, settings = session.turns, session.settings
    head, rate = turns.head(), settings.rate
    begin = buffer.first_sound(buffer.watermark)
    if turns.by_client:
        # One in the silence before ended nothing, nor did one too soon.
        least = buffer.watermark + rate * MIN_COMMIT_MS // 1000
        mark = buffer.next_mark(max(begin or 0, least - 1))
        if mark is not None:
            return mark
    elif head is not None and head.end is not None:
        return head.end
    longest = settings.longest_pause_ms * rate // 1000
    if begin is not None and longest:
        pause = buffer.first_pause(begin, sent, longest)
        if pause is not None:
            return pause[0]
    # The rest of a word goes as well, if it is not longer than a pause.
    rest = PAUSE_MS * rate // 1000
    pause = buffer.first_pause(sent, sent + max(longest, rest) + rest, rest)
    return sent if pause is None else pause[0]

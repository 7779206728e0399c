"""Where a turn ends that nobody ends."""

from __future__ import annotations

from .audio_buffer import AudioBuffer
from .limits import Limits
from .session import MIN_COMMIT_MS, Session

#: A pause of this length is a good place to cut an endless turn, in ms.
_PAUSE_MS = 120


class TurnBound:
    """Marks the end of a turn that becomes too long, at a pause if there is
    one.  A local detector does that by itself."""

    def __init__(self, buffer: AudioBuffer, limits: Limits, rate: int) -> None:
        self._buffer = buffer
        self._max_turn = limits.max_turn_ms * rate // 1000
        self._cut_after = self._max_turn * 4 // 5
        self._pause = _PAUSE_MS * rate // 1000
        self._least = MIN_COMMIT_MS * rate // 1000

    def has_made(self, mark: int) -> bool:
        """Is this the place where a turn of the server's became too long?

        The server may have ended that turn long ago: what it says comes
        later than what a replay sends.  So such a commit waits for a PONG.
        """
        return mark in self._buffer.cuts

    def is_silence(self, session: Session) -> bool:
        """Was nothing said since the last turn of ours?  What a service says
        of silence it made up, but it may hear what the local detector does
        not."""
        stretch = session.turns.boundary, session.sent
        heard = session.turns.said and self._buffer.sound(*stretch) is not None
        return not (heard or self._buffer.has_speech(*stretch))

    def is_long(self, begin: int, mark: int) -> bool:
        """Is a turn so long that it may be cut?"""
        return mark - begin >= self._cut_after

    def soon(self, session: Session) -> int | None:
        """In how many samples a pause is looked for; None: never."""
        begin = self._endless_from(session)
        return None if begin is None else begin + self._cut_after - session.sent

    def _endless_from(self, session: Session) -> int | None:
        """The begin of a turn that perhaps nobody ends."""
        if self._buffer.local.spans:
            return None
        if session.turns.by_client:
            return session.turns.boundary
        turn = session.turns.open_turn()
        return None if turn is None else turn.begin

    def look(self, session: Session) -> bool:
        """Mark the end, if it is time; False: that turn would be silence."""
        start, buffer = self._endless_from(session), self._buffer
        if start is None or not self.is_long(start, session.sent):
            return True
        if session.sent - start < self._max_turn and buffer.has_speech(
            session.sent - self._pause, session.sent
        ):
            return True
        commits = session.turns.commits
        if commits and commits[-1].end > start:
            return True
        mark = buffer.next_mark(session.sent)
        if mark is not None and mark < session.sent + self._least:
            # What is left would be too little for a commit.
            return True
        by_client = session.turns.by_client
        if by_client and self.is_silence(session):
            return False
        buffer.mark(session.sent, cut=not by_client)
        return True

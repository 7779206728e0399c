"""Silence that is not sent, where a local detector tells what is speech."""

from __future__ import annotations

from .audio_buffer import AudioBuffer
from .session import Session


class SilenceSkip:
    """From where to where a session is sent nothing.

    ``before``: samples that are sent before an onset; None: all is sent.
    ``is_allowed``: not where the service must hear the silence.
    ``saved``: samples that no session was sent.
    """

    def __init__(self, buffer: AudioBuffer) -> None:
        self._buffer = buffer
        self.before: int | None = None
        self.is_allowed = True
        self.saved = 0
        self._saved_to = 0
        #: Where turns begin, by the onset of their speech.
        self._starts: dict[int, int] = {}

    def begins(self, onset: int, start: int) -> None:
        """What belongs to the speech from ``onset`` on begins at ``start``, if
        not later."""
        kept = self._buffer.watermark
        self._starts = {k: v for k, v in self._starts.items() if k >= kept}
        self._starts[onset] = start

    def waits(self, session: Session) -> bool:
        """Is there no speech to send, as far as is known?"""
        return self._may(session) and (
            self._buffer.next_speech(session.sent) is None
        )

    def _may(self, session: Session) -> bool:
        """What was begun to be sent is sent up to its commit."""
        skips = self.is_allowed and self.before is not None
        return skips and session.sent <= session.turns.boundary

    def go_on(self, session: Session, mark: int | None) -> bool:
        """Go on to the next speech or mark; False if there is neither."""
        if not self._may(session):
            return True
        assert self.before is not None
        speech = self._buffer.next_speech(session.sent)
        if speech is None and mark is None:
            return False
        places = [] if mark is None else [mark]
        if speech is not None:
            start = self._starts.get(speech, speech)
            places.append(min(start, speech - self.before))
        self._go_to(session, min(places))
        return True

    def pass_quiet(self, session: Session, position: int) -> None:
        """No turn begins before ``position``; so it need not be sent."""
        if self.waits(session):
            self._go_to(session, position)

    def _go_to(self, session: Session, position: int) -> None:
        position = min(position, self._buffer.end)
        if position > session.sent:
            # A replay goes over the same silence once more.
            self.saved += max(position - max(session.sent, self._saved_to), 0)
            self._saved_to = max(self._saved_to, position)
            session.begin_at(position)

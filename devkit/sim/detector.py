"""A simulated local turn detector: what `call.intake` tells the core."""

from __future__ import annotations

from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

from .words import RATE, SILENCE, ms, without_noise

_SILENCE_MS = 500
#: Of that, with `silence: skip`, so much is sent.
_TAIL_MS = 100
#: An endless turn is cut so much in the past, in ms (audio.turns).
_CUT_BACK_MS = (60, 360)


class SimDetector:
    """Hears speech exactly, but only after it: events come with the audio
    that made sure, as those of the real one."""

    def __init__(
        self, core: Transcription, limits: Limits, skip: bool = False
    ) -> None:
        self._core = core
        self._skip = skip
        self._max_turn = ms(limits.max_turn_ms)
        # It hears what comes from now on.
        self._position = self._boundary = core.received
        self._open = False
        self._onset = 0
        self._last_speech = 0
        self._second = self._position // RATE
        self._recent = b""

    def hear(self, audio: bytes) -> None:
        """Take audio that the core has already got."""
        start = self._position
        self._position += len(audio)
        is_silent = not audio.strip(SILENCE)
        audio = without_noise(audio)
        self._recent = (self._recent + audio)[-ms(400) :]
        at = 0
        while at < len(audio):
            rest = audio[at:].lstrip(SILENCE)
            onset = len(audio) - len(rest)
            quiet_to = self._last_speech + ms(_SILENCE_MS)
            if self._open and start + onset >= quiet_to:
                self._end(quiet_to)
            if not rest:
                break
            if not self._open:
                self._begin(start + onset)
            gap = audio.find(SILENCE, onset)
            at = len(audio) if gap < 0 else gap
            self._last_speech = start + at
        if self._open and self._left() < ms(1000):
            self._cut()
        known_to = None
        if self._open and self._skip:
            known_to = self._last_speech + ms(_TAIL_MS)
        self._core.listened(is_silent and not self._open, known_to)
        if self._position // RATE > self._second:
            self._second = self._position // RATE
            if not self._open:
                self._core.quiet_to(self._position)

    def finalize(self) -> None:
        """End the open turn here and now."""
        if self._open:
            self._end(self._position)
        self._boundary = self._position
        self._core.listened(False, None)

    def _begin(self, onset: int) -> None:
        self._open = True
        self._onset = max(onset, self._boundary)
        self._core.speech_started(self._onset)

    def _end(self, boundary: int) -> None:
        if self._skip:
            boundary = min(boundary, self._last_speech + ms(_TAIL_MS))
        self._open = False
        self._boundary = boundary
        self._core.speech_ended(self._last_speech, boundary)

    def _left(self) -> int:
        """How much longer the open turn may become."""
        return self._max_turn - (self._position - self._onset)

    def _cut(self) -> None:
        """End a turn that is too long, in the quietest place of late."""
        first, last = (self._position - ms(back) for back in _CUT_BACK_MS[::-1])
        base = self._position - len(self._recent)
        place = base + len(self._recent[: last - base].rstrip(SILENCE))
        if not first <= place < last:
            if self._left() >= ms(200):
                return
            place = last
        self._open = False
        self._boundary = place
        self._core.speech_ended(place, place)
        if self._last_speech > place:
            after = self._recent[place - base :]
            self._begin(place + len(after) - len(after.lstrip(SILENCE)))

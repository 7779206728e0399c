"""Speech in a stream of samples, found by the extension's own detector.

What is tuned for its local turn detection holds for the server's as well.
"""

from __future__ import annotations

from typing import Any

from devkit.bootstrap import ensure_ten

ensure_ten()

from ten_packages.extension.openai_asr_python.audio.model import (  # noqa: E402
    WINDOW_MS,
    SpeechModel,
)
from ten_packages.extension.openai_asr_python.audio.turns import (  # noqa: E402
    Event,
    TurnDetector,
    TurnEnded,
    TurnStarted,
)

from .vad import (  # noqa: E402
    SpeechStarted,
    SpeechStopped,
    Vad,
    turn_parameters,
)
from .wire_audio import Int16Array  # noqa: E402

__all__ = ["Pieces", "SpeechModel", "SpeechVad"]

# A piece ends at a pause, or before the recogniser needs too long for it. The
# pause is shorter than those that end most clients' turns, so that the text is
# there when the commit comes.
_PAUSE_MS = 480
_LONGEST_MS = 10_000


def _events(model: SpeechModel, detector: TurnDetector) -> list[Event]:
    """What the detector decides with the scores that it waits for."""
    events: list[Event] = []
    while windows := detector.take_windows():
        for window in windows:
            if window.fresh:
                detector.memory.forget()
            (score,) = model.score([detector.memory], [window.samples])
            events += detector.scored(score)
    return events


class SpeechVad(Vad):
    """``server_vad`` and ``semantic_vad`` on what is likely to be speech."""

    def __init__(
        self,
        model: SpeechModel,
        turn_detection: dict[str, Any],
        rate: int,
        position: int,
    ) -> None:
        threshold, prefix_ms, silence_ms = turn_parameters(turn_detection)
        self._model = model
        self._offset = position  # of the detector's first sample
        self._detector = TurnDetector(
            rate,
            # The service takes the bounds as well; nothing is beyond them.
            threshold=min(max(threshold, 0.01), 0.99),
            prefix_padding_ms=prefix_ms,
            silence_duration_ms=max(silence_ms, WINDOW_MS),
            max_turn_ms=0,
        )

    @property
    def speaking(self) -> bool:
        return self._detector.turn_open

    def push(self, samples: Int16Array) -> list[SpeechStarted | SpeechStopped]:
        self._detector.push(samples)
        events: list[SpeechStarted | SpeechStopped] = []
        for event in _events(self._model, self._detector):
            if isinstance(event, TurnStarted):
                start = self._offset + event.start_sample
                events.append(SpeechStarted(start))
            else:
                events.append(SpeechStopped(self._offset + event.end_sample))
        return events

    def reset(self, boundary: int) -> None:
        self._detector.finalize()


class Pieces:
    """Cuts a stream at its pauses into pieces that a recogniser takes whole.

    Positions are samples since the first one pushed. Silence is in no piece.
    """

    def __init__(self, model: SpeechModel, rate: int) -> None:
        self._model = model
        self._detector = TurnDetector(
            rate, silence_duration_ms=_PAUSE_MS, max_turn_ms=_LONGEST_MS
        )
        self._ended = 0
        #: Where the piece begins that has not ended yet; None in silence.
        self.begun: int | None = None

    @property
    def needed_from(self) -> int:
        """No piece to come begins before."""
        if self.begun is not None:
            return self.begun
        # A turn's beginning is searched for no further back than this.
        reach = 2 * self._detector.rate
        return max(self._detector.position - reach, self._ended)

    def speaks_since(self, position: int) -> bool:
        """Is there speech in the piece that ended after this position?"""
        return self._detector.speech_since(position) is not None

    def push(self, samples: Int16Array) -> list[tuple[int, int]]:
        """Take more audio; returns the pieces that ended: (first sample,
        after the last)."""
        self._detector.push(samples)
        ended = []
        for event in _events(self._model, self._detector):
            if isinstance(event, TurnStarted):
                self.begun = event.start_sample
            else:
                ended.append(self._end(event))
        return ended

    def finish(self) -> list[tuple[int, int]]:
        """The audio is over: its last piece, if there is one."""
        ended = self._detector.finalize()
        if ended is not None:
            return [self._end(ended)]
        # Too short for a turn, as a "no" cut short is: better try.
        since = self._detector.speech_since(self._ended)
        return [] if since is None else [(since, self._detector.position)]

    def _end(self, event: TurnEnded) -> tuple[int, int]:
        assert self.begun is not None  # each end follows a start
        piece = self.begun, event.end_sample
        self.begun, self._ended = None, event.end_sample
        return piece

"""Server-side turn detection on energy: deterministic in samples.

Levels are judged in 10 ms windows that lie on a fixed grid from the first
sample, so the result does not depend on how the audio was cut into appends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .wire_audio import Int16Array

WINDOW_MS = 10
# Shorter sounds are clicks.
_MIN_SPEECH_MS = 30
# Speech goes on down to this much below the level that starts it, so that
# quiet word ends do not begin the silence too early.
_HYSTERESIS_DB = 6.0
# How long semantic_vad waits after speech. The service waits up to 8/4/2 s
# when it believes that more will follow; a test server need not.
_SEMANTIC_SILENCE_MS = {"low": 1200, "medium": 800, "auto": 800, "high": 400}
_SEMANTIC_THRESHOLD = 0.5
_SEMANTIC_PREFIX_MS = 300


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """``start``: position of the turn's first sample, prefix included."""

    start: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """``end``: position after the turn, trailing silence included."""

    end: int


def threshold_dbfs(threshold: float) -> float:
    """The RMS level that counts as speech: 0 -> -65, 0.5 -> -45, 1 -> -25."""
    return -65.0 + 40.0 * threshold


class Vad(Protocol):
    """An incremental turn detector. Positions are samples of the session."""

    @property
    def speaking(self) -> bool:
        """A turn has started and has not ended."""

    def push(self, samples: Int16Array) -> list[SpeechStarted | SpeechStopped]:
        """Take more audio; events in the order in which they happened."""

    def reset(self, boundary: int) -> None:
        """The buffer was committed or cleared up to ``boundary``."""


def turn_parameters(turn_detection: dict[str, Any]) -> tuple[float, int, int]:
    """Threshold, prefix padding and silence in ms of ``server_vad`` or
    ``semantic_vad``."""
    if turn_detection["type"] == "server_vad":
        return (
            float(turn_detection["threshold"]),
            int(turn_detection["prefix_padding_ms"]),
            int(turn_detection["silence_duration_ms"]),
        )
    silence_ms = _SEMANTIC_SILENCE_MS[turn_detection["eagerness"]]
    return _SEMANTIC_THRESHOLD, _SEMANTIC_PREFIX_MS, silence_ms


class EnergyVad(Vad):
    """Incremental detector for ``server_vad`` and ``semantic_vad``.

    Positions are samples; the first sample pushed is at ``position``. No turn
    begins before ``boundary``, the end of the previous one.
    """

    def __init__(
        self,
        turn_detection: dict[str, Any],
        rate: int,
        position: int = 0,
        boundary: int = 0,
    ) -> None:
        threshold, prefix_ms, silence_ms = turn_parameters(turn_detection)
        start_db = threshold_dbfs(threshold)
        self._start_power = _power(start_db)
        self._stay_power = _power(start_db - _HYSTERESIS_DB)
        self._prefix = rate * prefix_ms // 1000
        # At least one window: silence 0 shall not end a turn inside a word.
        self._silence = rate * max(silence_ms, WINDOW_MS) // 1000
        self._window = rate * WINDOW_MS // 1000
        self._min_speech = rate * _MIN_SPEECH_MS // 1000
        self._position = position  # of the first sample in _rest
        self._rest = np.zeros(0, np.int16)
        self._boundary = boundary
        self._onset: int | None = None
        self._speaking = False
        self._speech_end = position

    @property
    def speaking(self) -> bool:
        return self._speaking

    def push(self, samples: Int16Array) -> list[SpeechStarted | SpeechStopped]:
        audio = np.concatenate([self._rest, samples])
        count = len(audio) // self._window
        windows = audio[: count * self._window].reshape(count, self._window)
        self._rest = audio[count * self._window :]
        powers = np.square(windows.astype(np.float64)).mean(1).tolist()
        events: list[SpeechStarted | SpeechStopped] = []
        for power in powers:
            begin = self._position
            self._position += self._window
            event = (
                self._continue(power)
                if self.speaking
                else self._listen(power, begin)
            )
            if event is not None:
                events.append(event)
        return events

    def reset(self, boundary: int) -> None:
        self._boundary = boundary
        self._speaking = False
        self._onset = None

    def _listen(self, power: float, begin: int) -> SpeechStarted | None:
        if power < self._start_power:
            self._onset = None
            return None
        if self._onset is None:
            self._onset = begin
        if self._position - self._onset < self._min_speech:
            return None
        self._speaking = True
        self._speech_end = self._position
        return SpeechStarted(max(self._boundary, self._onset - self._prefix))

    def _continue(self, power: float) -> SpeechStopped | None:
        if power >= self._stay_power:
            self._speech_end = self._position
        elif self._position - self._speech_end >= self._silence:
            end = self._speech_end + self._silence
            self.reset(end)
            return SpeechStopped(end)
        return None


def _power(dbfs: float) -> float:
    return float((32768.0 * 10 ** (dbfs / 20)) ** 2)

"""A turn detector that waits for nothing: the model is asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache

from ten_packages.extension.openai_asr_python.audio.g711 import Int16Array
from ten_packages.extension.openai_asr_python.audio.model import (
    SpeechModel,
    StreamMemory,
)
from ten_packages.extension.openai_asr_python.audio.turns import (
    Event,
    TurnDetector,
    Window,
)
from ten_packages.extension.openai_asr_python.call.scoring import (
    Answer,
    Gathering,
    ScoreStream,
    Scoring,
)

#: One for the process.
speech_model = cache(SpeechModel)


def score(memory: StreamMemory, windows: Sequence[Window]) -> list[float]:
    """The scores of successive windows of a stream."""
    found = []
    for window in windows:
        if window.fresh:
            memory.forget()
        found += speech_model().score([memory], [window.samples])
    return found


class DetectorAtOnce(TurnDetector):
    """What it hears it decides before it returns."""

    def hear(self, samples: Int16Array) -> list[Event]:
        """Take int16 `samples` (1-D); what they decided, in order."""
        self.push(samples)
        events: list[Event] = []
        while windows := self.take_windows():
            for found in score(self.memory, windows):
                events += self.scored(found)
        return events


class ScoringAtOnce(Scoring):
    """Has no thread: the answers are there as the loop goes on."""

    def stream(
        self, memory: StreamMemory, on_answer: Callable[[Answer], None]
    ) -> ScoreStream:
        nothing = Gathering(asyncio.get_running_loop(), lambda _: None)
        return _StreamAtOnce(memory, on_answer, nothing)


class _StreamAtOnce(ScoreStream):
    def ask(self, windows: Sequence[Window]) -> None:
        for found in score(self.memory, windows):
            asyncio.get_running_loop().call_soon(self.on_answer, found)

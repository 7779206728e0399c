"""Real speech: Moonshine's models, one for all sessions.

docs/speech_engine.md has what was measured on human voices. An item is cut at
its pauses (`hearing.Pieces`), because a look at audio costs the more the longer
it is: 0.04 s for 1 s, 0.35 s for 10 s on two cores. A piece that has ended is
looked at once more and never again, so the work for a second of audio is
bounded, and `finish` waits for the last piece only.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]

from .engine import Engine, Stream
from .hearing import Pieces, SpeechModel, SpeechVad
from .moonshine import Model, find_model
from .recogniser import RATE_HZ, Recogniser
from .vad import Vad
from .wire_audio import Int16Array

_INTERIM_EVERY = RATE_HZ * 2 // 5
_LONG = RATE_HZ  # to hear more than this at once would hold the loop
_NOTHING = np.zeros(0, np.int16)
# Chinese and Japanese have no blanks between their words.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uff00-\uffef"
_WORD = re.compile(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)")


class SpeechEngine(Engine):
    """The event loop never waits for the recogniser, a process of its own.

    ``language``: of the model, as ``en``. ``model_dir``: where another one is.
    Raises ModuleNotFoundError if moonshine-voice is not installed, ValueError
    if the model is not there.
    """

    def __init__(
        self, language: str = "en", model_dir: str | None = None
    ) -> None:
        self.model: Model = find_model(language, model_dir)
        self._detector = SpeechModel()
        self._recogniser = Recogniser(self.model)

    def warm_up(self) -> None:
        self._recogniser.start()

    async def transcribe(self, samples: Int16Array, rate: int) -> str:
        stream = SpeechStream(self, rate)
        await stream.take(samples)
        return await stream.finish()

    def stream(self, rate: int) -> SpeechStream:
        return SpeechStream(self, rate)

    def detector(
        self,
        turn_detection: dict[str, Any],
        rate: int,
        position: int,
        boundary: int,
    ) -> Vad:
        return SpeechVad(self._detector, turn_detection, rate, position)

    def pieces(self) -> Pieces:
        return Pieces(self._detector, RATE_HZ)

    async def decode(self, samples: Int16Array, *, urgent: bool) -> str:
        """The text of a piece at `RATE_HZ`."""
        return await self._recogniser.decode(samples, urgent=urgent)

    @property
    def recogniser_pid(self) -> int | None:
        return self._recogniser.pid

    def close(self) -> None:
        self._recogniser.close()


class SpeechStream(Stream):
    """The text of the pieces that ended, and interim text of the last one."""

    def __init__(self, engine: SpeechEngine, rate: int) -> None:
        self._engine = engine
        self._resampler = soxr.ResampleStream(rate, RATE_HZ, 1, dtype="int16")
        self._pieces = engine.pieces()
        self._audio = np.zeros(0, np.int16)  # at RATE_HZ
        self._start = 0  # position of its first sample
        self._looked = 0  # position of the last look's end
        self._texts: list[str] = []  # of the pieces that ended
        self._interim = Interim()
        self._said = ""  # as interim text

    async def feed(self, samples: Int16Array) -> str:
        said = ""
        for text in await self.take(samples):
            said += self._appended(self._interim.settled(text))
            self._interim = Interim()
        begun, end = self._pieces.begun, self._start + len(self._audio)
        # In a pause a look would find what the last one found.
        if (
            begun is None
            or end - self._looked < _INTERIM_EVERY
            or not self._pieces.speaks_since(self._looked)
        ):
            return said
        self._looked = end
        audio = self._audio[begun - self._start :]
        looked = await self._engine.decode(audio, urgent=False)
        return said + self._appended(self._interim.looked(looked))

    async def finish(self) -> str:
        await self._hear(self._resampler.resample_chunk(_NOTHING, last=True))
        await self._settle(self._pieces.finish())
        whole = ""
        for text in self._texts:
            whole += _going_on(whole, text)
        return whole

    async def take(self, samples: Int16Array) -> list[str]:
        """Take audio; returns the texts of the pieces that end with it."""
        return await self._hear(self._resampler.resample_chunk(samples))

    async def _hear(self, audio: Int16Array) -> list[str]:
        self._audio = np.concatenate((self._audio, audio))
        if len(audio) > _LONG:
            ended = await asyncio.to_thread(self._pieces.push, audio)
        else:
            ended = self._pieces.push(audio)
        return await self._settle(ended)

    async def _settle(self, ended: list[tuple[int, int]]) -> list[str]:
        texts = []
        for first, last in ended:
            audio = self._audio[first - self._start : last - self._start]
            texts.append(await self._engine.decode(audio, urgent=True))
        self._texts += texts
        # A copy: a view would keep all that was heard alive.
        old = self._pieces.needed_from - self._start
        if old > _LONG:
            self._audio = self._audio[old:].copy()
            self._start += old
        return texts

    def _appended(self, words: list[str]) -> str:
        """The words as they go on with what was said."""
        more = _going_on(self._said, "".join(words))
        self._said += more
        return more


class Interim:
    """What may be said of a piece that still grows.

    Deltas cannot be taken back: a word goes out when two looks in a row agree
    on it, the last one of a look only where all of both is the same.
    """

    def __init__(self) -> None:
        self._last: list[str] = []
        self._count = 0  # words that are out

    def looked(self, text: str) -> list[str]:
        """The words that may go out after this look at the piece."""
        words, last = _WORD.findall(text), self._last
        self._last = words
        stable = _agreeing(last, words)
        if stable == len(words) and stable != len(last):
            stable -= 1  # it may still grow
        return self._out(words[:stable])

    def settled(self, text: str) -> list[str]:
        """What is left to be said of the piece, now that it has ended."""
        return self._out(_WORD.findall(text))

    def _out(self, words: list[str]) -> list[str]:
        more = words[self._count :]
        self._count += len(more)
        return more


def _agreeing(first: list[str], second: list[str]) -> int:
    """How many words at the beginning of both are the same word: commas and
    capitals come and go."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if _bare(one) != _bare(other):
            break
        count += 1
    return count


def _bare(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()


def _going_on(said: str, more: str) -> str:
    """``more`` with a blank before it, where one belongs."""
    more = more.strip()
    if said and more and not re.match(f"[{_UNSPACED}]", more):
        return " " + more
    return more

"""Exact engine: reads the word ids that `devkit.script_audio` encoded."""

from __future__ import annotations

from devkit.script_audio import DecodedWord, WordDecoder, decode_words

from .engine import Engine, Stream, Word
from .wire_audio import Int16Array


class ScriptEngine(Engine):
    """Text ``w000001 w000002``; damaged sound becomes ``<broken>``."""

    async def transcribe(self, samples: Int16Array, rate: int) -> str:
        return _text(decode_words(samples, rate))

    async def words(self, samples: Int16Array, rate: int) -> list[Word]:
        return [
            Word(word.text, word.start_sample, word.end_sample)
            for word in decode_words(samples, rate)
        ]

    def stream(self, rate: int) -> ScriptStream:
        return ScriptStream(rate)


class ScriptStream(Stream):
    def __init__(self, rate: int) -> None:
        self._decoder = WordDecoder(rate)
        self._words: list[DecodedWord] = []

    async def feed(self, samples: Int16Array) -> str:
        return self._more(self._decoder.feed(samples))

    async def finish(self) -> str:
        self._more(self._decoder.flush())
        return _text(self._words)

    def _more(self, words: list[DecodedWord]) -> str:
        lead = " " if self._words and words else ""
        self._words += words
        return lead + _text(words)


def _text(words: list[DecodedWord]) -> str:
    return " ".join(word.text for word in words)

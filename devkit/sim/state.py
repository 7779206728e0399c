"""What is known of a simulated call, and what must hold in it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

from .server import SimServer
from .words import WORD_SAMPLES, ms


class Violation(AssertionError):
    """A promise was broken."""


def demand(holds: bool, complaint: str) -> None:
    if not holds:
        raise Violation(complaint)


class Spoken(NamedTuple):
    """Word number ``word`` was said from sample ``start`` on."""

    word: int
    start: int


@dataclass
class CallState:
    """What was said, asked and changed so far, and to whom.

    ``asked_at``, ``commits``: how much was heard then, in samples.
    ``changing``: the settings that are asked for; ``slack_ms``: how much later
    than promised an answer may come.
    """

    core: Transcription
    server: SimServer
    limits: Limits
    settings: SessionSettings
    owner: str
    now: float = 1000.0
    spoken: list[Spoken] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    asked_at: list[int] = field(default_factory=list)
    commits: deque[int] = field(default_factory=lambda: deque([0], 4))
    changing: SessionSettings | None = None
    change_at: float = 0.0
    slack_ms: int = 1
    noisy: bool = False
    stopped: bool = False

    def start_of(self, word: int) -> int:
        """The first sample of a word."""
        demand(0 < word <= len(self.spoken), f"never said: w{word}")
        return self.spoken[word - 1].start

    def too_short_to_commit(self, start: int, position: int) -> bool:
        """Is a word at ``start`` in the last bit before a finalize that no
        server takes as a turn, or cut off from its turn by an earlier one?"""
        if position - start < ms(100) + WORD_SAMPLES:
            return True
        return any(
            commit < position < commit + ms(100) for commit in self.commits
        )

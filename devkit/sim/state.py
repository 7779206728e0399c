"""What is known of a simulated call, and what must hold in it."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

from .endpoints import SimEndpoint
from .server import SimConnection, SimServer
from .words import WORD_SAMPLES, ms

#: Silence that ends a turn, whoever listens, in ms.
PARTED_MS = 1500


class Violation(AssertionError):
    """A promise was broken."""


def demand(holds: bool, complaint: str, *values: object) -> None:
    """``values`` are for its braces: they are written out only when broken."""
    if not holds:
        raise Violation(complaint.format(*values) if values else complaint)


class Spoken(NamedTuple):
    """Word number ``word`` was said from sample ``start`` on."""

    word: int
    start: int


@dataclass
class CallState:
    """What was said, asked and changed so far, and to whom.

    ``asked_at``, ``commits``, ``boundaries``: how much was heard then, in
    samples; the last commits, and all of them.
    ``changing``: the settings that are asked for; ``slack_ms``: how much later
    than promised an answer may come.
    """

    core: Transcription
    server: SimServer
    limits: Limits
    settings: SessionSettings
    endpoints: Sequence[SimEndpoint]
    owner: str
    kinds: frozenset[str] = frozenset({"old"})
    connect_s: float = 0.0
    now: float = 1000.0
    #: Words up to this one are delivered or reported.
    passed: int = 0
    connections: list[SimConnection] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    asked_at: list[int] = field(default_factory=list)
    commits: deque[int] = field(default_factory=lambda: deque([0], 4))
    boundaries: list[int] = field(default_factory=list)
    changing: SessionSettings | None = None
    change_at: float = 0.0
    slack_ms: int = 1
    noisy: bool = False
    stopped: bool = False

    @property
    def settings_in_use(self) -> SessionSettings:
        """Those of the endpoint in use; ``settings`` are the first one's."""
        used = self.endpoints[self.core.in_use.index]
        return used.settings(self.settings)

    def start_of(self, word: int) -> int:
        """The first sample of a word."""
        demand(0 < word <= len(self.spoken), f"never said: w{word}")
        return self.spoken[word - 1].start

    def block_of(self, word: int) -> tuple[int, int]:
        """The first and last word of what was said around a word without a
        pause that ends a turn everywhere, and without a commit where only
        commits end turns."""
        first = last = word
        while first > 1 and not self._parted(first - 1):
            first -= 1
        while last < len(self.spoken) and not self._parted(last):
            last += 1
        return first, last

    def _parted(self, word: int) -> bool:
        """Is it in another block than the word after it?"""
        stop = self.start_of(word) + WORD_SAMPLES
        start = self.start_of(word + 1)
        if self.owner == "client":
            at = bisect_left(self.boundaries, stop)
            return at < len(self.boundaries) and self.boundaries[at] <= start
        return start - stop >= ms(PARTED_MS)

    def is_complete(self, word: int) -> bool:
        """Is the block of this word over?"""
        last = self.block_of(word)[1]
        if last < len(self.spoken):
            return True
        stop = self.start_of(last) + WORD_SAMPLES
        if self.owner == "client":
            return bool(self.boundaries) and self.boundaries[-1] >= stop
        return self.core.received - stop >= ms(PARTED_MS)

    def too_short_to_commit(self, start: int, position: int) -> bool:
        """Is a word at ``start`` in the last bit before a finalize that no
        server takes as a turn, or cut off from its turn by an earlier one?"""
        if position - start < ms(100) + WORD_SAMPLES:
            return True
        return any(
            commit < position < commit + ms(100) for commit in self.commits
        )

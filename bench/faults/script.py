"""What is said in the call, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.load.plan import FRAME, FRAME_MS, RATE, Plan
from devkit.script_audio import WORD_MS, speak

#: Silence after which every client's server ends a turn, and more.
_PAUSE_MS = 1800
_LEAD_MS = 500
_GAP_MS = 80
#: Words of a turn.
_FEWEST, _MOST = 3, 7
#: The caller is silent for so long at the end, so that what was kept can
#: still come.
TAIL_S = 20


@dataclass(frozen=True)
class Script:
    """``words``: where each begins, in ms; its number is its place."""

    plan: Plan
    words: list[int]

    def middle_of_word(self, ms: float) -> int:
        """The middle of the word that is nearest to this time, in ms."""
        middles = [start + WORD_MS // 2 for start in self.words]
        return min(middles, key=lambda middle: abs(middle - ms))

    def late_in_pause(self, ms: float) -> int:
        """Near the end of the pause that is nearest to this time, in ms: what
        was said before it has its final by then."""
        turns = [
            before
            for before, after in pairwise(self.words)
            if after - before > _PAUSE_MS
        ]
        places = [
            last + WORD_MS + _PAUSE_MS * 3 // 4
            for last in [*turns, self.words[-1]]
        ]
        return min(places, key=lambda place: abs(place - ms))


def make_script(seconds: int, folder: Path, seed: int = 1) -> Script:
    """Speech of about so many seconds, and the silence after it.

    The audio goes into ``folder``.
    """
    rng = random.Random(seed)
    turns: list[list[int]] = []
    count, at_ms = 0, _LEAD_MS
    while True:
        many = rng.randint(_FEWEST, _MOST)
        length = many * (WORD_MS + _GAP_MS) + _PAUSE_MS
        if turns and at_ms + length > seconds * 1000:
            break
        turns.append(list(range(count, count + many)))
        count += many
        at_ms += length
    # A call of some seconds need not end with many.
    tail_ms = min(TAIL_S, seconds) * 1000
    samples, times = speak(
        turns,
        RATE,
        _PAUSE_MS,
        gap_ms=_GAP_MS,
        lead_ms=_LEAD_MS,
        tail_ms=_PAUSE_MS + tail_ms,
    )
    track = folder / "track.pcm"
    frames = len(samples) * 2 // FRAME
    whole = frames * FRAME_MS // 1000 * 1000 // FRAME_MS
    track.write_bytes(samples.tobytes()[: whole * FRAME])
    words = [start * 1000 // RATE for _, start, _ in times]
    spans = [(word, word + WORD_MS) for word in words]
    return Script(Plan(str(track), spans, [0], whole * FRAME_MS // 1000), words)

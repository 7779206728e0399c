"""Words as byte patterns in 8 kHz G.711 audio.

A word is 40 groups of 6 bytes: a marker, the four digits of the word, and the
number of the group.  So every sample of a word says which word it is part of
and where in it: a word that was cut in two is recognised as two pieces, and
nothing that was said can be lost unnoticed.  Silence is the byte 0xFF; the
byte 0x80 stands for noise, sound that is no speech.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

RATE = 8000
SILENCE = b"\xff"
NOISE = b"\x80"
#: What a model may make of noise.
INVENTED = "hm"
#: What comes after the last word of an item.
LATE = "late"
_MARKER = 0x01
_GROUP = 6
_GROUPS = 40
WORD_SAMPLES = _GROUP * _GROUPS
_QUIET = bytes.maketrans(NOISE, SILENCE)
#: Less than this of a word, at a cut, may be too short to be recognised.
TINY = 2 * _GROUP + 1
_PIECE = re.compile(r"w(\d+)(?:@(\d+)-(\d+))?$")


class Piece(NamedTuple):
    """Samples ``start`` to ``stop`` of a word."""

    word: int
    start: int
    stop: int

    @property
    def text(self) -> str:
        if (self.start, self.stop) == (0, WORD_SAMPLES):
            return f"w{self.word}"
        return f"w{self.word}@{self.start}-{self.stop}"


def ms(count: float) -> int:
    """Samples of a time in ms."""
    return int(count * RATE) // 1000


@lru_cache(maxsize=1024)
def word_audio(word: int) -> bytes:
    """30 ms of audio that says ``word`` (0 to 2**24 - 1)."""
    digits = bytes(0x20 + (word >> shift & 0x3F) for shift in (18, 12, 6, 0))
    head = bytes([_MARKER]) + digits
    return b"".join(head + bytes([0xA0 + n]) for n in range(_GROUPS))


def without_noise(audio: bytes) -> bytes:
    """What a speech detector hears."""
    return audio.translate(_QUIET) if NOISE in audio else audio


def pieces_in(audio: bytes) -> list[Piece]:
    """The words of a stretch of audio, whole or cut."""
    audio = without_noise(audio)
    found: list[Piece] = []
    size = len(audio)
    at = size - len(audio.lstrip(SILENCE))
    while at < size:
        word = word_at(audio, at)
        if audio[at] == _MARKER and audio.startswith(word_audio(word), at):
            found.append(Piece(word, 0, WORD_SAMPLES))
            at += WORD_SAMPLES
        else:
            at = _cut_piece(audio, at, found)
        at = size - len(audio[at:].lstrip(SILENCE))
    return found


def word_at(audio: bytes, at: int) -> int:
    """The word whose group of samples begins at ``at``; 0 where it is < 0."""
    if at < 0:
        return 0
    word = 0
    for digit in audio[at + 1 : at + 5]:
        word = word << 6 | (digit - 0x20) & 0x3F
    return word


def _cut_piece(audio: bytes, at: int, found: list[Piece]) -> int:
    """Read a run that is not a whole word; returns where it ends."""
    gap = audio.find(SILENCE, at)
    end = len(audio) if gap < 0 else gap
    marker = audio.find(bytes([_MARKER]), at, end)
    if marker < 0 or marker + _GROUP > end:
        return end
    word, number = word_at(audio, marker), audio[marker + 5] - 0xA0
    if number not in range(WORD_SAMPLES // _GROUP):
        # Cut within the group, and something else follows.
        return marker + 1
    base = marker - number * _GROUP
    start = max(at, base)
    whole = word_audio(word)
    stop = marker + _GROUP
    limit = min(end, base + WORD_SAMPLES)
    while stop < limit and audio[stop] == whole[stop - base]:
        stop += 1
    found.append(Piece(word, start - base, stop - base))
    return stop


def parse(text: str) -> list[Piece]:
    """The pieces in a transcript; raises ValueError for anything else."""
    found = []
    for token in text.split():
        if token in (INVENTED, LATE):
            continue
        match = _PIECE.match(token)
        if match is None:
            raise ValueError(f"never said: {token!r}")
        start, stop = match[2] or 0, match[3] or WORD_SAMPLES
        found.append(Piece(int(match[1]), int(start), int(stop)))
    return found


def find_speech(audio: bytes) -> tuple[int, int] | None:
    """The span of sound, noise included, as the client's level meter sees."""
    first = len(audio) - len(audio.lstrip(SILENCE))
    if first == len(audio):
        return None
    return first, len(audio.rstrip(SILENCE))


def find_sound(audio: bytes) -> tuple[int, int, int] | None:
    """That span, and how much of it is sound: a word of 30 ms stands for one
    that is ten times as long."""
    span = find_speech(audio)
    if span is None:
        return None
    sound = span[1] - span[0] - audio[span[0] : span[1]].count(SILENCE)
    return *span, 10 * sound

"""Word error rate: how far a transcript is from what was said.

Both texts are normalised first, as is usual for English ASR tests:
Unicode NFKC, case folded, typographic apostrophes made plain, apostrophes
inside words kept (``don't``), hyphens and all other punctuation and
symbols replaced by a space. Numerals are then spelled in English: up to 99
as numbers, longer ones digit by digit, as telephone numbers are said. So
``3`` is ``three``; where another reading was meant, as of ``1990``, it counts
as errors.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import jiwer

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven"),
    *("eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = (
    *("twenty", "thirty", "forty", "fifty"),
    *("sixty", "seventy", "eighty", "ninety"),
)
# Words around an error that are shown with it.
_AROUND = 4

_APOSTROPHES = re.compile("[‘’ʼ`´]")


def words_of(text: str) -> list[str]:
    """The words of a text after normalisation."""
    # Before NFKC, which turns an acute accent into space and a mark.
    plain = unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", text))
    kept = "".join(map(_word_character, plain.casefold()))
    # What is left of apostrophes at the edges was a quotation mark.
    return [word for part in kept.split() if (word := part.strip("'"))]


def _word_character(char: str) -> str:
    # Letters, marks (Indic vowel signs belong to their word) and numbers.
    if char == "'" or unicodedata.category(char)[0] in "LMN":
        return char
    return " "


def word_error_rate(reference: str, hypothesis: str) -> float:
    """WER of `hypothesis` against `reference`, 0.0 is perfect; may exceed 1.

    Raises:
        ValueError: if the reference has no words.
    """
    return _aligned(reference, hypothesis).wer


def word_errors(reference: str, hypothesis: str) -> list[tuple[str, str]]:
    """Each run of wrong words: what was said, and what was heard instead."""
    return [
        (run.said, run.heard)
        for run in _runs(reference, hypothesis)
        if run.kind == "error"
    ]


@dataclass(frozen=True)
class Run:
    """Words in a row that are ``equal`` in both texts, or an ``error``:
    ``said`` and not ``heard``, the other way round, or both."""

    kind: Literal["equal", "error"]
    said: str
    heard: str


def word_diff(reference: str, hypothesis: str) -> list[list[Run]]:
    """The errors, each with some words around it; those that are near to each
    other are in one list."""
    groups: list[list[Run]] = [[]]
    for run in _runs(reference, hypothesis):
        if run.kind == "error":
            groups[-1].append(run)
            continue
        words = run.said.split()
        if not groups[-1]:
            groups[-1].append(_equal(words[-_AROUND:]))
        elif len(words) <= 2 * _AROUND:
            groups[-1].append(run)
        else:
            groups[-1].append(_equal(words[:_AROUND]))
            groups.append([_equal(words[-_AROUND:])])
    return [g for g in groups if any(run.kind == "error" for run in g)]


def _equal(words: list[str]) -> Run:
    return Run("equal", " ".join(words), " ".join(words))


def _runs(reference: str, hypothesis: str) -> Iterator[Run]:
    aligned = _aligned(reference, hypothesis)
    said, heard = aligned.references[0], aligned.hypotheses[0]
    for chunk in aligned.alignments[0]:
        yield Run(
            "equal" if chunk.type == "equal" else "error",
            " ".join(said[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )


def _aligned(reference: str, hypothesis: str) -> jiwer.WordOutput:
    said, heard = (
        " ".join(map(_spelled, words_of(text)))
        for text in (reference, hypothesis)
    )
    if not said:
        raise ValueError("the reference text contains no words")
    return jiwer.process_words(said, heard)


def _spelled(word: str) -> str:
    if not (word.isascii() and word.isdecimal()):
        return word
    if len(word) > 2 or (len(word) == 2 and word[0] == "0"):
        return " ".join(_ONES[int(digit)] for digit in word)
    number = int(word)
    if number < len(_ONES):
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")

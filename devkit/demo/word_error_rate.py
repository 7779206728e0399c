"""Word error rate: how far a transcript is from what was said.

WER = (substitutions + deletions + insertions) / words of the reference,
with the least number of edits (Levenshtein distance on words). It can
exceed 1.

Both texts are normalised first, as is usual for English ASR tests:
Unicode NFKC, case folded, typographic apostrophes made plain, apostrophes
inside words kept (``don't``), hyphens and all other punctuation and
symbols replaced by a space. Numbers are not spelled out.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

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


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """The least number of words to substitute, delete or insert.

    Row by row with numpy: an hour of speech (9000 words) takes a second.
    """
    numbers: dict[str, int] = {}
    first = _numbered(reference, numbers)
    second = _numbered(hypothesis, numbers)
    columns = np.arange(len(second) + 1)
    row = columns.copy()
    for word in first:
        best = row + 1  # delete the reference's word
        best[1:] = np.minimum(best[1:], row[:-1] + (second != word))
        # Insertions run along the row: best[j] = min(best[i] + j - i).
        row = np.minimum.accumulate(best - columns) + columns
    return int(row[-1])


def word_error_rate(reference: str, hypothesis: str) -> float:
    """WER of `hypothesis` against `reference`, 0.0 is perfect.

    Raises:
        ValueError: if the reference has no words.
    """
    expected = words_of(reference)
    if not expected:
        raise ValueError("the reference text contains no words")
    return edit_distance(expected, words_of(hypothesis)) / len(expected)


def _numbered(
    words: Sequence[str], numbers: dict[str, int]
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(
        [numbers.setdefault(word, len(numbers)) for word in words],
        dtype=np.int64,
    )

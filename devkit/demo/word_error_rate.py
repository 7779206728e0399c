"""Word error rate: how far a transcript is from what was said.

Both texts are normalised first, as is usual for English ASR tests:
Unicode NFKC, case folded, typographic apostrophes made plain, apostrophes
inside words kept (``don't``), hyphens and all other punctuation and
symbols replaced by a space. Numbers are not spelled out.
"""

import re
import unicodedata

import jiwer

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
    aligned = _aligned(reference, hypothesis)
    said, heard = aligned.references[0], aligned.hypotheses[0]
    return [
        (
            " ".join(said[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in aligned.alignments[0]
        if chunk.type != "equal"
    ]


def _aligned(reference: str, hypothesis: str) -> jiwer.WordOutput:
    said, heard = (" ".join(words_of(text)) for text in (reference, hypothesis))
    if not said:
        raise ValueError("the reference text contains no words")
    return jiwer.process_words(said, heard)

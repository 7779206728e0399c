"""The matrix of settings: a spread of its cells, and its page."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from devkit.matrix.cells import (
    DIALECTS,
    INPUTS,
    MODELS,
    TURNS,
    WIRES,
    all_cells,
)
from devkit.matrix.known_speech import call_audio, call_words, words_in
from devkit.matrix.report import (
    FILE,
    document,
    models_section,
    options_section,
)
from devkit.matrix.run import Outcome, run_cells

#: A step that has no factor in common with the length of any dimension.
STEP = 97


def test_a_spread_of_the_matrix_does_what_is_expected():
    cells = all_cells()[::STEP]
    for dimension, names in (
        ("model", MODELS),
        ("turns", TURNS),
        ("wire", WIRES),
        ("input", INPUTS),
    ):
        assert {getattr(cell, dimension) for cell in cells} == set(names)
    assert {(c.server, c.protocol) for c in cells} == set(DIALECTS)
    complaints = asyncio.run(run_cells(cells))
    assert len(complaints) == len(cells)
    failed = {cell: text for cell, text in complaints.items() if text}
    assert failed == {}


def test_the_page_is_current():
    """`make matrix` writes it; a cell that failed would show in it."""
    page = FILE.read_text(encoding="utf-8")
    assert models_section() in page
    assert options_section() in page
    assert page == document(dict.fromkeys(all_cells(), ""))


@pytest.mark.parametrize("rate", [8000, 24000])
def test_the_engine_hears_what_came_and_nothing_else(rate):
    audio, words = call_audio(rate), call_words()
    assert words_in(audio, rate) == words
    assert words_in(audio[: len(audio) // 2], rate) == [
        word for word in words if word.startswith("one")
    ]
    # 700 ms of silence come first: 900 ms cut into the first sentence.
    assert words_in(audio[rate * 9 // 10 :], rate) == words[2:]
    assert words_in(np.zeros(rate, np.int16), rate) == []
    backwards = np.ascontiguousarray(audio[::-1])
    assert words_in(backwards, rate) == []


def test_a_call_that_lost_words_is_a_complaint():
    possible = next(c for c in all_cells() if c.expected_error is None)
    impossible = next(c for c in all_cells() if c.expected_error)
    right = Outcome([" ".join(call_words())], [["one00"]])
    assert right.complaint(possible) == ""
    assert right.complaint(impossible)
    assert Outcome([" ".join(call_words()[1:])], [[]]).complaint(possible)
    doubled = " ".join([*call_words(), call_words()[-1]])
    assert Outcome([doubled], [[]]).complaint(possible)
    shrunk = Outcome([" ".join(call_words())], [["one00 one01", "one00"]])
    assert "interims" in shrunk.complaint(possible)
    assert Outcome(errors=["other"]).complaint(impossible)

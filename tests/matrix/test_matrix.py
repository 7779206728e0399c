"""The matrix of settings: a spread of its cells, and its page."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.service.languages import (
    LANGUAGE_CODES,
    LANGUAGES_CODES,
)

from devkit.matrix import __main__ as command
from devkit.matrix.cells import (
    DIALECTS,
    INPUTS,
    MODELS,
    TURNS,
    WIRES,
    combination_cells,
)
from devkit.matrix.judge import AnyCell, Outcome, complaint
from devkit.matrix.known_speech import call_audio, call_words, words_in
from devkit.matrix.report import (
    FILE,
    codes_listed,
    document,
    models_table,
    options_table,
)
from devkit.matrix.requests import (
    REQUEST_DIALECTS,
    REQUESTS,
    TAKES,
    RequestCell,
    request_cells,
)
from devkit.matrix.run import run_cell, run_cells, servers
from devkit.matrix.updates import (
    CHANGES,
    OWNERS,
    UPDATE_DIALECTS,
    UpdateCell,
    update_cells,
)

#: A step that has no factor in common with the length of any dimension.
STEP = 97
REQUEST_STEP = 19
UPDATE_STEP = 17


def failures(cells: list[AnyCell]) -> dict[AnyCell, str]:
    complaints = asyncio.run(run_cells(cells))
    assert set(complaints) == set(cells)
    return {cell: text for cell, text in complaints.items() if text}


def test_a_spread_of_the_combinations_does_what_is_expected():
    cells = combination_cells()[::STEP]
    for dimension, names in (
        ("model", MODELS),
        ("turns", TURNS),
        ("wire", WIRES),
        ("input", INPUTS),
    ):
        assert {getattr(cell, dimension) for cell in cells} == set(names)
    assert {(c.server, c.protocol) for c in cells} == set(DIALECTS)
    assert failures(cells) == {}


def with_default_model(cells: list[Any], step: int) -> list[Any]:
    """A spread, and all of the model that takes the most, once in GA."""
    default = [
        cell
        for cell in cells
        if cell.model == "gpt-live-transcribe"
        and cell.server == "ga"
        and getattr(cell, "owner", "local") == "local"
    ]
    return list(dict.fromkeys([*default, *cells[::step]]))


def test_a_spread_of_the_requests_is_told_as_expected():
    cells = with_default_model(request_cells(), REQUEST_STEP)
    assert {cell.model for cell in cells} == set(MODELS) == set(TAKES)
    assert {cell.request for cell in cells} == set(REQUESTS)
    assert {(c.server, c.protocol) for c in cells} == set(REQUEST_DIALECTS)
    assert failures(cells) == {}


def test_a_spread_of_the_changes_is_made_as_expected():
    cells = with_default_model(update_cells(), UPDATE_STEP)
    assert {cell.model for cell in cells} == set(MODELS)
    assert {cell.owner for cell in cells} == set(OWNERS)
    assert {cell.change for cell in cells} == set(CHANGES)
    assert {(c.server, c.protocol) for c in cells} == set(UPDATE_DIALECTS)
    assert {cell.sessions for cell in cells} == {1, 2}
    assert failures(cells) == {}


def test_the_page_is_current():
    """`make matrix` writes it where no call has failed."""
    page = FILE.read_text(encoding="utf-8")
    for part in (
        models_table(),
        options_table("ga"),
        options_table("beta"),
        codes_listed(LANGUAGES_CODES),
        codes_listed(LANGUAGE_CODES),
    ):
        assert part in page, "run: make matrix"
    assert page == document(), "run: make matrix"


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
    possible = next(c for c in combination_cells() if not c.expected_error)
    impossible = next(c for c in combination_cells() if c.expected_error)
    right = Outcome([" ".join(call_words())], [["one00"]])
    assert complaint(possible, right) == ""
    assert complaint(impossible, right)
    lost = Outcome([" ".join(call_words()[1:])], [[]])
    assert complaint(possible, lost)
    doubled = " ".join([*call_words(), call_words()[-1]])
    assert complaint(possible, Outcome([doubled], [[]]))
    shrunk = Outcome([" ".join(call_words())], [["one00 one01", "one00"]])
    assert "interims" in complaint(possible, shrunk)
    assert complaint(impossible, Outcome(errors=["other"]))


async def outcome_of(cell: AnyCell) -> Outcome:
    async with servers() as running:
        return await run_cell(cell, running[cell.server, False])


async def test_another_request_than_told_is_a_complaint():
    cell = RequestCell("gpt-4o-transcribe", "nb-NO", "ga", "auto")
    outcome = await outcome_of(cell)
    assert complaint(cell, outcome) == ""
    for other in ("en", "3 keywords", "noise reduction", "logprobs"):
        assert complaint(replace(cell, request=other), outcome), other
    dropped = replace(cell, request="sq")
    outcome = await outcome_of(dropped)
    assert complaint(dropped, outcome) == ""
    outcome.warnings.clear()
    assert "no warning of ['language']" in complaint(dropped, outcome)


async def test_another_change_than_made_is_a_complaint():
    cell = UpdateCell(
        "gpt-transcribe", "none", "`language` replaced", "ga", "auto"
    )
    outcome = await outcome_of(cell)
    assert complaint(cell, outcome) == ""
    for other in CHANGES:
        if other != cell.change:
            assert complaint(replace(cell, change=other), outcome), other
    outcome.records *= 2
    assert "2 sessions" in complaint(cell, outcome)


@pytest.mark.parametrize("again", ["", "lost a word"])
def test_the_page_is_written_where_no_call_fails_twice(
    again, monkeypatch, tmp_path, capsys
):
    cells = combination_cells()[:3]
    page = tmp_path / "page.md"
    monkeypatch.setattr(command, "FILE", page)
    monkeypatch.setattr(command, "all_cells", lambda: cells)
    found = {cells[0]: "", cells[1]: "too late", cells[2]: ""}
    monkeypatch.setattr(command, "_run_all", lambda *_: found)
    tried: list[AnyCell] = []

    def run(cells: list[AnyCell], at_once: int) -> dict[AnyCell, str]:
        tried.extend(cells * at_once)
        return dict.fromkeys(cells, again)

    monkeypatch.setattr(command, "_run", run)
    monkeypatch.setattr(sys, "argv", ["matrix"])
    assert command.main() == int(bool(again))
    assert tried == [cells[1]]
    assert page.exists() is not bool(again)
    assert "too late" in capsys.readouterr().out

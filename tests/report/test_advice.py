"""Every error has a meaning, and says what to do."""

from __future__ import annotations

import re

import pytest
from ten_packages.extension.openai_asr_python.contract.reports import _CAUSES
from ten_packages.extension.openai_asr_python.realtime.faults import RULES

from devkit.report.advice import advice_on

_PLAIN = ("An error", "The call was given up")


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.where in ("code", "type", "close", "http")],
    ids=lambda rule: f"{rule.where} {rule.sign}",
)
def test_what_the_table_of_errors_knows(rule):
    number = rule.sign.split("-")[0]
    message = {
        "close": f"connection closed with code {number}: going away",
        "http": f"the server answered HTTP {number}: no",
    }.get(rule.where, f"not today (type x, code {rule.sign})")
    advice = advice_on(message, rule.verdict == "fatal")
    assert advice.title not in _PLAIN
    assert advice.todo


@pytest.mark.parametrize("cause", sorted(_CAUSES))
def test_every_cause_of_dropped_audio(cause):
    text = f"audio dropped: 10 ms from 0 ms on; {_CAUSES[cause]}"
    assert advice_on(text, False).title not in _PLAIN


def test_what_the_extension_says_itself():
    """Of the texts in docs/errors.md that it has for a session or a turn."""
    for text in (
        "invalid property: params.language: found 3",
        "the server says nothing about the sound it is sent",
        "the server began a turn and does not end it",
        "the server sent no result for a turn; it is sent again",
        "the server did not answer a commit; it is sent again",
        "each session ends while it transcribes this turn",
        "the server does not answer, or does not read",
        "no session.updated came within 3 s",
        "no final result within 5000 ms of a finalize; it follows",
        "audio frame refused: rate: 1 Hz is outside 4000 to 192000",
        "internal error: on_data: KeyError",
        "the connection broke off",
    ):
        assert advice_on(text, False).title not in _PLAIN, text


def test_a_key_that_is_wrong_names_the_setting():
    text = (
        "Incorrect API key (type invalid_request_error, code invalid_api_key)"
    )
    assert "api_key" in advice_on(text, True).settings


def test_an_unknown_error_is_no_riddle():
    advice = advice_on("zzz", False)
    assert advice.title in _PLAIN
    assert not re.search(r"\bNone\b", advice.todo)

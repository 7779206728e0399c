"""Word error rate and its normalisation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit.demo.word_error_rate import (
    word_diff,
    word_error_rate,
    word_errors,
    words_of,
)

WORDS = st.lists(st.sampled_from("abcde"), max_size=12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("I don’t know", ["i", "don't", "know"]),
        ("'quoted' o'clock", ["quoted", "o'clock"]),
        ("well-known: 42 _x_", ["well", "known", "42", "x"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("… — '", []),
        ("one\n\ttwo", ["one", "two"]),
    ],
)
def test_words_of(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("reference", "hypothesis", "rate"),
    [
        ("a b c d", "A, b. c d!", 0.0),
        ("a b c d", "a x c d", 0.25),  # substitution
        ("a b c d", "a c d", 0.25),  # deletion
        ("a b c d", "a b b c d", 0.25),  # insertion
        ("a b c d", "", 1.0),
        ("a", "x y z", 3.0),
        ("a b c d", "b c d a", 0.5),
        ("Press 3 for twenty-five", "press three for 25", 0.0),
        ("five five five, 07", "555 zero 7", 0.0),
        ("in nineteen ninety", "in 1990", 4 / 3),  # counts against
    ],
)
def test_rate(reference: str, hypothesis: str, rate: float) -> None:
    assert word_error_rate(reference, hypothesis) == rate


def test_a_reference_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="no words"):
        word_error_rate("...", "a")


def by_definition(first: list[str], second: list[str]) -> int:
    """Levenshtein's recurrence, written down without shortcuts."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(len(first) + 1):
        for j in range(len(second) + 1):
            if i == 0 or j == 0:
                table[i][j] = i + j
                continue
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (first[i - 1] != second[j - 1]),
            )
    return table[-1][-1]


@given(WORDS.filter(bool), WORDS)
def test_distance_is_levenshteins(first: list[str], second: list[str]) -> None:
    rate = word_error_rate(" ".join(first), " ".join(second))
    assert rate == by_definition(first, second) / len(first)


@given(WORDS.filter(bool), WORDS)
def test_errors_turn_the_one_text_into_the_other(
    first: list[str], second: list[str]
) -> None:
    reference, hypothesis = " ".join(first), " ".join(second)
    errors = word_errors(reference, hypothesis)
    edits = sum(
        max(len(said.split()), len(heard.split())) for said, heard in errors
    )
    assert edits == by_definition(first, second)
    assert (errors == []) == (first == second)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        (
            "The cat sat. Really, now!",
            "the hat sat now",
            [("cat", "hat"), ("really", "")],
        ),
        ("a b", "a x y B", [("", "x y")]),
        ("a b c", "", [("a b c", "")]),
    ],
)
def test_errors_name_what_was_said_and_heard(
    reference: str, hypothesis: str, errors: list[tuple[str, str]]
) -> None:
    assert word_errors(reference, hypothesis) == errors


def shown(reference: str, hypothesis: str) -> list[str]:
    return [
        " ".join(
            run.said if run.kind == "equal" else f"[{run.said}|{run.heard}]"
            for run in runs
        )
        for runs in word_diff(reference, hypothesis)
    ]


def test_a_diff_has_a_few_words_around_each_error() -> None:
    said = "a b c d e f g h i j k l m n o p q r"
    assert shown(said, said) == []
    assert shown(said, said.replace("g", "x")) == ["c d e f [g|x] h i j k"]
    # Near to each other, and far from each other; at both ends.
    near = said.replace("c", "x").replace("g", "")
    assert shown(said, near) == ["a b [c|x] d e f [g|] h i j k"]
    far = "new " + said.removesuffix(" r")
    assert shown(said, far) == ["[|new] a b c d", "n o p q [r|]"]

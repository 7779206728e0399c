"""Turns cut into subtitle cues, with times apportioned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ten_packages.extension.openai_asr_python.realtime.shown import one_line

from .cells import text_width, wrap
from .transcript import Result, Word

# Two lines of 42 cells: what broadcasters' style guides allow.
LINE_CELLS = 42
LINES_PER_CUE = 2


@dataclass(frozen=True)
class Cue:
    """One subtitle: 1 or 2 lines shown from `start_ms` to `end_ms`."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


def cues(results: Iterable[Result]) -> list[Cue]:
    """Cut finals into cues that can be read; none is empty or negative."""
    cut: list[Cue] = []
    for result in results:
        cut += _cues_of(result)
    return cut


def _cues_of(result: Result) -> list[Cue]:
    lines = [line for line in wrap(one_line(result.text), LINE_CELLS) if line]
    if not lines:
        return []
    groups = [
        tuple(lines[index : index + LINES_PER_CUE])
        for index in range(0, len(lines), LINES_PER_CUE)
    ]
    starts = _starts(result, groups)
    ends = [*starts[1:], result.end_ms]
    return [
        Cue(start, max(start + 1, end), group)
        for start, end, group in zip(starts, ends, groups, strict=True)
    ]


def _starts(result: Result, groups: Sequence[tuple[str, ...]]) -> list[int]:
    """When each group of lines begins, in ms.

    The words' own times are used if there is one for each word of the
    text; else the turn's time is shared out by the cells of text.
    """
    tokens = [sum(len(line.split()) for line in group) for group in groups]
    if result.words and len(result.words) == sum(tokens):
        return _starts_by_words(result.words, tokens, result.start_ms)
    cells = [sum(map(text_width, group)) for group in groups]
    total = max(1, sum(cells))
    starts, passed = [], 0
    for size in cells:
        starts.append(result.start_ms + result.duration_ms * passed // total)
        passed += size
    return starts


def _starts_by_words(
    words: Sequence[Word], tokens: Sequence[int], first_ms: int
) -> list[int]:
    starts, index = [first_ms], 0
    for count in tokens[:-1]:
        index += count
        starts.append(max(starts[-1] + 1, words[index].start_ms))
    return starts

"""docs/compatibility.md, made of the tables in the code and of the runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from ten_packages.extension.openai_asr_python.realtime.models import (
    MODEL_NAMES,
    profile_of,
)
from ten_packages.extension.openai_asr_python.realtime.options import (
    MAX_KEYWORD,
    MAX_KEYWORDS,
    OPTIONS,
    decide,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    MAX_PROMPT,
    Dialect,
)

from .cells import BAD_RATE, DIALECTS, ERRORS, MODELS, TURNS, Cell, all_cells

FILE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_HEAD = """\
# Compatibility

Written by `make matrix` (`python -m devkit.matrix`): the tables from the code
(`realtime/models.py`, `realtime/options.py`), the matrix from calls over real
sockets. Sources of the abilities: OpenAI's guides, model and deprecation
pages and the types of the `openai` package, as of November 2026.

"""
_DELTAS = {
    "whole": "after the turn, in one piece",
    "burst": "after the turn, in pieces",
    "live": "while one speaks",
}
_OPTIONS_TEXT = f"""\
The server refuses all settings for one that it does not take, and then
transcribes nothing. So each is decided here first:

- **passed**: sent.
- **first**: the first language goes out as `language`, with a warning if
  there were more. (`language` and `languages` together are refused by the
  server: they become one list, `language` first.)
- **prompt**: the words are appended to the prompt: `Keywords: a, b.`, for
  `whisper-1` the bare list `a, b`.
- **dropped**: not sent; a warning in the log says so.
- **rejected**: a FATAL error (-1000) that names the field, before anything is
  sent.
- **here**: done by the extension; the server is told nothing.

Words lose a weight (`Agora|10`), line breaks, `<` and `>`; each is sent once.
More than {MAX_KEYWORDS} words, words of more than {MAX_KEYWORD} characters and
what is beyond {MAX_PROMPT} characters of a prompt are dropped with a warning;
these bounds are ours. Languages are ISO 639-1 codes; of `en-US` the service
gets `en`, and what is no language is rejected.

`gpt-transcribe` is a case of its own: the service takes `server_vad` for it,
but users report that no turn ever comes of it, so it is rejected here.

An unknown model name is treated as the listed model that it begins with, else
as `gpt-4o-transcribe`, or as the one that `input_audio_transcription.family`
names, with a warning. `params.session` is merged over everything last and is
not checked, except that the model and the format have options of their own.
"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def models_section() -> str:
    """What the models are like."""
    rows = []
    for name in MODEL_NAMES:
        profile = profile_of(name)
        end = "-"
        if profile.shutdown:
            end = f"{profile.shutdown}, then `{profile.replacement}`"
        by_model = "server_vad" if profile.server_turns == "yes" else "local"
        rows.append([f"`{name}`", _DELTAS[profile.deltas], by_model, end])
    head = ["model", "interim text comes", "turns by default", "shutdown"]
    return f"## Models\n\n{_table(head, rows)}\n"


def options_section() -> str:
    """What becomes of each option with each model."""
    parts = [f"## Options\n\n{_OPTIONS_TEXT}"]
    dialects: tuple[tuple[Dialect, str], ...] = (
        ("ga", "GA, the dialect of api.openai.com"),
        ("beta", "beta, on compatible servers"),
    )
    for dialect, title in dialects:
        rows = [
            [
                shown,
                *(decide(o, profile_of(n), dialect) for n in MODEL_NAMES),
            ]
            for o, shown in OPTIONS.items()
        ]
        head = ["option", *(f"`{name}`" for name in MODEL_NAMES)]
        parts.append(f"\n### In {title}\n\n{_table(head, rows)}")
    return "".join(parts) + "\n"


def matrix_section(complaints: Mapping[Cell, str]) -> str:
    """The matrix; a cell that is not in ``complaints`` was not run."""
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in all_cells():
        key = (cell.model, cell.turns, cell.server, cell.protocol)
        groups[key].append(cell)
    rows = [
        [
            f"`{model}`",
            turns,
            *(
                _verdict(groups[model, turns, server, protocol], complaints)
                for server, protocol in DIALECTS
            ),
        ]
        for model in MODELS
        for turns in TURNS
    ]
    head = ["model", "turns"]
    head += [f"{server} server, `{protocol}`" for server, protocol in DIALECTS]
    total = len(all_cells())
    text = f"""\
## The matrix

{total} calls: model, turn detection, wire format (`pcm16`, `g711_ulaw`,
`g711_alaw`), frames (8, 16, 24 and 44.1 kHz mono, 48 kHz stereo, 8-bit µ-law
and A-law, and impossible 4 kHz), the server's dialect and `protocol`. Each
speaks the same two recorded sentences to the local server; an engine that
names every 150 ms of them as it arrived must hear all, once, in order, with
interims that only grow. The server must have been told the format, the model
and the turn detection of the cell, and `skip` must have left silence out. All
options of the table above are set in every call. The server is the one in
`devkit/server`, made after OpenAI's documents and recorded sessions; OpenAI's
own was not called.

A number is how many combinations of wire format and frames gave the same
words; E and a number is the error that all of them gave.

"""
    errors = "".join(
        f"- E{number}: `{message}`: {meaning}.\n"
        for number, message, meaning in ERRORS
    )
    last = (
        f"\nFrames of 4 kHz gave E{BAD_RATE[0]} everywhere and are not"
        " counted.\n"
    )
    return f"{text}{_table(head, rows)}\n{errors}{last}"


def _verdict(cells: list[Cell], complaints: Mapping[Cell, str]) -> str:
    bad = sum(complaints.get(cell, "not run") != "" for cell in cells)
    if bad:
        return f"**{bad} failed**"
    counted = [cell for cell in cells if cell.expected_error != BAD_RATE]
    expected = counted[0].expected_error
    return str(len(counted)) if expected is None else f"E{expected[0]}"


def document(complaints: Mapping[Cell, str]) -> str:
    """The whole page."""
    return "".join(
        (
            _HEAD,
            models_section(),
            options_section(),
            matrix_section(complaints),
        )
    )

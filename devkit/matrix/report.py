"""docs/compatibility.md, made of the tables in the code and of the runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

from ten_packages.extension.openai_asr_python.realtime.settings import (
    MAX_PROMPT,
    Dialect,
)
from ten_packages.extension.openai_asr_python.service.languages import (
    LANGUAGE_CODES,
    LANGUAGES_CODES,
)
from ten_packages.extension.openai_asr_python.service.models import (
    MODEL_NAMES,
    profile_of,
)
from ten_packages.extension.openai_asr_python.service.options import (
    MAX_KEYWORD,
    MAX_KEYWORDS,
    Option,
    decide,
)

from .cells import (
    BAD_RATE,
    DIALECTS,
    ERRORS,
    MODELS,
    TURNS,
    Cell,
    combination_cells,
)
from .judge import AnyCell
from .requests import (
    LIST_REQUESTS,
    OTHER_REQUESTS,
    TAG_REQUESTS,
    RequestCell,
    Told,
    request_cells,
)
from .updates import CHANGES, UpdateCell, update_cells

Complaints = Mapping[AnyCell, str]

FILE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_HEAD = """\
# Compatibility

Written by `make matrix` (`python -m devkit.matrix`): the tables of abilities
and codes from the code (`service/models.py`, `service/options.py`,
`service/languages.py`), the others from calls over real sockets to the server
in `devkit/server`. That one keeps to every rule of the service that is known
from OpenAI's documents, recorded sessions and published measurements; OpenAI's
own was not called. Sources of the abilities: OpenAI's guides, model and
deprecation pages and the types of the `openai` package, as of November 2026.

"""
_DELTAS = {
    "whole": "after the turn, in one piece",
    "burst": "after the turn, in pieces",
    "live": "while one speaks",
}
_OPTION_NAMES: Mapping[Option, str] = {
    "language": "`language`",
    "languages": "`languages`",
    "prompt": "`prompt`",
    "keywords": "`keywords`, `hotwords`",
    "delay": "`delay`",
    "noise_reduction": "`input_audio_noise_reduction`",
    "strength": "its `strength`",
    "logprobs": "`include` logprobs",
    "server_vad": "`turn_detection` `server_vad`",
    "semantic_vad": "`turn_detection` `semantic_vad`",
    "local": "`turn_detection` `local`",
    "none": "`turn_detection` `none`",
}
_OPTIONS_TEXT = f"""\
The server refuses all settings for one that it does not take, and then
transcribes nothing. So each is decided here first:

- **passed**: sent.
- **list**: `language` and `languages` go out as one list, `languages`, with
  `language` first. The server refuses both fields together, and these models
  refuse `language`.
- **first**: the first language goes out as `language`, with a warning if
  there were more.
- **prompt**: the words are appended to the prompt: `Keywords: a, b.`, for
  `whisper-1` the bare list `a, b`. They share the prompt's room: the first
  ones win, and a warning counts the rest.
- **doubtful**: sent, with a warning.
- **dropped**: not sent; a warning in the log says so.
- **rejected**: a FATAL error (-1000) that names the field, before anything is
  sent.
- **here**: done by the extension; the server is told nothing.

The service takes a prompt of {MAX_PROMPT} code points; a longer one is cut at a
word, with a warning. For keywords no bound of the service is known: it has
been seen to take {MAX_KEYWORDS} of them, and {MAX_KEYWORD} characters in one;
what is beyond that is dropped with a warning. Words lose a weight (`Agora|10`),
line breaks, `<` and `>`; each is sent once.

`gpt-transcribe` takes `server_vad` and `semantic_vad`, but reports differ on
whether a turn ever comes of it. Both are possible, with a warning; by default
the local detector ends the turns.

An unknown model name is treated as the listed model that it begins with, else
as `gpt-4o-transcribe`, or as the one that `input_audio_transcription.family`
names, with a warning. `params.session` is merged over everything last and is
not checked, except that the model and the format have options of their own.
"""
_LANGUAGES_TEXT = """\
A tag may be written as people write it: `en-US`, `en_US`, `zh-Hant-HK`, `iw`.
The service gets its code for it: the language alone, and for Chinese in a list
also the region. A language that the service does not take is not sent, and a
warning names it; the call goes on without that hint.
"""
_COMBINATIONS_TEXT = """\
{total} calls: model, turn detection, wire format (`pcm16`, `g711_ulaw`,
`g711_alaw`), frames (8, 16, 24 and 44.1 kHz mono, 48 kHz stereo, 8-bit µ-law
and A-law, and impossible 4 kHz), the server's dialect and `protocol`. Each
speaks the same two recorded sentences; an engine that names every 150 ms of
them as it arrived must hear all, once, in order, with interims that only grow.
The server must have been told the format, the model and the turn detection of
the cell, `skip` must have left silence out, and what is doubtful must have
been warned of. All options of the table above are set in every call.

A number is how many combinations of wire format and frames gave the same
words; E and a number is the error that all of them gave.

"""
_REQUESTS_TEXT = """\
{total} calls: every request below with every model, in GA and with `protocol`
`auto` and `beta` on a beta server. The turn must have been transcribed under
exactly these settings, all words must have arrived, and a warning must have
named what was not sent. The last column counts the calls.

Models with a list are told `languages` in GA, everything else is told
`language`. With `auto` it turns out only when the server speaks that it is a
beta one; a model with a list is then told the first of them, without a region.

"""
_OTHERS_TEXT = """\
What the service gets in GA: `prompt` with its length in code points, keywords
with their number, or the option.

"""
_CHANGES_TEXT = """\
{total} calls, in GA and beta: the first sentence is spoken, the settings are
changed while the call goes on (`update_configs`), and the second sentence is
spoken. The change must have been answered as applied, the first sentence heard
under exactly the settings before and the second under exactly those after it,
and all words must have arrived once. Turns are ended by `server_vad` where the
model takes it, by the local detector, and by nobody but `asr_finalize`.

**update**: a `session.update` made the change. **session**: a new session took
over, because a field cannot be cleared, only replaced. Where a model or
dialect does not take the option, there is nothing to clear.

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
            for o, shown in _OPTION_NAMES.items()
        ]
        head = ["option", *(f"`{name}`" for name in MODEL_NAMES)]
        parts.append(f"\n### In {title}\n\n{_table(head, rows)}")
    return "".join(parts) + "\n"


def languages_section() -> str:
    """What the service takes for a language."""
    lists = [
        f"`{n}`"
        for n in MODEL_NAMES
        if decide("languages", profile_of(n)) == "list"
    ]
    parts = [f"## Languages\n\n{_LANGUAGES_TEXT}"]
    for title, codes in (
        (f"{' and '.join(lists)} in GA: `languages`, any of", LANGUAGES_CODES),
        (
            "The others, and all with `protocol` `beta`: `language`, one of",
            LANGUAGE_CODES,
        ),
    ):
        listed = " ".join(f"`{code}`" for code in sorted(codes))
        parts.append(f"\n{title}\n{fill(listed, 79)}.\n")
    return "".join(parts) + "\n"


def combinations_section(complaints: Complaints) -> str:
    """The matrix; a cell that is not in ``complaints`` was not run."""
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in combination_cells():
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
    text = _COMBINATIONS_TEXT.format(total=len(combination_cells()))
    errors = "".join(
        f"- E{number}: `{message}`: {meaning}.\n"
        for number, message, meaning in ERRORS
    )
    last = (
        f"\nFrames of 4 kHz gave E{BAD_RATE[0]} everywhere and are not"
        " counted.\n"
    )
    return f"## Combinations\n\n{text}{_table(head, rows)}\n{errors}{last}\n"


def _verdict(cells: list[Cell], complaints: Complaints) -> str:
    counted = [cell for cell in cells if cell.expected_error != BAD_RATE]
    expected = counted[0].expected_error
    good = str(len(counted)) if expected is None else f"E{expected[0]}"
    return _unless_failed(good, cells, complaints)


def _unless_failed(
    good: str, cells: Sequence[AnyCell], complaints: Complaints
) -> str:
    bad = sum(complaints.get(cell, "not run") != "" for cell in cells)
    return f"**{bad} failed**" if bad else good


def requests_section(complaints: Complaints) -> str:
    """What the service is told for what somebody writes."""
    groups: dict[str, list[RequestCell]] = defaultdict(list)
    for cell in request_cells():
        groups[cell.request].append(cell)

    def count(name: str) -> str:
        cells = groups[name]
        return _unless_failed(str(len(cells)), cells, complaints)

    tags = [
        [
            f"`{name}`" if name in TAG_REQUESTS else name,
            ", ".join(f"`{code}`" for code in request.codes) or "-",
            f"`{request.code}`" if request.code else "-",
            count(name),
        ]
        for name, request in (TAG_REQUESTS | LIST_REQUESTS).items()
    ]
    others = [
        [
            name,
            *(_in_short(request.told(m, "ga", "auto")) for m in MODEL_NAMES),
            count(name),
        ]
        for name, request in OTHER_REQUESTS.items()
    ]
    text = _REQUESTS_TEXT.format(total=len(request_cells()))
    tags_head = ["written", "`languages`", "`language`", "calls"]
    others_head = ["request", *(f"`{name}`" for name in MODEL_NAMES), "calls"]
    return (
        f"## Requests\n\n{text}{_table(tags_head, tags)}\n"
        f"{_OTHERS_TEXT}{_table(others_head, others)}\n"
    )


def _in_short(told: Told) -> str:
    sent = told.transcription
    parts = []
    if "prompt" in sent:
        parts.append(f"prompt {len(sent['prompt'])}")
    if "keywords" in sent:
        parts.append(f"keywords {len(sent['keywords'])}")
    if "delay" in sent:
        parts.append(f"`{sent['delay']}`")
    if told.include:
        parts.append("logprobs")
    noise = told.noise_reduction or {}
    return ", ".join([*parts, *(f"{value}" for value in noise.values())]) or "-"


def changes_section(complaints: Complaints) -> str:
    """How a change of the settings comes about."""
    groups: dict[tuple[str, str], list[UpdateCell]] = defaultdict(list)
    for cell in update_cells():
        groups[cell.change, cell.model].append(cell)
    rows = [
        [change, *(_way(groups[change, m], complaints) for m in MODELS)]
        for change in CHANGES
    ]
    head = ["change", *(f"`{model}`" for model in MODELS)]
    text = _CHANGES_TEXT.format(total=len(update_cells()))
    return f"## Changes during a call\n\n{text}{_table(head, rows)}"


def _way(cells: list[UpdateCell], complaints: Complaints) -> str:
    ways = {
        dialect: "update" if sessions == 1 else "session"
        for dialect, sessions in ((c.server, c.sessions) for c in cells)
    }
    if not ways:
        return "-"
    good = ways["ga"]
    if ways["beta"] != good:
        good += f" (beta: {ways['beta']})"
    return _unless_failed(good, cells, complaints)


def document(complaints: Complaints) -> str:
    """The whole page."""
    return "".join(
        (
            _HEAD,
            models_section(),
            options_section(),
            languages_section(),
            combinations_section(complaints),
            requests_section(complaints),
            changes_section(complaints),
        )
    )

"""docs/compatibility.md, made of the tables in the code.

It says what every call did, so it is written when none has failed.

Its text is compatibility.md in this directory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
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
from .requests import (
    LIST_REQUESTS,
    OTHER_REQUESTS,
    TAG_REQUESTS,
    Told,
    request_cells,
)
from .updates import CHANGES, UpdateCell, update_cells

FILE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_TEMPLATE = Path(__file__).with_name("compatibility.md")
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


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def models_table() -> str:
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
    return _table(head, rows)


def options_table(dialect: Dialect) -> str:
    """What becomes of each option with each model."""
    rows = [
        [shown, *(decide(o, profile_of(n), dialect) for n in MODEL_NAMES)]
        for o, shown in _OPTION_NAMES.items()
    ]
    return _table(["option", *_quoted(MODEL_NAMES)], rows)


def codes_listed(codes: Iterable[str]) -> str:
    """Language codes, in lines."""
    return fill(" ".join(_quoted(sorted(codes))), 79)


def _quoted(names: Iterable[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def _combinations() -> str:
    """The matrix."""
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in combination_cells():
        key = (cell.model, cell.turns, cell.server, cell.protocol)
        groups[key].append(cell)
    rows = [
        [
            f"`{model}`",
            turns,
            *(
                _verdict(groups[model, turns, server, protocol])
                for server, protocol in DIALECTS
            ),
        ]
        for model in MODELS
        for turns in TURNS
    ]
    head = ["model", "turns"]
    head += [f"{server} server, `{protocol}`" for server, protocol in DIALECTS]
    return _table(head, rows)


def _errors() -> str:
    return "\n".join(
        f"- E{number}: `{message}`: {meaning}."
        for number, message, meaning in ERRORS
    )


def _verdict(cells: list[Cell]) -> str:
    counted = [cell for cell in cells if cell.expected_error != BAD_RATE]
    expected = counted[0].expected_error
    return str(len(counted)) if expected is None else f"E{expected[0]}"


def _requests() -> tuple[str, str]:
    """What the service is told for what somebody writes: languages, others."""
    calls = Counter(cell.request for cell in request_cells())
    tags = [
        [
            f"`{name}`" if name in TAG_REQUESTS else name,
            ", ".join(_quoted(request.codes)) or "-",
            f"`{request.code}`" if request.code else "-",
            str(calls[name]),
        ]
        for name, request in (TAG_REQUESTS | LIST_REQUESTS).items()
    ]
    others = [
        [
            name,
            *(_in_short(request.told(m, "ga", "auto")) for m in MODEL_NAMES),
            str(calls[name]),
        ]
        for name, request in OTHER_REQUESTS.items()
    ]
    tags_head = ["written", "`languages`", "`language`", "calls"]
    others_head = ["request", *_quoted(MODEL_NAMES), "calls"]
    return _table(tags_head, tags), _table(others_head, others)


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


def _changes() -> str:
    """How a change of the settings comes about."""
    groups: dict[tuple[str, str], list[UpdateCell]] = defaultdict(list)
    for cell in update_cells():
        groups[cell.change, cell.model].append(cell)
    rows = [
        [change, *(_way(groups[change, m]) for m in MODELS)]
        for change in CHANGES
    ]
    return _table(["change", *_quoted(MODELS)], rows)


def _way(cells: list[UpdateCell]) -> str:
    ways = {
        dialect: "update" if sessions == 1 else "session"
        for dialect, sessions in ((c.server, c.sessions) for c in cells)
    }
    if not ways:
        return "-"
    good = ways["ga"]
    if ways["beta"] != good:
        good += f" (beta: {ways['beta']})"
    return good


def document() -> str:
    """The whole page."""
    tags, others = _requests()
    lists = [
        n for n in MODEL_NAMES if decide("languages", profile_of(n)) == "list"
    ]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        models=models_table(),
        max_prompt=MAX_PROMPT,
        max_keywords=MAX_KEYWORDS,
        max_keyword=MAX_KEYWORD,
        ga_options=options_table("ga"),
        beta_options=options_table("beta"),
        list_models=" and ".join(_quoted(lists)),
        list_codes=codes_listed(LANGUAGES_CODES),
        single_codes=codes_listed(LANGUAGE_CODES),
        combination_calls=len(combination_cells()),
        combinations=_combinations(),
        errors=_errors(),
        bad_rate=BAD_RATE[0],
        request_calls=len(request_cells()),
        tags=tags,
        others=others,
        update_calls=len(update_cells()),
        changes=_changes(),
    )

"""What becomes of an option with a model: one table for code and docs.

A server refuses a whole `session.update` for one field that the model does
not take, one language that it does not know or one character too many; then
nothing is transcribed.  So every option is decided here before anything is
sent.  Sources: see `models` and `languages`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..realtime.settings import (
    MAX_PROMPT,
    Delay,
    Dialect,
    Include,
    KeywordStyle,
    prompt_with,
)
from .languages import service_code
from .models import ModelProfile, ServerTurns

Option = Literal[
    "language",
    "languages",
    "prompt",
    "keywords",
    "delay",
    "noise_reduction",
    "strength",
    "logprobs",
    "server_vad",
    "semantic_vad",
    "local",
    "none",
]
#: ``passed``: goes to the server.  ``list``: goes out as ``languages``.
#: ``first``: the first entry goes out as ``language``.  ``prompt``: appended
#: to the prompt.  ``doubtful``: goes out, with a warning.  ``dropped``: not
#: sent, with a warning.  ``rejected``: a FATAL error before anything is sent.
#: ``here``: done by the extension itself.
Decision = Literal[
    "passed",
    "list",
    "first",
    "prompt",
    "doubtful",
    "dropped",
    "rejected",
    "here",
]

OPTIONS: tuple[Option, ...] = get_args(Option)
#: The longest and the most that anybody has seen the service take.
MAX_KEYWORD = 1024
MAX_KEYWORDS = 16_384
#: Fields of a session, in either dialect.
SESSION_FIELD = re.compile(
    "audio|create_response|delay|eagerness|format|group_id|idle_timeout_ms"
    "|include|input|input_audio_(format|noise_reduction|transcription)"
    "|instructions|interrupt_response|keywords|languages?|model"
    "|noise_reduction|prefix_padding_ms|prompt|rate|silence_duration_ms"
    "|strength|threshold|tracing|transcription|turn_detection|type"
    "|workflow_name"
)
#: What goes on for longer without a blank is cut anywhere.
_LONGEST_WORD = 100
_TURNS: Mapping[ServerTurns, Decision] = {
    "yes": "passed",
    "doubtful": "doubtful",
    "no": "rejected",
}


def decide(
    option: Option, profile: ModelProfile, dialect: Dialect = "ga"
) -> Decision:
    """What becomes of ``option`` with this model in this dialect."""
    ga = dialect == "ga"
    if option in ("language", "languages") and ga and profile.languages:
        return "list"
    if option == "languages":
        return "first"
    if option == "keywords" and not (ga and profile.keywords):
        return "prompt" if profile.prompt else "dropped"
    if option in ("server_vad", "semantic_vad"):
        return _TURNS[profile.server_turns]
    if option in ("local", "none"):
        return "here"
    taken = {
        "prompt": profile.prompt,
        "delay": ga and profile.delay,
        "strength": ga,
        "logprobs": profile.logprobs,
    }
    return "passed" if taken.get(option, True) else "dropped"


def keyword_style(profile: ModelProfile) -> KeywordStyle:
    """How the model's prompt wants to hear of words."""
    if not profile.prompt:
        return ""
    return "list" if profile.family == "whisper-1" else "sentence"


@dataclass
class Request:
    """The options of a transcription request.

    Languages are tags as people write them; `fit` makes codes of them.
    """

    language: str = ""
    languages: Sequence[str] = ()
    prompt: str = ""
    keywords: Sequence[str] = ()
    delay: Delay | Literal[""] = ""
    strength: float | None = None
    include: tuple[Include, ...] = ()


#: What may be left out, and the option that decides on it.
_DROPPABLE: Mapping[str, Option] = {
    "prompt": "prompt",
    "keywords": "keywords",
    "delay": "delay",
    "strength": "strength",
    "include": "logprobs",
}


def fit(request: Request, profile: ModelProfile, dialect: Dialect) -> list[str]:
    """Change ``request`` to what the model takes; returns warnings.

    A warning begins with the option's name.
    """
    name = profile.name
    where = " in the beta dialect" if dialect == "beta" else ""
    reason = f"{name}{where} does not take it"
    told = {
        "strength": f"input_audio_noise_reduction.strength: {reason}",
        "include": f"include: {name} gives no logprobs; dropped",
    }
    request.keywords, warnings = clean_keywords(request.keywords)
    warnings += _fit_prompt(request)
    several = decide("languages", profile, dialect) == "list"
    warnings += _fit_languages(request, name, several=several)
    if decide("keywords", profile, dialect) == "prompt":
        request.prompt, left = prompt_with(
            request.prompt, request.keywords, keyword_style(profile)
        )
        request.keywords = ()
        if left:
            warnings += [f"keywords: no room in the prompt for the last {left}"]
    for field, option in _DROPPABLE.items():
        nothing = getattr(Request, field)
        dropped = decide(option, profile, dialect) == "dropped"
        if dropped and getattr(request, field) != nothing:
            warnings.append(told.get(field, f"{field}: {reason}; dropped"))
            setattr(request, field, nothing)
    return warnings


def _fit_languages(request: Request, model: str, *, several: bool) -> list[str]:
    """Tags become codes, in the one field that the model has for them.

    No hint beats no call: what the service does not take is left out.
    """
    warnings = []
    codes: dict[str, None] = {}
    given = [("language", request.language)] if request.language else []
    given += [("languages", tag) for tag in request.languages]
    for option, tag in given:
        code = service_code(tag, several=several)
        if code is not None:
            codes.setdefault(code)
        else:
            shown = json.dumps(tag[:40], ensure_ascii=False)
            warnings += [f"{option}: {model} does not take {shown}; not sent"]
    first, *others = codes or [""]
    request.language = "" if several else first
    request.languages = tuple(codes) if several else ()
    if others and not several:
        warnings += [f'languages: only one is possible here; "{first}" is sent']
    return warnings


def _fit_prompt(request: Request) -> list[str]:
    prompt = _printable(request.prompt, keep="\n\t").strip()
    request.prompt = _cut(prompt)
    if request.prompt == prompt:
        return []
    return [
        f"prompt: cut from {len(prompt)} to {len(request.prompt)}"
        f" characters; the service takes {MAX_PROMPT}"
    ]


def _cut(text: str) -> str:
    """As much of ``text`` as fits, up to the end of a word where there are
    words: Chinese and Japanese have no blanks between them."""
    if len(text) <= MAX_PROMPT:
        return text
    head = text[:MAX_PROMPT]
    if not text[MAX_PROMPT].isspace():
        blank = max(head.rfind(c) for c in " \n\t")
        if blank >= MAX_PROMPT - _LONGEST_WORD:
            head = head[:blank]
    return head.rstrip()


#: TEN's hotwords may carry a weight, as in ``Agora|10``.
_WEIGHT = re.compile(r"[-+]?[\d.]*")


def clean_keywords(words: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Words as the service takes them: one line, no ``<`` or ``>``, each
    once; one that breaks these rules makes it refuse the whole update."""
    kept: dict[str, None] = {}
    warnings = []
    for given in words:
        name, bar, weight = given.rpartition("|")
        weighed = bar and _WEIGHT.fullmatch(weight.strip())
        word = _printable(name if weighed else given)
        word = " ".join(re.sub("[<>]", " ", word).split())
        if len(word) > MAX_KEYWORD:
            warnings.append(
                f"keywords: one of {len(word)} characters is dropped;"
                f" allowed: {MAX_KEYWORD}"
            )
        elif word:
            kept.setdefault(word)
    if len(kept) > MAX_KEYWORDS:
        left = len(kept) - MAX_KEYWORDS
        warnings.append(f"keywords: the last {left} are dropped")
    return tuple(kept)[:MAX_KEYWORDS], warnings


def _printable(text: str, keep: str = "") -> str:
    """``text`` with control characters, line separators and half surrogates
    as blanks; joiners, which scripts and emoji need, stay."""
    if text.isprintable():
        return text
    breaks = ("Cc", "Cs", "Zl", "Zp")
    return "".join(
        " " if unicodedata.category(c) in breaks and c not in keep else c
        for c in text
    )

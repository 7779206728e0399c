"""What becomes of an option with a model: one table for code and docs.

A server refuses a whole `session.update` for one field that the model does
not take; then nothing is transcribed.  So every option is decided here
before anything is sent.  Sources: see `models`; the limits of length are
ours, OpenAI documents none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .models import ModelProfile
from .settings import Dialect, KeywordStyle, prompt_with

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
#: ``passed``: goes to the server.  ``first``: the first entry goes out as
#: ``language``.  ``prompt``: appended to the prompt.  ``dropped``: not sent,
#: with a warning.  ``rejected``: a FATAL error before anything is sent.
#: ``here``: done by the extension itself.
Decision = Literal["passed", "first", "prompt", "dropped", "rejected", "here"]

OPTIONS: Mapping[Option, str] = {
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
MAX_PROMPT = 8000  # characters
MAX_KEYWORD = 200
MAX_KEYWORDS = 1000


def decide(
    option: Option, profile: ModelProfile, dialect: Dialect = "ga"
) -> Decision:
    """What becomes of ``option`` with this model in this dialect."""
    ga = dialect == "ga"
    if option == "languages":
        return "passed" if ga and profile.languages else "first"
    if option == "keywords":
        if ga and profile.keywords:
            return "passed"
        return "prompt" if profile.prompt else "dropped"
    if option in ("server_vad", "semantic_vad"):
        return "passed" if profile.server_turns else "rejected"
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
    """The options of a transcription request; languages are ISO codes."""

    language: str = ""
    languages: Sequence[str] = ()
    prompt: str = ""
    keywords: Sequence[str] = ()
    delay: str = ""
    strength: float | None = None
    include: Sequence[str] = ()


def fit(request: Request, profile: ModelProfile, dialect: Dialect) -> list[str]:
    """Change ``request`` to what the model takes; returns warnings.

    A warning begins with the option's name.
    """
    warnings = _clean(request)
    name = profile.name
    reason = f"{name} does not take it"
    if dialect == "beta":
        reason = f"{name} in the beta dialect does not take it"
    _fit_languages(request, decide("languages", profile, dialect), warnings)
    if request.prompt and decide("prompt", profile, dialect) == "dropped":
        warnings.append(f"prompt: {reason}; dropped")
        request.prompt = ""
    fate = decide("keywords", profile, dialect)
    if request.keywords and fate == "dropped":
        warnings.append(f"keywords: {reason}; dropped")
        request.keywords = ()
    elif request.keywords and fate == "prompt":
        warnings += _words_into_prompt(request, keyword_style(profile))
    if request.delay and decide("delay", profile, dialect) == "dropped":
        warnings.append(f"delay: {reason}; dropped")
        request.delay = ""
    if (
        request.strength is not None
        and decide("strength", profile, dialect) == "dropped"
    ):
        warnings.append(f"input_audio_noise_reduction.strength: {reason}")
        request.strength = None
    if request.include and decide("logprobs", profile, dialect) == "dropped":
        warnings.append(f"include: {name} gives no logprobs; dropped")
        request.include = ()
    return warnings


def _fit_languages(
    request: Request, fate: Decision, warnings: list[str]
) -> None:
    """``language`` and ``languages`` together are refused: one remains."""
    codes = list(dict.fromkeys(request.languages))
    if not codes:
        return
    if request.language in codes:
        codes.remove(request.language)
    if request.language:
        codes.insert(0, request.language)
    if fate == "passed" and len(codes) > 1:
        request.language, request.languages = "", tuple(codes)
        return
    request.language, request.languages = codes[0], ()
    if len(codes) > 1:
        warnings.append(
            f'languages: only one is possible here; "{codes[0]}" is sent'
        )


def _words_into_prompt(request: Request, style: KeywordStyle) -> list[str]:
    """Append as many words as the prompt has room for."""
    words = list(request.keywords)
    while words:
        longer = prompt_with(request.prompt, words, style)
        if len(longer) <= MAX_PROMPT:
            request.prompt = longer
            break
        words.pop()
    left = len(request.keywords) - len(words)
    request.keywords = ()
    if left:
        return [f"keywords: no room in the prompt for the last {left}"]
    return []


def _clean(request: Request) -> list[str]:
    warnings = []
    words, problems = clean_keywords(request.keywords)
    request.keywords = words
    warnings += problems
    prompt = _printable(request.prompt, keep="\n\t").strip()
    if len(prompt) > MAX_PROMPT:
        prompt = prompt[:MAX_PROMPT].rpartition(" ")[0] or prompt[:MAX_PROMPT]
        warnings.append(f"prompt: cut to {len(prompt)} characters")
    request.prompt = prompt
    return warnings


#: TEN's hotwords may carry a weight, as in ``Agora|10``.
_WEIGHT = re.compile(r"\|\s*[-+]?[\d.]*\s*$")


def clean_keywords(
    words: Iterable[str],
) -> tuple[tuple[str, ...], list[str]]:
    """Words as the service takes them: one line, no ``<`` or ``>``, each
    once; one that breaks these rules makes it refuse the whole update."""
    kept: dict[str, None] = {}
    warnings = []
    for given in words:
        word = _printable(_WEIGHT.sub("", given))
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
    """``text`` with control characters and half surrogates as blanks."""
    return "".join(c if c.isprintable() or c in keep else " " for c in text)

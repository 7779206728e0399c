"""Calls that differ in what they ask for, and what the service is told.

What is expected is written down here a second time, after the service's
documents, and not taken from the extension's own tables: one would not find
the other's mistakes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .cells import MODELS, base_params

LOGPROBS = "item.input_audio_transcription.logprobs"


@dataclass(frozen=True)
class Takes:
    """What a model takes beside one ``language`` and noise reduction.

    ``lists``: `languages`, in place of `language`, and `keywords`.
    ``words``: how words are put into a prompt, "" where there is none.
    """

    lists: bool = False
    words: Literal["", "bare", "sentence"] = "sentence"
    delay: bool = False
    logprobs: bool = False
    server_vad: bool = True


_GPT_4O = Takes(logprobs=True)
TAKES = {
    "gpt-live-transcribe": Takes(lists=True, delay=True, server_vad=False),
    "gpt-transcribe": Takes(lists=True),
    "gpt-realtime-whisper": Takes(words="", delay=True, server_vad=False),
    "gpt-4o-transcribe": _GPT_4O,
    "gpt-4o-mini-transcribe": _GPT_4O,
    "gpt-4o-mini-transcribe-2025-12-15": _GPT_4O,
    "gpt-4o-transcribe-diarize": Takes(words=""),
    "whisper-1": Takes(words="bare"),
    # What an unknown name is taken for.
    "my-deployment": _GPT_4O,
}


@dataclass(frozen=True)
class Told:
    """The settings of an item, without what is not set."""

    transcription: Mapping[str, Any]
    noise_reduction: Mapping[str, Any] | None = None
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What somebody writes (``given``), and what the service can be told.

    ``codes`` where a list is taken, ``code`` elsewhere.  ``room``: how many
    of the keywords a prompt has room for, in a sentence and bare.
    """

    given: Mapping[str, Any]
    codes: tuple[str, ...] = ()
    code: str = ""
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    room: tuple[int, int] = (100, 100)
    delay: str = ""
    noise_reduction: Mapping[str, Any] | None = None
    logprobs: bool = False

    def told(self, model: str, server: str, protocol: str) -> Told:
        """What the service shall work by; ``server`` is its dialect."""
        takes = TAKES[model]
        beta = server == "beta"
        told: dict[str, Any] = {"model": model}
        if takes.lists and not beta:
            told["languages"] = list(self.codes)
            told["keywords"] = list(self.keywords)
        elif takes.lists and protocol == "auto":
            # That it is beta turns out when the server speaks.
            told["language"] = "".join(self.codes[:1]).partition("-")[0]
        else:
            told["language"] = self.code
        if takes.words:
            told["prompt"] = self.prompt
        if takes.words and "keywords" not in told:
            told["prompt"] = self._prompt_with_words(takes.words)
        if takes.delay and not beta:
            told["delay"] = self.delay
        noise = self.noise_reduction
        if noise is not None and beta:
            noise = {"type": noise["type"]}
        include = (LOGPROBS,) if self.logprobs and takes.logprobs else ()
        return Told({k: v for k, v in told.items() if v}, noise, include)

    def _prompt_with_words(self, how: Literal["bare", "sentence"]) -> str:
        room = self.room[how == "bare"]
        words = ", ".join(self.keywords[:room])
        if words and how == "sentence":
            words = f"Keywords: {words}."
        return " ".join(part for part in (self.prompt, words) if part)


def _tag(tag: str, listed: str = "", single: str = "") -> Request:
    return Request({"language": tag}, (listed,) if listed else (), single)


#: A tag as it is written: its code in a list, and alone; "" is not sent.
_TAGS = {
    "en": ("en", "en"),
    "en-US": ("en", "en"),
    "en_US": ("en", "en"),
    "EN-us": ("en", "en"),
    "eng": ("en", "en"),
    "pt-BR": ("pt", "pt"),
    "nb-NO": ("no", "no"),
    "nn": ("no", "no"),
    "iw": ("he", "he"),
    "in": ("id", "id"),
    "fil-PH": ("tl", "tl"),
    "zh": ("zh", "zh"),
    "zh-CN": ("zh-cn", "zh"),
    "zh-TW": ("zh-tw", "zh"),
    "zh_HK": ("zh-hk", "zh"),
    "zh-Hans": ("zh-cn", "zh"),
    "zh-Hant-HK": ("zh-hk", "zh"),
    "cmn": ("cmn", "zh"),
    "yue": ("yue", ""),
    "bn-IN": ("bn", ""),
    "sq": ("", ""),
    "xx": ("", ""),
    "english": ("", ""),
}
TAG_REQUESTS = {tag: _tag(tag, *codes) for tag, codes in _TAGS.items()}
LIST_REQUESTS = {
    "`en-US`, `de_DE`": Request(
        {"languages": ["en-US", "de_DE"]}, ("en", "de"), "en"
    ),
    "`en-US`, `en-GB`": Request({"languages": "en-US, en-GB"}, ("en",), "en"),
    "`zh-TW`, `zh-CN`, `en`": Request(
        {"languages": ["zh-TW", "zh-CN", "en"]}, ("zh-tw", "zh-cn", "en"), "zh"
    ),
    "`sq`, `yue`, `de`": Request(
        {"languages": ["sq", "yue", "de"]}, ("yue", "de"), "de"
    ),
    "`xx`, `english`": Request({"languages": ["xx", "english"]}),
    "`language` `de` with `languages` `en`": Request(
        {"language": "de", "languages": ["en"]}, ("de", "en"), "de"
    ),
}

_LATIN = "word " * 204 + "words"
#: Of 1025 characters the last word does not fit.
_LATIN_CUT = " ".join(["word"] * 204)
_MANY = tuple(f"word{k:05d}" for k in range(16_385))
_WORDS = tuple(f"word{k:03d}" for k in range(300))


def _prompt(given: str, sent: str = "") -> Request:
    return Request({"prompt": given}, prompt=sent or given)


def _words(
    *words: str,
    given: str | list[str] = "",
    prompt: str = "",
    room: tuple[int, int] = (100, 100),
) -> Request:
    written = {"keywords": given or list(words), "prompt": prompt}
    return Request(written, prompt=prompt, keywords=words, room=room)


OTHER_REQUESTS = {
    "prompt of 1023 Latin letters": _prompt(_LATIN[:1023]),
    "prompt of 1024 Latin letters": _prompt(_LATIN[:1024]),
    "prompt of 1025 Latin letters": _prompt(_LATIN, _LATIN_CUT),
    "prompt of 1023 Chinese characters": _prompt("語" * 1023),
    "prompt of 1024 Chinese characters": _prompt("語" * 1024),
    "prompt of 1025 Chinese characters": _prompt("語" * 1025, "語" * 1024),
    "prompt of 1023 emoji": _prompt("🎧" * 1023),
    "prompt of 1024 emoji": _prompt("🎧" * 1024),
    "prompt of 1025 emoji": _prompt("🎧" * 1025, "🎧" * 1024),
    "prompt with `<`, `>` and a line break": _prompt("A <call>.\nIt is long."),
    "3 keywords": _words("TEN", "Agora", "Sagrada Família"),
    "300 keywords": _words(
        *_WORDS,
        # Of 7 characters, with 2 between them, in 1013 and in 1024.
        room=(112, 114),
    ),
    "16385 keywords": _words(*_MANY[:16384], given=list(_MANY), room=(92, 93)),
    "keyword of 1024 letters": _words("x" * 1024, "TEN", room=(0, 1)),
    "keyword of 1025 letters": _words("TEN", given=["x" * 1025, "TEN"]),
    "keywords with a weight, `<`, `>`, a line break, doubled": _words(
        "TEN",
        "Agora",
        "line break",
        given=["TEN|5", "<Agora>", "line\nbreak", "<>", " ", "TEN"],
    ),
    "keywords as a text with `，`, `、` and `;`": _words(
        "TEN", "声网", "通话", "call", given="TEN，声网、通话;call"
    ),
    "hotwords": Request({"hotwords": "TEN|10, RTC"}, keywords=("TEN", "RTC")),
    "keywords with a prompt": _words(
        "TEN", "RTC", given="TEN,RTC", prompt="A call."
    ),
    "keywords with a prompt of 1000 characters": _words(
        "TEN",
        "Agora",
        "RTC",
        "RTM",
        prompt="語" * 1000,
        # 12 characters in a sentence, 23 bare.
        room=(2, 4),
    ),
    "keywords with a prompt of 1024 characters": _words(
        "TEN", prompt="語" * 1024, room=(0, 0)
    ),
    **{
        f"`delay` `{delay}`": Request({"delay": delay}, delay=delay)
        for delay in ("minimal", "low", "medium", "high", "xhigh")
    },
    "logprobs": Request({"include": "logprobs"}, logprobs=True),
    "noise reduction": Request(
        {"input_audio_noise_reduction": {"type": "far_field"}},
        noise_reduction={"type": "far_field"},
    ),
    "noise reduction with a strength": Request(
        {"input_audio_noise_reduction": {"type": "near_field", "strength": 0}},
        noise_reduction={"type": "near_field", "strength": 0},
    ),
}
REQUESTS = {**TAG_REQUESTS, **LIST_REQUESTS, **OTHER_REQUESTS}
#: (the server's dialect, `protocol`)
REQUEST_DIALECTS = (("ga", "auto"), ("beta", "auto"), ("beta", "beta"))


@dataclass(frozen=True)
class RequestCell:
    """One request with one model."""

    model: str
    request: str
    server: str
    protocol: str

    @property
    def told(self) -> Told:
        """What the service shall work by."""
        request = REQUESTS[self.request]
        return request.told(self.model, self.server, self.protocol)

    def properties(self, url: str, name: str) -> dict[str, Any]:
        """The node property; the server finds ``name`` in the query."""
        params = base_params(self.model, self.protocol, url, name)
        return {"params": {**params, **REQUESTS[self.request].given}}

    @property
    def warned(self) -> list[str]:
        """The parameters that a warning must name: of these the service is
        told nothing, or not all."""
        if (self.server, self.protocol) == ("beta", "auto"):
            # The warnings come before the server speaks.
            return []
        request, told = REQUESTS[self.request], self.told
        sent = told.transcription
        prompt = sent.get("prompt", "")
        words = set(sent.get("keywords", ())) or prompt
        whole = {
            "language": "language" in sent or "languages" in sent,
            "languages": "language" in sent or "languages" in sent,
            "prompt": request.given.get("prompt", "") in prompt,
            "keywords": all(word in words for word in request.keywords),
            "hotwords": all(word in words for word in request.keywords),
            "delay": "delay" in sent,
            "include": LOGPROBS in told.include,
        }
        names = [n for n in request.given if not whole.get(n, True)]
        if told.noise_reduction != request.noise_reduction:
            names.append("input_audio_noise_reduction.strength")
        return names


def request_cells() -> list[RequestCell]:
    """All of them."""
    return [
        RequestCell(model, request, *dialect)
        for model, request, dialect in itertools.product(
            MODELS, REQUESTS, REQUEST_DIALECTS
        )
    ]

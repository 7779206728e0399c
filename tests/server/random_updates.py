"""Random session updates and user configurations, the same for a seed.

Written from the fact sheet and the README alone.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
NEW_MODELS = ("gpt-live-transcribe", "gpt-transcribe")
LIVE_MODELS = ("gpt-live-transcribe", "gpt-realtime-whisper")
NO_PROMPT = ("gpt-realtime-whisper", "gpt-4o-transcribe-diarize")
MODELS = (
    *NEW_MODELS, "gpt-realtime-whisper", "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize", "whisper-1",
)  # fmt: skip
LOGPROBS = "item.input_audio_transcription.logprobs"
DELAYS = ("minimal", "low", "medium", "high", "xhigh")
_COMMON = "en de fr es pt ja ko zh ar ru no uk vi tr he tl sv nl it hi"
_NEW_ONLY = "bn yue ka gu ml te eng spa cmn zh-cn zh-tw zh-hk"
COMMON, NEW_ONLY = _COMMON.split(), _NEW_ONLY.split()
_REFUSED = (
    "nn sq am eu mn km lo my pa si uz so ha yo mt la xx nb-NO en-US en_US EN "
    "zh-Hant-TW zh-TW iw english deu zh_tw"
)
REFUSED = [*_REFUSED.split(), "", " en", "en "]
LENGTHS = (0, 1, 60, 512, 1022, 1023, 1024, 1025, 1026, 1500, 2048, 3000)
SCRIPTS = (
    ("TEN ", "Agora ", "a voice call, ", "<b>", "line\n"),
    ("声網の会議。", "实时转写", "繁體中文、", "안녕 "),
    ("👍🏽", "👨‍👩‍👧 ", "🙂", "e\u0301"),
    ("word " * 40,), ("x" * 97,), ("字" * 61,),
)  # fmt: skip
WORDS = (
    "Agora", "TEN Framework", "Zürich", "声网", "실시간", "C++", "AT&T",
    "O'Neill", "x" * 300, "naïve", "🙂", "gpt-live-transcribe", "q=1",
)  # fmt: skip
BAD_WORDS = ("a<b", "x>y", "two\nlines", "cr\rhere", "<b>bold</b>")


def a_text(rng: random.Random, length: int | None = None) -> str:
    """A text of some length in code points, of one or more scripts."""
    length = rng.choice(LENGTHS) if length is None else length
    pieces = rng.choice(SCRIPTS) + rng.choice(SCRIPTS)
    text = ""
    while len(text) < length:
        text += rng.choice(pieces)
    return text[:length]


def some(rng: random.Random, values: Any, most: int = 3) -> list[Any]:
    return [rng.choice(values) for _ in range(rng.randint(1, most))]


# ---- session updates ---------------------------------------------------


def a_transcription(rng: random.Random, model: str) -> Json:
    """What the model takes."""
    new = model in NEW_MODELS
    settings: Json = {"model": model}
    if new and rng.random() < 0.6:
        settings["languages"] = some(rng, COMMON + NEW_ONLY)
    if not new and rng.random() < 0.6:
        settings["language"] = rng.choice(COMMON)
    if model not in NO_PROMPT and rng.random() < 0.5:
        short = [length for length in LENGTHS if length <= 1024]
        settings["prompt"] = a_text(rng, rng.choice(short))
    if new and rng.random() < 0.5:
        settings["keywords"] = rng.choice([[], some(rng, WORDS, 5)])
    if model in LIVE_MODELS and rng.random() < 0.4:
        settings["delay"] = rng.choice(DELAYS)
    return settings


def turns(rng: random.Random) -> Json:
    vad: Json = {"type": rng.choice(("server_vad", "semantic_vad"))}
    if vad["type"] == "semantic_vad":
        if rng.random() < 0.5:
            vad["eagerness"] = rng.choice(("low", "medium", "high", "auto"))
        return vad
    for name, values in (
        ("threshold", (0, 0.3, 0.5, 1, 1.0)),
        ("prefix_padding_ms", (0, 200, 300)),
        ("silence_duration_ms", (200, 500, 1500)),
        ("idle_timeout_ms", (None, 5000, 30000)),
    ):
        if rng.random() < 0.4:
            vad[name] = rng.choice(values)
    return vad


def a_valid_update(rng: random.Random, model: str) -> Json:
    live = model in LIVE_MODELS
    audio: Json = {}
    if rng.random() < 0.5:
        audio["format"] = rng.choice((
            {"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcm"},
            {"type": "audio/pcmu"}, {"type": "audio/pcma"},
        ))  # fmt: skip
    if rng.random() < 0.9:
        audio["transcription"] = a_transcription(rng, model)
    if rng.random() < (0.9 if live else 0.7):
        off = live or rng.random() < 0.4
        audio["turn_detection"] = None if off else turns(rng)
    if rng.random() < 0.5:
        audio["noise_reduction"] = rng.choice((
            None, {"type": "near_field"}, {"type": "far_field"},
            {"type": "far_field", "strength": 0.4},
        ))  # fmt: skip
    session: Json = {"type": "transcription"}
    if audio or rng.random() < 0.8:
        session["audio"] = {"input": audio}
    if rng.random() < 0.4:
        include = [None, []] if live else [None, [], [LOGPROBS]]
        session["include"] = rng.choice(include)
    return session


# A place in a session, and what to put there.
FAULTS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("type", ("realtime", "translation", None, "DELETE")),
    ("model", ("gpt-5",)),
    ("include", (["logprobs"], "logprobs", [LOGPROBS, "x"], [LOGPROBS])),
    ("audio", (None, [], "pcm16")),
    ("audio.input", (None, {"rate": 24000})),
    ("audio.output", ({},)),
    ("audio.input.format", (
        {"type": "audio/pcm", "rate": 16000}, None, "pcm16", {"rate": 24000},
        {"type": "audio/pcm", "rate": 48000}, {"type": "audio/opus"},
        {"type": "audio/pcm", "rate": "24000"},
        {"type": "audio/pcm", "rate": 23999},
        {"type": "audio/pcm", "rate": True},
        {"type": "audio/pcmu", "rate": 8000},
    )),
    ("audio.input.noise_reduction", (
        {"type": "mid_field"}, {"strength": 0.5}, "near_field", {},
        {"type": "near_field", "strength": "1"},
        {"type": "near_field", "level": 2}, False,
    )),
    ("audio.input.turn_detection", (
        {"type": "server_vad"}, {"type": "none"}, {}, {"threshold": 0.5},
        {"type": "server_vad", "threshold": 1.5}, "server_vad",
        {"type": "server_vad", "threshold": -0.1},
        {"type": "server_vad", "silence_duration_ms": -1},
        {"type": "server_vad", "silence_duration_ms": 200.5},
        {"type": "server_vad", "idle_timeout_ms": 100},
        {"type": "server_vad", "idle_timeout_ms": 30001},
        {"type": "server_vad", "eagerness": "low"},
        {"type": "server_vad", "create_response": False},
        {"type": "semantic_vad", "eagerness": "xhigh"},
        {"type": "semantic_vad", "threshold": 0.5}, {"type": "local"},
    )),
    ("audio.input.turns", ({},)),
    ("audio.input.transcription", (None, {}, "whisper-1", [])),
    ("audio.input.transcription.model", (
        "DELETE", None, "", "gpt-4o", 7, "GPT-TRANSCRIBE",
    )),
    ("audio.input.transcription.language", (
        None, "", "de", "yue", "bn", "zh-tw", ["en"], *REFUSED,
    )),
    ("audio.input.transcription.languages", (
        None, [], ["en"], ["yue"], "en", ["en", None], [["en"]], ["en", "xx"],
        *([code] for code in REFUSED),
    )),
    ("audio.input.transcription.prompt", (
        None, "", "ok", 5, ["a"], "x" * 1024, "x" * 1025, "字" * 1025,
        "🙂" * 1024, "🙂" * 1025, "word " * 600,
    )),
    ("audio.input.transcription.keywords", (
        None, [], ["ok"], "a, b", [1], [""], [" "], ["ok", None],
        *(["ok", word] for word in BAD_WORDS),
    )),
    ("audio.input.transcription.delay", (
        None, "", "low", "XHIGH", "none", 3,
    )),
    ("audio.input.transcription.hotwords", (["a"],)),
    ("audio.input.transcription.temperature", (0,)),
    ("input_audio_format", ("pcm16",)),
    ("id", ("sess_1",)),
)  # fmt: skip


def with_fault(rng: random.Random, session: Json) -> Json:
    """The session with one place changed, most often for the worse."""
    place, values = rng.choice(FAULTS)
    if rng.random() < 0.5:  # most of the rules are here
        inner = [one for one in FAULTS if ".transcription." in one[0]]
        place, values = rng.choice(inner)
    session = copy.deepcopy(session)
    *outer, last = place.split(".")
    at = session
    for name in outer:
        if not isinstance(at.get(name), dict):
            at[name] = {}
            if name == "transcription":
                at[name]["model"] = rng.choice(MODELS)
        at = at[name]
    value = rng.choice(values)
    if value == "DELETE":
        at.pop(last, None)
    else:
        at[last] = copy.deepcopy(value)
    return session


def raw_updates(seed: int, count: int = 240) -> Iterator[list[Any]]:
    """Sequences of 1 to 4 `session` objects of `session.update` events."""
    rng = random.Random(seed)
    for _ in range(count):
        model = rng.choice(MODELS)
        sequence: list[Any] = []
        for _ in range(rng.randint(1, 4)):
            if rng.random() < 0.12:  # with what the old model leaves behind
                model = rng.choice(MODELS)
            session = a_valid_update(rng, model)
            if rng.random() < 0.45:
                session = with_fault(rng, session)
            sequence.append(session)
        if rng.random() < 0.03:
            sequence.append(rng.choice((None, [], "x", {}, 5)))
            del sequence[:-4]
        yield sequence


# ---- user configurations -----------------------------------------------

_TAGS = (
    "en de fr es ja ko pt zh ar ru en_US en-US en-us EN En-gb zh-Hant-TW "
    "zh-Hans zh-Hans-CN zh-CN zh_TW zh-TW zh-HK zh-Hant zh-MO zh-SG zh iw in "
    "jw ji mo tl fil sh nb nb-NO nn nn_NO no no-NO pt-BR pt_PT es-419 cmn "
    "cmn-Hans-CN yue yue-HK zh-yue eng spa deu ger fra bn bn-IN ka gu te ml "
    "sr-Latn-RS sr-Cyrl ca-ES gl eu sq xx xx-YY mt la am km mi cy de-CH-1996 "
    "en-GB-oed i-klingon x-private art-lojban und mul english German a 123 "
    "en-US-x-twain"
)
TAGS = [
    *_TAGS.split(), "", " en ", "zh Hant", "中文", "日本語", "auto", "en,de"
]  # fmt: skip
_LIKELY_TAGS = (
    "en en-US en_US de-DE fr-FR es-MX pt-BR ja-JP ko-KR zh-CN zh-TW nb-NO "
    "yue cmn iw he-IL zh-Hant-TW no sv-SE hi-IN"
)
LIKELY_TAGS = _LIKELY_TAGS.split()
HOTWORDS = (*WORDS, *BAD_WORDS, "Agora|10", "TEN|2.5", "", " ", "a|b", "Agora")
TEXTS_OF_WORDS = (
    "Agora, TEN, Zürich", "Agora|10,TEN|5", "声网，实时、转写", "a;b; c",
    "a<b, x>y", "one\ntwo, three", "  ,, ;", "", "Agora",
    ", ".join(f"word{index}" for index in range(400)),
)  # fmt: skip
USER_MODELS = (
    *MODELS, *MODELS, *NEW_MODELS, *NEW_MODELS, "gpt-4o-transcribe-2025-03-20",
    "gpt-live-transcribe-2026-10-01", "my-deployment", "GPT-Transcribe",
)  # fmt: skip
USER_TURNS: tuple[Any, ...] = (
    None, {}, {"type": "local"}, {"type": "local", "silence": "skip"},
    {"type": "none"}, {"enabled": False}, {"enabled": True},
    {"enabled": "false"}, {"type": "server_vad"},
    {"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 400},
    {"type": "server_vad", "prefix_padding_ms": "250"},
    {"type": "server_vad", "threshold": 1.2}, {"type": "semantic_vad"},
    {"type": "semantic_vad", "eagerness": "high"}, {"type": "vad"},
    {"type": "semantic_vad", "threshold": 0.5},
)  # fmt: skip
USER_NOISE: tuple[Any, ...] = (
    None, {"type": "near_field"}, {"type": "far_field", "strength": 0.5},
    {"enabled": False}, {"enabled": True}, {"type": "near_field",
    "strength": "1"}, {"type": "near_field", "strength": 3}, {"type": "off"},
)  # fmt: skip
USER_INCLUDE: tuple[Any, ...] = (
    [], "logprobs", [LOGPROBS], ["logprobs"], "", ["x"],
)  # fmt: skip


def user_languages(rng: random.Random) -> Json:
    tags = LIKELY_TAGS if rng.random() < 0.6 else TAGS
    kind = rng.random()
    if kind < 0.45:
        return {"language": rng.choice(tags)}
    if kind < 0.75:
        return {"languages": some(rng, tags, 4)}
    if kind < 0.82:
        return {"languages": ",".join(some(rng, LIKELY_TAGS))}
    if kind < 0.87:
        return {"language": rng.choice(tags), "languages": some(rng, tags)}
    return rng.choice(({}, {}, {"languages": []}, {"language": ""}))


def a_user_config(rng: random.Random) -> Json:
    nested = user_languages(rng)
    if rng.random() < 0.9:
        nested["model"] = rng.choice(USER_MODELS)
    if nested.get("model") == "my-deployment" and rng.random() < 0.8:
        nested["family"] = rng.choice(MODELS)
    if rng.random() < 0.55:
        nested["prompt"] = a_text(rng)
    if rng.random() < 0.5:
        name = rng.choice(("keywords", "hotwords"))
        nested[name] = rng.choice((
            some(rng, WORDS, 6), some(rng, HOTWORDS, 12),
            rng.choice(TEXTS_OF_WORDS), [a_text(rng, 90) for _ in range(30)],
        ))  # fmt: skip
    if rng.random() < 0.35:
        nested["delay"] = rng.choice((*DELAYS, *DELAYS, "", "fast", "LOW"))
    flat = rng.random() < 0.3  # the same keys are accepted flat
    params: Json = nested if flat else {"input_audio_transcription": nested}
    for name, values, often in (
        ("turn_detection", USER_TURNS, 0.6),
        ("input_audio_noise_reduction", USER_NOISE, 0.4),
        ("input_audio_format", ("pcm16", "g711_ulaw", "g711_alaw"), 0.5),
        ("include", USER_INCLUDE, 0.3),
    ):
        if rng.random() < often:
            params[name] = copy.deepcopy(rng.choice(values))
    if rng.random() < 0.03:
        params["input_audio_format"] = "opus"
    return params


def user_configs(seed: int, count: int = 240) -> Iterator[Json]:
    """`params` of the extension, without `api_key` and the server's URL."""
    rng = random.Random(seed)
    for _ in range(count):
        yield a_user_config(rng)

"""What a request asks for: the fields of its form, checked for its model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..checks import input_checks
from ..errors import (
    ApiError,
    invalid_type,
    invalid_value,
    unknown_parameter,
    unsupported_value,
)
from ..models import ModelNames, ModelProfile
from ..rules import Rule, Rules
from ..schema import Json, a_number, an_object, one_of
from ..settings import DEFAULT_SERVER_VAD
from ..transcription import merged_transcription

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_LISTS = ("include", "keywords", "languages", "timestamp_granularities")
_TEXTS = (
    "model",
    "language",
    "prompt",
    "response_format",
    "stream",
    "temperature",
    "chunking_strategy",
)
# Nobody's voice is known here.
_SPEAKERS = ("known_speaker_names", "known_speaker_references")
# What this server takes for a pause where nobody says it: shorter ones cut
# sentences, which a recogniser hears best as a whole.
_PAUSE_MS = 500
_REALTIME_PATH = "session.audio.input.transcription."


@dataclass(frozen=True, slots=True)
class Parameters:
    """``detector``: a server_vad object. ``loudness``: bring speech to one
    level before it is looked for."""

    model: str
    profile: ModelProfile
    transcription: Json
    response_format: str
    stream: bool
    logprobs: bool
    detector: Json
    loudness: bool
    chunked: bool  # the client asked for it
    granularities: tuple[str, ...]

    @property
    def language(self) -> str | None:
        return self.transcription.get("language")


def parameters_of(
    fields: dict[str, list[str]], rules: Rules, models: ModelNames
) -> Parameters:
    """Raises ApiError for the first fault."""
    texts, lists, chunking = _sorted(fields, rules)
    transcription, profile = _transcription(texts, lists, rules, models)
    model = str(transcription["model"])
    options = Rule.MODEL_OPTIONS in rules
    kind = one_of(*FORMATS)(texts.get("response_format", "json"), _FORMAT)
    if options and kind not in profile.formats:
        raise _wrong_format(kind, model, profile)
    _check_temperature(texts, rules)
    _check_times(lists.get("timestamp_granularities", []), kind)
    logprobs = bool(lists.get("include"))
    for name in lists.get("include", []):
        one_of("logprobs")(name, "include")
    if logprobs and not (profile.logprobs and kind == "json"):
        if options:
            raise invalid_value(
                "include",
                "logprobs only works with response_format set to json and "
                "only with the models gpt-4o-transcribe and "
                "gpt-4o-mini-transcribe.",
            )
        logprobs = False
    stream = texts.get("stream", "false")
    if stream.lower() not in ("true", "false"):
        raise invalid_type("stream", "a boolean", stream)
    detector = None if chunking == "auto" else chunking
    return Parameters(
        model=model,
        profile=profile,
        transcription=transcription,
        response_format=kind,
        # The service ignores it with whisper-1, as documented.
        stream=stream.lower() == "true" and profile.sse,
        logprobs=logprobs,
        detector={
            **DEFAULT_SERVER_VAD,
            **(detector or {"silence_duration_ms": _PAUSE_MS}),
        },
        loudness=detector is None,
        chunked=chunking is not None,
        granularities=tuple(lists.get("timestamp_granularities", ())),
    )


_FORMAT = "response_format"


def _sorted(
    fields: dict[str, list[str]], rules: Rules
) -> tuple[dict[str, str], dict[str, list[str]], Any]:
    """Texts, lists, and the chunking strategy; "" counts as not given."""
    texts: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    chunking: Json = {}
    for name, values in fields.items():
        part = re.fullmatch(r"chunking_strategy\[(\w+)\]", name)
        if part:
            chunking[part[1]] = _number_or_text(values[-1])
        elif name in _LISTS:
            lists[name] = [value for value in values if value]
        elif name in _TEXTS:
            if values[-1]:
                texts[name] = values[-1]
        elif name in _SPEAKERS:
            raise invalid_value(
                name, f"'{name}': this server knows no speakers."
            )
        elif Rule.UNKNOWN_FIELDS in rules:
            raise unknown_parameter(name)
    return texts, lists, _chunking(chunking, texts, rules)


def _chunking(given: Json, texts: dict[str, str], rules: Rules) -> Any:
    strategy: Any = given or texts.get("chunking_strategy")
    if strategy in (None, "auto"):
        return strategy
    path = "chunking_strategy"
    if isinstance(strategy, str):
        try:
            strategy = _json(strategy)
        except ValueError:
            raise unsupported_value(
                path, strategy, ("auto", "server_vad")
            ) from None
    shape = partial(an_object, closed=Rule.UNKNOWN_FIELDS in rules)
    shape({"type": one_of("server_vad")}, ["type"], closed=False)(
        strategy, path
    )
    checked: Json = input_checks(rules)["turn_detection"](strategy, path)
    return checked


def _json(text: str) -> Any:
    """Raises ValueError, also for NaN and for what is nested too deeply."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _number_or_text(text: str) -> Any:
    try:
        value = _json(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def _transcription(
    texts: dict[str, str],
    lists: dict[str, list[str]],
    rules: Rules,
    models: ModelNames,
) -> tuple[Json, ModelProfile]:
    model = texts.get("model")
    if model is None:
        # The service's own words.
        raise ApiError("you must provide a model parameter")
    profile = models.profile(model)
    known = model in models or Rule.MODEL_NAMES not in rules
    if known and not profile.formats and Rule.MODEL_OPTIONS in rules:
        raise ApiError(
            f"The model '{model}' is not supported in the "
            "v1/audio/transcriptions endpoint.",
            "invalid_value",
            "model",
        )
    given: Json = {
        name: texts[name]
        for name in ("model", "language", "prompt")
        if name in texts
    }
    given |= {n: lists[n] for n in ("keywords", "languages") if lists.get(n)}
    if profile.hints:
        given.pop("language", None)  # ignored silently (measured 2026-07)
    try:
        merged = merged_transcription(None, given, rules, models)
    except ApiError as error:
        error.param = (error.param or "").removeprefix(_REALTIME_PATH)
        raise
    return merged or {}, profile


def _wrong_format(kind: str, model: str, profile: ModelProfile) -> ApiError:
    names = [f"'{name}'" for name in profile.formats]
    listing = ", ".join(names[:-1]) + f" or {names[-1]}"
    # Recorded by many, state of 2026.
    return ApiError(
        f"response_format '{kind}' is not compatible with model '{model}'. "
        f"Use {listing} instead.",
        "unsupported_value",
        _FORMAT,
    )


def _check_temperature(texts: dict[str, str], rules: Rules) -> None:
    """It is accepted and without effect: the engines do not guess."""
    text = texts.get("temperature", "0")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value:
        raise invalid_type("temperature", "a decimal", text)
    clamped = Rule.RANGES not in rules
    a_number(0, 1, clamped=clamped)(value, "temperature")


def _check_times(granularities: list[str], kind: str) -> None:
    for name in granularities:
        one_of("word", "segment")(name, "timestamp_granularities")
    if "word" in granularities and kind != "verbose_json":
        raise invalid_value(
            "timestamp_granularities",
            "timestamp_granularities 'word' needs response_format "
            "'verbose_json'.",
        )


def no_word_times() -> ApiError:
    """For an engine that knows none."""
    return invalid_value(
        "timestamp_granularities",
        "This server's engine knows no times of words; use 'segment'.",
    )

"""The transcription object: how an update merges, and the model's rules."""

from __future__ import annotations

import re

from .errors import CLOSE_MODEL_NOT_FOUND, ApiError, bad_keywords, invalid_value
from .languages import LISTED, SINGLE
from .models import ModelNames, ModelProfile
from .rules import Rule, Rules
from .schema import Json

_PATH = "session.audio.input.transcription"


def merged_transcription(
    old: Json | None, change: Json | None, rules: Rules, models: ModelNames
) -> Json | None:
    """The object after an update of checked shape.

    Raises ApiError if the model does not take the result: what the update
    left out and is kept counts as well. The service's own verdict on a kept
    field was never recorded. Refusal is the strict guess: had it been
    dropped, a client would not know.
    """
    if change is None:
        return None
    new = _kept(old or {}, change, rules)
    for name, value in change.items():
        # null in a text is "not given", as in the echo of a session. A
        # language cannot be cleared: "" is a code like another, a bad one.
        if name in ("keywords", "prompt", "languages") and value in ("", []):
            new.pop(name, None)
        elif value is not None:
            new[name] = value
        elif name == "languages":  # with languages-kept lenient
            new.pop(name, None)
    _check_name(new, rules, models)
    profile = models.profile(new.get("model", ""))
    # "" and [] for what the model does not take: strict again.
    present = {n for n, value in change.items() if value is not None}
    _check_options(new.keys() | present, profile, rules)
    if Rule.LANGUAGE_LIST in rules:
        _check_languages(new, profile)
    if Rule.KEYWORD_CHARACTERS in rules:
        for keyword in new.get("keywords", []):
            if not keyword.strip() or re.search(r"[<>\r\n]", keyword):
                raise bad_keywords(f"{_PATH}.keywords")
    return new


def _kept(old: Json, change: Json, rules: Rules) -> Json:
    if Rule.DEEP_MERGE in rules:
        return dict(old)
    kept = {"model", "language"}
    if change.get("languages"):
        kept.remove("language")
    return {name: old[name] for name in kept & old.keys()}


def _check_name(new: Json, rules: Rules, models: ModelNames) -> None:
    if Rule.MODEL_NAMES not in rules or "model" not in new:
        return
    if new["model"] not in models:
        raise ApiError(
            f"The model '{new['model']}' does not exist or you do not have "
            "access to it.",
            "model_not_found",
            f"{_PATH}.model",
            close=CLOSE_MODEL_NOT_FOUND,
        )


def _check_options(
    names: set[str], profile: ModelProfile, rules: Rules
) -> None:
    for name, allowed in (
        ("languages", profile.hints),
        ("keywords", profile.hints),
        ("prompt", profile.prompt),
        ("delay", profile.delay),
    ):
        if name in names and not allowed and Rule.MODEL_OPTIONS in rules:
            raise _not_supported(name)
    if {"language", "languages"} <= names and Rule.BOTH_LANGUAGES in rules:
        raise invalid_value(
            f"{_PATH}.languages",
            "Only one of 'language' and 'languages' may be set.",
        )
    # Documented for these models: "instead of". Over HTTP `language` is
    # ignored silently; a WebSocket's answer nobody has published.
    if (
        "language" in names
        and profile.hints
        and Rule.SINGULAR_LANGUAGE in rules
    ):
        raise _not_supported("language")


def _not_supported(name: str) -> ApiError:
    # Ours, after the recorded one about turn detection.
    return invalid_value(
        f"{_PATH}.{name}",
        f"The '{name}' parameter is not supported for this transcription "
        "model.",
    )


def _check_languages(new: Json, profile: ModelProfile) -> None:
    taken = LISTED if profile.hints else SINGLE
    codes = [
        (f"{_PATH}.languages[{number}]", code)
        for number, code in enumerate(new.get("languages", []))
    ]
    if "language" in new:
        codes.append((f"{_PATH}.language", new["language"]))
    for path, code in codes:
        if code in taken:
            continue
        # That the update is refused is documented; the texts are ours.
        if not re.fullmatch(r"[a-z]{2,3}(-[a-z]{2})?", code):
            raise invalid_value(
                path,
                f"Invalid language '{code}'. Language parameter must be "
                "specified in ISO-639-1 format.",
            )
        raise invalid_value(
            path,
            f"Language '{code}' is not supported for this transcription model.",
        )

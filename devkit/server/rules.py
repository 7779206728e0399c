"""The strictnesses of the service by name, each with its own switch.

The server keeps to every rule unless it is told to be lenient about it; so a
test can name what it relies on.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Rule(Enum):
    """Name, what the service does, and what a lenient server does."""

    URL_MODEL = (
        "url-model",
        "a transcription session has intent=transcription and no model in "
        "its URL",
        "any or none of both opens one",
    )
    BETA_HEADER = (
        "beta-header",
        "OpenAI-Beta: realtime=v1 is refused",
        "it is ignored",
    )
    JSON_TEXT = (
        "json-text",
        "binary messages and what is no JSON object are answered by an error",
        "they are ignored",
    )
    EVENT_TYPES = (
        "event-types",
        "events of unknown types are answered by an error",
        "they are ignored",
    )
    UNKNOWN_FIELDS = (
        "unknown-fields",
        "an unknown field of an event or a session refuses the whole of it",
        "it is ignored",
    )
    APPEND_SIZE = (
        "append-size",
        "an append has at most 15 MiB of audio",
        "up to the size of a message",
    )
    COMMIT_MINIMUM = (
        "commit-minimum",
        "a commit needs 100 ms of audio",
        "any audio will do",
    )
    SESSION_TYPE = (
        "session-type",
        "session.type must be transcription",
        "it is not looked at",
    )
    PCM_RATE = ("pcm-rate", "audio/pcm has 24000 Hz", "8000 to 48000 Hz")
    RANGES = (
        "ranges",
        "numbers out of their range are refused",
        "the nearest number allowed is taken",
    )
    MODEL_REQUIRED = (
        "model-required",
        "a transcription object names its model, also if one was set before",
        "the model set before stays",
    )
    MODEL_NAMES = (
        "model-names",
        "an unknown model is an error and CLOSE 4004",
        "any name is taken",
    )
    MODEL_OPTIONS = (
        "model-options",
        "languages, keywords, prompt, delay and, over HTTP, response_format "
        "and include are refused with models that do not take them",
        "they are without effect there, and any format is made for any model",
    )
    MODEL_VAD = (
        "model-vad",
        "turn_detection is refused with the streaming models",
        "it works with all",
    )
    SINGULAR_LANGUAGE = (
        "singular-language",
        "language is refused with the models that take languages",
        "it is taken",
    )
    BOTH_LANGUAGES = (
        "both-languages",
        "language and languages together are refused",
        "they are taken",
    )
    LANGUAGE_LIST = (
        "language-list",
        "a language that is not in the model's list refuses the update",
        "any code is taken",
    )
    LANGUAGES_KEPT = (
        "languages-kept",
        "languages can be replaced only: [] and null refuse the update",
        "both clear it",
    )
    PROMPT_LENGTH = (
        "prompt-length",
        "a prompt has at most 1024 characters",
        "any length",
    )
    KEYWORD_CHARACTERS = (
        "keyword-characters",
        "a keyword that is blank or contains <, >, CR or LF refuses the update",
        "any keyword is taken",
    )
    DEEP_MERGE = (
        "deep-merge",
        'an update changes only the fields it has, at every level; "" clears '
        "a prompt, [] keywords, null an object; include and delay stay",
        "a transcription object replaces the former one but for its language, "
        "include is replaced",
    )
    NEXT_TURN = (
        "next-turn",
        "an update binds at the next turn, the one whose audio has begun goes "
        "on as it was",
        "it binds at once",
    )
    PARTIAL_ECHO = (
        "partial-echo",
        "session.updated shows neither keywords nor delay",
        "it shows both",
    )

    def __init__(self, label: str, strict: str, lenient: str) -> None:
        self.label = label
        self.strict = strict
        self.lenient = lenient


# The rules in force.
Rules = frozenset[Rule]
STRICT: Rules = frozenset(Rule)
_BY_LABEL = {rule.label: rule for rule in Rule}


def rules_without(lenient: Iterable[str]) -> Rules:
    """All rules but those named; ``all`` names all.

    Raises ValueError that lists the names.
    """
    in_force = set(Rule)
    for label in lenient:
        if label == "all":
            return frozenset()
        if label not in _BY_LABEL:
            raise ValueError(
                f"unknown rule {label!r}: one of all, {', '.join(_BY_LABEL)}"
            )
        in_force.discard(_BY_LABEL[label])
    return frozenset(in_force)

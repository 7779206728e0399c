"""Is the configuration valid, and what does it come to?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ten_packages.extension.openai_asr_python.call.update_queue import reason
from ten_packages.extension.openai_asr_python.config import (
    FALLBACK,
    SECTIONS,
    ConfigError,
    FallbackConfig,
    OpenAIASRConfig,
)
from ten_packages.extension.openai_asr_python.contract.lifecycle import (
    read_properties,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

from .advice import after_config_error, after_warning
from .checks import Check
from .origins import Given

#: Of a value on display, in characters.
_LONGEST = 60
#: The properties that TEN's ASR interface declares (asr-interface.json of
#: ten_ai_base 0.7).
_DECLARED: Mapping[str, tuple[type, str]] = {
    "auto_connect": (bool, "true or false"),
    "dump": (bool, "true or false"),
    "dump_path": (str, "a text"),
    "headers": (dict, "an object"),
    "url": (str, "a text"),
}
_DEFAULT = "default"
_NOT_SET = "-"
#: The others only where they are not given.
_ALWAYS_DERIVED = ("turn_detection.type", "max_turn_ms")


@dataclass(frozen=True)
class Field:
    """One setting: its effective value, and where that comes from."""

    name: str
    value: Any
    origin: str

    def __str__(self) -> str:
        shown = json.dumps(self.value, ensure_ascii=False)
        if isinstance(self.value, str):
            shown = self.value or _NOT_SET
        if len(shown) > _LONGEST:
            shown = f"{shown[:_LONGEST]}…"
        return f"{self.name} = {shown} ({self.origin})"


def load(
    given: Given, redactor: Redactor
) -> tuple[OpenAIASRConfig | None, list[Check]]:
    """The configuration, as the extension itself loads it, or None; and what
    there is to say of it."""
    try:
        text = json.dumps(given.properties)
        properties = read_properties("properties", (text, None), redactor)
        config, warnings = load_config(properties)
        config.session_settings()
    except Exception as problem:
        field = problem.field if isinstance(problem, ConfigError) else ""
        text = reason(problem)
        step = after_config_error(text, given.node.where)
        check = Check("properties", "failed", text, step, data={"field": field})
        return None, [check]
    checks = [
        Check(field, "warning", said, after_warning(field, said))
        for field, _, said in (w.partition(": ") for w in warnings)
    ]
    return config, [
        _valid(config, given, redactor),
        *checks,
        *_about_kinds(given.properties),
        *_about_auto_connect(given.properties),
        *_about_dump(config),
    ]


def _about_auto_connect(properties: Mapping[str, Any]) -> Iterator[Check]:
    """The one key that is TEN's base class's."""
    connects = properties.get("auto_connect", True)
    if connects is False:
        yield Check(
            "auto_connect",
            "warning",
            "the call connects at trigger_connect or the first finalize; what"
            " is said before is kept, as far as max_buffer_ms goes",
            "leave it out to connect at the start, or see that the command"
            " trigger_connect comes",
        )


def _about_kinds(properties: Mapping[str, Any]) -> list[Check]:
    """What TEN itself looks at before the extension is there."""
    return [
        Check(
            name,
            "failed",
            f"TEN wants {word} at the top level, and ends the app where there"
            " is another kind as it loads the graph",
            f"write {word}, or the key inside params"
            if name != "auto_connect"
            else f"write {word}, without quotes",
        )
        for name, (kind, word) in _DECLARED.items()
        if name in properties and type(properties[name]) is not kind
    ]


def _about_dump(config: OpenAIASRConfig) -> Iterator[Check]:
    """Can the recordings be written where they are to go, by who asks this?"""
    if not config.dump:
        return
    path = config.dump_file().absolute()
    try:
        said = _in_the_way(path)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
    if not said:
        yield Check("dump", "ok", f"recorded into {path}, by what can be seen")
        return
    yield Check(
        "dump",
        "warning",
        f"nothing is recorded: {said}",
        "give this user the directory, or choose another dump_path; a relative"
        " one begins where the app runs",
    )


def _in_the_way(path: Path) -> str:
    """Why no dump can be written there, as far as that shows without writing;
    "" for nothing."""
    if "\0" in str(path):
        return "no name has a U+0000"
    there = next(part for part in path.parents if part.exists())
    if not there.is_dir():
        return f"{there} is no directory"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written by this user"
    for file in (path, path.with_suffix(".jsonl")):
        if file.is_symlink() or (file.exists() and not file.is_file()):
            return f"{file} is no plain file"
    return ""


def _valid(config: OpenAIASRConfig, given: Given, redactor: Redactor) -> Check:
    fields = [
        Field(f.name, redactor.value(f.value, f.name), f.origin)
        for f in _fields(config, given)
    ]
    own = [f for f in fields if f.origin != _DEFAULT]
    others = [f for f in fields if f.origin == _DEFAULT]
    lines = [str(f) for f in own]
    if others:
        lines.append(f"{len(others)} other fields have their defaults")
    return Check(
        "properties",
        "ok",
        "they are valid, and come to this:",
        detail=lines,
        folded=[str(f) for f in others],
        data={
            "fields": [
                {"field": f.name, "value": f.value, "from": f.origin}
                for f in fields
            ]
        },
    )


def _fields(config: OpenAIASRConfig, given: Given) -> Iterator[Field]:
    """All of them, by our names, in the order of the configuration."""
    shown, derived = config.shown(), _derived(config)
    for name in OpenAIASRConfig.model_fields:
        value = shown.get(name)
        if name == "fallbacks":
            for number, other in enumerate(value or ()):
                prefix = f"{FALLBACK.format(number)}."
                yield from _fields_of(
                    other, FallbackConfig.model_fields, prefix, {}, given
                )
        elif name in SECTIONS:
            section = SECTIONS[name].model_fields
            yield from _fields_of(
                value or {}, section, f"{name}.", derived, given
            )
        else:
            yield from _fields_of(shown, [name], "", derived, given)
    connects = given.properties.get("auto_connect")
    if isinstance(connects, bool):
        yield Field("auto_connect", connects, given.origin("auto_connect"))
    else:
        # TEN's base class takes no text for it.
        yield Field("auto_connect", True, _DEFAULT)


def _fields_of(
    values: Mapping[str, Any],
    names: Any,
    prefix: str,
    derived: Mapping[str, Any],
    given: Given,
) -> Iterator[Field]:
    for name in names:
        field = prefix + name
        if prefix.startswith("fallbacks") and name not in values:
            # That of the first endpoint is used.
            continue
        value = values.get(name)
        if value is None or value == "" or field in _ALWAYS_DERIVED:
            value = derived.get(field, "" if value is None else value)
        yield Field(field, value, given.origin(field))


def _derived(config: OpenAIASRConfig) -> dict[str, Any]:
    """What is used where nothing is given, by the rest of the configuration."""
    noise = config.input_audio_noise_reduction
    return {
        "turn_detection.type": config.turn_owner,
        "gap_timeout_ms": round(config.gap_s * 1000),
        "max_turn_ms": config.limits.max_turn_ms,
        "input_audio_transcription.family": config.profile.family,
        "input_audio_noise_reduction.type": "near_field" if noise else "off",
        "input_audio_noise_reduction.enabled": bool(noise and noise.enabled),
        "g711_input": "ulaw"
        if config.input_audio_format == "pcm16"
        else config.input_audio_format.removeprefix("g711_"),
    }

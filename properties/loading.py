"""Reading and checking the node's properties.

Every key may stand at the top level or inside ``params`` (TEN's way); where
both give a value, ``params`` wins.  Strings are accepted for numbers and
switches, because TEN resolves ``${env:…}`` placeholders to strings, and a
blank string counts as not given.  `load_config` raises `ConfigError`, whose
text names the field, what was found and what is allowed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..config import (
    FALLBACK,
    SECTIONS,
    ConfigError,
    FallbackConfig,
    OpenAIASRConfig,
)
from .checks import (
    advice,
    advice_on_fallback,
    advice_on_first,
    is_name,
    problems,
    problems_of_value,
)

_ALIASES = {
    "key": "api_key",
    "base_url": "websocket_base_url",
    "url": "websocket_base_url",
    "hotwords": "keywords",
}
_SECTION = "input_audio_transcription"
#: Shorthands: written flat, they belong to the transcription request.
_REQUEST_KEYS = tuple(SECTIONS[_SECTION].model_fields)
_FIELDS = OpenAIASRConfig.model_fields
_KNOWN = {*_FIELDS, *_ALIASES, *_REQUEST_KEYS}
#: What TEN and its base class read at the top level.
_NOT_OURS = ("params", "ten", "auto_connect")
_KNOWN_AT_TOP = {*_KNOWN, *_NOT_OURS}
#: TEN's own takes them in `turn_detection`.
_CONVERSATION = ("create_response", "interrupt_response", "idle_timeout_ms")
_OF_CONVERSATION = (
    "ignored, it is about the answers of a conversation; a transcription has"
    " none"
)
#: Their values are shown nowhere, not even wrong ones.
_SECRETS = (
    "api_key",
    "headers",
    "query",
    "websocket_base_url",
    "session",
    "fallbacks",
)
_JSON_TYPES = {
    str: "a text",
    bool: "a switch",
    int: "a number",
    float: "a number",
    dict: "an object",
    list: "a list",
}


def load_config(
    properties: Mapping[str, Any],
) -> tuple[OpenAIASRConfig, list[str]]:
    """The configuration and warnings about it; raises `ConfigError`."""
    found, paths = _read(properties)
    at = partial(_spelled, paths)
    warnings = [
        f"{key}: unknown property, ignored{_meant(key, _KNOWN_AT_TOP)}"
        for key in properties
        if key not in _KNOWN and key not in _NOT_OURS
    ]
    errors = [_unknown(paths[n], _KNOWN) for n in found if n not in _FIELDS]
    given = {name: found[name] for name in found if name in _FIELDS}
    values = {k: _without_blanks(v) for k, v in _without_blanks(given).items()}
    try:
        if "fallbacks" in values:
            values["fallbacks"] = _fallbacks(values["fallbacks"], paths)
    except ConfigError as error:
        errors.append(error)
        del values["fallbacks"]
    unfit = [ConfigError(at(f), text) for f, text in problems_of_value(values)]
    errors += unfit
    config = OpenAIASRConfig()
    if not unfit:
        ignored = _without_conversation(values)
        warnings += [f"{at(field)}: {_OF_CONVERSATION}" for field in ignored]
        try:
            config = OpenAIASRConfig.model_validate(values)
        except ValidationError as error:
            errors += _config_errors(error, at)
    # Of the rules between fields later ones may follow from the first.
    broken = () if errors else islice(problems(config), 1)
    errors += [ConfigError(at(field), text) for field, text in broken]
    if errors:
        raise ConfigError.of(errors, warnings)
    known_advice = list(advice(config))
    warnings += [f"{at(field)}: {text}" for field, text in known_advice]
    # Only so many are shown: where the key goes stands before the rest.
    key_goes = [f"{at(f)}: {text}" for f, text in advice_on_first(config)]
    for number, other in enumerate(config.endpoint_configs()[1:]):
        prefix = f"{FALLBACK.format(number)}."
        for field, problem in problems(other):
            raise ConfigError(at(prefix + _flat(field)), problem)
        given_there = config.fallbacks[number]
        key_goes += [
            f"{at(prefix + _flat(field))}: {text}"
            for field, text in advice_on_fallback(config, other, given_there)
        ]
        warnings += [
            f"{at(prefix + _flat(field))}: {text}"
            for field, text in advice(other)
            if (field, text) not in known_advice
        ]
    return config, key_goes + warnings


def _without_conversation(values: dict[str, Any]) -> list[str]:
    """Take out what only a conversation has; which fields that were."""
    name = "turn_detection"
    section = values.get(name)
    if not isinstance(section, Mapping):
        return []
    values[name] = {k: v for k, v in section.items() if k not in _CONVERSATION}
    return [f"{name}.{key}" for key in section if key in _CONVERSATION]


def written_at(properties: Mapping[str, Any]) -> Callable[[str], str]:
    """How a field (``turn_detection.type``, ``fallbacks[0].model``) is
    spelled where these properties give it, as ``params.turn_detection.type``;
    what is not given is spelled as ours.  Raises `ConfigError`."""
    found, paths = _read(properties)
    if "fallbacks" in found:
        _fallbacks(found["fallbacks"], paths)
    return partial(_spelled, paths)


def _fallbacks(given: Any, paths: dict[str, str]) -> Any:
    """Each of them by our names, but those of blanks alone, such as variables
    that are not set; raises `ConfigError`."""
    if not isinstance(given, list):
        return given
    others: list[Any] = []
    for number, other in enumerate(given):
        if not isinstance(other, Mapping):
            others.append(other)
            continue
        if other and not _without_blanks(other):
            continue
        prefix = f"{FALLBACK.format(len(others))}."
        found: dict[str, Any] = {}
        places: dict[str, str] = {}
        _put(other, f"{paths['fallbacks']}[{number}].", found, places)
        for name in found:
            if name not in FallbackConfig.model_fields:
                raise _unknown(
                    places[name], {*FallbackConfig.model_fields, *_ALIASES}
                )
        paths |= {prefix + name: place for name, place in places.items()}
        others.append(
            {k: _without_blanks(v) for k, v in _without_blanks(found).items()}
        )
    return others


def _flat(field: str) -> str:
    """A field of the request as ``fallbacks`` has it."""
    return field.removeprefix(f"{_SECTION}.")


def updated_properties(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """``old`` with ``new`` merged over it, whatever spelling each uses.

    Objects are merged; a blank text takes a value back to its default; what
    is unknown in ``old`` outside of ``params`` is left out.
    Raises `ConfigError` where ``params`` is no object.
    """
    # An unknown one had a warning; no update is to fail over it.
    merged, _ = _read(old)
    for name, value in _read(new, strict=True)[0].items():
        before = merged.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            kept = before
            if name in SECTIONS:
                kept = _not_undone(before, value)
            elif name == "headers":
                kept = _other_headers(before, value)
            value = {**kept, **value}
        merged[name] = value
    return {"params": merged}


def _read(
    properties: Mapping[str, Any], strict: bool = False
) -> tuple[dict[str, Any], dict[str, str]]:
    """What is given, by our names and with the request in its section; and
    the paths of all that as they are written.

    ``params`` win over the top level, the section over flat keys, and a blank
    text over nothing.  What is unknown is left out where it stands outside of
    ``params``, unless ``strict``.
    """
    params = properties.get("params", {})
    if not isinstance(params, Mapping):
        raise ConfigError(
            "params", f"found {_type_of(params)}; allowed: an object"
        )
    top = {
        key: value
        for key, value in properties.items()
        if key in _KNOWN or (strict and key not in _NOT_OURS)
    }
    found: dict[str, Any] = {}
    paths: dict[str, str] = {}
    _put(top, "", found, paths)
    _put(params, "params.", found, paths)
    request = {key: found.pop(key) for key in _REQUEST_KEYS if key in found}
    places = {key: paths.pop(key) for key in request}
    section = found.get(_SECTION)
    if request and _is_blank(section):
        section = {}
    if isinstance(section, Mapping):
        _put(section, f"{paths.get(_SECTION)}.", request, places)
        found[_SECTION] = request
        paths |= {f"{_SECTION}.{key}": path for key, path in places.items()}
    return found, paths


def _put(
    scope: Mapping[str, Any],
    prefix: str,
    found: dict[str, Any],
    paths: dict[str, str],
) -> None:
    for key, value in scope.items():
        name = _ALIASES.get(key, key)
        if not (name in found and _is_blank(value)):
            found[name], paths[name] = value, prefix + key


def _spelled(paths: Mapping[str, str], field: str) -> str:
    """The path of ``field``, or of what it lies in, as its user wrote it."""
    known, rest = field, ""
    while known and known not in paths:
        known, _, last = known.rpartition(".")
        rest = f".{last}{rest}"
    return paths[known] + rest if known else field


def _not_undone(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> Mapping[str, Any]:
    """``old`` without what ``new`` says in the other of two ways: ``type``
    and ``enabled`` both tell whether there is a detector, or a reduction."""
    if not _is_blank(new.get("type")):
        return {**old, "enabled": ""}
    if new.get("enabled") and old.get("type") == "none":
        return {**old, "type": ""}
    return old


def _other_headers(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Those of ``old`` that ``new`` does not name; in upper and lower case
    their names are the same (RFC 9110, 5.1)."""
    named = {name.lower() for name in new}
    return {name: old[name] for name in old if name.lower() not in named}


def _without_blanks(value: Any) -> Any:
    """TEN properties cannot hold null, so a blank text means "not given"."""
    if not isinstance(value, Mapping):
        return value
    return {key: inner for key, inner in value.items() if not _is_blank(inner)}


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


#: Nobody reads more of them.
_MOST_NAMES = 8


def _meant(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(names), _MOST_NAMES, 0.6)
    listed = " or ".join(map(json.dumps, close))
    return f"; did you mean {listed}?" if close else ""


def _unknown(path: str, allowed: Iterable[str]) -> ConfigError:
    names = sorted(allowed)
    hint = _meant(path.rpartition(".")[2], names)
    if not hint and len(names) <= _MOST_NAMES:
        hint = f"; allowed: {', '.join(names)}"
    elif not hint:
        hint = "; all fields are in the README, under Configuration"
    return ConfigError(path, f"unknown field{hint}")


def _config_errors(
    error: ValidationError, at: Callable[[str], str]
) -> list[ConfigError]:
    """The complaints of pydantic in the fields' own words, one of each."""
    told = [_told({**each}, at) for each in error.errors(include_url=False)]
    return list({problem.field: problem for problem in told}.values())


def _told(
    complaint: Mapping[str, Any], at: Callable[[str], str]
) -> ConfigError:
    parts = [str(part) for part in complaint["loc"]]
    place, known = "", _FIELDS
    if parts[0] == "fallbacks" and len(parts) > 2:
        # Of one of them.
        place, parts = f"{FALLBACK.format(parts[1])}.", parts[2:]
        known = FallbackConfig.model_fields
    if parts[0] in ("headers", "query"):
        # Somebody may have put a whole header into a name.
        parts = [parts[0], *(p for p in parts[1:] if is_name(p))]
    path = at(place + ".".join(parts))
    in_section = parts[0] in SECTIONS and len(parts) > 1
    fields = SECTIONS[parts[0]].model_fields if in_section else known
    if complaint["type"] == "extra_forbidden":
        return _unknown(path, fields)
    if parts[:1] == ["fallbacks"] and len(parts) == 2:
        path = f"{at('fallbacks')}[{parts[1]}]"
        found = _type_of(complaint["input"])
        return ConfigError(path, f"found {found}; allowed: an object")
    field = fields[parts[in_section]]
    secret = parts[0] in _SECRETS
    found = (_type_of if secret else _shown)(complaint["input"])
    allowed = field.description or _allowed_values(field.annotation)
    return ConfigError(path, f"found {found}; allowed: {allowed}")


def _allowed_values(annotation: Any) -> str:
    """Of a field without a description."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"an object with {', '.join(annotation.model_fields)}"
    choices = get_args(annotation)
    if get_origin(annotation) is Literal:
        return ", ".join(map(json.dumps, choices))
    # It may be left out.
    return _allowed_values(choices[0])


#: So long may be what a word of a setting was mistyped as.
_SHORT = 20


def _type_of(value: Any) -> str:
    """What a value is, where it may be secret itself."""
    return _JSON_TYPES.get(type(value), "another value")


def _shown(value: Any) -> str:
    """A short value as it is; in anything longer there may be a secret that
    came into the wrong field."""
    short = not isinstance(value, str) or len(value) <= _SHORT
    if short and isinstance(value, (str, bool, int, float)):
        return json.dumps(value, ensure_ascii=False)[:80]
    kind = _type_of(value)
    return kind if short else f"{kind} of {len(value)} characters"

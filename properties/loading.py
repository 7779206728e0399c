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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..config import ConfigError, OpenAIASRConfig, TranscriptionConfig
from .checks import advice, is_name, problems

_ALIASES = {
    "key": "api_key",
    "base_url": "websocket_base_url",
    "url": "websocket_base_url",
    "hotwords": "keywords",
}
_SECTION = "input_audio_transcription"
#: Shorthands: written flat, they belong to the transcription request.
_REQUEST_KEYS = tuple(TranscriptionConfig.model_fields)
_KNOWN = {*OpenAIASRConfig.model_fields, *_ALIASES, *_REQUEST_KEYS}
#: What TEN and its base class read at the top level.
_NOT_OURS = ("params", "ten", "auto_connect")
#: Their values are shown nowhere, not even wrong ones.
_SECRETS = ("api_key", "headers", "query", "websocket_base_url", "session")
#: TEN fills these in when it loads a property; not in a command.
_PLACEHOLDER = "${env:"
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
    values: dict[str, Any] = {}
    paths: dict[str, str] = {}
    warnings: list[str] = []
    for path, key, value in _entries(properties):
        if key not in _KNOWN:
            if path != key:
                raise _unknown(path, _KNOWN)
            if key not in _NOT_OURS:
                warnings.append(f"{key}: unknown property, ignored")
        elif not _is_blank(value):
            _refuse_broken_text(path, value)
            with suppress(RecursionError):
                # The rules of the field tell.
                _refuse_placeholders(path, value)
            name = _ALIASES.get(key, key)
            values[name], paths[name] = value, path
    _gather_request(values, paths)
    values = {key: _without_blanks(value) for key, value in values.items()}
    at = partial(_spelled, paths)
    try:
        config = OpenAIASRConfig.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, at) from None
    for field, problem in problems(config):
        raise ConfigError(at(field), problem)
    warnings += [f"{at(field)}: {text}" for field, text in advice(config)]
    return config, warnings


def _entries(
    properties: Mapping[str, Any],
) -> Iterator[tuple[str, str, Any]]:
    """Path, key and value of each one, those in ``params`` at last; raises
    `ConfigError` before the first where it is no object."""
    params = properties.get("params", {})
    if not isinstance(params, Mapping):
        raise ConfigError(
            "params", f"found {_type_of(params)}; allowed: an object"
        )
    for prefix, scope in (("", properties), ("params.", params)):
        for key, value in scope.items():
            yield prefix + key, key, value


def _spelled(paths: Mapping[str, str], field: str) -> str:
    """The path of ``field`` as its user wrote it; it may lie inside of one of
    ``paths``, which are those that were found, by the field's own path."""
    if field in paths:
        return paths[field]
    first, dot, rest = field.partition(".")
    return paths.get(first, first) + dot + rest


def _refuse_broken_text(path: str, value: Any) -> None:
    """JSON can spell half of a surrogate pair; UTF-8 cannot carry it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            path, "found text that is not Unicode, which JSON cannot carry"
        ) from None
    except (TypeError, ValueError, RecursionError):
        # The rules of the field tell.
        return


def _refuse_placeholders(path: str, value: Any) -> None:
    if isinstance(value, str) and _PLACEHOLDER in value:
        raise ConfigError(
            path,
            "found a placeholder ${env:…} that nobody filled in; TEN does so"
            " where a property is loaded, and not in a command",
        )
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _refuse_placeholders(path, name)
            _refuse_placeholders(f"{path}.{name}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_placeholders(path, inner)


def _gather_request(values: dict[str, Any], paths: dict[str, str]) -> None:
    """Move flat request keys into ``input_audio_transcription``."""
    request = values.get(_SECTION, {})
    flat = [key for key in _REQUEST_KEYS if key in values]
    if not isinstance(request, Mapping) or not (flat or request):
        return
    paths.setdefault(_SECTION, f"params.{_SECTION}")
    for key in flat:
        paths[f"{_SECTION}.{key}"] = paths.pop(key)
    moved = {key: values.pop(key) for key in flat}
    values[_SECTION] = {**moved, **_own_names(request)}


def _own_names(request: Mapping[str, Any]) -> dict[str, Any]:
    """The transcription request with our name for each key."""
    return {_ALIASES.get(key, key): value for key, value in request.items()}


def _without_blanks(value: Any) -> Any:
    """TEN properties cannot hold null, so a blank text means "not given"."""
    if not isinstance(value, Mapping):
        return value
    return {key: inner for key, inner in value.items() if not _is_blank(inner)}


def _unknown(path: str, allowed: Iterable[str]) -> ConfigError:
    names = sorted(allowed)
    name = path.rpartition(".")[2]
    close = difflib.get_close_matches(name, names, 1, 0.6)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return ConfigError(
        path, f"unknown field; {hint}allowed: {', '.join(names)}"
    )


def _config_error(
    error: ValidationError, at: Callable[[str], str]
) -> ConfigError:
    """The first complaint of pydantic in the field's own words."""
    first = error.errors(include_url=False)[0]
    parts = [str(part) for part in first["loc"]]
    if parts[0] in ("headers", "query"):
        # Somebody may have put a whole header into a name.
        parts = [parts[0], *(p for p in parts[1:] if is_name(p))]
    path = at(".".join(parts))
    model, field = _find_field(parts)
    if first["type"] == "extra_forbidden":
        return _unknown(path, model.model_fields)
    secret = parts[0] in _SECRETS
    found = (_type_of if secret else _shown)(first["input"])
    allowed = field.description or _allowed_values(field.annotation)
    return ConfigError(path, f"found {found}; allowed: {allowed}")


def _find_field(parts: list[str]) -> tuple[type[BaseModel], Any]:
    model: type[BaseModel] = OpenAIASRConfig
    field = None
    for part in parts:
        if part not in model.model_fields:
            break
        field = model.model_fields[part]
        for choice in (field.annotation, *get_args(field.annotation)):
            if isinstance(choice, type) and issubclass(choice, BaseModel):
                model = choice
    return model, field


def _allowed_values(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"an object with {', '.join(annotation.model_fields)}"
    choices = get_args(annotation)
    if get_origin(annotation) is Literal:
        return ", ".join(map(json.dumps, choices))
    if get_origin(annotation) is list:
        return f"a list of {_allowed_values(choices[0])}"
    given = [_allowed_values(c) for c in choices if c is not type(None)]
    return " or ".join(given) or "another value"


def _type_of(value: Any) -> str:
    """What a value is, where it may be secret itself."""
    return _JSON_TYPES.get(type(value), "another value")


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 80 else text[:77] + "..."


def updated_properties(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """``old`` with ``new`` merged over it, whatever spelling each uses.

    Objects are merged; a blank text takes a value back to its default; what
    is unknown in ``old`` outside of ``params`` is left out.
    Raises `ConfigError` where ``params`` is no object.
    """
    merged: dict[str, Any] = {}
    for source in (old, new):
        for path, key, value in _entries(source):
            # An unknown one had a warning; no update is to fail over it.
            warned = source is old and path == key and key not in _KNOWN
            if key in _NOT_OURS or warned:
                continue
            name = _ALIASES.get(key, key)
            if name in _REQUEST_KEYS:
                name, value = _SECTION, {name: value}
            elif name == _SECTION and isinstance(value, Mapping):
                value = _own_names(value)
            before = merged.get(name)
            if isinstance(value, Mapping) and isinstance(before, Mapping):
                value = {**_not_undone(before, value), **value}
            if source is old and _is_blank(value) and name in merged:
                continue
            merged[name] = value
    return {"params": merged}


def _not_undone(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """``old`` without what ``new`` says in the other of two ways: ``type``
    and ``enabled`` both tell whether there is a detector, or a reduction."""
    kept = dict(old)
    if not _is_blank(new.get("type")) and "enabled" not in new:
        kept.pop("enabled", None)
    if new.get("enabled") and "type" not in new and old.get("type") == "none":
        del kept["type"]
    return kept


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())

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
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..config import ConfigError, OpenAIASRConfig, TranscriptionConfig
from ..realtime.settings import WireFormat
from .checks import advice, check, is_name
from .spelling import Spelling

_ALIASES = {
    "key": "api_key",
    "base_url": "websocket_base_url",
    "url": "websocket_base_url",
    "hotwords": "keywords",
}
#: Shorthands: written flat, they belong to the transcription request.
_REQUEST_KEYS = tuple(TranscriptionConfig.model_fields)
_KNOWN = {
    *OpenAIASRConfig.model_fields,
    *_ALIASES,
    *_REQUEST_KEYS,
}
#: What TEN and its base class read at the top level.
_NOT_OURS = ("params", "ten", "auto_connect")
#: GA and short names of the wire formats.
_FORMATS: Mapping[str, WireFormat] = {
    "audio/pcm": "pcm16",
    "audio/pcmu": "g711_ulaw",
    "audio/pcma": "g711_alaw",
}
#: Their values are shown nowhere, not even wrong ones.
_SECRETS = ("api_key", "headers", "query", "websocket_base_url", "session")
#: TEN fills these in when it loads a property; not in a command.
_PLACEHOLDER = "${env:"
_JSON_TYPES: tuple[tuple[Any, str], ...] = (
    (str, "a text"),
    (bool, "a switch"),
    ((int, float), "a number"),
    (Mapping, "an object"),
    ((list, tuple), "a list"),
)


def load_config(
    properties: Mapping[str, Any],
) -> tuple[OpenAIASRConfig, list[str]]:
    """The configuration and warnings about it; raises `ConfigError`."""
    params = properties.get("params", {})
    if not isinstance(params, Mapping):
        raise _no_params(params)
    values: dict[str, Any] = {}
    paths: dict[str, str] = {}
    warnings: list[str] = []
    for prefix, source in (("", properties), ("params.", params)):
        for key, value in source.items():
            if key not in _KNOWN:
                if prefix:
                    raise _unknown(prefix + key, _KNOWN)
                if key not in _NOT_OURS:
                    warnings.append(f"{key}: unknown property, ignored")
                continue
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            _refuse_broken_text(prefix + key, value)
            with suppress(RecursionError):
                # The rules of the field tell.
                _refuse_placeholders(prefix + key, value)
            name = _ALIASES.get(key, key)
            values[name] = value
            paths[name] = prefix + key
    _gather_request(values, paths)
    audio_format = values.get("input_audio_format")
    if isinstance(audio_format, str):
        values["input_audio_format"] = _FORMATS.get(
            audio_format.strip().lower(), audio_format
        )
    level = values.get("log_level")
    if isinstance(level, str):
        level = level.strip().upper()
        values["log_level"] = "WARN" if level == "WARNING" else level
    values = {key: _without_blanks(value) for key, value in values.items()}
    spelling = Spelling(paths)
    try:
        config = OpenAIASRConfig.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, spelling) from None
    check(config, spelling)
    return config, warnings + list(advice(config, spelling))


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
    section = "input_audio_transcription"
    flat = [key for key in _REQUEST_KEYS if key in values]
    request = values.get(section, {})
    if not isinstance(request, Mapping) or not (flat or request):
        return
    paths.setdefault(section, f"params.{section}")
    merged = _own_names(request)
    for key in flat:
        paths[f"{section}.{key}"] = paths.pop(key)
        merged.setdefault(key, values[key])
    for key in flat:
        del values[key]
    values[section] = merged


def _own_names(request: Mapping[str, Any]) -> dict[str, Any]:
    """The transcription request with our name for each key."""
    return {_ALIASES.get(key, key): value for key, value in request.items()}


def _without_blanks(value: Any) -> Any:
    """TEN properties cannot hold null, so a blank text means "not given"."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: inner
        for key, inner in value.items()
        if inner is not None
        and not (isinstance(inner, str) and not inner.strip())
    }


def _no_params(params: Any) -> ConfigError:
    return ConfigError(
        "params", f"found {_type_of(params)}; allowed: an object"
    )


def _unknown(path: str, allowed: Iterable[str]) -> ConfigError:
    names = sorted(allowed)
    name = path.rpartition(".")[2]
    close = difflib.get_close_matches(name, names, 1, 0.6)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return ConfigError(
        path, f"unknown field; {hint}allowed: {', '.join(names)}"
    )


def _config_error(error: ValidationError, at: Spelling) -> ConfigError:
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
        names = ", ".join(annotation.model_fields)
        return f"an object with {names}"
    if get_origin(annotation) is Literal:
        return ", ".join(json.dumps(v) for v in get_args(annotation))
    if get_origin(annotation) is list:
        return f"a list of {_allowed_values(get_args(annotation)[0])}"
    choices = [a for a in get_args(annotation) if a is not type(None)]
    if get_origin(annotation) is Union or choices:
        return " or ".join(_allowed_values(choice) for choice in choices)
    return "another value"


def _type_of(value: Any) -> str:
    """What a value is, where it may be secret itself."""
    for kind, name in _JSON_TYPES:
        if isinstance(value, kind):
            return name
    return "another value"


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
        params = source.get("params", {})
        if not isinstance(params, Mapping):
            raise _no_params(params)
        for scope in (source, params):
            for key, value in scope.items():
                if key in _NOT_OURS:
                    continue
                if scope is old and key not in _KNOWN:
                    # It had a warning; no update is to fail over it.
                    continue
                name = _ALIASES.get(key, key)
                if name in _REQUEST_KEYS:
                    name, value = "input_audio_transcription", {name: value}
                elif name == "input_audio_transcription" and isinstance(
                    value, Mapping
                ):
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

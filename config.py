"""The node's properties, checked.

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
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from .realtime.endpoint import (
    DEFAULT_BASE_URL,
    is_loopback,
    is_plain,
    realtime_url,
)
from .realtime.limits import Limits
from .realtime.models import DEFAULT_MODEL, ModelProfile, profile_of
from .realtime.settings import SessionSettings, WireFormat

#: What `update_configs` cannot change while a call is under way.
FIXED_FIELDS = (
    "input_audio_format",
    "sample_rate",
    "channels",
    "max_buffer_ms",
    "max_turn_ms",
    "finalize_timeout_ms",
    "dump",
    "dump_path",
)
DUMP_FILE_NAME = "openai_asr_in.pcm"


TurnOwner = Literal["server_vad", "semantic_vad", "local", "none"]


class ConfigError(ValueError):
    """A property is wrong; ``field`` is its path, the text is for people."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field}: {problem}")


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a switch is not a number")
    return value


def _one_or_more(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_number)]
Words = Annotated[list[str], BeforeValidator(_one_or_more)]

_LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
_MS = "a whole number of milliseconds from {} to {}"


def _ms(default: int, low: int, high: int) -> Any:
    return Field(default, ge=low, le=high, description=_MS.format(low, high))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TranscriptionConfig(_Section):
    """``input_audio_transcription``."""

    model: str = Field(
        DEFAULT_MODEL, min_length=1, description="the name of a model"
    )
    language: str = Field(
        "",
        pattern=_LANGUAGE,
        description='a language code such as "en" or "en-US"',
    )
    languages: Words = Field([], description="a list of language codes")
    prompt: str = Field("", description="a text")
    keywords: Words = Field([], description="a list of words or phrases")
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class TurnDetectionConfig(_Section):
    """``turn_detection``; the knobs mean the same for every type."""

    type: TurnOwner | None = None
    enabled: bool = Field(True, description="true or false")
    threshold: Number = Field(
        0.5, ge=0, le=1, description="a number from 0 to 1"
    )
    prefix_padding_ms: Whole = _ms(300, 0, 10_000)
    silence_duration_ms: Whole = _ms(500, 20, 10_000)
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


class NoiseReductionConfig(_Section):
    """``input_audio_noise_reduction``."""

    type: Literal["near_field", "far_field"] | None = None
    enabled: bool = Field(True, description="true or false")
    strength: Number | None = Field(
        None, ge=0, le=1, description="a number from 0 to 1"
    )


class OpenAIASRConfig(_Section):
    """All properties of the node, with their defaults."""

    api_key: SecretStr = Field(SecretStr(""), description="the API key, a text")
    organization: str = Field("", description="an organization id")
    project: str = Field("", description="a project id")
    websocket_base_url: str = Field(
        DEFAULT_BASE_URL, description="a URL such as wss://api.openai.com/v1"
    )
    allow_insecure: bool = Field(False, description="true or false")
    protocol: Literal["auto", "ga", "beta"] = "auto"
    dump: bool = Field(False, description="true or false")
    dump_path: str = Field(
        DUMP_FILE_NAME, description="a directory or the name of a .pcm file"
    )
    log_level: Literal["DEBUG", "INFO", "WARN", "ERROR"] = "INFO"
    sample_rate: Whole = Field(
        16000,
        ge=8000,
        le=192_000,
        description="a whole number of Hz from 8000 to 192000",
    )
    channels: Whole = Field(1, ge=1, le=8, description="1 or 2")
    connect_timeout_ms: Whole = _ms(10_000, 100, 120_000)
    finalize_timeout_ms: Whole = _ms(5_000, 100, 120_000)
    stop_timeout_ms: Whole = _ms(3_000, 0, 60_000)
    max_buffer_ms: Whole = _ms(120_000, 1_000, 3_600_000)
    max_turn_ms: Whole = _ms(30_000, 2_000, 600_000)
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] = "pcm16"
    input_audio_transcription: TranscriptionConfig = TranscriptionConfig()
    turn_detection: TurnDetectionConfig = TurnDetectionConfig()
    input_audio_noise_reduction: NoiseReductionConfig | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] = []

    # -- what the rest of the extension needs -----------------------------

    @property
    def profile(self) -> ModelProfile:
        """The abilities of the chosen model."""
        return profile_of(self.input_audio_transcription.model)

    @property
    def turn_owner(self) -> TurnOwner:
        """Who ends turns, after the model's abilities decided the rest."""
        chosen = self.turn_detection
        if not chosen.enabled:
            return "none"
        if chosen.type is not None:
            return chosen.type
        return "server_vad" if self.profile.server_turns else "local"

    @property
    def url(self) -> str:
        """The WebSocket URL."""
        return realtime_url(self.websocket_base_url, {})

    @property
    def headers(self) -> dict[str, str]:
        """The request headers, key included: for the wire only."""
        headers = {"Authorization": f"Bearer {self.api_key.get_secret_value()}"}
        if self.organization:
            headers["OpenAI-Organization"] = self.organization
        if self.project:
            headers["OpenAI-Project"] = self.project
        return headers

    @property
    def limits(self) -> Limits:
        """The core's bounds."""
        return Limits(
            max_buffer_ms=self.max_buffer_ms,
            max_turn_ms=min(self.max_turn_ms, self.max_buffer_ms // 2),
            finalize_timeout_ms=self.finalize_timeout_ms,
        )

    def session(self) -> SessionSettings:
        """What the transcription session is asked to do."""
        request = self.input_audio_transcription
        noise = self.input_audio_noise_reduction
        reduction: dict[str, Any] | None = None
        if noise is not None and noise.enabled:
            reduction = {"type": noise.type or "near_field"}
            if noise.strength is not None:
                reduction["strength"] = noise.strength
        return SessionSettings(
            model=request.model,
            wire_format=self.input_audio_format,
            # The service takes ISO 639 codes: the first part of a tag.
            language=request.language.partition("-")[0].lower(),
            languages=tuple(request.languages),
            prompt=request.prompt,
            keywords=tuple(request.keywords),
            delay=request.delay or "",
            turn_detection=self._server_turn_detection(),
            noise_reduction=reduction,
            include=tuple(self.include),
        )

    def _server_turn_detection(self) -> dict[str, Any] | None:
        chosen = self.turn_detection
        if self.turn_owner == "server_vad":
            return {
                "type": "server_vad",
                "threshold": chosen.threshold,
                "prefix_padding_ms": chosen.prefix_padding_ms,
                "silence_duration_ms": chosen.silence_duration_ms,
            }
        if self.turn_owner == "semantic_vad":
            return {"type": "semantic_vad", "eagerness": chosen.eagerness}
        return None

    def turn_detection_changed(self, old: OpenAIASRConfig) -> bool:
        """Must a local detector begin, end or be set otherwise?"""
        if "local" not in (self.turn_owner, old.turn_owner):
            return False
        return (
            self.turn_owner != old.turn_owner
            or self.turn_detection != old.turn_detection
        )

    def dump_file(self) -> Path:
        """Where received audio is written: ``dump_path``, or a file in it."""
        path = Path(self.dump_path)
        return path if path.suffix == ".pcm" else path / DUMP_FILE_NAME

    def describe(self) -> str:
        """The configuration for the log, as JSON, with secrets masked."""
        shown = self.model_dump(mode="json", exclude_none=True)
        shown["api_key"] = masked(self.api_key.get_secret_value())
        return json.dumps(shown, ensure_ascii=False)


def masked(secret: str) -> str:
    """A secret for the log: enough to tell two apart, never enough to use.

    Short ones are hidden whole.
    """
    if not secret:
        return ""
    if len(secret) < 16:
        return "***"
    return f"{secret[:3]}...{secret[-4:]}"


# -- reading ---------------------------------------------------------------

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
#: GA and short names of the wire formats.
_FORMATS: Mapping[str, WireFormat] = {
    "audio/pcm": "pcm16",
    "audio/pcmu": "g711_ulaw",
    "audio/pcma": "g711_alaw",
}
_SECRETS = ("api_key", "key")


def load_config(
    properties: Mapping[str, Any],
) -> tuple[OpenAIASRConfig, list[str]]:
    """The configuration and warnings about it; raises `ConfigError`."""
    params = properties.get("params", {})
    if not isinstance(params, Mapping):
        raise ConfigError(
            "params", f"found {_shown(params)}; allowed: an object"
        )
    values: dict[str, Any] = {}
    paths: dict[str, str] = {}
    warnings: list[str] = []
    for prefix, source in (("", properties), ("params.", params)):
        for key, value in source.items():
            if key not in _KNOWN:
                if prefix:
                    raise _unknown(prefix + key, _KNOWN)
                if key not in ("params", "ten", "auto_connect", "headers"):
                    warnings.append(f"{key}: unknown property, ignored")
                continue
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
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
    try:
        config = OpenAIASRConfig.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, paths) from None
    _check(config, paths)
    return config, warnings + list(_advice(config, paths))


def _gather_request(values: dict[str, Any], paths: dict[str, str]) -> None:
    """Move flat request keys into ``input_audio_transcription``."""
    section = "input_audio_transcription"
    flat = [key for key in _REQUEST_KEYS if key in values]
    if not flat:
        return
    paths.setdefault(section, f"params.{section}")
    request = values.get(section, {})
    if not isinstance(request, Mapping):
        return
    merged = dict(request)
    for key in flat:
        paths[f"{section}.{key}"] = paths.pop(key)
        merged.setdefault(key, values[key])
    for key in flat:
        del values[key]
    values[section] = merged


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


def _unknown(path: str, allowed: Iterable[str]) -> ConfigError:
    names = sorted(allowed)
    name = path.rpartition(".")[2]
    close = difflib.get_close_matches(name, names, 1, 0.6)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return ConfigError(
        path, f"unknown field; {hint}allowed: {', '.join(names)}"
    )


def _config_error(
    error: ValidationError, paths: Mapping[str, str]
) -> ConfigError:
    """The first complaint of pydantic in the field's own words."""
    first = error.errors(include_url=False)[0]
    parts = [str(part) for part in first["loc"]]
    path = _path(parts, paths)
    model, field = _find_field(parts)
    if first["type"] == "extra_forbidden":
        return _unknown(path, model.model_fields)
    found = "a secret" if parts[0] in _SECRETS else _shown(first["input"])
    allowed = field.description or _allowed_values(field.annotation)
    return ConfigError(path, f"found {found}; allowed: {allowed}")


def _path(parts: list[str], paths: Mapping[str, str]) -> str:
    whole = ".".join(parts)
    if whole in paths:
        return paths[whole]
    return ".".join([paths.get(parts[0], parts[0]), *parts[1:]])


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


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 80 else text[:77] + "..."


def _check(config: OpenAIASRConfig, paths: Mapping[str, str]) -> None:
    """Rules that hold between fields."""
    key_path = paths.get("api_key", "api_key")
    key = config.api_key.get_secret_value()
    if not key.strip():
        raise ConfigError(
            "api_key",
            "missing; set it here, in params, or in the environment variable"
            " OPENAI_API_KEY",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            key_path, "found a text with blanks or control characters"
        )
    for name in ("organization", "project"):
        value: str = getattr(config, name)
        if not value.isascii() or not value.isprintable():
            raise ConfigError(
                paths.get(name, name), f"found {_shown(value)}; allowed: an id"
            )
    _check_url(config, paths.get("websocket_base_url", "websocket_base_url"))
    _check_turns(config, paths.get("turn_detection", "turn_detection"))


def _check_url(config: OpenAIASRConfig, path: str) -> None:
    try:
        url = config.url
    except ValueError as error:
        raise ConfigError(path, str(error)) from None
    if is_plain(url) and not is_loopback(url) and not config.allow_insecure:
        raise ConfigError(
            path,
            "found a URL without TLS, which would send the key in the clear;"
            " allowed: wss:// or https://, ws:// to this machine, or"
            " allow_insecure: true",
        )


def _check_turns(config: OpenAIASRConfig, path: str) -> None:
    owner = config.turn_owner
    model = config.input_audio_transcription.model
    if owner in ("server_vad", "semantic_vad"):
        profile = config.profile
        if profile.known and not profile.server_turns:
            raise ConfigError(
                f"{path}.type",
                f'found "{owner}", but {model} has no turn detection of its'
                ' own; allowed: "local", "none"',
            )


def _advice(config: OpenAIASRConfig, paths: Mapping[str, str]) -> Iterable[str]:
    profile = config.profile
    section = "input_audio_transcription"
    path = f"{paths.get(section, section)}.model"
    if profile.shutdown:
        yield (
            f"{path}: {profile.name} shuts down on {profile.shutdown};"
            f" replacement: {profile.replacement}"
        )


def updated_properties(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """``old`` with ``new`` merged over it, whatever spelling each uses.

    Objects are merged; a blank text takes a value back to its default.
    Raises `ConfigError` where ``params`` is no object.
    """
    merged: dict[str, Any] = {}
    for source in (old, new):
        params = source.get("params", {})
        if not isinstance(params, Mapping):
            raise ConfigError(
                "params", f"found {_shown(params)}; allowed: an object"
            )
        for scope in (source, params):
            for key, value in scope.items():
                if key in ("params", "ten", "auto_connect"):
                    continue
                name = _ALIASES.get(key, key)
                if name in _REQUEST_KEYS:
                    name, value = "input_audio_transcription", {name: value}
                before = merged.get(name)
                if isinstance(value, Mapping) and isinstance(before, Mapping):
                    value = {**before, **value}
                if source is old and _is_blank(value) and name in merged:
                    continue
                merged[name] = value
    return {"params": merged}


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())

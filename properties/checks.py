"""Rules between the node's properties, and advice about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..config import ConfigError, OpenAIASRConfig
from ..service.endpoint import is_azure, is_loopback, is_openai, is_plain
from ..service.models import MODEL_NAMES
from ..service.options import decide
from .spelling import Spelling

_SECTION = "input_audio_transcription"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: These make the connection what it is (RFC 6455; RFC 9110, 7.6.1).
_OUR_HEADERS = (
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
#: The knobs of turn detection that each owner of the turns has.
_KNOBS = {
    "server_vad": {"threshold", "prefix_padding_ms", "silence_duration_ms"},
    "semantic_vad": {"eagerness"},
    "local": {
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "silence",
    },
    "none": set(),
}
#: Session settings are nested about five deep.
_SESSION_LEVELS = 20


def check(config: OpenAIASRConfig, at: Spelling) -> None:
    """Raise `ConfigError` for the first rule that is broken."""
    _check_key(config, at)
    _check_headers(config, at)
    _check_url(config, at)
    _check_request(config, at)
    _check_turns(config, at)
    _check_session(config, at("session"))


def _check_key(config: OpenAIASRConfig, at: Spelling) -> None:
    key = config.api_key.get_secret_value()
    own = {name.lower() for name in config.headers}
    if not key.strip() and not own & {"authorization", "api-key"}:
        raise ConfigError(
            "api_key",
            "missing; set it here, in params, or in the environment variable"
            " OPENAI_API_KEY",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            at("api_key"),
            "found a text with blanks or control characters",
        )
    for name in ("organization", "project"):
        value: str = getattr(config, name)
        if not value.isascii() or not value.isprintable():
            raise ConfigError(
                at(name),
                "found other than printable ASCII characters; allowed: an id",
            )


def _check_headers(config: OpenAIASRConfig, at: Spelling) -> None:
    path = at("headers")
    seen: set[str] = set()
    for name, secret in config.headers.items():
        value = secret.get_secret_value()
        field = f"{path}.{name}" if is_name(name) else path
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigError(
                path, "found a name that no header has; allowed: header names"
            )
        if name.lower() in _OUR_HEADERS or name.lower().startswith(
            "sec-websocket-"
        ):
            raise ConfigError(field, "belongs to the connection; leave it out")
        if name.lower() in seen:
            raise ConfigError(field, "found twice, in upper and lower case")
        seen.add(name.lower())
        if not value.isascii() or not value.isprintable():
            raise ConfigError(
                field,
                "found a value with other than printable ASCII characters",
            )


def is_name(text: str) -> bool:
    """May this name of a header or parameter be shown?  Long ones may be
    values that went astray."""
    return len(text) <= 40 and _HEADER_NAME.fullmatch(text) is not None


def _check_url(config: OpenAIASRConfig, at: Spelling) -> None:
    path = at("websocket_base_url")
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
    if config.protocol == "beta" and is_openai(url):
        raise ConfigError(
            at("protocol"),
            'found "beta", which api.openai.com switched off in May 2026;'
            ' allowed: "auto", "ga"',
        )


def _check_request(config: OpenAIASRConfig, at: Spelling) -> None:
    request = config.input_audio_transcription
    if not request.model.isprintable() or " " in request.model:
        raise ConfigError(
            at(f"{_SECTION}.model"),
            "found a text with blanks or control characters",
        )
    if request.family and request.family not in MODEL_NAMES:
        raise ConfigError(
            at(f"{_SECTION}.family"),
            f"found {json.dumps(request.family)[:80]};"
            f" allowed: {', '.join(MODEL_NAMES)}",
        )


def _check_turns(config: OpenAIASRConfig, at: Spelling) -> None:
    owner = config.turn_owner
    if owner not in ("server_vad", "semantic_vad"):
        return
    if config.session_turn_detection.get("type") is not None:
        # Passed through: whoever does that knows better than the table.
        return
    profile = config.profile
    if decide(owner, profile, config.dialect) == "rejected":
        taken = "" if profile.known else f" (taken for {profile.family})"
        raise ConfigError(
            at("turn_detection.type"),
            f'found "{owner}", but {profile.name}{taken} has no turn detection'
            ' of its own; allowed: "local", "none"',
        )


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(v, levels - 1) for v in value)


def _check_session(config: OpenAIASRConfig, path: str) -> None:
    """What the extension itself must know has options of its own."""
    session = config.session
    if _is_deeper(session, _SESSION_LEVELS):
        raise ConfigError(
            path, f"found more than {_SESSION_LEVELS} levels of nesting"
        )
    try:
        json.dumps(session, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise ConfigError(path, "found what JSON cannot carry") from None
    beta = config.dialect == "beta"
    for place, option in (
        (("audio", "input", "format"), "input_audio_format"),
        (("input_audio_format",), "input_audio_format"),
        (("audio", "input", "transcription", "model"), f"{_SECTION}.model"),
        (("input_audio_transcription", "model"), f"{_SECTION}.model"),
    ):
        if _has(session, place):
            name = ".".join((path, *place))
            raise ConfigError(name, f"cannot be set here; use {option}")
    for place in (
        ("audio",),
        ("audio", "input"),
        ("audio", "input", "transcription"),
        ("input_audio_transcription",),
    ):
        if _has(session, place) and not isinstance(
            _value(session, place), Mapping
        ):
            raise ConfigError(
                ".".join((path, *place)), "allowed here: an object"
            )
    for place in (("audio", "input", "turn_detection"), ("turn_detection",)):
        if not _has(session, place):
            continue
        name = ".".join((path, *place))
        detector = _value(session, place)
        if not isinstance(detector, Mapping):
            raise ConfigError(
                name, 'allowed here: an object; use turn_detection for "none"'
            )
        kind = detector.get("type")
        if kind in ("local", "none"):
            raise ConfigError(
                f"{name}.type", "is no server's; use turn_detection"
            )
        if kind is None and config.turn_owner in ("local", "none"):
            raise ConfigError(
                f"{name}.type",
                f'missing; the turns are "{config.turn_owner}" without it',
            )
        if kind is not None and not isinstance(kind, str):
            raise ConfigError(f"{name}.type", "allowed: a text")
    if "type" in session and (beta or session["type"] != "transcription"):
        raise ConfigError(f"{path}.type", "cannot be set here")


def _has(value: Any, place: tuple[str, ...]) -> bool:
    for key in place:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def _value(value: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def advice(config: OpenAIASRConfig, at: Spelling) -> Iterable[str]:
    """What works otherwise than somebody may think; no errors."""
    yield from _advice_on_model(config, at)
    for text in config.fitted()[1]:
        option, _, rest = text.partition(": ")
        if option.partition(".")[0] not in type(config).model_fields:
            option = f"{_SECTION}.{option}"
        yield f"{at(option)}: {rest}"
    owner = config.turn_owner
    chosen = config.turn_detection
    given = chosen.model_fields_set - {"type", "enabled"}
    for name in sorted(given - _KNOBS[owner]):
        path = at(f"turn_detection.{name}")
        yield f'{path}: without effect where turns are "{owner}"'
    most = config.limits.max_turn_ms
    if config.max_turn_ms > most and "max_turn_ms" in config.model_fields_set:
        yield f"{at('max_turn_ms')}: {most} is used, half of max_buffer_ms"
    yield from _advice_on_turns(config, at)
    yield from _advice_on_connection(config, at)


def _advice_on_turns(config: OpenAIASRConfig, at: Spelling) -> Iterable[str]:
    owner = config.turn_owner
    if owner not in ("server_vad", "semantic_vad"):
        return
    if decide(owner, config.profile, config.dialect) == "doubtful":
        path = at("turn_detection.type")
        yield (
            f"{path}: {config.profile.name} takes {owner}, but some never"
            ' got a turn out of it; "local" is the default'
        )


def _advice_on_model(config: OpenAIASRConfig, at: Spelling) -> Iterable[str]:
    profile = config.profile
    path = at(f"{_SECTION}.model")
    if profile.shutdown:
        yield (
            f"{path}: {profile.name} shuts down on {profile.shutdown};"
            f" replacement: {profile.replacement}"
        )
    if not profile.known:
        how = (
            ""
            if config.input_audio_transcription.family
            else (f"; {_SECTION}.family can name another model")
        )
        yield (
            f"{path}: {profile.name} is not known here and treated like"
            f" {profile.family}{how}"
        )


def _advice_on_connection(
    config: OpenAIASRConfig, at: Spelling
) -> Iterable[str]:
    url_path = at("websocket_base_url")
    url = config.url
    for text in config.endpoint.advice:
        yield f"{url_path}: {text}"
    if config.model_in_url and (is_openai(url) or is_azure(url)):
        yield (
            f"{at('model_in_url')}: left out, the service refuses a model in"
            " the URL of a transcription session"
        )
    if config.api_key.get_secret_value().startswith("ek_"):
        yield (
            f"{at('api_key')}: an ephemeral key opens sessions until it"
            " expires; a reconnect after that fails"
        )
    if config.ca_file and is_plain(url):
        yield f"{at('ca_file')}: not used without TLS"
    beta = [n for n in config.headers if n.lower() == "openai-beta"]
    if beta and is_openai(url):
        path = at(f"headers.{beta[0]}")
        yield f"{path}: api.openai.com refuses the beta dialect"

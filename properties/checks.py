"""Rules between the node's properties, and advice about them.

All of it is told in pairs: a property, and what there is to say of it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..config import (
    DETECTOR_PLACES,
    TURN_KNOBS,
    FallbackConfig,
    OpenAIASRConfig,
    part_of,
)
from ..service.endpoint import (
    OPEN_PARAMETERS,
    is_azure,
    is_loopback,
    is_openai,
    is_plain,
    names_secret,
)
from ..service.files import MAX_FILE, OF_FILES, SAMPLE_BYTES
from ..service.models import FILE_MODELS, FILE_REPLACEMENT, MODEL_NAMES
from ..service.options import decide

_Told = Iterator[tuple[str, str]]
_SECTION = "input_audio_transcription"
_MODEL = f"{_SECTION}.model"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: These make the connection what it is (RFC 6455; RFC 9110, 7.6.1).
_OUR_HEADER = re.compile(
    "connection|content-length|expect|host|http2-settings|keep-alive"
    "|proxy-connection|te|trailer|transfer-encoding|upgrade|sec-websocket-.*"
)
_UNFILLED = "found a placeholder; TEN fills in ${env:NAME} only"
#: Of a shell, of templates, or for a reader: no key is in brackets.
_PLACEHOLDER = re.compile(r"[$#]?[({<\[].*[)}>\]]#?|\$\w+|%\w+%|@.+@")
#: JSON can spell half of a surrogate pair; UTF-8 cannot carry it.
_HALF = re.compile("[\ud800-\udfff]")
#: Session settings are nested about five deep.
_LEVELS = 20
#: What the extension itself must know has options of its own: these.
_NOT_IN_SESSION = {
    "audio.input.format": "input_audio_format",
    "input_audio_format": "input_audio_format",
    "audio.input.transcription.model": _MODEL,
    _MODEL: _MODEL,
}
#: What is of a session, and has no effect where there is none.
_OF_SESSIONS = (
    "protocol",
    "session",
    "model_in_url",
    "peer_timeout_ms",
    "input_audio_noise_reduction",
)
_NO_EFFECT = 'without effect with transport "http"'
_OBJECTS = ("audio", "audio.input", "audio.input.transcription", _SECTION)
_ABSENT = object()


def problems_of_value(
    value: Any, field: str = "", levels: int = _LEVELS + 1
) -> _Told:
    """What nothing may hold, whichever field it is of."""
    if isinstance(value, str) and "${env:" in value:
        yield (
            field,
            "found a placeholder ${env:…} that nobody filled in; TEN does so"
            " where a property is loaded, and not in a command",
        )
    if isinstance(value, str) and _HALF.search(value):
        yield field, "found text that is not Unicode, which JSON cannot carry"
    if not levels and isinstance(value, (Mapping, list)):
        first = field.partition(".")[0]
        yield first, f"found more than {_LEVELS} levels of nesting"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from problems_of_value(name, field)
            path = f"{field}.{name}".strip(".") if is_name(name) else field
            yield from problems_of_value(inner, path, levels - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from problems_of_value(inner, field, levels - 1)


def problems(config: OpenAIASRConfig) -> _Told:
    """Which rules are broken; the later ones may follow from the first."""
    yield from _problems_of_key(config)
    yield from _problems_of_headers(config)
    yield from _problems_of_url(config)
    for name in ("ca_file", "dump_path"):
        if "://" in getattr(config, name):
            yield name, "found a URL; allowed: a path on this machine"
    yield from _problems_of_request(config)
    yield from (
        _problems_of_files if config.over_http else _problems_of_session
    )(config)


def _problems_of_key(config: OpenAIASRConfig) -> _Told:
    key = config.api_key.get_secret_value()
    if not key.strip() and not any(map(names_secret, config.headers)):
        yield (
            "api_key",
            "missing; set it in params or beside them, or in the environment"
            " variable OPENAI_API_KEY",
        )
    if _PLACEHOLDER.fullmatch(key):
        yield "api_key", _UNFILLED
    if not _is_printable_ascii(key) or " " in key:
        yield "api_key", "found a text with blanks or control characters"
    for name in ("organization", "project"):
        if not _is_printable_ascii(getattr(config, name)):
            yield (
                name,
                "found other than printable ASCII characters; allowed: an id",
            )


def _problems_of_headers(config: OpenAIASRConfig) -> _Told:
    seen: set[str] = set()
    for name, secret in config.headers.items():
        lower = name.lower()
        path = f"headers.{name}" if is_name(name) else "headers"
        if not _HEADER_NAME.fullmatch(name):
            yield path, "found a name that no header has; allowed: header names"
        if _OUR_HEADER.fullmatch(lower):
            yield path, "belongs to the connection; leave it out"
        if lower in seen:
            yield path, "found twice, in upper and lower case"
        seen.add(lower)
        value = secret.get_secret_value()
        # Behind its scheme, or without one.
        parts = value, value.partition(" ")[2].strip(), value.split(" ")[-1]
        if names_secret(name) and any(map(_PLACEHOLDER.fullmatch, parts)):
            yield path, _UNFILLED
        if not _is_printable_ascii(value):
            yield (
                path,
                "found a value with other than printable ASCII characters",
            )


def _is_printable_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()


def is_name(text: str) -> bool:
    """May this name of a header or parameter be shown?  Long ones may be
    values that went astray."""
    return len(text) <= 40 and _HEADER_NAME.fullmatch(text) is not None


def _problems_of_url(config: OpenAIASRConfig) -> _Told:
    try:
        url = config.url
    except ValueError as error:
        yield "websocket_base_url", str(error)
        return
    if is_plain(url) and not is_loopback(url) and not config.allow_insecure:
        yield (
            "websocket_base_url",
            "found a URL without TLS, which would send the key in the clear;"
            " allowed: wss:// or https://, ws:// to this machine, or"
            " allow_insecure: true",
        )
    if config.dialect == "beta" and is_openai(url):
        yield (
            "protocol",
            'found "beta", which api.openai.com switched off in May 2026;'
            ' allowed: "auto", "ga"',
        )


def _problems_of_request(config: OpenAIASRConfig) -> _Told:
    request = config.input_audio_transcription
    if not request.model.isprintable() or " " in request.model:
        yield _MODEL, "found a text with blanks or control characters"
    if request.family and request.family not in MODEL_NAMES:
        yield (
            f"{_SECTION}.family",
            f"found {json.dumps(request.family)[:80]};"
            f" allowed: {', '.join(MODEL_NAMES)}",
        )
        return
    if config.over_http:
        return
    owner, profile = config.turn_owner, config.profile
    # Whoever passes one through knows better than the table.
    passed_through = config.session_turn_detection.get("type") is not None
    fate = decide(owner, profile, config.dialect)
    if fate == "rejected" and not passed_through:
        taken = "" if profile.known else f" (taken for {profile.family})"
        yield (
            "turn_detection.type",
            f'found "{owner}", but {profile.name}{taken} has no turn detection'
            ' of its own; allowed: "local", "none"',
        )


def _problems_of_files(config: OpenAIASRConfig) -> _Told:
    """Where each turn is a file of its own, sent over HTTP."""
    owner, profile = config.turn_owner, config.profile
    if owner not in ("local", "none"):
        yield (
            "turn_detection.type",
            f'found "{owner}", but with transport "http" the service hears'
            ' whole turns only; allowed: "local", "none"',
        )
    if not profile.files:
        yield (
            _MODEL,
            f'found "{profile.name}", which is to be had over the WebSocket'
            ' only; with transport "http" allowed:'
            f" {', '.join(FILE_MODELS)}, or a model of another service",
        )
    rate = config.session_settings().rate
    most = MAX_FILE // (SAMPLE_BYTES * rate) * 1000
    if config.limits.max_turn_ms > most:
        yield (
            "max_turn_ms",
            f"found {config.limits.max_turn_ms}, but the service takes files"
            f" of up to {MAX_FILE >> 20} MB; allowed: up to {most}",
        )


def _problems_of_session(config: OpenAIASRConfig) -> _Told:
    session, owner = config.session, config.turn_owner
    try:
        json.dumps(session, allow_nan=False)
    except (ValueError, TypeError):
        yield "session", "found what JSON cannot carry"
    for place, option in _NOT_IN_SESSION.items():
        if part_of(session, place, _ABSENT) is not _ABSENT:
            yield f"session.{place}", f"cannot be set here; use {option}"
    for place in _OBJECTS:
        if not isinstance(part_of(session, place, {}), Mapping):
            yield f"session.{place}", "allowed here: an object"
    for place in DETECTOR_PLACES:
        detector = part_of(session, place, _ABSENT)
        if detector is _ABSENT:
            continue
        kind, field = part_of(detector, "type"), f"session.{place}.type"
        if not isinstance(detector, Mapping):
            yield (
                f"session.{place}",
                'allowed here: an object; use turn_detection for "none"',
            )
        elif kind in ("local", "none"):
            yield field, "is no server's; use turn_detection"
        elif kind is None and owner in ("local", "none"):
            yield field, f'missing; the turns are "{owner}" without it'
        elif kind is not None and not isinstance(kind, str):
            yield field, "allowed: a text"
    beta = config.dialect == "beta"
    if "type" in session and (beta or session["type"] != "transcription"):
        yield "session.type", "cannot be set here"


def advice(config: OpenAIASRConfig) -> _Told:
    """What works otherwise than somebody may think; no errors."""
    yield from _advice_on_model(config)
    for text in config.fitted()[1]:
        option, _, rest = text.partition(": ")
        if option.partition(".")[0] not in type(config).model_fields:
            option = f"{_SECTION}.{option}"
        yield option, rest
    owner, profile = config.turn_owner, config.profile
    given = config.turn_detection.model_fields_set - {"type", "enabled"}
    unused = f'without effect where turns are "{owner}"'
    for name in sorted(given - TURN_KNOBS[owner]):
        yield f"turn_detection.{name}", unused
    most = config.limits.max_turn_ms
    if config.max_turn_ms > most and "max_turn_ms" in config.model_fields_set:
        yield "max_turn_ms", f"{most} is used, by max_buffer_ms"
    yield from _advice_on_transport(config)
    if decide(owner, profile, config.dialect) == "doubtful":
        yield (
            "turn_detection.type",
            f"{profile.name} takes {owner}, but some never"
            ' got a turn out of it; "local" is the default',
        )
    yield from _advice_on_connection(config)


def advice_on_first(config: OpenAIASRConfig) -> _Told:
    """What somebody may not expect of the first endpoint, whose key may be
    the environment's."""
    secret = next(filter(names_secret, config.headers), None)
    key = config.api_key.get_secret_value()
    sent = key and any(key in value for value in config.headers_sent.values())
    if config.dump and config.dump_path.startswith("~"):
        yield "dump_path", "~ is a directory of that name, and no home"
    if secret and sent and not is_openai(config.url):
        host = urlsplit(config.url).hostname
        yield (
            "api_key",
            f"is sent to {host} beside headers.{secret};"
            " where it is that of another service, take it out of the"
            " environment (OPENAI_API_KEY) or the properties",
        )


def advice_on_fallback(
    config: OpenAIASRConfig, other: OpenAIASRConfig, given: FallbackConfig
) -> _Told:
    """What somebody may not expect of another endpoint."""
    first, host = (urlsplit(c.url).netloc for c in (config, other))
    sent = {
        "api_key": other.api_key.get_secret_value(),
        "headers": bool(other.headers),
        "query": any(name not in OPEN_PARAMETERS for name in other.query),
    }
    for field, is_sent in sent.items():
        if first != host and is_sent and field not in given.model_fields_set:
            yield field, f"not given, so that {host} is sent that for {first}"


def _advice_on_model(config: OpenAIASRConfig) -> _Told:
    profile = config.profile
    if profile.shutdown:
        by = FILE_REPLACEMENT if config.over_http else profile.replacement
        yield (
            _MODEL,
            f"{profile.name} shuts down on {profile.shutdown};"
            f" replacement: {by}",
        )
    if not profile.known:
        named = config.input_audio_transcription.family
        how = "" if named else f"; {_SECTION}.family can name another model"
        close = difflib.get_close_matches(profile.name, MODEL_NAMES, 1, 0.8)
        hint = f'; did you mean "{close[0]}"?' if close and not named else ""
        yield (
            _MODEL,
            f"{profile.name} is not known here and treated like"
            f" {profile.family}{how}{hint}",
        )


def _advice_on_transport(config: OpenAIASRConfig) -> _Told:
    if config.over_http:
        for name in _OF_SESSIONS:
            if name in config.model_fields_set:
                yield name, _NO_EFFECT
        for name in config.headers:
            if name.lower() in OF_FILES:
                yield f"headers.{name}", _NO_EFFECT
    if not config.timestamps:
        return
    if not config.over_http:
        yield (
            "timestamps",
            "the WebSocket tells no times of words; dropped"
            ' (transport "http" does, with whisper-1)',
        )
    elif not config.profile.word_times:
        name = config.profile.name
        yield "timestamps", f"{name} tells no times of words; dropped"


def _advice_on_connection(config: OpenAIASRConfig) -> _Told:
    url = config.url
    for text in config.endpoint.advice:
        yield "websocket_base_url", text
    over_http = config.over_http
    if (
        not over_http
        and config.model_in_url
        and (is_openai(url) or is_azure(url))
    ):
        yield (
            "model_in_url",
            "left out, the service refuses a model in the URL of a"
            " transcription session",
        )
    if config.api_key.get_secret_value().startswith("ek_"):
        yield (
            "api_key",
            "an ephemeral key opens sessions until it expires; a reconnect"
            " after that fails",
        )
    if config.ca_file and is_plain(url):
        yield "ca_file", "not used without TLS"
    beta = [n for n in config.headers if n.lower() == "openai-beta"]
    if beta and is_openai(url):
        yield f"headers.{beta[0]}", "api.openai.com refuses the beta dialect"

"""Who may open a session: path, key, dialect, model and intent.

api.openai.com upgrades nearly every request (HTTP 101) and then refuses with
an ``error`` event and CLOSE 3000 or 4000 (recorded 2026-09-18).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from .errors import (
    CLOSE_AUTHENTICATION,
    CLOSE_REQUEST_SHAPE,
    ApiError,
    unsupported_value,
)
from .models import LISTED, PROFILES, ModelNames
from .rules import STRICT, Rule, Rules

SUBPROTOCOL = "realtime"
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
_PATH = "/v1/realtime"
_FILES_PATH = "/v1/audio/transcriptions"
_AZURE = "/openai"  # before both
_SECRET_HEADERS = ("authorization", "api-key", "sec-websocket-protocol")


@dataclass(frozen=True, slots=True)
class Policy:
    """``keys``: None accepts any key but those that begin with sk-wrong.

    ``dialect``: ga, beta or both (the beta header decides).
    """

    keys: Collection[str] | None
    dialect: str
    azure: bool
    rules: Rules = STRICT
    models: ModelNames = LISTED


@dataclass(frozen=True, slots=True)
class Request:
    """A handshake request; header names in lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, target: str, headers: Mapping[str, str]) -> Request:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(parts.path, query, headers)

    @property
    def key(self) -> str | None:
        """The key from header or subprotocol; None if there is none."""
        match = re.fullmatch(
            r"Bearer\s+(\S+)",
            self.headers.get("authorization", "").strip(),
            re.IGNORECASE,
        )
        if match:
            return match[1]
        for name in self.subprotocols:
            if name.startswith(_KEY_SUBPROTOCOL):
                return name[len(_KEY_SUBPROTOCOL) :] or None
        return None

    @property
    def subprotocols(self) -> list[str]:
        offered = self.headers.get("sec-websocket-protocol", "")
        return [name.strip() for name in offered.split(",") if name.strip()]

    @property
    def beta(self) -> bool:
        return (
            self.headers.get("openai-beta") == "realtime=v1"
            or _BETA_SUBPROTOCOL in self.subprotocols
        )

    def masked_headers(self) -> dict[str, str]:
        """Headers without any secret."""
        return {
            name: "***" if name in _SECRET_HEADERS else value
            for name, value in self.headers.items()
        }

    def masked_query(self) -> dict[str, str]:
        return {
            name: "***" if name == "api-key" else value
            for name, value in self.query.items()
        }


def http_status(request: Request, policy: Policy) -> int:
    """101, or the HTTP status with which the upgrade is refused."""
    if not of_this_machine(request.headers.get("origin")):
        return 403
    if is_for_files(request, policy):
        return 405
    if request.path != (_AZURE if policy.azure else "") + _PATH:
        return 404
    # Azure: `api-version` on the v1 path looks like a wrong key.
    if policy.azure and (
        "api-version" in request.query or not key_ok(request, policy)
    ):
        return 401
    return 101


def of_this_machine(origin: str | None) -> bool:
    """Programs have no origin; a page elsewhere is not to use what runs on
    its reader's machine."""
    if origin is None:
        return True
    host = _host_of(origin)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return _is_localhost(host)


def is_no_name(host: str) -> bool:
    """Is a ``Host`` an address, or localhost?  A page can have a name of its
    own lead here, but no address."""
    name = _host_of(f"//{host}")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _is_localhost(name)
    return True


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_localhost(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def is_for_files(request: Request, policy: Policy) -> bool:
    """Whether the path is that of transcriptions over HTTP."""
    return request.path == (_AZURE if policy.azure else "") + _FILES_PATH


def key_ok(request: Request, policy: Policy) -> bool:
    key = _key(request, policy)
    if not key:
        return False
    if policy.keys is None:
        return not key.startswith("sk-wrong")
    return key in policy.keys


def _key(request: Request, policy: Policy) -> str | None:
    if policy.azure:
        azure = request.headers.get("api-key") or request.query.get("api-key")
        if azure:
            return azure
    return request.key


def check_key(request: Request, policy: Policy) -> None:
    """Raises ApiError with its close code."""
    if not _key(request, policy):
        raise ApiError(
            "Missing bearer or basic authentication in header",
            close=CLOSE_AUTHENTICATION,
        )
    if not key_ok(request, policy):
        raise ApiError(
            f"Incorrect API key provided: {_masked(request.key or '')}. You "
            "can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            "invalid_api_key",
            close=CLOSE_AUTHENTICATION,
        )


def dialect(request: Request, policy: Policy) -> str:
    """``ga`` or ``beta`` for this connection."""
    if policy.dialect == "both":
        return "beta" if request.beta else "ga"
    return policy.dialect


def admit(request: Request, policy: Policy) -> str:
    """The kind of session: ``transcription`` or ``realtime``.

    Raises ApiError with the close code that follows.
    """
    check_key(request, policy)
    if dialect(request, policy) == "beta":
        # Compatible servers differ in what `model` and `intent` mean.
        return "transcription"
    if request.beta and Rule.BETA_HEADER in policy.rules:
        raise ApiError(
            "The Realtime Beta API is no longer supported. Please use the GA "
            "API.",
            "beta_api_shape_disabled",
            close=CLOSE_REQUEST_SHAPE,
        )
    if Rule.URL_MODEL not in policy.rules:
        return "transcription"
    return _kind(request)


def _kind(request: Request) -> str:
    model, intent = request.query.get("model"), request.query.get("intent")
    if intent not in (None, "realtime", "transcription"):
        error = unsupported_value(
            "intent", intent, ("realtime", "transcription")
        )
        error.close = CLOSE_REQUEST_SHAPE
        raise error
    if intent == "transcription":
        if model is not None:
            raise _invalid_model(
                "You must not provide a model parameter for transcription "
                "sessions."
            )
        return "transcription"
    if not model:
        # A client secret carries the session type it was made for.
        if intent is None and (request.key or "").startswith("ek_"):
            return "transcription"
        raise ApiError(
            "You must provide a model parameter.",
            "missing_model",
            "model",
            close=CLOSE_REQUEST_SHAPE,
        )
    if model in PROFILES:
        raise _invalid_model(
            f"Model '{model}' is a transcription model and cannot be used as "
            "the realtime session model. Use intent=transcription and set "
            "the model in session.audio.input.transcription.model."
        )
    if not model.startswith("gpt-realtime"):
        raise _invalid_model(
            f"Model '{model}' is not supported in realtime mode."
        )
    return "realtime"


def _invalid_model(message: str) -> ApiError:
    return ApiError(
        message, "invalid_model", "model", close=CLOSE_REQUEST_SHAPE
    )


def _masked(key: str) -> str:
    # The service echoes the ends of a key; so does this, for wrong keys only.
    return f"{key[:8]}***{key[-4:]}" if len(key) > 16 else "***"

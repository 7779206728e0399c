"""URL and headers of a connection.

People write base URLs in many ways: with ``https`` (as ``OPENAI_BASE_URL``)
or ``wss``, with or without a slash or ``/realtime`` at the end, with a query,
or only a host.  All of them mean the same endpoint.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

OPENAI_HOST = "api.openai.com"
DEFAULT_BASE_URL = f"wss://{OPENAI_HOST}/v1"

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


#: Hosts of Azure OpenAI resources.
_AZURE = (
    ".openai.azure.com",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
)
#: Query parameters whose values are no secret.
_HARMLESS = ("intent", "model", "api-version")


@dataclass(frozen=True)
class Endpoint:
    """Where to connect; ``advice`` tells what was left out, and why."""

    url: str
    advice: tuple[str, ...] = ()


def realtime_url(base_url: str, query: Mapping[str, str]) -> str:
    """The WebSocket URL for a base URL; raises ``ValueError``."""
    return endpoint(base_url, query).url


def endpoint(
    base_url: str, query: Mapping[str, str], model: str = ""
) -> Endpoint:
    """The WebSocket URL for a base URL; raises ``ValueError``.

    ``intent=transcription`` is added unless the base URL carries a ``model``:
    OpenAI refuses both together.  An ``intent`` given wins.  ``query`` is
    added to the URL's own and wins.  ``model`` goes into the query, next to
    ``intent``, as some gateways want it; never at OpenAI.
    """
    try:
        parts = urlsplit(base_url.strip())
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None or not host:
        raise ValueError("must begin with wss://, https://, ws:// or http://")
    if parts.username or parts.password:
        raise ValueError("must not contain a user name or password")
    if any(c.isspace() or not c.isprintable() for c in base_url.strip()):
        raise ValueError("must not contain blanks or control characters")
    azure = host.endswith(_AZURE)
    path = _path(parts.path, azure)
    pairs = dict(parse_qsl(parts.query, keep_blank_values=True))
    pairs.update(query)
    advice = []
    if azure and "/v1/" in path and pairs.pop("api-version", ""):
        # Left in, it looks like a wrong key (Microsoft's troubleshooting).
        advice.append("api-version is left out: the v1 API does not take it")
    if (azure or _is_openai_host(host)) and pairs.get("intent") != "realtime":
        if "model" in pairs:
            del pairs["model"]
            advice.append(
                "model is left out of the URL: a transcription session names"
                " it in its settings"
            )
        model = ""
    if "model" not in pairs or model:
        pairs.setdefault("intent", "transcription")
    if model:
        pairs["model"] = model
    encoded = urlencode(pairs)
    url = urlunsplit((scheme, parts.netloc, path, encoded, ""))
    return Endpoint(url, tuple(advice))


def _path(path: str, azure: bool) -> str:
    """The path of a base URL with all that people leave out."""
    path = path.rstrip("/")
    if path.endswith("/realtime"):
        return path
    if azure and path in ("", "/openai"):
        path = "/openai/v1"
    return (path or "/v1") + "/realtime"


def is_openai(url: str) -> bool:
    """Does the URL lead to OpenAI itself?"""
    return _is_openai_host(urlsplit(url).hostname or "")


def _is_openai_host(host: str) -> bool:
    """Those with data residency, such as eu.api.openai.com, obey the same
    rules (OpenAI's data-residency page, November 2026)."""
    host = host.rstrip(".")
    return host == OPENAI_HOST or host.endswith(f".{OPENAI_HOST}")


def is_azure(url: str) -> bool:
    """Does the URL lead to an Azure OpenAI resource?"""
    return (urlsplit(url).hostname or "").endswith(_AZURE)


def is_loopback(url: str) -> bool:
    """Does the URL lead to this very machine?"""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain(url: str) -> bool:
    """Does the URL lack TLS?"""
    return urlsplit(url).scheme == "ws"


def redacted_url(url: str) -> str:
    """The URL for logs: query values are left out but for harmless ones."""
    parts = urlsplit(url)
    pairs = [
        (name, value if name in _HARMLESS else "***")
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit(parts._replace(query=urlencode(pairs, safe="*")))

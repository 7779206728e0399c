"""URL and headers of a connection.

People write base URLs in many ways: with ``https`` (as ``OPENAI_BASE_URL``)
or ``wss``, with or without a slash or ``/realtime`` at the end, with a query.
All of them mean the same endpoint.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

DEFAULT_BASE_URL = "wss://api.openai.com/v1"

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def realtime_url(base_url: str, query: Mapping[str, str]) -> str:
    """The WebSocket URL for a base URL; raises ``ValueError``.

    ``intent=transcription`` is added unless the URL carries a ``model``:
    OpenAI refuses both together.  An ``intent`` in the URL wins.
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
    path = parts.path.rstrip("/")
    if not path.endswith("/realtime"):
        path += "/realtime"
    pairs = dict(parse_qsl(parts.query, keep_blank_values=True))
    pairs.update(query)
    if "model" not in pairs:
        pairs.setdefault("intent", "transcription")
    return urlunsplit((scheme, parts.netloc, path, urlencode(pairs), ""))


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
        (name, value if name in ("intent", "model") else "***")
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit(parts._replace(query=urlencode(pairs, safe="*")))

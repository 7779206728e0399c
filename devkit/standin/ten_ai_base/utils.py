"""Masking of secrets for logs."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from ._generation import IS_NEWER


def encrypt(key: str) -> str:
    """Head and tail of a key; one of under 5 characters stays readable."""
    step = min(len(key) // 5, 5)
    if step == 0:
        return key
    return f"{key[:step]}...{key[-step:]}"


if IS_NEWER:

    def redact_url(url: str) -> str:
        """``url`` without credentials and query values, fit for a log."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"***@{host}" if "@" in parts.netloc else host
        pairs = parts.query.split("&") if parts.query else []
        query = "&".join(f"{pair.partition('=')[0]}=***" for pair in pairs)
        return urlunsplit((parts.scheme, netloc, parts.path, query, ""))

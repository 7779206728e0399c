"""How a secret may come back, written without the extension's own list."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _inside(prefix: str, secret: str) -> str:
    """The base64 of the secret behind a prefix, as far as it is its own."""
    whole = _b64(f"{prefix}{secret}")
    start = -(-len(prefix) * 8 // 6)
    return whole[start : (len(prefix) + len(secret.encode())) * 8 // 6]


def forms_of(secret: str) -> dict[str, str]:
    """Name and text of each form."""
    forms = {
        "plain": secret,
        "upper": secret.upper(),
        "lower": secret.lower(),
        "base64": _b64(secret),
        "base64 of a:": _inside("a:", secret),
        "base64 of ab:": _inside("ab:", secret),
        "base64 of abc:": _inside("abc:", secret),
        "base64url": base64.urlsafe_b64encode(secret.encode()).decode(),
        "URL-encoded base64": quote(_b64(secret), safe=""),
        "URL-encoded": quote(secret, safe=""),
        "URL-encoded path": quote(secret),
        "form-encoded": quote_plus(secret),
        "lower URL-encoded": quote(secret, safe="").lower(),
        "twice URL-encoded": quote(quote(secret, safe=""), safe=""),
        "JSON": json.dumps(secret)[1:-1],
        "JSON, not ASCII": json.dumps(secret, ensure_ascii=False)[1:-1],
        "JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "HTML": html.escape(secret),
        "hexadecimal": secret.encode().hex(),
    }
    if len(secret) >= 16:
        forms["a part"] = secret[2:-2]
        forms["a part in upper case"] = secret[2:-2].upper()
    return forms


def found_in(shown: str, secret: str) -> list[str]:
    """Names of the forms of the secret that ``shown`` contains."""
    lower = shown.lower()
    return [
        name
        for name, form in forms_of(secret).items()
        if form.lower() in lower or json.dumps(form)[1:-1].lower() in lower
    ]

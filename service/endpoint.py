"""The URL of a connection.

People write base URLs in many ways: with ``https`` (as ``OPENAI_BASE_URL``)
or ``wss``, with or without a slash or ``/realtime`` at the end, with a query,
or only a host.  All of them mean the same endpoint.
"""

from __future__ import annotations

# Python would load it with the first name, and so in the loop, in a call.
import encodings.idna  # noqa: F401
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .models import MODEL_NAMES

OPENAI_HOST = "api.openai.com"
DEFAULT_BASE_URL = f"wss://{OPENAI_HOST}/v1"

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_FILE_SCHEMES = {"ws": "http", "wss": "https"}
#: Where a session is opened, and where a file is sent.
_REALTIME, FILES = "/realtime", "/audio/transcriptions"
#: Hosts of Azure OpenAI resources.
_AZURE = (
    ".openai.azure.com",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
)
#: Query parameters whose values are no secret.
OPEN_PARAMETERS = ("intent", "model", "api-version", "deployment")
#: Of fields, headers and parameters whose texts are secret wherever they stand.
_SECRET_NAME = re.compile(
    r"(?:.*[-_])?(?:api-?key|key|secret|pass|password|passwd|passphrase|pwd"
    r"|authorization|bearer|token|jwt|hmac|signature|credential|cookie)s?",
    re.IGNORECASE,
)
#: What people write into URLs besides these and models, versions of an API
#: included; other words may be secrets.
_KNOWN_WORD = re.compile(
    "access_token|authorization|deployments|inference|realtime|signature"
    r"|subscription-key|transcriptions?|\d{4}-\d{2}-\d{2}(-preview)?"
)
_USER_PART = "must not contain a user name or password"
_NO_URL = "is not a URL that can be dialed"
_NOT_ASCII = (
    "must have a host in ASCII; an international name is written with xn--,"
    " for programs do not agree on what its letters mean"
)
#: What resolvers take; `%`, say, is in no name, and programs differ on it.
_NAME = re.compile(r"[a-z0-9._-]+")
#: Other hosts and IPv6 addresses with a port; nothing else stands in brackets
#: or beside them, though `urlsplit` would not mind.
_PLACES = (re.compile(r"[^][]*"), re.compile(r"\[[^][]*\](?::[0-9]*)?"))
#: The end of what is an IPv4 address for some programs and none for others:
#: ``127.1``, ``0x7f.1``, ``2130706433``.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
#: More than servers take, in characters.
_LONGEST_URL = 16_384
#: Shorter texts are taken for no secret.
_SHORTEST = 8


@dataclass(frozen=True)
class Endpoint:
    """Where to connect; ``advice`` tells what was left out, and why."""

    url: str
    advice: tuple[str, ...] = ()


def endpoint(
    base_url: str,
    query: Mapping[str, str],
    model: str = "",
    *,
    files: bool = False,
) -> Endpoint:
    """The WebSocket URL for a base URL; raises ``ValueError``.

    ``intent=transcription`` is added unless the base URL carries a ``model``:
    OpenAI refuses both together.  An ``intent`` given wins.  ``query`` is
    added to the URL's own and wins.  ``model`` goes into the query, next to
    ``intent``, as some gateways want it; never at OpenAI.  ``files``: that
    to which files are sent, with ``https`` and without an ``intent``.
    """
    base_url = base_url.strip()
    if len(base_url) > _LONGEST_URL:
        raise ValueError(f"must not be longer than {_LONGEST_URL} characters")
    if "\\" in base_url:
        # A slash for browsers and others: they would see another host.
        raise ValueError("must not contain backslashes")
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        problem = _USER_PART if "@" in base_url else _NO_URL
        raise ValueError(problem) from None
    scheme = _SCHEMES.get(parts.scheme.lower())
    if "@" in parts.netloc:
        raise ValueError(_USER_PART)
    if scheme is None or not host:
        raise ValueError("must begin with wss://, https://, ws:// or http://")
    if any(c.isspace() or not c.isprintable() for c in base_url):
        raise ValueError("must not contain blanks or control characters")
    if not parts.netloc.isascii():
        # `hostname` is in lower case already, which may be ASCII.
        raise ValueError(_NOT_ASCII)
    try:
        host = ascii_host(host)
    except ValueError:
        raise ValueError(_NO_URL) from None
    in_brackets = ":" in host
    if port == 0 or not _PLACES[in_brackets].fullmatch(parts.netloc):
        raise ValueError(_NO_URL)
    azure = host.endswith(_AZURE)
    path = _path(parts.path, azure, FILES if files else _REALTIME)
    pairs = dict(parse_qsl(parts.query, keep_blank_values=True))
    pairs.update(query)
    advice = []
    if azure and "/v1/" in path and pairs.pop("api-version", ""):
        # Left in, it looks like a wrong key (Microsoft's troubleshooting).
        advice.append("api-version is left out: the v1 API does not take it")
    if (azure or _is_openai_host(host)) and pairs.get("intent") != "realtime":
        if pairs.pop("model", None) is not None:
            advice.append(
                "model is left out of the URL: a transcription session names"
                " it in its settings"
            )
        model = ""
    if files:
        scheme = _FILE_SCHEMES[scheme]
        pairs.pop("intent", None)
    elif "model" not in pairs or model:
        pairs.setdefault("intent", "transcription")
    if model:
        pairs["model"] = model
    encoded = urlencode(pairs)
    # Put together again, so that what is dialed is what was looked at.
    url = urlunsplit((scheme, with_port(host, port), path, encoded, ""))
    return Endpoint(url, tuple(advice))


def _path(path: str, azure: bool, end: str) -> str:
    """The path of a base URL with all that people leave out."""
    path = path.rstrip("/")
    for known in (_REALTIME, FILES):
        if path.endswith(known):
            return path.removesuffix(known) + end
    if azure and path in ("", "/openai"):
        path = "/openai/v1"
    return (path or "/v1") + end


def names_secret(name: str) -> bool:
    """Does what has this name hold a key, or the like?"""
    return bool(_SECRET_NAME.fullmatch(name))


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
    """Does the URL name this very machine?"""
    return is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """Is this a name or an address of this very machine?

    Where a name really leads is for the resolver to say, so whoever dials
    must look at the address as well (`is_loopback_address`).
    """
    host = host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return is_loopback_address(host)


def is_address(host: str) -> bool:
    """Is a host given by its IPv4 or IPv6 address?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback_address(address: str) -> bool:
    """Is this a loopback address, of IPv6, IPv4 or IPv4 in IPv6?"""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # `is_loopback` knows ::ffff:127.0.0.1 only from Python 3.13 on.
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def is_plain(url: str) -> bool:
    """Does the URL lack TLS?"""
    return urlsplit(url).scheme in ("ws", "http")


def ascii_host(host: str) -> str:
    """A host as the resolver gets it, in lower case; raises ``ValueError``.

    That is a name, or an address in its usual spelling.
    """
    if not host.isascii():
        raise ValueError(_NOT_ASCII)
    host = host.lower()
    if ":" in host:
        address = ipaddress.IPv6Address(host)
        if address.scope_id is not None and not address.is_link_local:
            # Resolvers take some of these for names.
            raise ValueError("a zone, of an address that has none")
        return host
    # It looks at how long the labels are.
    host.encode("idna")
    if not _NAME.fullmatch(host):
        raise ValueError("no name of a host")
    if _NUMBER.fullmatch(host):
        ipaddress.IPv4Address(host)
    return host


def with_port(host: str, port: int | None) -> str:
    """Host and port as a URL has them."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def redacted_url(url: str) -> str:
    """The URL for logs: its parts that may be secret are left out.

    What is shown of the path and the query are words that are known, and
    short ones; there is no user part, no parameter and no fragment.
    """
    parts = urlsplit(url)
    segments = [part.partition(";")[0] for part in parts.path.split("/")]
    path = "/".join(map(_shown, segments))
    pairs = [
        (_shown(name), value if name in OPEN_PARAMETERS else "***")
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    query = urlencode(pairs, safe="*")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, path, query, ""))


def _shown(word: str) -> str:
    return word if is_known_word(word) else "***"


def is_known_word(word: str) -> bool:
    """Is this part of a URL surely no secret?"""
    known = word in OPEN_PARAMETERS or word in MODEL_NAMES
    return known or len(word) < _SHORTEST or bool(_KNOWN_WORD.fullmatch(word))


def url_secrets(url: str) -> list[str]:
    """What may be secret in a URL as somebody wrote it."""
    try:
        parts = urlsplit(url.strip())
        user = parts.netloc.rpartition("@")[0]
    except ValueError:
        # It is refused, and not shown.
        return [url]
    found = [user, *user.split(":", 1), parts.fragment]
    for segment in parts.path.split("/"):
        found += [segment, *segment.split(";")]
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        found += [name, "" if name in OPEN_PARAMETERS else value]
    return [text for text in found if not is_known_word(text)]

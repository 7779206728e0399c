"""Which proxy the environment asks for.

The first variable of `_VARIABLES` that is set counts, in lower case (which
wins) or in upper case; ``no_proxy`` lists the hosts that are reached without
one.  User names and passwords of proxies are never shown.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from websockets import proxy as websockets_proxy
from websockets.exceptions import InvalidProxy
from websockets.uri import parse_uri

from ..service.endpoint import ascii_host, with_port

#: In the order of `websockets` (RFC 6455, 4.1); ``all_proxy`` is for the rest.
_VARIABLES = {
    "wss": ("wss_proxy", "socks_proxy", "https_proxy", "all_proxy"),
    "ws": ("ws_proxy", "socks_proxy", "https_proxy", "http_proxy", "all_proxy"),
}
#: Files go the same way.
AS_WEBSOCKET = {"http": "ws", "https": "wss"}
#: By scheme, the port where none is given.
_PORTS = {
    "http": 80,
    "https": 443,
    "socks5h": 1080,
    "socks5": 1080,
    "socks4a": 1080,
    "socks4": 1080,
}
#: What desktops write for SOCKS 5.
_ALIASES = {"socks": "socks5h"}
#: Scheme, user and password, IPv6 address, other host, port.
_ADDRESS = re.compile(
    r"(?:([a-z][a-z0-9+.-]{0,19})://)?"
    r"(?:([^/?#\\\s]*)@)?"
    r"(?:\[([^][@]*:[^][@]*)\]|([^][@:/?#\\\s]+))(?::([0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
#: Of SOCKS credentials, in characters (RFC 1929).
_LONGEST = 255
#: Nobody has tried it before that.
_TLS_IN_TLS = sys.version_info >= (3, 11)


class BadProxy(ValueError):
    """A proxy of the environment cannot be used; the text names it."""


@dataclass(frozen=True)
class Proxy:
    """A proxy and the ``variable`` of the environment that names it.

    ``address`` is for people; ``url`` is for `websockets` and may hold a
    password, as ``user_info`` does (name and password, or nothing).
    """

    url: str = field(repr=False)
    address: str
    variable: str
    user_info: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"the proxy {self.address} ({self.variable})"

    @property
    def has_tls(self) -> bool:
        """Is the proxy itself spoken to in TLS?"""
        return self.url.startswith("https:")

    @property
    def has_socks(self) -> bool:
        """Does it speak SOCKS, and no HTTP?"""
        return self.url.startswith("socks")

    def asks_itself(self, secure: bool) -> bool:
        """Is it sent the requests for an HTTP URL?  Few proxies lead on to
        what is not in TLS."""
        return not secure and not self.has_socks


def choose_proxy(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy by which to reach a URL, if by any.

    Raises `BadProxy` for one that cannot be used: it is not gone around.
    """
    given, *_ = urlsplit(url)
    scheme = AS_WEBSOCKET.get(given, given)
    # It has an eye on the host, of whatever is a WebSocket's URL.
    target = parse_uri(scheme + url[len(given) :])
    _, listed = _read("no_proxy", environment)
    entries = re.split(r"[\s,]+", listed.lower())
    if any(_covers(entry, target.host, target.port) for entry in entries):
        return None
    for name in _VARIABLES[scheme]:
        variable, value = _read(name, environment)
        if value:
            proxy = _proxy(variable, value)
            if proxy.has_tls and target.secure and not _TLS_IN_TLS:
                raise BadProxy(f"{proxy} cannot be used before Python 3.11")
            return proxy
    return None


def _read(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """A variable as it is spelled there, and its value.

    An empty one in lower case hides that in upper case.
    """
    spelled = name if name in environment else name.upper()
    return spelled, environment.get(spelled, "").strip()


def _covers(entry: str, host: str, port: int) -> bool:
    """Does an entry of ``no_proxy`` mean this host?

    It is ``*``, an address, a network (``10.0.0.0/8``), or a domain with all
    that is in it (``corp.test``, ``.corp.test``, ``*.corp.test``); addresses
    and domains may have a port.
    """
    host = host.rstrip(".")
    with_its_port = with_port(host, port)
    if entry in ("*", with_its_port):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = "." + entry.removeprefix("*").strip(".")
        return any(f".{it}".endswith(domain) for it in (host, with_its_port))
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
        return address in network
    return False


def _proxy(variable: str, value: str) -> Proxy:
    """The proxy in a variable; without a scheme it is an HTTP proxy."""
    found = _ADDRESS.fullmatch(value)
    try:
        if found is None:
            raise ValueError
        host = ascii_host(found[3] or found[4])
        user, _, password = (
            unquote(part, errors="strict")
            for part in (found[2] or "").partition(":")
        )
    except ValueError:
        # Whatever it is, any part of it may be one of a password.
        raise BadProxy(
            f"the proxy in {variable} cannot be used: found no address such"
            " as http://host:port; special characters of a user name or"
            " password must be percent-encoded, and an international host"
            " written with xn--"
        ) from None
    default = "socks" if variable.lower() == "socks_proxy" else "http"
    scheme = (found[1] or default).lower()
    scheme = _ALIASES.get(scheme, scheme)
    port = int(found[5] or _PORTS.get(scheme, 0))
    user_info = (user, password) if found[2] else ()
    address = f"{scheme}://{with_port(host, port or None)}"
    problem = _problem(scheme, port, *user_info)
    if not problem:
        known = websockets_proxy.Proxy(scheme, host, port, *user_info)
        url = _for_websockets(known, address)
        if url:
            return Proxy(url, address, variable, user_info)
        problem = "its user name or password takes websockets 17.2"
    raise BadProxy(
        f"the proxy {address} ({variable}) cannot be used: {problem}"
    )


def _problem(scheme: str, port: int, *user_info: str) -> str:
    """Why a proxy like this cannot be used, or ""; ``user_info`` is its user
    name and password, if it has them."""
    if scheme not in _PORTS:
        return f"its scheme is none of {', '.join(_PORTS)}"
    if not 0 < port < 65536:
        return "there is no such port"
    if any(map(_CONTROL.search, user_info)):
        # A NUL ends one in SOCKS 4, a line break a header.
        return "its user name or password has control characters"
    if not scheme.startswith("socks"):
        # RFC 7617, 2.
        colon = any(":" in user for user in user_info[:1])
        return "its user name has a colon" if colon else ""
    least = 1 if scheme.startswith("socks5") else 0
    if all(
        text.isascii() and least <= len(text) <= _LONGEST for text in user_info
    ):
        return ""
    return (
        f"its user name and password must have {least} to {_LONGEST} ASCII"
        " characters"
    )


def _for_websockets(proxy: websockets_proxy.Proxy, address: str) -> str:
    """The URL in which `websockets` sees this very proxy, or "".

    It decodes user name and password from 17.2 on.
    """
    for spell in (functools.partial(quote, safe=""), str):
        with contextlib.suppress(InvalidProxy, ValueError):
            url = address
            if proxy.user_info is not None:
                user = ":".join(map(spell, proxy.user_info))
                url = address.replace("://", f"://{user}@", 1)
            if websockets_proxy.parse_proxy(url) == proxy:
                return url
    return ""

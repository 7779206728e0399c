"""The way to an endpoint: proxy, names, addresses, TLS.

Each step ends within ``limit_s`` seconds.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from ten_packages.extension.openai_asr_python.config import OpenAIASRConfig
from ten_packages.extension.openai_asr_python.connection.cas import tls_context
from ten_packages.extension.openai_asr_python.connection.eyeballs import (
    Address,
    addresses_of,
)
from ten_packages.extension.openai_asr_python.connection.faults import (
    fault_of_exception,
)
from ten_packages.extension.openai_asr_python.connection.proxies import (
    Proxy,
    choose_proxy,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.service.endpoint import (
    is_loopback_host,
    with_port,
)

from .advice import after_fault
from .certificates import Certificate, certificate_of, shown_certificate
from .checks import Check

_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
#: More of a host's addresses nobody wants to read.
_MOST_ADDRESSES = 8
#: A certificate that ends so soon is worth a word, in days.
_SOON_DAYS = 21
_NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EHOSTUNREACH)


@dataclass
class Way:
    """How an endpoint is reached; ``open``: as far as is known, it can be."""

    checks: list[Check] = field(default_factory=list)
    open: bool = False


@dataclass(frozen=True)
class _Target:
    """What is dialed: the service, or the proxy before it."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return with_port(self.host, self.port)


@dataclass
class _Try:
    """One address: ms of TCP and TLS, or why not."""

    address: str
    tcp_ms: int | None = None
    tls_ms: int | None = None
    error: Exception | None = None
    certificate: Certificate = field(default_factory=dict)


def target_of(config: OpenAIASRConfig) -> _Target:
    """Host and port of an endpoint."""
    parts = urlsplit(config.url)
    port = parts.port or _PORTS[parts.scheme]
    return _Target(parts.hostname or "", port, parts.scheme in ("wss", "https"))


async def look_at_way(
    config: OpenAIASRConfig, key_from: str, limit_s: float
) -> Way:
    """Look at each step of the way, to the first that fails."""
    way = Way()
    target = target_of(config)
    here = is_loopback_host(target.host)

    proxy: Proxy | None = None

    def failed(name: str, fault: Fault, **more: Any) -> Way:
        place = str(proxy or target)
        step = after_fault(fault, config, key_from, place)
        text = f"{proxy}: {fault.message}" if proxy else fault.message
        data = {"code": fault.code}
        way.checks.append(Check(name, "failed", text, step, data=data, **more))
        return way

    try:
        proxy = None if here else choose_proxy(config.url, os.environ)
    except Exception as error:
        return failed("proxy", fault_of_exception(error))
    way.checks.append(_about_proxy(proxy))
    if proxy is not None:
        parts = urlsplit(proxy.address)
        assert parts.port is not None
        target = _Target(parts.hostname or "", parts.port, proxy.has_tls)
    began = time.monotonic()
    try:
        looking = addresses_of(target.host, target.port, here)
        found = await asyncio.wait_for(looking, limit_s)
    except socket.gaierror as error:
        text = f"there is no address of {target.host}: {error.strerror}"
        return failed("dns", Fault("retry", "dns", text))
    except asyncio.TimeoutError:
        text = f"no address of {target.host} within {limit_s:g} s"
        return failed("dns", Fault("retry", "dns", text))
    except Exception as error:
        return failed("dns", fault_of_exception(error))
    way.checks.append(_about_addresses(target, found, began))
    context = None
    if target.tls or config.ca_file:
        # A call reads it also where it needs none.
        try:
            context = await tls_context(config.ca_file)
        except Exception as error:
            name = "tls" if target.tls else "ca_file"
            return failed(name, fault_of_exception(error))
    tries = await asyncio.gather(
        *(_try(a, target, context, limit_s) for a in found[:_MOST_ADDRESSES])
    )
    lines = [_line(one, limit_s) for one in tries]
    if any(one.error is None for one in tries):
        way.open = True
        way.checks.append(_about_tries(target, tries, lines))
        return way
    first = tries[0].error
    assert first is not None
    if isinstance(first, ssl.SSLError):
        peer = found[0]
        seen = await certificate_of(peer, target.host, limit_s)
        lines += shown_certificate(seen)
    step = "tcp" if tries[0].tcp_ms is None else "tls"
    return failed(step, _fault_of(first, limit_s), detail=lines)


def _about_proxy(proxy: Proxy | None) -> Check:
    if proxy is not None:
        text = f"{proxy.address}, of {proxy.variable}"
        data = {"address": proxy.address, "variable": proxy.variable}
        return Check("proxy", "ok", text, data=data)
    return Check("proxy", "ok", "none is used", data={"address": None})


def _about_addresses(
    target: _Target, found: Sequence[Address], began: float
) -> Check:
    listed = [str(address[4][0]) for address in found]
    took = _ms(began)
    data = {"host": target.host, "addresses": listed, "ms": took}
    if listed == [target.host]:
        # It was looked up by nobody.
        return Check("dns", "ok", f"{target.host} is an address", data=data)
    text = f"{target.host}: {', '.join(listed[:_MOST_ADDRESSES])}"
    if len(listed) > _MOST_ADDRESSES:
        text += f" and {len(listed) - _MOST_ADDRESSES} more"
    return Check("dns", "ok", f"{text} ({took} ms)", data=data)


async def _try(
    address: Address,
    target: _Target,
    context: ssl.SSLContext | None,
    limit_s: float,
) -> _Try:
    done = _Try(str(address[4][0]))
    sock = socket.socket(*address[:3])
    try:
        sock.setblocking(False)
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        connecting = loop.sock_connect(sock, address[4])
        await asyncio.wait_for(connecting, limit_s)
        done.tcp_ms = _ms(began)
        if context is not None:
            began = time.monotonic()
            opening = asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=target.host
            )
            _, writer = await asyncio.wait_for(opening, limit_s)
            done.tls_ms = _ms(began)
            done.certificate = writer.get_extra_info("peercert") or {}
            writer.transport.abort()
    except Exception as error:
        done.error = error
    finally:
        sock.close()
    return done


def _fault_of(error: Exception, limit_s: float) -> Fault:
    if isinstance(error, asyncio.TimeoutError):
        return Fault("retry", "timeout", f"no answer within {limit_s:g} s")
    return fault_of_exception(error)


def _line(one: _Try, limit_s: float) -> str:
    parts = []
    if one.tcp_ms is not None:
        parts.append(f"TCP {one.tcp_ms} ms")
    if one.tls_ms is not None:
        parts.append(f"TLS {one.tls_ms} ms")
    if one.error is not None:
        step = "TCP" if one.tcp_ms is None else "TLS"
        parts.append(f"{step}: {_fault_of(one.error, limit_s).message}")
    return f"{one.address}: {', '.join(parts)}"


def _about_tries(
    target: _Target, tries: Sequence[_Try], lines: Sequence[str]
) -> Check:
    # A machine without a route of a family does without its addresses.
    bad = [
        one
        for one in tries
        if one.error is not None
        and getattr(one.error, "errno", None) not in _NO_ROUTE
    ]
    data = {
        "addresses": [
            {"address": o.address, "tcp_ms": o.tcp_ms, "tls_ms": o.tls_ms}
            for o in tries
        ]
    }
    seen = next((o.certificate for o in tries if o.certificate), {})
    shown = shown_certificate(seen)
    good = sum(one.error is None for one in tries)
    name, text = (
        "tls" if target.tls else "tcp",
        f"{good} of {len(tries)} addresses answer",
    )
    if bad:
        step = "nothing, if it stays so: calls begin with the others"
        return Check(name, "warning", text, step, [*lines, *shown], data=data)
    left = _days_left(seen)
    if left is not None and left < _SOON_DAYS:
        text = f"the certificate ends in {left} days"
        step = "renew it, or tell whoever runs the service"
        return Check(name, "warning", text, step, [*lines, *shown], data=data)
    return Check(name, "ok", "; ".join(lines), folded=shown, data=data)


def _days_left(certificate: Mapping[str, Any]) -> int | None:
    end = certificate.get("notAfter")
    if not isinstance(end, str):
        return None
    moment = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), timezone.utc)
    return (moment - datetime.now(timezone.utc)).days


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)

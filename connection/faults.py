"""Why a connection could not be opened, and what else went wrong."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import time
import traceback
from collections.abc import Iterable
from dataclasses import replace

from websockets.exceptions import (
    InvalidHandshake,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)

from ..realtime.errors import clean_message
from ..realtime.faults import (
    Fault,
    Verdict,
    fault_of_http,
    retry_after_s,
)
from .attempt import DialFailed, FaultKnown, Step
from .cas import BadCaFile, SlowCaFile
from .eyeballs import NotThisMachine
from .proxies import BadProxy, Proxy


def fault_of_exception(error: Exception) -> Fault:
    """The meaning of what `websockets` or the system raised.

    Raises what is neither's.
    """
    if isinstance(error, DialFailed):
        return _fault_of_attempt(error)
    if isinstance(error, FaultKnown):
        return error.fault
    if isinstance(error, BadProxy):
        return Fault("fatal", "proxy", clean_message(str(error)))
    if isinstance(error, InvalidStatus):
        response, wall = error.response, time.time()
        wishes = response.headers.get_all("Retry-After")
        return fault_of_http(
            response.status_code,
            bytes(response.body or b""),
            longest_wait(wishes, wall),
            wall,
        )
    if isinstance(error, asyncio.TimeoutError):
        return Fault("retry", "timeout", "no connection within the time limit")
    if isinstance(error, BadCaFile):
        slow = isinstance(error, SlowCaFile)
        verdict: Verdict = "retry" if slow else "fatal"
        return Fault(verdict, "ca_file", clean_message(str(error)))
    if isinstance(error, NotThisMachine):
        return Fault("fatal", "url", clean_message(str(error)))
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the server's certificate is refused: {error.verify_message}"
        hint = "; a CA of your own belongs into ca_file"
        return Fault("retry", "tls", clean_message(text) + hint)
    if isinstance(error, ssl.SSLError):
        return Fault("retry", "tls", clean_message(f"TLS failed: {error}"))
    if isinstance(error, (InvalidURI, UnicodeError)):
        # Its text is the URL.
        text = "websocket_base_url: is not a URL that can be dialed"
        return Fault("fatal", "url", text)
    if isinstance(error, InvalidHandshake):
        text = f"the server's answer is no WebSocket handshake: {error}"
        return Fault("retry", "handshake", clean_message(text))
    if isinstance(error, ConnectionRefusedError):
        return Fault("retry", "refused", "the connection was refused")
    if isinstance(error, (OSError, EOFError)):
        text = f"cannot connect: {error}".removesuffix(": ")
        return Fault("retry", "network", clean_message(text))
    raise error


def _fault_of_attempt(failed: DialFailed) -> Fault:
    """The meaning of a failed attempt, with its place where it may pass; the
    server's own words need none."""
    attempt, problem = failed.attempt, failed.problem
    if isinstance(problem, FaultKnown):
        return problem.fault
    proxy = attempt.proxy
    if proxy is None:
        fault = fault_of_exception(problem)
    elif attempt.step is Step.HTTP:
        fault = _by(proxy, fault_of_exception(problem))
    else:
        fault = fault_by_proxy(proxy, problem)
    if fault.fatal or isinstance(problem, InvalidStatus):
        return fault
    return replace(fault, message=f"{fault.message} (at: {failed.place})")


def longest_wait(wishes: Iterable[str], wall: float) -> str:
    """Of several ``Retry-After``: a proxy in between may have added one of its
    own."""
    return max(wishes, key=lambda w: retry_after_s(w, wall), default="")


def cause_of(error: BaseException) -> BaseException | None:
    """What led to it, also where it was raised again ``from None``."""
    return error.__cause__ or error.__context__


def place_of(error: BaseException) -> str:
    """An exception and where it was raised, on one line for the log."""
    return clean_message(f"{error!r}{_place(error)}")


def kind_of(error: BaseException) -> str:
    """The same without its text, which may repeat what it was given."""
    return f"{type(error).__name__}{_place(error)}"


def _place(error: BaseException) -> str:
    for last in traceback.extract_tb(error.__traceback__, limit=-1):
        file = last.filename.rpartition("/")[2]
        return f" at {file}:{last.lineno} in {last.name}"
    return ""


#: What SOCKS 5 (RFC 1928, 6) and 4 will say the next time as well: the
#: proxy's rules and abilities, and what it thinks of us.
_LASTING_CODES = (2, 7, 8, 92, 93)


def fault_by_proxy(proxy: Proxy, error: Exception) -> Fault:
    """The meaning of what went wrong on the way by a proxy."""
    verdict: Verdict = "retry"
    if isinstance(error, ImportError):
        verdict = "fatal"
        problem = (
            'needs the package "python-socks[asyncio]"; install it, or list'
            " the host in no_proxy"
        )
    elif isinstance(error, InvalidProxyStatus):
        status = error.response.status_code
        verdict = fault_of_http(status).verdict
        problem = f"answered HTTP {status}"
        if status == 407:
            problem += ": user name and password are missing or refused"
    elif isinstance(error, InvalidProxyMessage):
        problem = "gave no answer in HTTP"
    elif isinstance(error, ProxyError):
        # Raised by python-socks, which has no code for a wrong password.
        cause = cause_of(error)
        problem = f"gave no connection: {cause}"
        code, words = getattr(cause, "error_code", None), str(cause).lower()
        refused = "authentication" in words and "invalid" not in words
        if code in _LASTING_CODES or refused:
            verdict = "fatal"
    elif isinstance(error, asyncio.TimeoutError):
        problem = "gave no connection within the time limit"
    elif isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        problem = f"gave no connection: {_reason(error)}".removesuffix(": ")
    else:
        # The certificate of the other end has been seen.
        return _by(proxy, fault_of_exception(error))
    return Fault(verdict, "proxy", clean_message(f"{proxy} {problem}"))


def _by(proxy: Proxy, fault: Fault) -> Fault:
    """What the other end of a proxy is to blame for."""
    own = " or its own" if proxy.has_tls else ""
    return replace(fault, message=f"{fault.message} (by {proxy}{own})")


def _reason(error: OSError) -> str:
    """What the system said; python-socks puts words of its own around it."""
    cause = error.__cause__
    if isinstance(cause, OSError):
        error = cause
    number = error.errno or 0
    if number in errno.errorcode and not isinstance(error, socket.gaierror):
        return os.strerror(number)
    return error.strerror or str(error)

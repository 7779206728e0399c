"""Why a connection could not be opened.

Proxies come from the environment (``https_proxy``, ``http_proxy``,
``all_proxy``, ``no_proxy``); their addresses may hold a password and are
never shown.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import traceback

from websockets.exceptions import (
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)

from .dialer import BadCaFile
from .realtime.faults import (
    Fault,
    clean_message,
    fault_of_http,
    retry_after_s,
)


def fault_of_exception(error: Exception) -> Fault:
    """The meaning of what `websockets` or the system raised.

    Raises what is neither's.
    """
    if isinstance(error, InvalidStatus):
        response, wall = error.response, time.time()
        # A proxy in between may have added one of its own.
        wishes = response.headers.get_all("Retry-After")
        return fault_of_http(
            response.status_code,
            bytes(response.body or b""),
            max(wishes, key=lambda w: retry_after_s(w, wall), default=""),
            wall,
        )
    if isinstance(error, (ProxyError, InvalidProxy)) or (
        isinstance(error, ImportError) and "socks" in str(error)
    ):
        return _proxy_fault(error)
    if isinstance(error, asyncio.TimeoutError):
        return Fault("retry", "timeout", "no connection within the time limit")
    if isinstance(error, BadCaFile):
        return Fault("fatal", "ca_file", clean_message(str(error)))
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
    if not isinstance(error, (OSError, EOFError)):
        raise error
    text = f"cannot connect: {error}" if str(error) else "cannot connect"
    return Fault("retry", "network", clean_message(text))


def place_of(error: BaseException) -> str:
    """An exception and where it was raised, on one line for the log."""
    return clean_message(f"{error!r}{_place(error)}")


def kind_of(error: BaseException) -> str:
    """The same without its text, which may repeat what it was given."""
    return f"{type(error).__name__}{_place(error)}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    file = last.filename.rpartition("/")[2]
    return f" at {file}:{last.lineno} in {last.name}"


def _proxy_fault(error: Exception) -> Fault:
    if isinstance(error, ImportError):
        text = (
            "the environment asks for a SOCKS proxy, which needs the package"
            " python-socks; install it, or list the host in no_proxy"
        )
        return Fault("fatal", "proxy", text)
    if isinstance(error, InvalidProxy):
        text = f"the proxy in the environment cannot be used: {error.msg}"
        return Fault("fatal", "proxy", clean_message(text))
    if isinstance(error, InvalidProxyStatus):
        status = error.response.status_code
        verdict = fault_of_http(status).verdict
        return Fault(verdict, "proxy", f"the proxy answered HTTP {status}")
    return Fault("retry", "proxy", "the proxy gave no connection")

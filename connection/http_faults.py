"""What went wrong with a request over HTTP."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import httpcore2
import openai
from websockets.exceptions import (
    InvalidProxyMessage,
    InvalidProxyStatus,
    ProxyError,
)

from ..realtime.errors import NO_ANSWER, ErrorInfo, clean_message
from ..realtime.faults import Fault
from ..realtime.file_refusals import FileRefusal, refusal_of_file
from .eyeballs import NotThisMachine
from .faults import (
    cause_of,
    fault_by_proxy,
    fault_of_exception,
    longest_wait,
)
from .http_client import Encoded, Tiny, Unasked
from .http_streams import Padded
from .proxies import Proxy

_BROKEN = httpcore2.NetworkError, httpcore2.ProtocolError
#: What `tunnel` raises, and nobody else.
_BY_PROXY = InvalidProxyMessage, InvalidProxyStatus, ProxyError, ImportError
#: There was none.
_UNCONNECTED = httpcore2.ConnectTimeout, httpcore2.ConnectError
#: There was a connection.
_IN_BETWEEN = httpcore2.ReadError, httpcore2.WriteError
_BAD_ANSWER = "invalid_answer"
_BAD_ANSWERS: Mapping[type, str] = {
    Encoded: "the answer is compressed",
    Tiny: "the answer comes in tiny pieces",
    Padded: "the answer has blanks without an end",
    Unasked: "an answer was there before its request",
}


def refusal_of(error: BaseException) -> FileRefusal | None:
    """What the service says that refused a file; None: it did not answer, or
    the network failed."""
    if isinstance(error, openai.APIStatusError):
        response, wall = error.response, time.time()
        return refusal_of_file(
            response.status_code,
            response.content,
            longest_wait(response.headers.get_list("retry-after"), wall),
            wall,
        )
    for cause in _chain(error):
        if isinstance(cause, _UNCONNECTED):
            return None
        if _ran_out(cause):
            return _failure(NO_ANSWER, "no answer within the time limit")
    if text := _BAD_ANSWERS.get(type(error)):
        return _failure(_BAD_ANSWER, text)
    return None


def _ran_out(error: BaseException) -> bool:
    """Was it a time limit of ours?  (That of the system, ETIMEDOUT, is of the
    same class from Python 3.11 on.)"""
    own = isinstance(error, asyncio.TimeoutError)
    by_system = getattr(error, "errno", None) is not None
    return isinstance(error, httpcore2.TimeoutException) or (
        own and not by_system
    )


def _failure(code: str, text: str) -> FileRefusal:
    return FileRefusal(ErrorInfo("server_error", code, text), None)


def fault_of_network(error: BaseException, proxy: Proxy | None) -> Fault:
    """Why there was no answer.  Raises what is not the network's."""
    by = f" (by {proxy})" if proxy else ""
    if text := _BAD_ANSWERS.get(type(error)):
        return Fault("retry", _BAD_ANSWER, text + by)
    chain = list(_chain(error))
    if proxy and (on_its_way := next(filter(None, map(_lost, chain)), None)):
        return fault_by_proxy(proxy, on_its_way)
    in_between = any(isinstance(error, _IN_BETWEEN) for error in chain)
    for cause in reversed(chain):
        if isinstance(cause, (NotThisMachine, ssl.SSLError, OSError)):
            fault = fault_of_exception(cause)
            if in_between and not isinstance(cause, ssl.SSLError):
                text = clean_message(f"the request failed: {cause}")
                fault = replace(fault, message=text)
            return replace(fault, message=fault.message + by)
    for cause in reversed(chain):
        if _ran_out(cause):
            text = "no connection within the time limit"
            return Fault("retry", "timeout", text + by)
        if isinstance(cause, _BROKEN):
            text = f"the request failed: {cause}".removesuffix(": ")
            return Fault("retry", "network", clean_message(text) + by)
    raise error


def _lost(error: BaseException) -> Exception | None:
    """Why there was no connection, if that is what this tells."""
    if isinstance(error, httpcore2.ConnectTimeout):
        return asyncio.TimeoutError()
    if isinstance(error, httpcore2.ConnectError):
        cause = cause_of(error)
        return cause if isinstance(cause, Exception) else None
    return error if isinstance(error, _BY_PROXY) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and its causes, to the first one."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        group = getattr(cause, "exceptions", None)
        cause = group[0] if group else cause_of(cause)

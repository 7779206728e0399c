"""Opens WebSocket connections to the service."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import logging
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidMessage, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from ..realtime.shown import harmless
from ..safety.private_files import read_whole, require_file
from ..service.endpoint import (
    is_address,
    is_loopback_address,
    is_loopback_host,
)
from .attempt import Attempt, DialFailed, Step
from .eyeballs import Address, Avoided, first_socket
from .interface import ClientSettings
from .proxies import choose_proxy

#: A CLOSE that the peer does not answer, or cannot even be sent, in seconds.
CLOSE_S = 1.0
#: Files of CAs are read within this, in seconds; so many may hang for ever.
_READ_S = 5.0
_MOST_HANGING = 8
#: The CAs of a system have a quarter of it, in bytes; those of its file and of
#: its directories may have so much in all.
_MOST_CAS = 2 * 1024 * 1024
_TOO_LARGE = f"are larger than {_MOST_CAS >> 20} MB in all"
_BEGIN, _END_CA = (f"-----{w} CERTIFICATE-----" for w in ("BEGIN", "END"))
_SYSTEM_CAS = "what SSL_CERT_FILE or SSL_CERT_DIR names, or the system's CAs,"
#: What OpenSSL looks at in a directory of CAs: by the hash of their names.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
#: No event of the service comes near this size, in bytes.
_MAX_MESSAGE = 1024 * 1024
#: Nor does the answer to a handshake, with the page of a gateway.  What comes
#: in chunks takes `websockets` time that grows with the square of its length.
_MAX_ANSWER = 64 * 1024
#: An answer before the final one: how it begins, and ends.
_INFORMATIONAL = re.compile(rb"HTTP/1\.1 1(?!01)[0-9]{2}[ \r]")
_STATUS_1XX, _STATUS_SIZE, _END = b"HTTP/1.1 1", 13, b"\r\n\r\n"
#: A PING in 20 seconds is usual, and no event is as small as that, in bytes;
#: in a second so many are an attack.  Taking them apart would hold the loop.
_MOST_IDLE, _LEAST_EVENT = 100, 16
_USER_AGENT = "openai_asr_python"

# At DEBUG level websockets logs the request headers, key included; so it gets
# a logger of its own that ends there, whatever the host's logging is set to.
# It is in no registry, so that nobody who sets every logger to DEBUG finds it.
_WEBSOCKETS_LOGGER = logging.Logger("websockets.quiet", logging.CRITICAL)
_WEBSOCKETS_LOGGER.addHandler(logging.NullHandler())


class BadCaFile(ValueError):
    """``ca_file`` cannot be used; the text names the field and says why."""


class NotThisMachine(ValueError):
    """A name of this machine leads to another; the text says so."""


class Connection(ClientConnection):
    """One whose peer cannot go on for ever before the handshake is done, nor
    have us answer one PING after the other, or look at frames with nothing
    in them.  ``attempt``: how it came about."""

    _answered = 0
    _broken = False
    _idle = 0
    _idle_since = 0.0

    def __init__(
        self, attempt: Attempt, protocol: ClientProtocol, **options: Any
    ) -> None:
        super().__init__(protocol, **options)
        self.attempt = attempt
        #: Of an answer that need not be the final one; None: that began.
        self._held: bytearray | None = bytearray()
        self._take_frame = protocol.recv_frame
        protocol.recv_frame = self._on_frame  # type: ignore[method-assign]

    def _on_frame(self, frame: Frame) -> None:
        pings = frame.opcode in (Opcode.PING, Opcode.PONG)
        if pings or len(frame.data) < _LEAST_EVENT:
            now = self.loop.time()
            if now - self._idle_since > 1:
                self._idle_since, self._idle = now, 0
            self._idle += 1
            if self._idle > _MOST_IDLE:
                raise ProtocolError("too many frames with nothing in them")
        self._take_frame(frame)

    async def handshake(self, *headers: Any, **more: Any) -> None:
        try:
            await super().handshake(*headers, **more)
        except AssertionError as error:
            # By its own word `websockets` has not begun to close; but a peer
            # that spoke before the request went out has broken it already.
            raise InvalidMessage("no HTTP response was received") from error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.attempt.step = Step.HTTP
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        # A proxy may end it before it has begun, which is told elsewhere.
        if hasattr(self, "transport"):
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self.response is None:
            room = _MAX_ANSWER - self._answered
            self._answered += len(data)
            super().data_received(self._final(data[:room]))
            data = data[room:]
            if self.response is None and data:
                self.transport.abort()
                return
        super().data_received(data)
        if self.protocol.parser_exc is not None and not self._broken:
            # Else it is read, and what it says thrown away, until the peer
            # ends it.
            self._broken = True
            self.loop.call_later(CLOSE_S, self.transport.abort)

    def _final(self, data: bytes) -> bytes:
        """Without answers of the class 1xx, of which `websockets` takes the
        first one for the final one; they may come before (RFC 9110, 15.2)."""
        if self._held is None:
            return data
        held = self._held
        held += data
        while _INFORMATIONAL.match(held):
            end = held.find(_END)
            if end < 0:
                return b""
            del held[: end + len(_END)]
        if len(held) < _STATUS_SIZE and _STATUS_1XX.startswith(
            held[: len(_STATUS_1XX)]
        ):
            return b""
        self._held = None
        return bytes(held)


class _Connect(connect):
    """`connect` that follows no redirect: the key is for one host only."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Dialer:
    """Opens connections, and remembers the CAs that it trusts and the
    addresses that it had better not begin with."""

    def __init__(self) -> None:
        self._tls: tuple[str, ssl.SSLContext] | None = None
        self._avoided = Avoided()

    async def open(self, settings: ClientSettings) -> Connection:
        """Connect within ``connect_timeout_ms``.

        Raises what `faults` explains.
        """
        target = parse_uri(settings.url)
        here = is_loopback_host(target.host)
        # Left to itself, `websockets` looks for one, but not in all_proxy.
        proxy = None if here else choose_proxy(settings.url, os.environ)
        options: dict[str, Any] = {"proxy": proxy and proxy.url}
        if target.secure:
            options["ssl"] = await self._context(settings.ca_file)
        if proxy is not None and proxy.has_tls:
            options["proxy_ssl"] = await self._context(settings.ca_file)

        attempt = Attempt(proxy)

        async def connected() -> ClientConnection:
            if proxy is None:
                found = await _addresses_of(target.host, target.port, here)
                attempt.step = Step.TCP
                options["sock"], attempt.address = await first_socket(
                    self._avoided.last(found)
                )
                if target.secure:
                    attempt.step = Step.TLS
            return await _Connect(
                settings.url,
                additional_headers=settings.headers,
                user_agent_header=_USER_AGENT,
                # Base64 of speech does not shrink enough to pay for the CPU.
                compression=None,
                # The core decides when to ask for a sign of life.
                ping_interval=None,
                open_timeout=None,
                close_timeout=CLOSE_S,
                max_size=_MAX_MESSAGE,
                create_connection=functools.partial(  # type: ignore[arg-type]
                    Connection, attempt
                ),
                logger=_WEBSOCKETS_LOGGER,
                **options,
            )

        limit_s = settings.connect_timeout_ms / 1000
        try:
            connection = await asyncio.wait_for(connected(), limit_s)
        except Exception as error:
            self.avoid(attempt)
            raise DialFailed(attempt, error) from error
        if attempt.address is not None:
            self._avoided.worked(attempt.address)
        assert isinstance(connection, Connection)
        return connection

    def avoid(self, attempt: Attempt) -> None:
        """No session came of it: begin with another address next time."""
        if attempt.address is not None:
            self._avoided.failed(attempt.address)

    async def _context(self, ca_file: str) -> ssl.SSLContext:
        if self._tls is None or self._tls[0] != ca_file:
            self._tls = (ca_file, await tls_context(ca_file))
        return self._tls[1]


async def _addresses_of(host: str, port: int, here: bool) -> Sequence[Address]:
    """The addresses of a host, at least one; ``here``: of this very machine.

    Raises `NotThisMachine` where the resolver leads elsewhere: the key would
    go there in the clear, and around a proxy.
    """
    name, kind = host.rstrip(".") if here else host, socket.SOCK_STREAM
    if is_address(name):
        # Nothing to look up, in a pool where look-ups may hang.
        numeric = socket.AI_NUMERICHOST
        found = socket.getaddrinfo(name, port, type=kind, flags=numeric)
    else:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(name, port, type=kind)
    if here:
        # A server may listen on one of ::1 and 127.0.0.1 only.
        found = [a for a in found if is_loopback_address(str(a[4][0]))]
        if not found:
            raise NotThisMachine(
                f"websocket_base_url: {host} leads to another machine here"
                " (hosts file, DNS), so nothing was sent; write 127.0.0.1, or"
                " give the other machine a name of its own"
            )
    return found


async def tls_context(ca_file: str) -> ssl.SSLContext:
    """What trusts the CAs of a PEM file, or the system's for "".

    Raises `BadCaFile`.  The file is read in a thread: the loop is shared; and
    a file system may keep it waiting for ever.
    """
    try:
        reading = _Reading.of(ca_file)
        left = reading.since + _READ_S - time.monotonic()
        context = asyncio.wrap_future(reading.result)
        return await asyncio.wait_for(context, max(left, 0))
    except asyncio.TimeoutError:
        problem = f"cannot be read within {_READ_S:.0f} s"
    except _TooMany:
        problem = "is not read: too many others cannot be read to the end"
    raise BadCaFile(_about_ca_file(ca_file, problem))


class _TooMany(Exception):
    """So many reads hang that no more are begun."""


class _Reading:
    """A file of CAs that is being read, in a thread of its own.

    One of the loop's pool would be missing there if the read hangs, where
    names are looked up as well, and be waited for at the end of the process.
    Whoever wants the same file waits for the same read.
    """

    _lock = threading.Lock()
    _under_way: ClassVar[dict[str, _Reading]] = {}

    def __init__(self, ca_file: str) -> None:
        self.since = time.monotonic()
        self.result: Future[ssl.SSLContext] = Future()
        # A waiter that gives up must not end it for the others.
        self.result.set_running_or_notify_cancel()
        self._ca_file = ca_file

    @classmethod
    def of(cls, ca_file: str) -> _Reading:
        """The one under way, or a new one; raises `_TooMany`."""
        with cls._lock:
            found = cls._under_way.get(ca_file)
            if found is not None:
                return found
            late = time.monotonic() - _READ_S
            hanging = [r for r in cls._under_way.values() if r.since <= late]
            # Whatever became of files, the system's are read.
            if ca_file and len(hanging) >= _MOST_HANGING:
                raise _TooMany
            found = cls(ca_file)
            name = "openai_asr ca_file"
            threading.Thread(target=found._read, name=name, daemon=True).start()
            cls._under_way[ca_file] = found
        return found

    def _read(self) -> None:
        try:
            context = _tls_context(self._ca_file)
        except Exception as error:
            self._end()
            self.result.set_exception(error)
        else:
            self._end()
            self.result.set_result(context)

    def _end(self) -> None:
        with self._lock:
            del self._under_way[self._ca_file]


def _tls_context(ca_file: str) -> ssl.SSLContext:
    context = _context()
    if not ca_file:
        _load_system(context)
        return context
    try:
        _trust(context, read_whole(Path(ca_file), _MOST_CAS))
    except ssl.SSLError:
        problem = "holds no certificate in PEM form"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path of a file"
        problem = f"cannot be read: {reason}"
    else:
        return context
    raise BadCaFile(_about_ca_file(ca_file, problem))


def _context() -> ssl.SSLContext:
    """That of `ssl.create_default_context`, which obeys ``SSLKEYLOGFILE`` as
    well.  That is mostly set for a browser: whoever has the file can read the
    key in what was recorded, and where it cannot be opened nothing goes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        context.verify_flags |= (
            ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        )
    return context


def _trust(context: ssl.SSLContext, pem: bytes) -> None:
    """Raises ``ssl.SSLError`` unless it holds certificates, and all of them can
    be read.  What else is between them is passed over: comments, keys, and what
    only OpenSSL writes (``TRUSTED CERTIFICATE``)."""
    *parts, rest = pem.decode("ascii", "ignore").split(_END_CA)
    if not parts or _BEGIN in rest:
        raise ssl.SSLError("no certificate, or half of one")
    for part in parts:
        # Each by itself: nobody else runs meanwhile.
        inside = part.rpartition(_BEGIN)[2]
        context.load_verify_locations(cadata=_BEGIN + inside + _END_CA)


def _load_system(context: ssl.SSLContext) -> None:
    """Trust the CAs of the system, where OpenSSL has them.

    Left to itself it opens the files of a directory in the handshake, and so
    in the loop.  It passes over what it cannot read; so do we, but where
    ``SSL_CERT_FILE`` names what is no file: `BadCaFile`.
    """
    places = ssl.get_default_verify_paths()
    variable = places.openssl_cafile_env
    file = os.environ.get(variable, places.openssl_cafile)
    if variable in os.environ and file and Path(file).exists():
        try:
            require_file(Path(file))
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            shown = json.dumps(file, ensure_ascii=False)[:200]
            text = harmless(f"{variable}: {shown} {problem}")
            raise BadCaFile(text) from None
    files = [Path(file)]
    # Who sets an empty one wants none.
    listed = os.environ.get(places.openssl_capath_env, places.openssl_capath)
    for directory in filter(None, listed.split(os.pathsep)):
        with contextlib.suppress(OSError):
            inside = sorted(Path(directory).iterdir())
            files += (path for path in inside if _HASHED.fullmatch(path.name))
    left = _MOST_CAS
    for path in files:
        try:
            pem = read_whole(path, left)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise BadCaFile(_about_ca_file("", _TOO_LARGE)) from None
            continue
        left -= len(pem)
        with contextlib.suppress(ssl.SSLError):
            _trust(context, pem)


def _about_ca_file(ca_file: str, problem: str) -> str:
    shown = json.dumps(ca_file, ensure_ascii=False)[:200]
    file = f"ca_file: {shown}" if ca_file else _SYSTEM_CAS
    return harmless(f"{file} {problem}")

"""The CAs that are trusted: those of a file, or the system's."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

from ..realtime.shown import harmless
from ..safety.private_files import read_whole, require_file
from .late_import import SHORTAGES
from .threads import in_thread

#: No word about a file, either: a file system may be back soon.
_PASSING = (*SHORTAGES, errno.ESTALE, errno.EIO)
#: Files of CAs are read within this, in seconds; so many may hang for ever.
_READ_S = 5.0
#: More than a configuration names.
_MOST_KNOWN = 16
_MOST_HANGING = 8
#: The CAs of a system have a quarter of it, in bytes; those of its file and of
#: its directories may have so much in all.
_MOST_CAS = 2 * 1024 * 1024
_TOO_LARGE = f"are larger than {_MOST_CAS >> 20} MB in all"
_BEGIN, _END_CA = (f"-----{w} CERTIFICATE-----" for w in ("BEGIN", "END"))
_SYSTEM_CAS = "what SSL_CERT_FILE or SSL_CERT_DIR names, or the system's CAs,"
#: The beginning of the names of fields (RFC 3279, 2.3.5): in a certificate it
#: stands for a curve of its own.  RFC 5480 forbids those, and to read one holds
#: all threads of Python.
_OWN_CURVE = bytes.fromhex("2a8648ce3d01")
#: What OpenSSL looks at in a directory of CAs: by the hash of their names.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


class _OwnCurve(ssl.SSLError):
    """A certificate that nobody may have issued."""


class BadCaFile(ValueError):
    """``ca_file`` cannot be used; the text names the field and says why."""


class SlowCaFile(BadCaFile):
    """It cannot be read in time."""


class Trust(ssl.SSLContext):
    """What trusts some CAs.  ``in_doubt``: a server is none of theirs; they may
    have been read at a bad moment, or there are newer ones."""

    in_doubt = False


class Cas:
    """Those that a call trusts, by ``ca_file``; "" for the system's.

    They are read once, and again where a server is in doubt or a configuration
    names them anew.  What was read counts for as long as nothing better can be:
    a file that is replaced may be away for a moment.
    """

    def __init__(self) -> None:
        self._known: dict[str, Trust] = {}

    async def trusted(self, ca_file: str) -> Trust:
        """For a connection; raises what `read` raises."""
        known = self._known.get(ca_file)
        if known is None or known.in_doubt:
            return await self.read(ca_file)
        return known

    async def read(self, ca_file: str) -> Trust:
        """Read them, as a configuration has it; raises what `tls_context`
        raises, unless they were read before."""
        try:
            found = await tls_context(ca_file)
        except (BadCaFile, OSError, RuntimeError):
            if ca_file not in self._known:
                raise
            return self._known[ca_file]
        # The oldest first.
        self._known.pop(ca_file, None)
        self._known[ca_file] = found
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return found


async def tls_context(ca_file: str) -> Trust:
    """What trusts the CAs of a PEM file, or the system's for "".

    Raises `BadCaFile`, and ``OSError`` where the process has no file or memory
    left to read it now.  It is read in a thread: the loop is shared; and a file
    system may keep it waiting for ever.
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
    raise SlowCaFile(_about_ca_file(ca_file, problem))


class _TooMany(Exception):
    """So many reads hang that no more are begun."""


class _Reading:
    """A file of CAs that is being read, in a thread of its own.

    Whoever wants the same file waits for the same read.
    """

    _lock = threading.Lock()
    _under_way: ClassVar[dict[str, _Reading]] = {}

    def __init__(self, ca_file: str) -> None:
        self.since = time.monotonic()
        self._ca_file = ca_file
        self.result = in_thread("openai_asr ca_file", self._read)

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
            found = cls._under_way[ca_file] = cls(ca_file)
        return found

    def _read(self) -> Trust:
        try:
            return _tls_context(self._ca_file)
        finally:
            with self._lock:
                del self._under_way[self._ca_file]


def _tls_context(ca_file: str) -> Trust:
    context = _context()
    if not ca_file:
        _load_system(context)
        return context
    try:
        _trust(context, read_whole(Path(ca_file), _MOST_CAS))
    except _OwnCurve:
        problem = "has a curve of its own, which RFC 5480 forbids"
    except ssl.SSLError:
        problem = "holds no certificate in PEM form"
    except (OSError, ValueError) as error:
        _unless_short(error)
        reason = getattr(error, "strerror", None) or "no path of a file"
        problem = f"cannot be read: {reason}"
    else:
        return context
    raise BadCaFile(_about_ca_file(ca_file, problem))


def _context() -> Trust:
    """That of `ssl.create_default_context`, which obeys ``SSLKEYLOGFILE`` as
    well.  That is mostly set for a browser: whoever has the file can read the
    key in what was recorded, and where it cannot be opened nothing goes."""
    context = Trust(ssl.PROTOCOL_TLS_CLIENT)
    # A server names the group of a finite-field key exchange, and one that is
    # large enough holds the loop for seconds.  None needs it.
    names = [
        cipher["name"]
        for cipher in context.get_ciphers()
        if cipher["protocol"] != "TLSv1.3"
        and not cipher["name"].startswith("DHE-")
    ]
    if names:
        context.set_ciphers(":".join(names))
    # It would read certificates in the loop, in the middle of a session.
    context.options |= ssl.OP_NO_RENEGOTIATION
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
        try:
            der = ssl.PEM_cert_to_DER_cert(_BEGIN + inside + _END_CA)
        except ValueError:
            raise ssl.SSLError("no base64") from None
        if _OWN_CURVE in der:
            raise _OwnCurve
        context.load_verify_locations(cadata=der)


def _load_system(context: ssl.SSLContext) -> None:
    """Trust the CAs of the system, where OpenSSL has them.

    Left to itself it opens the files of a directory in the handshake, and so
    in the loop.  It passes over what it cannot read; so do we, but where
    ``SSL_CERT_FILE`` names what is no file: `BadCaFile`.
    """
    places = ssl.get_default_verify_paths()
    variable = places.openssl_cafile_env
    file = os.environ.get(variable, places.openssl_cafile)
    if variable in os.environ and file and os.path.exists(file):
        try:
            require_file(Path(file))
        except OSError as error:
            _unless_short(error)
            problem = f"cannot be read: {error.strerror}"
            shown = json.dumps(file, ensure_ascii=False)[:200]
            text = harmless(f"{variable}: {shown} {problem}")
            raise BadCaFile(text) from None
    files = [Path(file)]
    # Who sets an empty one wants none.
    listed = os.environ.get(places.openssl_capath_env, places.openssl_capath)
    for directory in filter(None, listed.split(os.pathsep)):
        try:
            inside = sorted(Path(directory).iterdir())
        except OSError as error:
            _unless_short(error)
            continue
        files += (path for path in inside if _HASHED.fullmatch(path.name))
    left = _MOST_CAS
    for path in files:
        try:
            pem = read_whole(path, left)
        except OSError as error:
            _unless_short(error)
            if error.errno == errno.EFBIG:
                raise BadCaFile(_about_ca_file("", _TOO_LARGE)) from None
            continue
        left -= len(pem)
        with contextlib.suppress(ssl.SSLError):
            _trust(context, pem)


def _unless_short(error: Exception) -> None:
    """Raise one that is of no file's making."""
    if isinstance(error, OSError) and error.errno in _PASSING:
        raise error


def _about_ca_file(ca_file: str, problem: str) -> str:
    shown = json.dumps(ca_file, ensure_ascii=False)[:200]
    file = f"ca_file: {shown}" if ca_file else _SYSTEM_CAS
    return harmless(f"{file} {problem}")

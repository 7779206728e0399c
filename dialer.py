"""Opens WebSocket connections to the service."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from .client_interface import ClientSettings
from .private_files import require_file
from .realtime.endpoint import is_loopback, is_plain
from .realtime.shown import harmless

#: A CLOSE that the peer does not answer, or cannot even be sent, in seconds.
CLOSE_S = 1.0
#: No event of the service comes near this size, in bytes.
_MAX_MESSAGE = 16 * 1024 * 1024
_USER_AGENT = "openai_asr_python"

# At DEBUG level websockets logs the request headers, key included; so it gets
# a logger of its own that ends there, whatever the host's logging is set to.
# It is in no registry, so that nobody who sets every logger to DEBUG finds it.
_WEBSOCKETS_LOGGER = logging.Logger("websockets.quiet", logging.CRITICAL)
_WEBSOCKETS_LOGGER.addHandler(logging.NullHandler())


class BadCaFile(ValueError):
    """``ca_file`` cannot be used; the text names the field and says why."""


class _Connect(connect):
    """`connect` that follows no redirect: the key is for one host only."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Dialer:
    """Opens connections, and remembers the CAs that it trusts."""

    def __init__(self) -> None:
        self._tls: tuple[str, ssl.SSLContext] | None = None

    async def open(self, settings: ClientSettings) -> ClientConnection:
        """Connect; raises what `connect_faults` explains."""
        options: dict[str, Any] = {}
        if is_loopback(settings.url):
            # Otherwise `websockets` takes a proxy from the environment.
            options["proxy"] = None
        if not is_plain(settings.url):
            options["ssl"] = await self._context(settings.ca_file)
        return await _Connect(
            settings.url,
            additional_headers=settings.headers,
            user_agent_header=_USER_AGENT,
            # Base64 of speech does not shrink enough to pay for the CPU.
            compression=None,
            # The core decides when to ask for a sign of life.
            ping_interval=None,
            open_timeout=settings.connect_timeout_ms / 1000,
            close_timeout=CLOSE_S,
            max_size=_MAX_MESSAGE,
            logger=_WEBSOCKETS_LOGGER,
            **options,
        )

    async def _context(self, ca_file: str) -> ssl.SSLContext:
        if self._tls is None or self._tls[0] != ca_file:
            self._tls = (ca_file, await tls_context(ca_file))
        return self._tls[1]


async def tls_context(ca_file: str) -> ssl.SSLContext:
    """What trusts the CAs of a PEM file, or the system's for "".

    Raises `BadCaFile`.  The file is read in a thread: the loop is shared.
    """
    return await asyncio.to_thread(_tls_context, ca_file)


def _tls_context(ca_file: str) -> ssl.SSLContext:
    if not ca_file:
        return ssl.create_default_context()
    try:
        # To open anything else could take for ever.
        require_file(Path(ca_file))
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        problem = "holds no certificate in PEM form"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path of a file"
        problem = f"cannot be read: {reason}"
    shown = json.dumps(ca_file, ensure_ascii=False)[:200]
    raise BadCaFile(harmless(f"ca_file: {shown} {problem}"))

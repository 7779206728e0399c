"""Opens WebSocket connections to the service."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from .client_interface import ClientSettings
from .realtime.endpoint import is_loopback, is_plain

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
            # Reads the CA bundle from disk: not on the shared loop.
            context = await asyncio.to_thread(
                ssl.create_default_context, cafile=ca_file or None
            )
            self._tls = (ca_file, context)
        return self._tls[1]

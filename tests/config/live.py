"""Real connections for the tests of endpoints: forwarders, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trustme
from ten_packages.extension.openai_asr_python.call.call import Call
from ten_packages.extension.openai_asr_python.contract.reports import (
    ExtensionLog,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    SessionLost,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

KEY = "sk-test-0123456789"
_HANG_GUARD_S = 30


class Listener:
    """Waits for the first session or the first lost one."""

    def __init__(self) -> None:
        self.ready = False
        self.fault: Fault | None = None
        self.texts: list[str] = []
        self.decided = asyncio.Event()
        self.finalized = asyncio.Event()

    async def on_asr_start(self, session: Any) -> None:
        self.ready = True
        self.decided.set()

    async def on_asr_client_error(self, problem: Any) -> None:
        if isinstance(problem, SessionLost):
            self.fault = problem.fault
            self.decided.set()

    async def on_asr_completed(self, turn: Any) -> None:
        self.texts.append(turn.text)

    async def on_asr_finalized(self, end: Any) -> None:
        self.finalized.set()

    async def on_asr_delta(self, turn: Any) -> None: ...
    async def on_asr_late(self, late: Any) -> None: ...
    async def on_asr_committed(self, item_id: str) -> None: ...
    async def on_asr_server_error(self, problem: Any) -> None: ...


async def try_to_connect(**params: Any) -> Listener:
    """One attempt with this configuration: ready, or why not."""
    config, _ = load_config({"params": {"api_key": KEY, **params}})
    listener = Listener()
    call = await Call.create(
        config, listener, ExtensionLog(Redactor()).error, None
    )
    await call.start()
    await asyncio.wait_for(listener.decided.wait(), _HANG_GUARD_S)
    await call.stop()
    if listener.fault is not None:
        listener.fault = config.explained(listener.fault)
    return listener


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@asynccontextmanager
async def tls_front(
    port: int, authority: trustme.CA, *names: str, ciphers: str = ""
) -> AsyncIterator[int]:
    """A TLS port with a certificate for ``names`` before a plain ``port``;
    ``ciphers``: TLS 1.2 with these only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    authority.issue_cert(*names).configure_cert(context)

    async def serve(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await _join(reader, writer, port)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()

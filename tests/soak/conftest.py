"""What several of these tests need."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from bench.soak.stream import RATE
from devkit.guard import hang_guard

HANG_S = 20


async def _fill(client, wire, sound: bytes, each: Callable[[], object]) -> int:
    """Send ``sound`` again and again until nothing leaves the client any
    more: the sockets of both sides are full.  Returns how often."""
    transport = wire.socket.transport
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
    )
    session = wire.link.session
    looks = times = 0
    # What lies in the buffer for a moment only may yet go out.
    with hang_guard(HANG_S):
        while looks < 20:
            before = session.sent
            client.send_audio(sound)
            times += 1
            each()
            await asyncio.sleep(0.005)
            full = transport.get_write_buffer_size() > 32 * 1024
            looks = looks + 1 if full and session.sent == before else 0
    assert client.core.received - session.sent > RATE
    return times


@pytest.fixture
def fill_sockets():
    """A coroutine function: see `_fill`."""
    return _fill

"""A connection that is reset after its socket was closed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from websockets.asyncio.client import connect

from devkit.server import LocalServer
from devkit.server.outbox import reset_connection


async def test_a_socket_that_is_closed_already_is_left_alone():
    async with LocalServer("script") as server:
        url = f"{server.url}/realtime?intent=transcription"
        client = await connect(url)
        [ws] = server._open
        ws.transport.abort()
        # The transport closes its socket in the loop's next round.
        await ws.wait_closed()
        reset_connection(ws)
        await client.close()


def test_an_error_of_another_kind_is_not_hidden():
    class Broken:
        def setsockopt(self, *_args: object) -> None:
            raise ValueError("no such option")

        def fileno(self) -> int:
            return 3

    transport = SimpleNamespace(get_extra_info=lambda _name: Broken())
    with pytest.raises(ValueError, match="no such option"):
        reset_connection(SimpleNamespace(transport=transport))

"""The event loop is held while an answer comes: it came in time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.realtime.results import (
    FinalizeEnd,
)

from bench.soak.stream import LIMITS, RATE, Listener, client_for
from devkit.script_audio import encode_words
from devkit.server import Faults, ServerThread

TIMEOUT_S = 2.0


class Ends(Listener):
    """Also whether a finalize ended because its time was over, and what was
    heard by then."""

    def __init__(self) -> None:
        super().__init__()
        self.over: list[tuple[bool, list[int]]] = []

    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        self.over.append((end.timed_out, list(self.heard)))
        await super().on_asr_finalized(end)


@pytest.mark.parametrize("http", [False, True], ids=["websocket", "http"])
async def test_what_came_in_time_counts_though_it_is_read_late(http):
    faults = Faults(slow_completed="always", slow_completed_ms=200)
    limits = replace(LIMITS, finalize_timeout_ms=round(TIMEOUT_S * 1000))
    listener, loop = Ends(), asyncio.get_running_loop()
    with ServerThread("script", faults=faults) as server:

        def answers() -> list[str | None]:
            """To what it has as a whole."""
            items = [i.transcript for s in server.sessions for i in s.items]
            files = [r.transcript for r in server.requests if r.file_bytes]
            return items + files

        client = client_for(
            server.url,
            listener,
            1,
            server_turns=False,
            http=http,
            limits=limits,
            log_error=listener.count.errors.append,
        )
        await client.start()
        while not listener.count.sessions:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        sound = encode(encode_words(range(3), RATE).astype(np.int16), "ulaw")
        client.send_audio(sound.tobytes())
        client.finalize("f")
        over = loop.time() + TIMEOUT_S
        await server.until(answers)
        # From here on it is held.
        server.wait_for(lambda: None not in answers())
        time.sleep(max(over - loop.time(), 0.0) + 0.1)  # noqa: ASYNC251
        await listener.until(lambda: bool(listener.ends))
        await client.stop()
    assert listener.over == [(False, [0, 1, 2])]
    assert listener.count.errors == []

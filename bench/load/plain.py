"""Many calls without a host: ``python -m bench.load.plain WHO URL PLAN NOTES``.

``WHO``: ``feed`` (nobody), ``floor``, or a client of others: ``openai`` (the
SDK, turns of the server; ``openai-reconnect`` with its own reconnect),
``livekit`` and ``pipecat`` with their local detector, ``livekit-server`` and
``pipecat-server`` with turns of the server, ``livekit-session`` the latter
behind LiveKit's own pipeline.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from pathlib import Path
from typing import Any

from .feed import Feed
from .floor import Floor, OnResult
from .others import (
    LiveKit,
    LiveKitServer,
    LiveKitSession,
    Nobody,
    OpenAI,
    OpenAIReconnecting,
    Pipecat,
    PipecatServer,
)
from .plan import Plan

CLIENTS: dict[str, Any] = {
    "feed": Nobody,
    "floor": Floor,
    "openai": OpenAI,
    "openai-reconnect": OpenAIReconnecting,
    "livekit": LiveKit,
    "livekit-server": LiveKitServer,
    "livekit-session": LiveKitSession,
    "pipecat": Pipecat,
    "pipecat-server": PipecatServer,
}


def note_end(feed: Feed, call: int, task: asyncio.Task[None]) -> None:
    """A client's task is over, which it is not while all is well."""
    if not task.cancelled():
        error = task.exception()
        why = f": {type(error).__name__}: {error}" if error else ""
        feed.error(call, f"ended{why}")


async def main(
    who: str, url: str, plan: Plan, notes: Path, feeding: type[Feed] = Feed
) -> None:
    """Feed so many calls of this client; ``{call}`` in ``url`` becomes a
    call's number."""
    clients: list[Any] = []

    async def send(call: int, frame: bytes) -> None:
        await clients[call].push(frame)

    feed = feeding(plan, send)

    def listener(call: int) -> OnResult:
        return lambda text, final: feed.result(call, text, final)

    for call in range(len(plan.starts)):
        client = CLIENTS[who](url.format(call=call), listener(call))
        clients.append(client)
    for call, client in enumerate(clients):
        await client.start()
        for task in client.tasks:
            task.add_done_callback(functools.partial(note_end, feed, call))
    await feed.run(notes)
    sys.stderr.flush()
    # Closing is not measured.
    os._exit(0)


if __name__ == "__main__":
    who, url, plan_file, notes_file = sys.argv[1:]
    plan = Plan.read(Path(plan_file))
    asyncio.run(main(who, url, plan, Path(notes_file)))

"""The devkit's server for a run: ``python -m bench.faults.server PORT FAULTS``.

``FAULTS``: fields of `devkit.server.Faults`, as JSON.  Prints its port, then
``ready`` when a session is configured.  A line on standard input is the name
of a method that is called; ``count`` prints what was seen, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from devkit.server import Faults, LocalServer

#: A client may never come back.
_NO_END_S = 86_400


async def main(port: int, faults: dict[str, Any]) -> None:
    # LiveKit's plugin sends `model` in the URL to any host but OpenAI's.
    async with LocalServer(
        "script", port=port, faults=Faults(**faults), lenient=["url-model"]
    ) as server:
        print(server.port, flush=True)
        lines = asyncio.create_task(obey(server))
        await server.until(
            lambda: any(s.config_updates for s in server.sessions), _NO_END_S
        )
        print("ready", flush=True)
        await lines


async def obey(server: LocalServer) -> None:
    """Until the end of standard input."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() == "count":
            print(json.dumps(seen(server)), flush=True)
        else:
            getattr(server, line.strip())()


def seen(server: LocalServer) -> dict[str, int]:
    """Connections, and what struck them."""
    sessions = server.sessions
    items = [item for session in sessions for item in session.items]
    return {
        "connections": len(sessions),
        "failed": sum(item.state == "failed" for item in items),
    }


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), json.loads(sys.argv[2])))

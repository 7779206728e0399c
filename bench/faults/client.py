"""One call of a client: ``python -m bench.faults.client WHO URL PLAN NOTES``.

``WHO``: ``ours`` is the extension on the stand-in host, the others are of
`bench.load.plain`.  Runs in the environments of others' clients, which have
what those need.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.load.feed import Feed
from bench.load.plan import Plan, now_us


class CallFeed(Feed):
    """Notes whole texts, and feeds on when the client takes no more."""

    def __init__(
        self, plan: Plan, send: Callable[[int, bytes], Awaitable[None]]
    ) -> None:
        told = False

        async def push(call: int, frame: bytes) -> None:
            nonlocal told
            try:
                await send(call, frame)
            except Exception as error:
                if not told:
                    told = True
                    self.error(call, f"takes no audio: {error!r}")

        super().__init__(plan, push)

    def result(self, call: int, text: str, final: bool) -> None:
        if final:
            self._results.append((call, now_us(), text, 1))


def main(who: str, url: str, plan: Plan, notes: Path) -> None:
    if who == "ours":
        from bench.load import on_ten

        on_ten.main("server", url, plan, notes, CallFeed)
    else:
        from bench.load import plain

        asyncio.run(plain.main(who, url, plan, notes, CallFeed))


if __name__ == "__main__":
    who, url, plan_file, notes_file = sys.argv[1:]
    main(who, url, Plan.read(Path(plan_file)), Path(notes_file))

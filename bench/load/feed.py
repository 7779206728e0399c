"""Frames of 10 ms in real time for many calls, and what is seen meanwhile.

Needs the standard library alone, as `plan` does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from .plan import FRAME, FRAME_MS, Plan, now_us

#: The calls of a process are not in step: so many groups of them within the
#: 10 ms of a frame.
GROUPS = 5
#: The loop is asked this often whether somebody holds it.
TICK_MS = 5
#: After the last frame, for what is under way.
_DRAIN_S = 1.5
#: Later than this a frame is not sent any more, in seconds: the process does
#: not keep up, and would only grow.
_GIVE_UP_S = 5


def rss_mb() -> float:
    """Memory of this process now, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Feed:
    """Gives each call its frames through ``send(call, frame)``.

    ``result`` notes what a client gives out.  All in the loop of the clients.
    """

    def __init__(
        self, plan: Plan, send: Callable[[int, bytes], Awaitable[None]]
    ) -> None:
        self._plan = plan
        self._send = send
        self._track = Path(plan.track).read_bytes()
        self._pushed: list[int] = []
        self._held: list[int] = []
        self._busy: list[int] = []
        self._results: list[tuple[int, int, int | str, int]] = []
        self._errors: list[tuple[int, int, str]] = []
        self._tick_due = 0
        self._tick_cpu = 0

    def result(self, call: int, text: str, final: bool) -> None:
        """A client gave out this text: words ``w1 w2 …`` of the service."""
        at = now_us()
        last = text.rsplit(None, 1)[-1:]
        if last:
            self._results.append((call, at, int(last[0][1:]), int(final)))

    def error(self, call: int, text: str) -> None:
        """A client said that something is wrong, or ended."""
        self._errors.append((call, now_us(), text))

    def _tick(self) -> None:
        at, cpu = now_us(), time.process_time_ns() // 1000
        late = max(at - self._tick_due, 0)
        self._held.append(late)
        self._busy.append(min(late, cpu - self._tick_cpu))
        self._tick_due, self._tick_cpu = at + TICK_MS * 1000, cpu
        asyncio.get_running_loop().call_later(TICK_MS / 1000, self._tick)

    def frame(self, call: int, count: int) -> bytes:
        """The frame of this number of a call."""
        place = (self._plan.starts[call] // FRAME_MS + count) * FRAME
        place %= len(self._track)
        return self._track[place : place + FRAME]

    async def run(self, notes: Path) -> None:
        """Wait for a line on standard input, feed, and write the notes.

        ``pushed``: when each group's frame went in, group by group; ``held``:
        how late each tick was, and ``busy`` for how much of that the process
        had computed (the rest another process may have); ``results``: call,
        when, word, final; ``errors``: call, when, text.  All times in µs.
        """
        await asyncio.to_thread(sys.stdin.readline)
        calls = range(len(self._plan.starts))
        groups = [
            group for k in range(GROUPS) if (group := list(calls[k::GROUPS]))
        ]
        step_us = FRAME_MS * 1000 // len(groups)
        begin, cpu = now_us(), time.process_time()
        self._tick_due = begin
        self._tick()
        for count, k in itertools.product(
            range(self._plan.seconds * 1000 // FRAME_MS), range(len(groups))
        ):
            due = begin + count * FRAME_MS * 1000 + k * step_us
            await asyncio.sleep(max(due - now_us(), 0) / 1e6)
            self._pushed.append(now_us())
            if self._pushed[-1] - due > _GIVE_UP_S * 1e6:
                break
            for call in groups[k]:
                await self._send(call, self.frame(call, count))
        cpu = time.process_time() - cpu
        wall = (now_us() - begin) / 1e6
        memory = rss_mb()
        await asyncio.sleep(_DRAIN_S)
        found = {
            "begin": begin,
            "cpu_s": cpu,
            "wall_s": wall,
            "rss_mb": memory,
            "groups": len(groups),
            "pushed": self._pushed,
            "held": self._held,
            "busy": self._busy,
            "results": self._results,
            "errors": self._errors,
        }
        # The measurement is over: it may hold the loop.
        notes.write_text(json.dumps(found))  # noqa: ASYNC240

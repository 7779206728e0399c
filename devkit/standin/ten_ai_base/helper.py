"""Small helpers: an async queue and measured times."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class AsyncQueue(Generic[ItemT]):
    """An unbounded queue that can also be fed at its head."""

    def __init__(self) -> None:
        self._queue: deque[ItemT] = deque()
        self._condition = asyncio.Condition()

    async def put(self, item: ItemT, prepend: bool = False) -> None:
        """Add an item at the tail, or at the head."""
        async with self._condition:
            if prepend:
                self._queue.appendleft(item)
            else:
                self._queue.append(item)
            self._condition.notify()

    async def get(self) -> ItemT:
        """Take the head, waiting for one."""
        async with self._condition:
            while not self._queue:
                await self._condition.wait()
            return self._queue.popleft()

    async def flush(self) -> None:
        """Forget all items."""
        async with self._condition:
            self._queue.clear()

    def __len__(self) -> int:
        return len(self._queue)


class TimeHelper:
    """Times in ms."""

    @staticmethod
    def get_timestamp_ms() -> int:
        """Wall clock."""
        return int(time.time() * 1000)

    @staticmethod
    def duration_ms(start: float, end: float) -> int:
        """Between two times in seconds."""
        return int((end - start) * 1000)

    @staticmethod
    def duration_ms_since(start: float) -> int:
        """Since a wall-clock time in seconds."""
        return TimeHelper.duration_ms(start, time.time())

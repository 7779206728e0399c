"""Play audio at its own speed, without drift."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pacer:
    """Waits until audio of a certain position would have been spoken.

    Each deadline is counted from the start, not from the frame before:
    late wake-ups do not add up, and after a stall the frames that are
    due follow at once.

    Args:
        speed: 1.0 is real time, 2.0 twice as fast.
        clock: seconds that only go forward.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        speed: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._start: float | None = None

    async def until(self, position_ms: float) -> None:
        """Return when `position_ms` of audio have passed.

        The clock starts with the first call.
        """
        if self._start is None:
            self._start = self._clock()
        deadline = self._start + position_ms / 1000 / self._speed
        # Also when late: the loop must get its turn once per frame.
        await self._sleep(max(0.0, deadline - self._clock()))

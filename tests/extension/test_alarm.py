"""One timer that rings by the earliest time asked for, on any loop."""

from __future__ import annotations

import asyncio

from ten_packages.extension.openai_asr_python.connection.alarm import Alarm


class Rung:
    """An alarm of the running loop, and how often it rang."""

    def __init__(self, *, last: bool = False) -> None:
        self.times = 0
        self.alarm = Alarm(self._ring, last=last)
        self._news = asyncio.Event()

    def _ring(self) -> None:
        assert self.alarm.due is None
        self.times += 1
        self._news.set()

    async def wait(self) -> None:
        self._news.clear()
        await asyncio.wait_for(self._news.wait(), 20)


async def test_it_rings_once_at_the_earliest_time_and_may_be_set_anew():
    rung, loop = Rung(), asyncio.get_running_loop()
    late = loop.time() + 1000
    rung.alarm.ring_by(late)
    rung.alarm.ring_by(late + 1)
    assert rung.alarm.due == late
    rung.alarm.ring_by(loop.time() - 1)
    rung.alarm.ring_by(late)
    assert rung.times == 0
    await rung.wait()
    rung.alarm.ring_by(loop.time() + 0.001)
    await rung.wait()
    assert rung.times == 2


async def test_one_that_is_cancelled_does_not_ring():
    rung, other, loop = Rung(), Rung(), asyncio.get_running_loop()
    for due in (loop.time(), loop.time() + 0.001):
        rung.alarm.ring_by(due)
        rung.alarm.cancel()
        assert rung.alarm.due is None
    other.alarm.ring_by(loop.time() + 0.002)
    await other.wait()
    assert rung.times == 0


async def test_one_that_is_late_lets_others_go_first():
    """What came while the loop was held takes some rounds of it."""
    rung, loop = Rung(last=True), asyncio.get_running_loop()
    seen: list[int] = []

    def came(rounds: int) -> None:
        if rounds:
            loop.call_soon(came, rounds - 1)
        else:
            seen.append(rung.times)

    rung.alarm.ring_by(loop.time() - 1)
    loop.call_soon(came, 8)
    await rung.wait()
    assert seen == [0]
    # Whoever has it ring even sooner meanwhile does not put it off.
    rung.alarm.ring_by(loop.time() - 1)
    for _ in range(20):
        await asyncio.sleep(0)
        if rung.times == 1:
            rung.alarm.ring_by(loop.time() - 2)
    assert rung.times == 2
    rung.alarm.ring_by(loop.time() - 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rung.alarm.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert rung.times == 2

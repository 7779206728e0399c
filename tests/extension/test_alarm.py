"""One timer that rings by the earliest time asked for, on any loop."""

from __future__ import annotations

import asyncio
import time

import pytest
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


@pytest.mark.parametrize("busy", [False, True])
async def test_one_that_is_late_lets_others_go_first(busy):
    """What came while the loop was held takes some rounds of it."""
    rung, loop = Rung(last=True), asyncio.get_running_loop()
    seen: list[int] = []

    def came(rounds: int) -> None:
        if rounds:
            loop.call_soon(came, rounds - 1)
        else:
            seen.append(rung.times)

    rung.alarm.ring_by(loop.time() - 1)
    if busy:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # Held once more.
        time.sleep(0.02)  # noqa: ASYNC251
    loop.call_soon(came, 8)
    await rung.wait()
    assert seen == [0]


async def test_who_is_late_is_put_off_by_nobody_and_may_be_cancelled():
    rung, loop = Rung(last=True), asyncio.get_running_loop()
    rung.alarm.ring_by(loop.time() - 1)
    while not rung.times:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not rung.times:
            rung.alarm.ring_by(loop.time() - 2)
    assert rung.alarm.due is None
    rung.alarm.ring_by(loop.time() - 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rung.alarm.cancel()
    other = Rung()
    other.alarm.ring_by(loop.time() + 0.02)
    await other.wait()
    assert rung.times == 1

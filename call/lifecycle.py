"""How the calls of a node begin, go on by another configuration, and end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..config import OpenAIASRConfig
from ..realtime.results import DropCause
from .call import Call, Refused
from .slot import CallSlot, SlotState


class EarlyFrames(Protocol):
    """Frames that came before a call could take them."""

    def evict(self) -> None:
        """Let the oldest give way where they are too many."""

    def hand_over(self) -> None:
        """Give them to the call, which runs."""

    def write_off(self) -> None:
        """Count them as lost, for no call will take them."""

    async def drain(self) -> None:
        """Take over all that TEN has delivered by now."""


class CallLifecycle:
    """Puts calls into ``slot``, one decision after the other.

    ``make`` puts a call together, or raises.  ``report_drop`` tells about
    audio that no call gets: its start and length in ms of the node's audio,
    and the cause.  ``auto_connect``: connect without being asked?
    """

    def __init__(
        self,
        slot: CallSlot,
        early: EarlyFrames,
        make: Callable[[OpenAIASRConfig], Awaitable[Call]],
        report_drop: Callable[[int, int, DropCause], Awaitable[None]],
        auto_connect: Callable[[], bool],
    ) -> None:
        self._slot = slot
        self._early = early
        self._make = make
        self._report_drop = report_drop
        self._auto_connect = auto_connect
        #: Held while it is decided which call there is, and while a change of
        #: its settings is under way.
        self.deciding = asyncio.Lock()

    async def begin(self, config: OpenAIASRConfig) -> None:
        """Make the first call."""
        async with self.deciding:
            self._slot.put(await self._make(config))

    async def connect(self) -> bool:
        """Begin to connect, unless the call does already; returns at once.
        False: there is nothing to connect."""
        if self._slot.running:
            return True
        async with self.deciding:
            return await self._connect()

    async def _connect(self) -> bool:
        if self._slot.state is not SlotState.IDLE:
            return self._slot.state is SlotState.RUNNING
        # No other task may run until the early frames are handed over: what
        # came or gave way in between would put the times out.
        self._early.evict()
        start_ms, lost_ms = self._slot.audio.skip_lost()
        await self._slot.start()
        self._early.hand_over()
        if lost_ms:
            await self._report_drop(start_ms, lost_ms, "overflow")
        return True

    async def apply(
        self, config: OpenAIASRConfig, within_s: float, hurried: bool
    ) -> str:
        """Put a configuration in force, as `UpdateQueue` wants it, which
        holds `deciding`."""
        deadline = _now() + within_s
        before, call = self._slot.state, self._slot.call
        if before is SlotState.OVER:
            raise Refused("the call is over")
        if call is not None and before is SlotState.RUNNING:
            return await call.change(config, within_s, hurried)
        if call is not None and before is SlotState.GAVE_UP:
            # Its last results still have their own place in time.
            await call.stop()
        made = await self._make(config)
        if before is SlotState.INERT:
            # What TEN's base has yet is counted as lost already.
            await self._early.drain()
        if self._slot.state is SlotState.OVER:
            raise Refused("the call is over")
        self._slot.put(made)
        if before is SlotState.IDLE:
            return "at once"
        await self._report_lost("given_up")
        if before is SlotState.INERT and not self._auto_connect():
            return "at once"
        return await self._first_session(deadline)

    async def _first_session(self, deadline: float) -> str:
        """Connect a call that begins anew; raises `Refused` where it is given
        up again."""
        outcome = self._slot.expect_session()
        if not await self._connect():
            raise Refused("the call is over")
        try:
            problem = await asyncio.wait_for(outcome, deadline - _now())
        except asyncio.TimeoutError:
            return "when the service can be reached"
        if problem:
            raise Refused(problem)
        return "new session"

    async def stop(self) -> None:
        """Deliver what was said, within a bound, and close."""
        self._slot.close()
        call = self._slot.call
        if call is None:
            return
        await call.stop()
        if self._slot.refused:
            self._slot.audio.skip_call(call)
            await self._report_lost("given_up")
            return
        self._early.write_off()
        if not call.received_ms:
            await self._report_lost("stopped")

    async def _report_lost(self, cause: DropCause) -> None:
        """Tell about frames that came while nothing was transcribed: once, as
        everybody knew it, when that is over."""
        start_ms, lost_ms = self._slot.audio.skip_lost()
        if lost_ms:
            await self._report_drop(start_ms, lost_ms, cause)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Which call a node has, and where its audio lies in all that the node got.

A node has one call at a time: the first by its properties, another one where
an ``update_configs`` revives a node that had none or whose call was given up.
`contract.lifecycle` begins, changes and ends them; here is what there is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction

from ..config import OpenAIASRConfig
from ..realtime.states import Machine
from .call import Call


class SlotState(Enum):
    """What a node has."""

    INERT = "no valid configuration was there yet, so there is no call"
    IDLE = "a call is made; nobody has asked to connect"
    RUNNING = "the call is connected, or about to be"
    GAVE_UP = "the service refused for good; another configuration may do"
    OVER = "the node stops: last words are delivered, nothing begins"


#: What may follow which state.
SLOT_MOVES: Mapping[SlotState, frozenset[SlotState]] = {
    SlotState.INERT: frozenset({SlotState.IDLE, SlotState.OVER}),
    # Another configuration makes another call.
    SlotState.IDLE: frozenset(
        {SlotState.IDLE, SlotState.RUNNING, SlotState.OVER}
    ),
    SlotState.RUNNING: frozenset({SlotState.GAVE_UP, SlotState.OVER}),
    SlotState.GAVE_UP: frozenset({SlotState.IDLE, SlotState.OVER}),
    # Who stops may stop again.
    SlotState.OVER: frozenset({SlotState.OVER}),
}


class NodeAudio:
    """Positions in all the audio that the node got, in ms."""

    def __init__(self) -> None:
        #: Where the present call begins.
        self._begin_ms = 0
        #: What came before it, or behind a call that was given up, and is in
        #: no report yet.
        self._lost_ms = Fraction(0)
        #: What is in a report of those.
        self.reported_ms = 0

    def position_ms(self, in_call_ms: int) -> int:
        """Where a position of the present call lies."""
        return self._begin_ms + in_call_ms

    def end_ms(self, call: Call | None) -> int:
        """Where all that came by now ends; ``call`` is the present one."""
        received_ms = 0 if call is None else call.received_ms
        return self._begin_ms + received_ms + int(self._lost_ms)

    def lose(self, ms: Fraction) -> None:
        """So much came that no call gets; it stays a part of the time."""
        self._lost_ms += ms

    def skip_lost(self) -> tuple[int, int]:
        """Start and length of what was lost, in whole ms: to be reported.
        The present call begins behind it."""
        start_ms, lost_ms = self._begin_ms, int(self._lost_ms)
        self._lost_ms -= lost_ms
        self.reported_ms += lost_ms
        self._begin_ms += lost_ms
        return start_ms, lost_ms

    def skip_call(self, call: Call) -> None:
        """It was given up: the next one begins behind it."""
        self._begin_ms += call.taken_ms
        self._lost_ms += call.received_ms - call.taken_ms


class CallSlot:
    """The place of a node's call."""

    def __init__(self) -> None:
        self.audio = NodeAudio()
        #: Whatever became of it; None only where there never was one.
        self.call: Call | None = None
        self._machine = Machine(SlotState.INERT, SLOT_MOVES)
        self._outcome: asyncio.Future[str] | None = None
        #: Of calls that were given up.
        self._counted: Counter[str] = Counter()

    @property
    def state(self) -> SlotState:
        if self._machine.state is SlotState.RUNNING and self.refused:
            self._machine.to(SlotState.GAVE_UP)
        return self._machine.state

    @property
    def living(self) -> Call | None:
        """The call, unless it is over or was given up."""
        alive = self.state in (SlotState.IDLE, SlotState.RUNNING)
        return self.call if alive else None

    @property
    def config(self) -> OpenAIASRConfig | None:
        """The configuration in force, or None while there is no valid one."""
        return None if self.call is None else self.call.config

    @property
    def running(self) -> bool:
        """Has it a connection, or tries to?  Also while it delivers its last
        words."""
        return self.call is not None and self.call.running

    @property
    def refused(self) -> bool:
        """Did the core give the call up?  Also where it did so at the end."""
        return self.call is not None and self.call.fatal is not None

    @property
    def counters(self) -> dict[str, int]:
        """Those of all the node's calls, and what was dropped between them."""
        counted = self._counted.copy()
        counted.update(dropped_ms=self.audio.reported_ms)
        if self.call is not None:
            counted.update(self.call.counters)
        return dict(counted)

    def put(self, call: Call) -> None:
        """Let ``call`` take the place of one that does not run."""
        if self.state is SlotState.GAVE_UP and self.call is not None:
            self.audio.skip_call(self.call)
            self._counted.update(self.call.counters)
        self._machine.to(SlotState.IDLE)
        self.call = call

    async def start(self) -> None:
        """Begin to connect; never suspends."""
        self._machine.to(SlotState.RUNNING)
        assert self.call is not None
        await self.call.start()

    def close(self) -> None:
        """From now on nothing begins."""
        self.settle("the call is over")
        self._machine.to(SlotState.OVER)

    def expect_session(self) -> asyncio.Future[str]:
        """To become "" with the first session of the call, or the reason why
        there will be none."""
        self._outcome = asyncio.get_running_loop().create_future()
        return self._outcome

    def settle(self, problem: str) -> None:
        """Answer `expect_session`, if that is open."""
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(problem)

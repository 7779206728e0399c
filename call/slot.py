"""Which call a node has, and where its audio lies in all that the node got.

A node has one call at a time: the first by its properties, another one where
an ``update_configs`` revives a node that had none or whose call was given up.
`lifecycle` begins, changes and ends them; here is only what there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction

from ..config import OpenAIASRConfig
from .call import Call


class SlotState(Enum):
    """What a node has."""

    INERT = "no valid configuration was there yet, so there is no call"
    IDLE = "a call is made; nobody has asked to connect"
    RUNNING = "the call is connected, or about to be"
    GAVE_UP = "the service refused for good; another configuration may do"
    OVER = "the node stops: last words are delivered, nothing begins"


_S = SlotState
TRANSITIONS: Mapping[SlotState, frozenset[SlotState]] = {
    _S.INERT: frozenset({_S.IDLE, _S.OVER}),
    # Another configuration makes another call.
    _S.IDLE: frozenset({_S.IDLE, _S.RUNNING, _S.OVER}),
    _S.RUNNING: frozenset({_S.GAVE_UP, _S.OVER}),
    _S.GAVE_UP: frozenset({_S.IDLE, _S.OVER}),
    # Who stops may stop again.
    _S.OVER: frozenset({_S.OVER}),
}


class IllegalTransition(RuntimeError):
    """A mistake of ours; whoever guards a callback tells about it."""


class NodeAudio:
    """Positions in all the audio that the node got, in ms."""

    def __init__(self) -> None:
        #: Where the present call begins.
        self._begin_ms = 0
        #: What came before it, or behind a call that was given up, and is in
        #: no report yet.
        self._lost_ms = Fraction(0)

    def position_ms(self, in_call_ms: int) -> int:
        """Where a position of the present call lies."""
        return self._begin_ms + in_call_ms

    def lose(self, ms: Fraction) -> None:
        """So much came that no call gets; it stays a part of the time."""
        self._lost_ms += ms

    def skip_lost(self) -> tuple[int, int]:
        """Start and length of what was lost, in whole ms: to be reported.
        The present call begins behind it."""
        start_ms, lost_ms = self._begin_ms, int(self._lost_ms)
        self._lost_ms -= lost_ms
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
        self._state = SlotState.INERT
        self._call: Call | None = None
        self._outcome: asyncio.Future[str] | None = None

    # -- what there is ----------------------------------------------------

    @property
    def state(self) -> SlotState:
        if self._state is SlotState.RUNNING and self.refused:
            self._enter(SlotState.GAVE_UP)
        return self._state

    @property
    def call(self) -> Call | None:
        """Whatever became of it; None only where there never was one."""
        return self._call

    @property
    def living(self) -> Call | None:
        """The call, unless it is over or was given up."""
        alive = self.state in (SlotState.IDLE, SlotState.RUNNING)
        return self._call if alive else None

    @property
    def config(self) -> OpenAIASRConfig | None:
        """The configuration in force, or None while there is no valid one."""
        return None if self._call is None else self._call.config

    @property
    def running(self) -> bool:
        """Has it a connection, or tries to?  Also while it delivers its last
        words."""
        return self._call is not None and self._call.running

    @property
    def refused(self) -> bool:
        """Did the core give the call up?  Also where it did so at the end."""
        return self._call is not None and self._call.fatal is not None

    # -- transitions ------------------------------------------------------

    def put(self, call: Call) -> None:
        """Let ``call`` take the place of one that does not run."""
        if self.state is SlotState.GAVE_UP and self._call is not None:
            self.audio.skip_call(self._call)
        self._enter(SlotState.IDLE)
        self._call = call

    async def start(self) -> None:
        """Begin to connect; never suspends."""
        self._enter(SlotState.RUNNING)
        assert self._call is not None
        await self._call.start()

    def close(self) -> None:
        """From now on nothing begins."""
        self.settle("the call is over")
        self._enter(SlotState.OVER)

    def _enter(self, state: SlotState) -> None:
        if state not in TRANSITIONS[self._state]:
            raise IllegalTransition(f"{self._state.name} -> {state.name}")
        self._state = state

    # -- a call that begins anew ------------------------------------------

    def expect_session(self) -> asyncio.Future[str]:
        """To become "" with the first session of the call, or the reason why
        there will be none."""
        self._outcome = asyncio.get_running_loop().create_future()
        return self._outcome

    def settle(self, problem: str) -> None:
        """Answer `expect_session`, if that is open."""
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(problem)

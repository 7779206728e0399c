"""How the calls of a node begin, by its properties, go on by another
configuration, as ``update_configs`` has it, and end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ten_ai_base.asr import AsyncASRBaseExtension
from ten_runtime import AsyncTenEnv, Cmd, CmdResult, StatusCode, TenError

from ..call.call import Call, Refused
from ..call.slot import CallSlot, SlotState
from ..call.update_queue import UpdateQueue, reason
from ..config import ConfigError, OpenAIASRConfig
from ..connection.driver import now
from ..realtime.results import DropCause
from ..safety.redaction import Redactor, secrets_in
from .dump import CallDump
from .frames import IncomingFrames
from .reports import ErrorMessages, ExtensionLog, is_told

#: Of a configuration, in characters; keywords may fill half of it.
_MOST_CHARACTERS = 512 * 1024
#: HTTP servers take no more headers, and none that is longer; to make all
#: spellings of more than that in all, in characters, would hold the loop.
_MOST_SECRETS, _LONGEST_SECRET, _ALL_SECRETS = 200, 8192, 24_576
#: So many commands may be without an answer: each is merged with the others.
_MOST_OPEN = 64
_TOO_MANY = f"{_MOST_OPEN} others have no answer yet; try again later"
#: After the end of the call commands are answered within this, in seconds.
_LAST_ANSWERS_S = 1.0


def read_properties(
    name: str, found: tuple[str, TenError | None], redactor: Redactor
) -> dict[str, Any]:
    """Properties from JSON, as TEN answers; what is secret in them is so from
    now on, valid or not.  Raises `ConfigError` about ``name``."""
    text, error = found
    if error is not None:
        raise ConfigError(name, "cannot be read")
    if len(text) > _MOST_CHARACTERS:
        # To look for secrets in them would hold the loop.
        raise ConfigError(
            name, f"found {len(text)} characters; allowed: {_MOST_CHARACTERS}"
        )
    try:
        properties = json.loads(text or "{}")
        secrets = set(secrets_in(properties))
    except (ValueError, RecursionError):
        raise ConfigError(name, "found no JSON that can be read") from None
    if (
        len(secrets) > _MOST_SECRETS
        or max(map(len, secrets), default=0) > _LONGEST_SECRET
        or sum(map(len, secrets)) > _ALL_SECRETS
    ):
        raise ConfigError(
            name,
            f"found more than {_MOST_SECRETS} keys, headers, parameters and"
            " unknown fields of a session, one of more than"
            f" {_LONGEST_SECRET} characters, or more than {_ALL_SECRETS} in"
            " all",
        )
    redactor.learn(secrets)
    if not isinstance(properties, dict):
        raise ConfigError(name, "allowed: an object")
    return properties


@dataclass(eq=False, repr=False)
class CallLifecycle:
    """Puts calls into ``slot``, one decision after the other, and has them
    dumped; ``make`` puts one together, as `Call.create` does it, or raises."""

    _base: AsyncASRBaseExtension
    _slot: CallSlot
    _frames: IncomingFrames
    _errors: ErrorMessages
    _dump: CallDump
    _make: Callable[[OpenAIASRConfig, Collection[str] | None], Awaitable[Call]]
    #: Held while a call is chosen, or its settings are changed.
    deciding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def begin(self, config: OpenAIASRConfig) -> None:
        """Make the first call."""
        async with self.deciding:
            self._slot.put(await self._make(config, None))
            await self._dump.open(config)

    async def connect(self) -> bool:
        """Begin to connect, if need be; False: there is nothing to connect."""
        if self._slot.running:
            return True
        async with self.deciding:
            return await self._connect()

    async def _connect(self) -> bool:
        if self._slot.state is not SlotState.IDLE:
            return self._slot.state is SlotState.RUNNING
        # No other task may run until the early frames are handed over: what
        # came or gave way in between would put the times out.
        self._frames.evict()
        await self._slot.start()
        self._frames.hand_over()
        await self._report_lost("overflow")
        return True

    async def apply(
        self, config: OpenAIASRConfig, within_s: float, hurried: bool
    ) -> str:
        """Put a configuration in force; `UpdateQueue` holds `deciding`."""
        deadline = now() + within_s
        before, call = self._slot.state, self._slot.call
        if before is SlotState.OVER:
            raise Refused("the call is over")
        if call is not None and before is SlotState.RUNNING:
            return await call.change(config, within_s, hurried)
        if call is not None and before is SlotState.GAVE_UP:
            # Its last results still have their own place in time.
            await call.stop()
        in_force = self._slot.config
        named = () if in_force is None else in_force.ca_files
        made = await self._make(config, named)
        if before is SlotState.INERT:
            # What TEN's base has yet is counted as lost already.
            await self._frames.drain()
        if self._slot.state is SlotState.OVER:
            raise Refused("the call is over")
        self._slot.put(made)
        dumped_by = self._dump.config
        await self._dump.open(config)
        if before is SlotState.IDLE:
            return "at once"
        await self._report_lost("given_up")
        if before is SlotState.INERT and not self._base.auto_connect:
            return "at once"
        try:
            return await self._first_session(deadline)
        except Refused:
            await self._dump.open(dumped_by)
            raise

    async def _first_session(self, deadline: float) -> str:
        """Connect a call that begins anew; raises `Refused` if it gives up."""
        outcome = self._slot.expect_session()
        if not await self._connect():
            raise Refused("the call is over")
        try:
            problem = await asyncio.wait_for(outcome, deadline - now())
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
        self._frames.write_off()
        if not call.received_ms:
            await self._report_lost("stopped")

    async def _report_lost(self, cause: DropCause) -> None:
        """Tell once about all that came while nothing was transcribed."""
        start_ms, lost_ms = self._slot.audio.skip_lost()
        if lost_ms:
            await self._errors.drops.add(start_ms, lost_ms, cause)


@dataclass(eq=False, repr=False)
class UpdateCommands:
    """Carries out ``update_configs`` commands and answers them."""

    _updates: UpdateQueue
    _slot: CallSlot
    _redactor: Redactor
    _log: ExtensionLog
    _open: set[asyncio.Task[Any]] = field(default_factory=set)
    #: So many of these are carried out; and so many were refused unread.
    _taken: int = 0
    _turned_away: int = 0
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)
    _refusals: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        """Carry out one and send its result."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        accepted, answer = await self._carry_out(cmd)
        status = StatusCode.OK if accepted else StatusCode.ERROR
        result = CmdResult.create(status, cmd)
        result.set_property_int("code", 0 if accepted else -1)
        message = "applied" if accepted else self._redactor.text(answer)
        result.set_property_string("message", message)
        if accepted:
            result.set_property_string("applies", answer)
        await ten_env.return_result(result)

    async def _carry_out(self, cmd: Cmd) -> tuple[bool, str]:
        """True and from when on it applies, or False and the refusal."""
        taken = self._taken < _MOST_OPEN
        self._taken += taken
        try:
            async with self._turns if taken else self._refusals:
                # In their order, and between any two whoever else can run.
                await asyncio.sleep(0)
            if not taken:
                return False, self._turn_away()
            found = cmd.get_property_to_json("")
            payload = read_properties("update_configs", found, self._redactor)
            return True, await self._updates.carry_out(payload)
        except asyncio.CancelledError:
            if self._slot.state is not SlotState.OVER:
                raise
            refusal = "the call is over"
        except Exception as problem:
            refusal = reason(problem)
        finally:
            self._taken -= taken
        self._log.warn(f"update_configs refused: {refusal}")
        return False, refusal

    def _turn_away(self) -> str:
        self._turned_away += 1
        if is_told(self._turned_away):
            self._log.warn(
                f"update_configs refused: {_TOO_MANY} ({self._turned_away} so"
                " far)"
            )
        return _TOO_MANY

    async def finish(self) -> None:
        """The call is over, which has answered them; the answers go out."""
        if self._open:
            await asyncio.wait(self._open, timeout=_LAST_ANSWERS_S)
        for task in self._open:
            # It still loads a detector, say.
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=_LAST_ANSWERS_S)

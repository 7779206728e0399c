"""Properties as TEN hands them over, and ``update_configs``."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from ten_runtime import AsyncTenEnv, Cmd, CmdResult, StatusCode, TenError

from ..call.call import Refused
from ..call.slot import CallSlot, SlotState
from ..call.update_queue import UpdateQueue, reason
from ..config import ConfigError
from ..safety.redaction import Redactor, secrets_in
from .log import ExtensionLog

#: Of a configuration, in characters; the keywords that the service takes may
#: fill half of it.
_MOST_CHARACTERS = 512 * 1024
#: HTTP servers take no more headers, and none that is longer; to make all
#: spellings of more than that in all, in characters, would hold the loop.
_MOST_SECRETS, _LONGEST_SECRET, _ALL_SECRETS = 200, 8192, 24_576
#: So many commands may be without an answer: each is merged with the others.
_MOST_OPEN = 64
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
            f"found more than {_MOST_SECRETS} keys, headers and parameters,"
            f" one of more than {_LONGEST_SECRET} characters, or more than"
            f" {_ALL_SECRETS} in all",
        )
    redactor.learn(secrets)
    if not isinstance(properties, dict):
        raise ConfigError(name, "allowed: an object")
    return properties


@dataclass(eq=False, repr=False)
class UpdateCommands:
    """Carries out ``update_configs`` commands and answers them."""

    _updates: UpdateQueue
    _slot: CallSlot
    _redactor: Redactor
    _log: ExtensionLog
    _open: set[asyncio.Task[Any]] = field(default_factory=set)
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

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
        """True and from when on it applies, or False and why nothing was
        changed."""
        try:
            if len(self._open) > _MOST_OPEN:
                raise Refused(
                    f"{_MOST_OPEN} others have no answer yet; try again later"
                )
            async with self._turns:
                # In their order, and between any two whoever else can run.
                await asyncio.sleep(0)
            found = cmd.get_property_to_json("")
            payload = read_properties("update_configs", found, self._redactor)
            return True, await self._updates.carry_out(payload)
        except asyncio.CancelledError:
            if self._slot.state is not SlotState.OVER:
                raise
            refusal = "the call is over"
        except Exception as problem:
            refusal = reason(problem)
        self._log.warn(f"update_configs refused: {refusal}")
        return False, refusal

    async def finish(self) -> None:
        """The call is over, which has answered them; the answers go out."""
        if self._open:
            await asyncio.wait(self._open, timeout=_LAST_ANSWERS_S)
        late = list(self._open)
        for task in late:
            # It still loads a detector, say.
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_LAST_ANSWERS_S)

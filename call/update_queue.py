"""``update_configs`` commands that wait for the service, and their answers.

One change is made at a time; those that come meanwhile are merged into the
next one.  Which these are, and what is then in force, `properties.updates`
knows; how a change is made, the extension.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..config import ConfigError, OpenAIASRConfig
from ..connection.cas import BadCaFile
from ..connection.driver import now
from ..connection.faults import kind_of
from ..properties.updates import Command, ConfigUpdates, Version
from ..realtime.change import ANSWER_S
from .call import Call, Refused
from .intake import MissingDetector

#: An update is answered within ten seconds, its way through TEN included.
_UPDATE_S = ANSWER_S - 0.5
#: Their texts are ours, and say what is wrong.
_EXPLAINED = (ConfigError, BadCaFile, MissingDetector, Refused)


@dataclass(eq=False, repr=False)
class UpdateQueue:
    """Carries out commands in the order in which they came.

    ``deciding`` is held while a change is made.  ``living`` is the call,
    unless there is none, or it is over or was given up.  ``apply`` puts a
    configuration in force, within so many seconds and, if told so, without
    waiting for a pause; it returns from when on that applies, or raises and
    leaves everything as it was.  ``show`` is given each version that the call
    works by from now on.
    """

    _deciding: asyncio.Lock
    _living: Callable[[], Call | None]
    _apply: Callable[[OpenAIASRConfig, float, bool], Awaitable[str]]
    _show: Callable[[Version], None]

    def __post_init__(self) -> None:
        self._updates = ConfigUpdates(self._check)

    def start(self, properties: Mapping[str, Any]) -> None:
        """Those of the node, valid or not."""
        self._updates.start(properties)

    async def carry_out(self, payload: Mapping[str, Any]) -> str:
        """Apply a command; returns from when on it applies.

        Takes at most `ANSWER_S`.  Raises `ConfigError` or `Refused` where
        nothing of it was changed.
        """
        call = self._living()
        if call is not None:
            version = self._updates.overtake(payload, call.config)
            if version is not None:
                self._show(version)
                return "at once"
        command = self._updates.add(payload, now() + _UPDATE_S)
        if call is not None:
            # The change under way waits for no pause any more.
            call.hurry()
        try:
            await self._settle(command)
        finally:
            # Where it was cancelled, others go on without it.
            self._updates.withdraw(command)
        if not command.accepted:
            raise Refused(command.answer)
        return command.answer

    async def _settle(self, command: Command) -> None:
        """Wait for the changes of those before, and make the next ones until
        the command is answered.  It is the first of those that wait then, and
        the lock is fair: whoever is answered with it goes on at once."""
        left = command.deadline - now()
        try:
            await asyncio.wait_for(self._deciding.acquire(), left)
        except asyncio.TimeoutError:
            if self._updates.withdraw(command):
                return
            # It is a part of that change, which has the same deadline.
            await self._deciding.acquire()
        try:
            while command.accepted is None:
                await self._make_next()
        finally:
            self._deciding.release()

    async def _make_next(self) -> None:
        for _ in self._updates.review():
            # Whoever has something else to do goes first.
            await asyncio.sleep(0)
        request = self._updates.begin(now())
        if request is None:
            return
        call = self._living()
        hurried = bool(self._updates.waiting)
        try:
            applies = await self._apply(
                request.config, request.within_s, hurried
            )
        except asyncio.CancelledError:
            self._updates.put_back()
            raise
        except Exception as problem:
            # None of them is to blame where the call ended meanwhile.
            ended = call is not None and self._living() is None
            self._updates.refuse(reason(problem), divide=not ended)
        else:
            self._show(self._updates.accept(applies))

    def _check(self, config: OpenAIASRConfig) -> None:
        call = self._living()
        if call is not None:
            call.check(config)


def reason(problem: Exception) -> str:
    """What to tell of it: of what is no text of ours only its kind."""
    if isinstance(problem, _EXPLAINED):
        return str(problem)
    return f"internal error: {kind_of(problem)}"

"""What ``update_configs`` makes of the configuration, and which commands are
put in force together.

Nothing here waits: `update_queue` asks the service, and tells how it went.

The commands stand in one list, in the order in which they came.  In force is
what the accepted ones make of the first configuration, one after the other in
that order, whenever each was accepted; what is asked of the service is the
same with those that are asked.  So in the end nobody can tell which commands
were merged.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..config import LOCAL_FIELDS, ConfigError, OpenAIASRConfig
from .loading import load_config, updated_properties

#: A session may take so long to come about on a slow line, in seconds.
_SESSION_S = 3.0
_TOO_LATE = "update_configs: another one took all the time"


@dataclass(frozen=True)
class Version:
    """A valid configuration, and the properties that it comes from."""

    properties: Mapping[str, Any]
    config: OpenAIASRConfig
    warnings: list[str]

    @classmethod
    def load(cls, properties: Mapping[str, Any]) -> Version:
        """Raises `ConfigError`."""
        return cls(properties, *load_config(properties))


@dataclass(eq=False)
class Command:
    """One ``update_configs``, to be answered by ``deadline`` (in s).

    ``accepted`` is None until it is answered; ``answer`` then tells from when
    on it applies, or why nothing of it was changed.
    """

    payload: Mapping[str, Any]
    deadline: float = math.inf
    accepted: bool | None = None
    answer: str = ""
    #: With it and those before it, when that was last looked at: loading
    #: takes half a millisecond.
    version: Version | None = None


@dataclass(frozen=True)
class Request:
    """A configuration to be put in force within so many seconds."""

    config: OpenAIASRConfig
    within_s: float


class ConfigUpdates:
    """The configuration in force, and the commands without an answer.

    ``check`` raises `ConfigError` where the call cannot work by a valid
    configuration.
    """

    def __init__(
        self, check: Callable[[OpenAIASRConfig], None] = lambda _: None
    ) -> None:
        self._check = check
        self._base: Mapping[str, Any] = {}
        #: From the first one on that has no answer.
        self._commands: deque[Command] = deque()
        self._asked: list[Command] = []
        self._under_way: OpenAIASRConfig | None = None
        #: So many of the first that wait are asked for in parts, for they were
        #: refused together; and has the service accepted any since then?
        self._suspects = 0
        self._accepts = True

    def start(self, properties: Mapping[str, Any]) -> None:
        """Those of the node, valid or not."""
        self._base = properties

    @property
    def properties(self) -> Mapping[str, Any]:
        """Those in force, valid or not."""
        return self._with(())

    @property
    def waiting(self) -> list[Command]:
        """Those that the service is to be asked for yet."""
        return [
            command
            for command in self._commands
            if command.accepted is None and command not in self._asked
        ]

    def _with(self, asked: Collection[Command]) -> Mapping[str, Any]:
        properties = self._base
        for command in self._commands:
            if command.accepted or command in asked:
                properties = updated_properties(properties, command.payload)
        return properties

    # -- commands come ----------------------------------------------------

    def overtake(
        self, payload: Mapping[str, Any], config: OpenAIASRConfig
    ) -> Version | None:
        """Put a command in force that has nothing to do with the service,
        and so need not wait for one that has.

        ``config`` is the one that the call works by.  Returns what it works
        by from now on; None where it is not such a command.  Raises
        `ConfigError`.
        """
        if not LOCAL_FIELDS.issuperset(
            updated_properties({}, payload)["params"]
        ):
            return None
        version = Version.load(updated_properties(self.properties, payload))
        last = self._commands[-1] if self._commands else None
        if last is not None and last.accepted:
            # However many come while another one waits, they are as one.
            last.payload = updated_properties(last.payload, payload)
        else:
            self._commands.append(Command(payload, accepted=True))
        if self._under_way is config:
            # A call that begins anew works by what is asked for.
            version = Version.load(self._with(self._asked))
            self._under_way = version.config
        self._forget_answered()
        return version

    def add(self, payload: Mapping[str, Any], deadline: float) -> Command:
        """A command that waits for `begin`.

        Raises `ConfigError` where it is wrong with and without those that
        wait before it.
        """
        command = Command(payload, deadline)
        valid = [c for c in self._commands if c.accepted is None and c.version]
        try:
            self._load(command, self._with(valid))
        except ConfigError as problem:
            try:
                self._load(command, self.properties)
            except ConfigError as alone:
                if str(alone) == str(problem):
                    raise
            # It depends on what becomes of them.
            command.version = None
        self._commands.append(command)
        return command

    def _load(self, command: Command, before: Mapping[str, Any]) -> Version:
        properties = updated_properties(before, command.payload)
        version = command.version
        if version is None or _shared(version.properties) != _shared(
            properties
        ):
            version = Version.load(properties)
        self._check(version.config)
        command.version = version
        return version

    def withdraw(self, command: Command) -> bool:
        """Refuse it, for nobody can wait any longer; False where it is under
        way or answered."""
        if command.accepted is not None or command in self._asked:
            return False
        self._answer([command], False, _TOO_LATE)
        return True

    # -- the service is asked for them --------------------------------------

    def review(self) -> Iterator[None]:
        """Look at those that wait, one at a time, where what is before them
        has changed, so that `begin` need not: of a large configuration each
        takes its time."""
        before = self.properties
        for command in self.waiting:
            known, looked = command.version, True
            with contextlib.suppress(ConfigError):
                version = self._load(command, before)
                before, looked = version.properties, version is not known
            if looked:
                yield

    def begin(self, now: float) -> Request | None:
        """What to put in force next: all that wait, merged.

        Of those that were refused together only half are asked for, until it
        is known which one is to blame.  What needs no asking is answered here;
        None where that is all.
        """
        waiting = self.waiting
        asked = []
        before = self.properties
        for command in waiting[: (self._suspects + 1) // 2 or len(waiting)]:
            if command.deadline <= now:
                self._answer([command], False, _TOO_LATE)
                continue
            try:
                before = self._load(command, before).properties
            except ConfigError as problem:
                self._answer([command], False, str(problem))
            else:
                asked.append(command)
        if not asked:
            return None
        config = Version.load(self._with(asked)).config
        self._asked, self._under_way = asked, config
        left = min(command.deadline for command in asked) - now
        if len(asked) > 1:
            # What is left is for its parts, should it be refused.
            left = max(left / 2, min(left, _SESSION_S))
        return Request(config, left)

    def accept(self, applies: str) -> Version:
        """All that was asked for is in force; returns what that makes."""
        asked = self.put_back()
        self._suspects = max(self._suspects - len(asked), 0)
        self._accepts = True
        self._answer(asked, True, applies)
        return Version.load(self.properties)

    def refuse(self, reason: str, *, divide: bool = True) -> None:
        """Nothing of it is in force.  ``divide``: one of several may be to
        blame, so ask for parts; else all of them are refused."""
        asked = self.put_back()
        if len(asked) > 1 and divide:
            self._suspects, self._accepts = len(asked), False
            return
        # Where it accepts nothing the reason may be none of theirs: then the
        # next one is asked for alone, for to merge and to divide again would
        # only be a burden.
        self._suspects = int(divide and not self._accepts)
        self._answer(asked, False, reason)

    def put_back(self) -> list[Command]:
        """What was asked for waits again, unless how it went is told next."""
        asked, self._asked = self._asked, []
        self._under_way = None
        return asked

    def _answer(
        self, commands: Iterable[Command], accepted: bool, answer: str
    ) -> None:
        for command in commands:
            command.accepted, command.answer = accepted, answer
        self._forget_answered()

    def _forget_answered(self) -> None:
        commands = deque(c for c in self._commands if c.accepted is not False)
        while commands and commands[0].accepted:
            command = commands.popleft()
            self._base = updated_properties(self._base, command.payload)
        self._commands = commands
        if not commands:
            self._suspects, self._accepts = 0, True


def _shared(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What decides whether a command is valid: those that overtake it do
    not."""
    params = properties["params"]
    return {k: v for k, v in params.items() if k not in LOCAL_FIELDS}

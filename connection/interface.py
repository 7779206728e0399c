"""What the client is given: settings, a listener, and who looks on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..realtime.limits import Limits
from ..realtime.results import (
    AudioDropped,
    FinalizeEnd,
    InternalFault,
    LateFinal,
    ServerProblem,
    SessionLost,
    SessionReady,
    TurnFailed,
    TurnResult,
)
from ..realtime.settings import ProtocolChoice, SessionSettings
from ..service.files import FileRequest
from .attempt import Attempt


class AsrListener(Protocol):
    """What the client calls, one call after the other, in order."""

    async def on_asr_start(self, session: SessionReady) -> None:
        """A session is ready; called again after every reconnect."""

    async def on_asr_delta(self, turn: TurnResult) -> None:
        """The text of a turn so far."""

    async def on_asr_completed(self, turn: TurnResult) -> None:
        """The final text of a turn; empty when nothing was said."""

    async def on_asr_late(self, late: LateFinal) -> None:
        """The service's last word about a turn that had its final early."""

    async def on_asr_committed(self, item_id: str) -> None:
        """The audio of a turn is complete; its text is on the way."""

    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        """A finalize is answered."""

    async def on_asr_server_error(
        self, problem: ServerProblem | TurnFailed
    ) -> None:
        """The service reported an error; the session goes on."""

    async def on_asr_client_error(
        self, problem: SessionLost | InternalFault | AudioDropped
    ) -> None:
        """The connection was lost or refused, something of ours failed, or
        audio had to be dropped."""


class Abortable(Protocol):
    """What can be broken off."""

    def abort(self) -> None:
        """End at once, without a word."""


class Connection(Protocol):
    """What `driver` uses of an open connection: a WebSocket, or what stands
    for one.  ``close_code`` is None while it is open.  ``lives``: did the
    service say a word on it, or just before?

    Where it is over, the methods that wait raise ``ConnectionClosed`` of
    `websockets`.
    """

    attempt: Attempt
    lives: bool

    @property
    def transport(self) -> Abortable:
        """For the end at once."""

    @property
    def close_code(self) -> int | None: ...

    @property
    def close_reason(self) -> str | None: ...

    async def recv(self, *, decode: Literal[False]) -> bytes:
        """The next message."""

    async def send(self, message: bytes, *, text: Literal[True]) -> None:
        """Send a message; waits while the other end cannot take more."""

    async def ping(self) -> Awaitable[float]:
        """Send a PING; what is returned waits for its PONG."""

    async def close(self) -> None:
        """End it in good order."""

    async def wait_closed(self) -> None:
        """Until nothing is left of it."""


@dataclass(frozen=True)
class ClientSettings:
    """Where to connect and how.

    ``url``: the WebSocket URL, or with ``files`` that to which each turn is
    sent as a file; its query and ``headers`` may carry keys, and both are left
    out of the representation.  Times are in ms.  Two are equal
    if they dial the same service in the same way, whatever the session is
    then told.
    """

    url: str = field(repr=False)
    session: SessionSettings = field(compare=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: Limits = field(default_factory=Limits, compare=False)
    protocol: ProtocolChoice = "auto"
    connect_timeout_ms: int = field(default=10_000, compare=False)
    stop_timeout_ms: int = field(default=3_000, compare=False)
    ca_file: str = ""
    #: Used where this service gives none; these have none themselves.
    fallbacks: tuple[ClientSettings, ...] = field(default=(), compare=False)
    files: FileRequest | None = None


class WireTrace(Protocol):
    """Who looks on, for a log."""

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """A WebSocket message was ``sent`` or ``received``."""

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """A connection was opened or closed, or could not be opened."""


@dataclass(frozen=True)
class GuardedTrace:
    """Another trace, if there is one, that costs nothing where it fails:
    ``tell`` is given what it raised."""

    trace: WireTrace | None
    tell: Callable[[Exception], None]

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        """A WebSocket message was ``sent`` or ``received``."""
        if self.trace is not None:
            try:
                self.trace.message(kind, connection, message)
            except Exception as error:
                self.tell(error)

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        """A connection was opened or closed, or could not be opened."""
        if self.trace is not None:
            try:
                self.trace.note(kind, fields)
            except Exception as error:
                self.tell(error)

"""What the server saw and did, for tests: records and their waiters."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

# A record holds the fields of a form.
_REQUESTS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event of either direction.

    ``at``: ``time.monotonic()`` in seconds. ``event`` is the JSON object; in
    an append, ``audio`` is replaced by ``audio_bytes``, the decoded count.
    """

    at: float
    event: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.event.get("type", ""))


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """``start_ms``/``end_ms`` on the audio axis; ``by``: client or vad."""

    item_id: str
    previous_item_id: str | None
    start_ms: int
    end_ms: int
    by: str
    at: float


@dataclass(slots=True)
class ItemRecord:
    """``state``: pending, completed, failed, never (no model or fault).

    ``config``: the transcription object that the item was made under, all
    that was set; None without a model.
    """

    item_id: str
    previous_item_id: str | None
    start_ms: int
    end_ms: int
    number: int  # on the server, from 1
    config: dict[str, Any] | None
    transcript: str | None = None
    state: str = "pending"
    deleted: bool = False


@dataclass
class SessionRecord:
    """One connection attempt that reached HTTP, in order of arrival."""

    number: int  # from 1
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # lower-case names, keys masked
    key_ok: bool
    opened_at: float
    event_limit: int
    session_id: str | None = None
    http_status: int = 101
    # GA shape of all settings after the latest update that was accepted,
    # also of what is not echoed; an item's own: ItemRecord.config. None
    # before there is a session.
    config: dict[str, Any] | None = None
    config_updates: int = 0
    events: list[EventRecord] = field(default_factory=list)  # from client
    sent: list[EventRecord] = field(default_factory=list)  # to client
    appends: int = 0
    audio_bytes: int = 0
    audio_ms: float = 0.0
    pongs: int = 0  # answers to the server's PING frames
    commits: list[CommitRecord] = field(default_factory=list)
    items: list[ItemRecord] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # that struck
    closed_at: float | None = None
    close_code: int | None = None  # 1006 after a reset
    close_reason: str = ""

    @property
    def open(self) -> bool:
        return self.closed_at is None

    def client_types(self) -> list[str]:
        """Types of the client's events, appends included."""
        return [record.type for record in self.events]

    def sent_types(self) -> list[str]:
        return [record.type for record in self.sent]

    def sent_of(self, event_type: str) -> list[dict[str, Any]]:
        return [r.event for r in self.sent if r.type == event_type]

    @property
    def transcripts(self) -> list[str]:
        """Transcripts of completed events in the order they were sent.

        "" for an event without one.
        """
        completed = self.sent_of(
            "conversation.item.input_audio_transcription.completed"
        )
        return [event.get("transcript") or "" for event in completed]

    def log(self, events: list[EventRecord], event: dict[str, Any]) -> None:
        events.append(EventRecord(time.monotonic(), event))
        # Bounded, so that a session of hours does not fill memory.
        if len(events) > 2 * self.event_limit:
            del events[: self.event_limit]


@dataclass
class RequestRecord:
    """One HTTP request, in order of arrival; WebSockets have sessions.

    ``status``: of the answer; None before there is one, and where there was
    none. ``fields``: the form's, ``x[]`` as ``x``.
    """

    number: int  # from 1
    method: str
    path: str
    headers: dict[str, str]  # lower-case names, keys masked
    key_ok: bool
    opened_at: float
    status: int | None = None
    fields: dict[str, list[str]] = field(default_factory=dict)
    file_name: str = ""
    file_bytes: int = 0
    audio_ms: float = 0.0
    transcript: str | None = None
    faults: list[str] = field(default_factory=list)  # that struck
    ended_at: float | None = None


class Journal:
    """All records, changed under one lock that waiters share."""

    def __init__(self) -> None:
        self.sessions: list[SessionRecord] = []
        self.requests: deque[RequestRecord] = deque(maxlen=_REQUESTS_KEPT)
        self._condition = threading.Condition(threading.RLock())
        self._async_waiters: set[
            tuple[asyncio.AbstractEventLoop, asyncio.Event]
        ] = set()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Change records inside of this; waiters look again afterwards."""
        with self._condition:
            yield
            self._condition.notify_all()
            for loop, event in self._async_waiters:
                loop.call_soon_threadsafe(event.set)

    def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:
        """Block until ``predicate()`` is true; returns what it returned.

        ``timeout``: seconds. Raises TimeoutError with a summary.
        """
        with self._condition:
            found = self._condition.wait_for(predicate, timeout)
            if not found:
                raise TimeoutError(self._summary(timeout))
            return found

    async def until(self, predicate: Callable[[], T], timeout: float) -> T:
        """``wait_for`` for coroutines, from any event loop."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())

        async def wait() -> T:
            while True:
                waiter[1].clear()
                with self._condition:
                    found = predicate()
                if found:
                    return found
                await waiter[1].wait()

        with self._condition:
            self._async_waiters.add(waiter)
        try:
            return await asyncio.wait_for(wait(), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(self._summary(timeout)) from None
        finally:
            with self._condition:
                self._async_waiters.discard(waiter)

    def _summary(self, timeout: float) -> str:
        lines = [
            f"#{s.number} {'open' if s.open else f'closed {s.close_code}'} "
            f"audio {s.audio_ms:.0f} ms, {len(s.commits)} commits, "
            f"last sent {s.sent_types()[-1:]}, faults {s.faults}"
            for s in self.sessions
        ]
        return f"not within {timeout} s; sessions: " + "; ".join(lines)

"""One connection to the service: handshake, items and audio positions.

A session knows nothing of other sessions.  It turns server events into the
state of its turns; `transcription` decides what is sent and delivered.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from .client_events import (
    append_event,
    clear_event,
    commit_event,
    session_update_event,
)
from .events import ServerEvent, clean_id
from .faults import REFUSALS, ErrorInfo, error_of
from .habits import ServerHabits
from .handshake import CREATED, UPDATED, Handshake, Protocol
from .items import Commit, Items, Turn
from .limits import Limits
from .settings import SessionSettings

#: A commit of less is refused with ``input_audio_buffer_commit_empty``.
MIN_COMMIT_MS = 100

#: An ``error`` event explains a CLOSE that comes so much later, in seconds.
_CLOSE_FOLLOWS_S = 2.0
#: No session that lives shorter is worth a rollover, in seconds.
MIN_LIFE_S = 10.0

State = Literal["opening", "ready", "over"]

_ITEM_NOTICES = (
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.done",
)
_TRANSCRIPTION = "conversation.item.input_audio_transcription."

#: ``error`` events of the last moment; the others of a flood say no more.
MAX_PROBLEMS = 32


class Session(Items):
    """The state of one connection.

    ``outbox`` holds control messages to send; audio is drawn separately.
    ``problems`` collects ``error`` events with the time they came.
    ``appended`` counts the samples of all its append messages.
    """

    def __init__(
        self,
        settings: SessionSettings,
        protocol: Protocol,
        limits: Limits,
        now: float,
        wall: float,
        habits: ServerHabits,
    ) -> None:
        super().__init__(settings, habits)
        self.state: State = "opening"
        self.opened_at = now
        self.ready_at = 0.0
        self._wall_offset = wall - now
        self.id = ""
        self.expires_at: float | None = None
        self.outbox: deque[bytes] = deque()
        self.problems: list[tuple[float, ErrorInfo]] = []
        self.last_problem: ErrorInfo | None = None
        self._last_problem_at = now
        self.appended = 0
        self.updating: SessionSettings | None = None
        self.not_updated: ErrorInfo | None = None
        self._change_id = "evt_change"
        self._commit_count = 0
        self.handshake = Handshake(
            settings, protocol, limits, habits, self.outbox, now
        )

    # -- sending ---------------------------------------------------------

    def update(self, settings: SessionSettings) -> None:
        """Ask for other settings; no audio goes out until the answer.

        ``updating`` is set meanwhile, then ``settings`` or ``not_updated``.
        """
        self.updating = settings
        self.not_updated = None
        dialect = self.handshake.dialect
        self.outbox.append(
            session_update_event(
                settings, dialect, self._change_id, self.settings
            )
        )

    def begin_at(self, position: int) -> None:
        """The audio of this session starts at ``position`` of the call."""
        self.sent = position
        self.boundary = position

    def append(self, data: bytes, samples: int) -> bytes:
        """The message that carries the next ``samples`` of audio."""
        self.clock.sent(self.sent, samples)
        self.sent += samples
        self.appended += samples
        self.handshake.audio_sent = True
        return append_event(data)

    def commit(self, now: float) -> bytes:
        """The message that ends a turn at what was sent so far."""
        self._commit_count += 1
        event_id = f"evt_commit_{self._commit_count}"
        self.commits.append(Commit(self.boundary, self.sent, event_id, now))
        if self.settings.turn_owner == "client":
            self.boundary = self.sent
        return commit_event(event_id)

    def clear(self, keep_from: int) -> None:
        """Discard what was sent since the last commit; send it again from
        ``keep_from`` on."""
        self.outbox.append(clear_event())
        self.sent = self.boundary = keep_from
        turn = self.open_turn()
        if turn is not None:
            # Text of what is discarded; it gets another item.
            del self.turns[turn.item_id]

    # -- state ------------------------------------------------------------

    def take_problems(self, before: float) -> list[ErrorInfo]:
        """The ``error`` events up to a time; no CLOSE has followed them."""
        taken = []
        while self.problems and self.problems[0][0] <= before:
            taken.append(self.problems.pop(0)[1])
        return taken

    def problem_behind(self, close_code: int, now: float) -> ErrorInfo | None:
        """The ``error`` event that explains a CLOSE.

        CLOSE follows its error at once, but this machine may have slept in
        between; and a refusal by the service always has one.
        """
        age = now - self._last_problem_at
        if age <= _CLOSE_FOLLOWS_S or (close_code in REFUSALS and age <= 60):
            return self.last_problem
        return None

    @property
    def rollover_at(self) -> float | None:
        """When to open the session that follows: up to a minute early."""
        return self._before_expiry(60.0, 0.1)

    @property
    def switch_at(self) -> float | None:
        """When that session takes over even in the middle of a turn."""
        return self._before_expiry(5.0, 0.025)

    def _before_expiry(self, most: float, share: float) -> float | None:
        if self.expires_at is None:
            return None
        life = self.expires_at - self.opened_at
        return self.expires_at - min(most, share * life)

    # -- receiving -------------------------------------------------------

    def receive(self, event: ServerEvent, now: float) -> Turn | None:
        """Take a server event; returns the turn that it changed."""
        kind = event.type
        if kind == "error":
            self._on_error(error_of(event.fields), now)
            return None
        if kind in CREATED:
            self._on_created(event)
        if kind in UPDATED and self.updating is not None:
            self.take_settings(self.updating)
            self.updating = None
            return None
        only = self.handshake.receive(event, now)
        self.look_at_handshake(now)
        if only:
            return None
        if kind in _ITEM_NOTICES:
            return self._on_item(event, now)
        if kind == "input_audio_buffer.speech_started":
            return self._on_speech_started(event, now)
        if kind == "input_audio_buffer.speech_stopped":
            return self._on_speech_stopped(event, now)
        if kind.startswith(_TRANSCRIPTION):
            return self._on_transcription(
                kind[len(_TRANSCRIPTION) :], event, now
            )
        self._count_unknown()
        return None

    def look_at_handshake(self, now: float) -> None:
        """Is the session ready by now?"""
        if self.state == "opening" and self.handshake.ready:
            self.state = "ready"
            self.ready_at = now
            self.last_problem = None

    def _on_created(self, event: ServerEvent) -> None:
        session = event.object("session")
        self.id = clean_id(session.get("id"))
        expiry = session.get("expires_at")
        # A plain number of seconds; 0 is how some servers say "never".
        if isinstance(expiry, (int, float)) and 0 < expiry < 1e11:
            expires_at = float(expiry) - self._wall_offset
            # Less is this machine's clock being wrong: then the server's
            # CLOSE tells, or one session would be opened after the other.
            if expires_at - self.opened_at >= MIN_LIFE_S:
                self.expires_at = expires_at

    def _on_error(self, info: ErrorInfo, now: float) -> None:
        if info.code == "input_audio_buffer_commit_empty":
            self._drop_commit(info.event_id)
            return
        if self.updating is not None and info.event_id in (
            "",
            self._change_id,
        ):
            self.updating, self.not_updated = None, info
            return
        self.last_problem = info
        self._last_problem_at = now
        if self.handshake.on_error(info, now):
            return
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append((now, info))

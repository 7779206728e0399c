"""One connection to the service: handshake, settings, items, errors.

A session knows nothing of other sessions.  It turns server events into the
state of its turns; what is sent and delivered is decided elsewhere.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from .client_events import (
    append_event,
    clear_event,
    commit_event,
    session_update_event,
)
from .error_events import ErrorEvents
from .errors import NOTHING_TO_COMMIT, ErrorInfo, error_of
from .events import ServerEvent, clean_id
from .habits import ServerHabits
from .handshake import CREATED, UPDATED, Handshake
from .item_events import ItemEvents
from .limits import Limits
from .sent_audio import SentAudio
from .settings import ProtocolChoice, SessionSettings
from .states import Machine
from .turn import Turn
from .turn_list import TurnList

#: A commit of less is refused with ``input_audio_buffer_commit_empty``.
MIN_COMMIT_MS = 100
#: No session that lives shorter is worth a rollover, in seconds.
MIN_LIFE_S = 10.0

_CHANGE_ID = "evt_change"


class SessionState(Enum):
    """What a session can be used for."""

    OPENING = "its handshake is not done; no audio goes out"
    READY = "audio goes out, and its results count"
    UPDATING = "other settings were sent; no audio goes out before the answer"
    OVER = "nothing that it says counts any more"


_S = SessionState
SESSION_MOVES = {
    _S.OPENING: frozenset({_S.READY, _S.OVER}),
    _S.READY: frozenset({_S.UPDATING, _S.OVER}),
    _S.UPDATING: frozenset({_S.READY, _S.OVER}),
    _S.OVER: frozenset({_S.OVER}),
}


class Session:
    """The state of one connection.

    ``outbox`` holds control messages to send; audio is drawn separately.
    ``audio``: what was sent of the call.  ``turns``: what is heard in it, as
    ``items`` reads the server's events.
    ``errors``: ``error`` events that are no answer to anything.
    ``answer_s``: how long a turn may be without its text.
    ``refused``: why the last update was not accepted, or None.
    """

    def __init__(
        self,
        settings: SessionSettings,
        protocol: ProtocolChoice,
        limits: Limits,
        now: float,
        wall: float,
        habits: ServerHabits,
        unproven: bool = False,
    ) -> None:
        self.answer_s = limits.answer_s(settings.as_files)
        self.opened_at = now
        self.ready_at = 0.0
        self.id = ""
        self.expires_at: float | None = None
        self.outbox: deque[bytes] = deque()
        self.audio = SentAudio(settings.rate)
        self.turns = TurnList(settings, self.audio)
        self.items = ItemEvents(self.turns, self.audio, habits)
        self.errors = ErrorEvents()
        self.refused: ErrorInfo | None = None
        #: The first since the update that says not what it answers.
        self._perhaps: ErrorInfo | None = None
        self.handshake = Handshake(
            settings, protocol, limits, habits, self.outbox, now, unproven
        )
        self._machine = Machine(SessionState.OPENING, SESSION_MOVES)
        self._wall_offset = wall - now
        self._asked_for = settings
        # A server that confirms nothing is waited for no more.
        self.look_at_handshake(now)

    # -- state ------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        return self._machine.state

    @property
    def ready(self) -> bool:
        """Is the handshake done?"""
        return self.state in (SessionState.READY, SessionState.UPDATING)

    @property
    def settings(self) -> SessionSettings:
        """Those that it was told, and accepted."""
        return self.turns.settings

    @property
    def sent(self) -> int:
        """The position up to which the call's audio was sent, or skipped."""
        return self.audio.end

    @property
    def stuck(self) -> bool:
        """Must no audio go out, whatever there is?"""
        return self.items.chain.broken or self.state is not SessionState.READY

    @property
    def commits_wait(self) -> bool:
        """Must an answer come before another commit goes out, so that it is
        known whose it is?"""
        items, turns = self.items, self.turns
        answer = items.habits.one_by_one and bool(turns.commits)
        doubt = items.chain.is_counting or items.refused.unsure
        return turns.by_client and (answer or doubt)

    def end(self) -> None:
        """Nothing that it says counts any more."""
        self._machine.to(SessionState.OVER)

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

    # -- sending ---------------------------------------------------------

    def update(self, settings: SessionSettings) -> None:
        """Ask for other settings; no audio goes out until the answer: then
        they are in ``settings``, or ``refused`` says why not."""
        self._machine.to(SessionState.UPDATING)
        self._asked_for = settings
        self.refused = self._perhaps = None
        dialect = self.handshake.dialect
        self.outbox.append(
            session_update_event(settings, dialect, _CHANGE_ID, self.settings)
        )

    def begin_at(self, position: int) -> None:
        """The audio of this session goes on at ``position`` of the call, and
        no turn begins before."""
        self.audio.skip_to(position)
        self.turns.begin_at(position)

    def append(self, data: bytes, samples: int) -> bytes:
        """The message that carries the next ``samples`` of audio."""
        self.audio.append(samples)
        self.handshake.audio_goes_out()
        return append_event(data)

    def commit(self, now: float) -> bytes:
        """The message that ends a turn at what was sent so far."""
        event_id = f"evt_commit_{self.turns.commits_sent + 1}"
        self.turns.commit(event_id, now)
        return commit_event(event_id)

    def clear(self, keep_from: int) -> None:
        """Discard what was sent since the last commit; send it again from
        ``keep_from`` on."""
        self.outbox.append(clear_event())
        self.begin_at(keep_from)
        self.turns.drop_open()

    def rewind(self, position: int) -> None:
        """Send what follows ``position`` again; no word about the items so
        far counts any more."""
        if self.turns.by_client:
            self.outbox.append(clear_event())
        self.audio.rewind(position)
        self.turns.begin_again(position)

    # -- receiving -------------------------------------------------------

    def receive(self, event: ServerEvent, now: float) -> Turn | None:
        """Take a server event; returns the turn that it changed."""
        kind = event.type
        if kind == "error":
            self._on_error(error_of(event.fields), now)
            return None
        if kind in CREATED:
            self._on_created(event)
        if kind in UPDATED and self._updating:
            self._machine.to(SessionState.READY)
            self.turns.take_settings(self._asked_for)
            return None
        only = self.handshake.receive(event, now)
        self.look_at_handshake(now)
        return None if only else self.items.receive(event, now)

    def look_at_handshake(self, now: float) -> None:
        """Is the session ready by now?"""
        if self.state is SessionState.OPENING and self.handshake.ready:
            self._machine.to(SessionState.READY)
            self.ready_at = now
            self.errors.forget()

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
        if info.code == NOTHING_TO_COMMIT:
            self.items.on_commit_refused(info, now)
        elif self._updating and info.event_id == _CHANGE_ID:
            self._refuse(info)
        elif self.handshake.on_error(info, now):
            self.errors.notice(info, now)
        else:
            if self._updating and not info.event_id:
                self._perhaps = self._perhaps or info
            self.errors.add(info, now)
            if info.event_id:
                self.items.on_commit_refused(info, now)

    @property
    def _updating(self) -> bool:
        return self.state is SessionState.UPDATING

    def _refuse(self, info: ErrorInfo) -> None:
        self._machine.to(SessionState.READY)
        self.refused = info

    def problems(self, now: float, grace: float) -> list[ErrorInfo]:
        """The errors that are to be told, ``grace`` seconds after they came.

        One that names no message refuses an update if no confirmation came
        by now.
        """
        told, answer = self.errors.take(now, grace), self._perhaps
        if self._updating and answer is not None and answer in told:
            told.remove(answer)
            self._refuse(answer)
        return told

"""From an open WebSocket to settings that are in force.

The rules, in the order in which they apply:

- The server speaks first (``session.created``), and its first event tells the
  dialect.  One that says nothing is spoken to after ``speak_first_ms``.
- An ``error`` instead is the end of this attempt, unless ``session.created``
  follows within ``close_grace_ms``; a CLOSE within that time explains more.
- `session.update` is answered by ``session.updated`` or an ``error``.  No
  audio goes out before: it would be heard under the server's defaults, which
  are no transcription at all.
- Some compatible servers confirm nothing.  After ``unconfirmed_ms`` the user
  is told; after ``session_timeout_ms`` the server is used *on trial*, unless
  it is known to confirm: audio goes out, and nothing is let go of before the
  server said something about it.  (No question tells sooner whether it will
  confirm: a slow one may answer it before the settings.)
- A confirmation that comes during a trial means that the audio so far was
  heard under the defaults: the attempt is over, and the next one waits longer.
- A server that is known to confirm nothing is used at once; with settings that
  it was never told before, only if no refusal came for ``close_grace_ms``.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from .client_events import session_update_event
from .errors import ErrorInfo
from .events import ServerEvent
from .faults import (
    Fault,
    fault_of_error,
    fault_of_refused_settings,
    fault_of_start,
)
from .habits import ServerHabits
from .limits import Limits
from .settings import Dialect, ProtocolChoice, SessionSettings
from .states import Machine

CREATED = ("session.created", "transcription_session.created")
UPDATED = ("session.updated", "transcription_session.updated")
#: What a server says about audio that it listens to.
_HEARS = ("input_audio_buffer.", "conversation.item.")
#: The code of what is told about a missing confirmation.
NOT_CONFIRMED = "no_session_updated"
_UPDATE_ID = "evt_session_"
#: Another attempt waits so many times as long as a late answer took, and
#: never longer than this, in seconds.
_PATIENCE, _MAX_PATIENCE_S = 2.0, 60.0


class HandshakeState(Enum):
    """How far it is with the settings of a session."""

    WAITING = "for the server's first event"
    ASKING = "our settings are sent; no audio goes out before the answer"
    TRIAL = "no answer came in time; audio goes out all the same"
    DONE = "they are in force"


_H = HandshakeState
HANDSHAKE_MOVES = {
    _H.WAITING: frozenset({_H.ASKING}),
    # Once more, in the other dialect.
    _H.ASKING: frozenset({_H.ASKING, _H.TRIAL, _H.DONE}),
    _H.TRIAL: frozenset({_H.ASKING, _H.DONE}),
    _H.DONE: frozenset({_H.ASKING, _H.DONE}),
}


class Handshake:
    """One connection's handshake.

    ``outbox``: where its messages go.  ``dialect`` is a guess until the
    server spoke.  ``failure``: why the attempt is over, once it is.
    ``trial_since``: when the trial began, or was extended.  ``unproven``:
    are these settings told for the first time?
    """

    def __init__(
        self,
        settings: SessionSettings,
        protocol: ProtocolChoice,
        limits: Limits,
        habits: ServerHabits,
        outbox: deque[bytes],
        now: float,
        unproven: bool = False,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._habits = habits
        self._outbox = outbox
        self._unproven = unproven
        self._may_be_beta = protocol == "auto"
        self.dialect: Dialect = "beta" if protocol == "beta" else "ga"
        self._machine = Machine(HandshakeState.WAITING, HANDSHAKE_MOVES)
        self.failure: Fault | None = None
        self._notices: list[Fault] = []
        self._audio_sent = False
        self.trial_since = now
        self._created = False
        self._update_id = ""
        self._since = now
        self._problem: tuple[float, ErrorInfo] | None = None
        if protocol != "auto":
            self._ask(now)

    @property
    def state(self) -> HandshakeState:
        return self._machine.state

    @property
    def ready(self) -> bool:
        """May audio go out?"""
        return self.on_trial or self.state is HandshakeState.DONE

    @property
    def on_trial(self) -> bool:
        """Does audio go out although nothing was confirmed?"""
        return self.state is HandshakeState.TRIAL

    def _ask(self, now: float) -> None:
        """Send our settings in the dialect that is known by now."""
        self._update_id = _UPDATE_ID + self.dialect
        self._outbox.append(
            session_update_event(self._settings, self.dialect, self._update_id)
        )
        self._since = now
        self._machine.to(HandshakeState.ASKING)
        if self._habits.consents and not self._unproven:
            self._begin_trial(now)

    def _begin_trial(self, now: float) -> None:
        self._machine.to(HandshakeState.TRIAL)
        self.trial_since = now

    def audio_goes_out(self) -> None:
        """Whether its settings are in force or not."""
        self._audio_sent = True

    def extend_trial(self, now: float) -> None:
        """Nothing was said that it could have told about."""
        self.trial_since = now

    def take_notices(self) -> list[Fault]:
        """What is to be told to the user, once."""
        notices, self._notices = self._notices, []
        return notices

    # -- what the server says ----------------------------------------------

    def receive(self, event: ServerEvent, now: float) -> bool:
        """Take an event that is no ``error``; True if that is all to it."""
        kind = event.type
        if self.state is HandshakeState.WAITING or kind in CREATED:
            self._on_first_word(event, now)
        if kind in CREATED:
            return True
        if kind in UPDATED:
            self._on_updated(now)
            return True
        if self.on_trial and kind.startswith(_HEARS):
            # It works by settings that it never confirmed.
            self._machine.to(HandshakeState.DONE)
            self._habits.consents = True
        return False

    def _on_first_word(self, event: ServerEvent, now: float) -> None:
        self._created = True
        if self._problem is not None:
            # It was no refusal.
            self._notices.append(fault_of_error(self._problem[1]))
            self._problem = None
        spoke_first = self.state is HandshakeState.WAITING
        if self._may_be_beta and _is_beta(event) and self.dialect == "ga":
            self.dialect = "beta"
            self._ask(now)
        elif spoke_first:
            self._ask(now)

    def _on_updated(self, now: float) -> None:
        habits = self._habits
        if self.on_trial and self._audio_sent:
            habits.answers_in_s = now - self._since
            self.failure = Fault(
                "at_once",
                NOT_CONFIRMED,
                f"session.updated came {habits.answers_in_s:.1f} s after"
                " session.update; the audio so far is sent again",
            )
        habits.confirms, habits.consents = True, False
        self._machine.to(HandshakeState.DONE)

    def on_error(self, info: ErrorInfo, now: float) -> bool:
        """Take an ``error``; True if it was about the handshake."""
        if self._answers_update(info):
            self.failure = fault_of_refused_settings(info)
        elif info.event_id.startswith(_UPDATE_ID):
            # The answer to settings in the wrong dialect.
            return True
        elif not (self.ready or self._created or self._problem):
            self._problem = now, info
        else:
            return False
        return True

    def _answers_update(self, info: ErrorInfo) -> bool:
        if info.event_id:
            return (
                info.event_id == self._update_id
                and self.state is not HandshakeState.DONE
            )
        # Before session.created it may be about the connection as well.
        about_us = self._created or info.param.startswith("session")
        return about_us and self.state is HandshakeState.ASKING

    # -- time --------------------------------------------------------------

    def due(self) -> float:
        """When `tick` has something to do; only while it is not `ready`."""
        limits, since = self._limits, self._since
        if self._problem is not None:
            return self._problem[0] + limits.close_grace_s
        if self.state is HandshakeState.WAITING:
            return since + limits.speak_first_ms / 1000
        if self._habits.consents:
            return since + limits.close_grace_s
        if not self._habits.told_unconfirmed:
            return since + limits.unconfirmed_ms / 1000
        known = min(_PATIENCE * self._habits.answers_in_s, _MAX_PATIENCE_S)
        return since + max(limits.session_timeout_ms / 1000, known)

    def tick(self, now: float) -> None:
        """Do what is due, a step at a time."""
        while not (self.ready or self.failure) and now >= self.due():
            if self._problem is not None:
                self.failure = fault_of_start(self._problem[1])
            elif self.state is HandshakeState.WAITING:
                self._ask(now)
            elif self._habits.consents:
                self._begin_trial(now)
            elif not self._habits.told_unconfirmed:
                self._tell(now)
            elif self._habits.confirms:
                waited = now - self._since
                text = f"no session.updated came within {waited:.0f} s"
                self.failure = Fault("retry", NOT_CONFIRMED, text)
            else:
                self._begin_trial(now)

    def _tell(self, now: float) -> None:
        """Once in a call: the confirmation is missing."""
        self._habits.told_unconfirmed = True
        text = (
            f"no session.updated came within {now - self._since:.0f} s of"
            " session.update; audio is kept"
        )
        self._notices.append(Fault("report", NOT_CONFIRMED, text))


def _is_beta(event: ServerEvent) -> bool:
    """The beta session object is flat."""
    if event.type == "transcription_session.created":
        return True
    session = event.object("session")
    return "input_audio_format" in session and "audio" not in session

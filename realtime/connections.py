"""The connections of a call: when to open one, and which one counts.

At most one session is *active*: it gets the audio and its results count.
Another one may be *standby*: opening, or ready to take over.
"""

from __future__ import annotations

import random
from collections import deque

from .backoff import Backoff
from .change import Change, change_at
from .delivery import Delivery
from .faults import Fault, fault_of_close, fault_of_refused_settings
from .feed import LEAD_IN_MS, Feed
from .finalizes import FinalizeQueue
from .habits import ServerHabits
from .handshake import Protocol
from .held_audio import FindSpeech, HeldAudio
from .limits import Limits
from .link import Link
from .results import (
    Result,
    SessionLost,
    SessionReady,
    SettingsChanged,
)
from .session import Session
from .settings import SessionSettings, needs_new_session

CALL_OVER = Fault("report", "stopped", "the call is over")


class Connections:
    """The part of `Transcription` that opens, switches and loses sessions.

    ``results`` collects what to tell the user.  ``fatal`` is set when no
    further attempt is made.
    """

    def __init__(
        self,
        settings: SessionSettings,
        limits: Limits,
        *,
        protocol: Protocol,
        find_speech: FindSpeech,
        rng: random.Random,
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.fatal: Fault | None = None
        self.active: Link | None = None
        self.standby: Link | None = None
        self.reconnects = 0
        self.replayed = 0
        self.malformed = 0
        self._protocol: Protocol = protocol
        limit = limits.max_buffer_ms * settings.rate // 1000
        self._held = HeldAudio(settings.sample_bytes, limit, find_speech)
        self._feed = Feed(self._held, settings, limits)
        self._delivery = Delivery(self._held, settings)
        lead_in_ms = LEAD_IN_MS + settings.prefix_padding_ms
        self._lead_in = lead_in_ms * settings.rate // 1000
        self._backoff = Backoff(rng)
        self._connect_at: float | None = None
        self._connecting = False
        self._over = False
        self._connecting_since = 0.0
        self._was_ready = False
        self._habits = ServerHabits()
        self._turn_timeout = limits.turn_timeout_ms / 1000
        self._grace = limits.close_grace_ms / 1000
        self._finalizes = FinalizeQueue(limits.finalize_timeout_ms)
        self._resent = 0
        self._confusions = 0
        self._change: Change | None = None
        self._attempt: Change | None = None
        #: The attempt under way tries settings that are not in force yet.
        self.connecting_change = False

    @property
    def results(self) -> deque[Result]:
        """What to tell the user, oldest first; the reader pops."""
        return self._delivery.results

    @property
    def undelivered(self) -> bool:
        """Is there held audio that is not known to be silent?"""
        held = self._held
        link = self.active
        if link is not None and (link.session.turns or link.session.commits):
            return True
        return held.has_speech(held.watermark, held.end)

    def _answer_finalizes(self, now: float) -> None:
        self.results.extend(self._finalizes.answers(self._covers, now))

    def _covers(self, position: int) -> bool:
        """Is everything said before ``position`` delivered?"""
        over = self._over or self.fatal is not None
        if over or self._held.watermark >= position:
            return True
        link = self.active
        if link is None or link.session.sent < position:
            return False
        mark = self._held.next_mark(link.marked_to)
        if mark is not None and mark <= position:
            return False
        session = link.session
        if any(commit.position <= position for commit in session.commits):
            return False
        return all(turn.begin >= position for turn in session.turns.values())

    # -- a change of the settings -----------------------------------------

    def change(
        self, settings: SessionSettings, now: float, *, by_session: bool
    ) -> None:
        """Put other settings in force at the next pause.

        A `SettingsChanged` follows, within ten seconds.  ``by_session``: a
        new session takes over; else the running one is updated, if it can
        be.  One change at a time.
        """
        if self._over or self.fatal is not None:
            self.results.append(SettingsChanged(self.fatal or CALL_OVER))
            return
        by_session = (
            by_session
            or self.active is None
            or needs_new_session(self.active.session.settings, settings)
            # A server that confirms nothing would not answer an update.
            or self._habits.consents
        )
        self._change = change_at(settings, by_session, now)
        if by_session:
            self._connect_in(0.0, now)
        self._pursue_change(now)

    def _pursue_change(self, now: float) -> None:
        change = self._change
        if change is None or self._over:
            return
        if now >= change.give_up_at:
            text = "the service did not answer in time"
            self._end_change(Fault("report", "timeout", text), now)
        elif change.by_session:
            if not change.tried:
                self._try_change(now)
        elif self.active is None:
            # The session that was to be updated is gone.
            change.by_session, change.tried = True, False
            self._try_change(now)
        elif change.tried:
            session = self.active.session
            if session.not_updated is not None:
                refused = fault_of_refused_settings(session.not_updated)
                self._end_change(refused, now)
            elif session.updating is None:
                self._end_change(None, now)
        elif now >= change.force_at or not self.undelivered:
            change.tried = True
            self._feed.let_go_of_silence(self.active.session)
            self.active.session.update(change.settings)

    def _try_change(self, now: float) -> None:
        link = self.standby
        if link is not None and self.active is not None:
            # A spare one that waits for a pause is no use any more.
            self._drop_standby(link)
        # The back-off of an outage stays as it is.
        if self._connect_at is None:
            self._connect_in(0.0, now)

    def _end_change(self, refused: Fault | None, now: float) -> None:
        change, self._change = self._change, None
        if change is None:
            return
        if refused is None:
            self.settings = change.settings
            self._feed.configure(change.settings)
            self._delivery.configure(change.settings)
            self._renew_standby(change.settings)
        else:
            self.connecting_change = False
            if self.standby is not None and self.standby.for_change:
                self.standby.closing = True
                self.standby = None
            if self.active is None:
                self._try_change(now)
            elif self.active.session.updating is not None and not self._over:
                # By which settings it works is not known, and no audio goes
                # out before it says so.
                self._restart(now)
        self.results.append(SettingsChanged(refused))

    def _renew_standby(self, settings: SessionSettings) -> None:
        """A session that was opened for the old settings is of no use."""
        link = self.standby
        if link is not None and link.session.settings != settings:
            self._drop_standby(link)

    def _drop_standby(self, link: Link) -> None:
        link.session.state = "over"
        link.closing = True
        self.standby = None

    def _change_failed(self, fault: Fault, now: float) -> bool:
        """An attempt with settings to try failed; True if that is all.

        While there is no session at all the reason may be the outage, which
        is told and waited for like any other.
        """
        self.connecting_change = False
        if self._change is None:
            return False
        if self.active is None and not fault.fatal:
            self._change.tried = False
            return False
        self._end_change(fault, now)
        return True

    # -- connections ------------------------------------------------------

    def start(self, now: float) -> None:
        """Ask for the first connection."""
        if self._connect_at is None and self.active is None:
            self._connect_at = now

    def take_connect(self, now: float) -> bool:
        """True once whenever the client shall open a connection."""
        if self._connect_at is None or now < self._connect_at:
            return False
        self._connect_at = None
        self._connecting = True
        self._connecting_since = now
        change = self._change
        self._attempt = None
        if change is not None and change.by_session:
            change.tried = True
            self._attempt = change
        self.connecting_change = self._attempt is not None
        return True

    def opened(self, now: float, wall: float) -> Link:
        """The WebSocket handshake is done; ``wall`` is unix time in s."""
        self._connecting = False
        settings = self.settings
        if self.connecting_change and self._change is not None:
            settings = self._change.settings
        session = Session(
            settings, self._protocol, self.limits, now, wall, self._habits
        )
        link = Link(session, self.limits, now)
        link.for_change = self.connecting_change
        self.connecting_change = False
        if self._attempt_is_stale():
            session.state = "over"
            link.closing = True
            self._connect_again(now)
            return link
        if self.standby is not None:
            self.standby.closing = True
        self.standby = link
        return link

    def _attempt_is_stale(self) -> bool:
        """Was it made for settings that were given up meanwhile?"""
        attempt, self._attempt = self._attempt, None
        return attempt is not None and attempt is not self._change

    def _connect_again(self, now: float) -> None:
        if self.active is None and self.fatal is None:
            self._connect_in(0.0, now)

    def failed(self, fault: Fault, now: float) -> None:
        """No connection came about."""
        self._connecting = False
        if self._attempt_is_stale():
            self._connect_again(now)
        elif not (self.connecting_change and self._change_failed(fault, now)):
            self._lost(fault, now)

    def closed(
        self, link: Link, close_code: int, reason: str, now: float
    ) -> None:
        """The connection of ``link`` is over.

        ``close_code`` 1006 stands for an end without a CLOSE frame;
        ``reason`` then says what happened.
        """
        behind = link.session.problem_behind(close_code, now)
        self._ended(link, fault_of_close(close_code, reason, behind), now)

    def _end(self, link: Link, fault: Fault, now: float) -> None:
        """Close the connection, for a reason that is ours to tell."""
        link.closing = True
        self._ended(link, fault, now)

    def _ended(self, link: Link, fault: Fault, now: float) -> None:
        link.session.state = "over"
        if link is self.active:
            self.active = None
        elif link is self.standby:
            self.standby = None
        else:
            return
        if not (link.for_change and self._change_failed(fault, now)):
            self._lost(fault, now)

    def _lost(self, fault: Fault, now: float) -> None:
        if self._over:
            return
        if self.active is not None:
            # Only the spare connection failed; the call goes on.
            self._connect_in(self._backoff.next_delay(1.0), now)
            return
        delay = 0.0
        if fault.fatal:
            self.fatal = fault
            self._connect_at = None
            if self.standby is not None:
                self._drop_standby(self.standby)
        else:
            delay = self._backoff.next_delay(fault.retry_after)
            self._connect_in(delay, now)
        self.results.append(
            SessionLost(
                fault,
                round(delay * 1000),
                self._backoff.attempt,
                self._was_ready,
            )
        )
        if fault.fatal:
            held = self._held
            if held.end > held.watermark:
                self._delivery.dropped_audio(
                    held.watermark, held.end, "given_up"
                )
                held.advance(held.end)
            self._answer_finalizes(now)
            self._end_change(fault, now)

    def _connect_in(self, delay: float, now: float) -> None:
        # An attempt under way, or a session that is opening, comes first.
        over = self._over or self.fatal is not None
        if not (self._connecting or over) and self.standby is None:
            self._connect_at = now + delay

    def _restart(self, now: float) -> None:
        """Drop the active session on purpose and replay at once."""
        if self.active is not None:
            self.active.session.state = "over"
            self.active.closing = True
            self.active = None
        self._connect_in(0.0, now)
        self._maybe_switch(now)

    def _maybe_switch(self, now: float) -> None:
        """Make a ready standby the active session when the moment is right.

        While another session is alive that is a moment when nothing is
        undelivered, or the last one before that session expires.
        """
        link = self.standby
        if link is None or link.session.state != "ready":
            return
        if self.active is not None:
            old = self.active.session
            forced = old.switch_at is not None and now >= old.switch_at
            if link.for_change and self._change is not None:
                forced = forced or now >= self._change.force_at
            if not forced and (
                self.undelivered or self.active.hold is not None
            ):
                return
            old.state = "over"
            self.active.closing = True
        self.standby = None
        self._activate(link, now)

    def _activate(self, link: Link, now: float) -> None:
        held = self._held
        session = link.session
        self.active = link
        if link.for_change:
            link.for_change = False
            self._end_change(None, now)
        if not held.complete:
            # Evicted while another session had it; that one is gone now.
            self._delivery.dropped_audio(held.watermark, held.start)
            held.advance(held.start)
        replayed = max(self._feed.peak - held.watermark, 0)
        self.replayed += replayed
        self.reconnects += self._was_ready
        session.begin_at(held.watermark)
        link.marked_to = held.watermark
        for position in self._finalizes.positions:
            # Also where the session before was past its decision.
            if position > held.watermark:
                held.mark(position)
        connect_s = session.ready_at - self._connecting_since
        self.results.append(
            SessionReady(
                session.id,
                round(connect_s * 1000),
                recovered=self._was_ready,
                replayed_ms=self._delivery.ms(replayed),
            )
        )
        self._was_ready = True
        change = self._change
        if change is not None and not change.by_session:
            # An update that the session before was sent does not count here.
            change.tried = False
        self._pursue_change(now)
        self._answer_finalizes(now)

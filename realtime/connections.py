"""The connections of a call: when to open one, and which one counts.

At most one session is *active*: it gets the audio and its results count.
Another one may be *standby*: opening, or ready to take over.  Every input ends
in `_settle`, which does what the state of things allows, whatever led there.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace

from .backoff import Backoff
from .change import ANSWER_S, PATIENCE_S, Attempt, Change
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
    DropCause,
    Result,
    ServerProblem,
    SessionLost,
    SessionReady,
    SettingsChanged,
)
from .session import Session
from .settings import SessionSettings, needs_new_session

CALL_OVER = Fault("report", "stopped", "the call is over")
#: Silence that is no gap between two words any more, in ms.
_PAUSE_MS = 300
#: So much audio has to be delivered before the back-off begins anew, in ms.
_PROGRESS_MS = 300
#: Between attempts to open the session that follows, at least, in seconds.
_SPARE_PAUSE_S = 1.0


class Connections:
    """The part of `Transcription` that opens, switches and loses sessions.

    ``results`` collects what to tell the user.  ``fatal`` is set when no
    further attempt is made.  ``settings`` and ``address`` are those in force.
    """

    def __init__(
        self,
        settings: SessionSettings,
        limits: Limits,
        *,
        protocol: Protocol,
        find_speech: FindSpeech,
        rng: random.Random,
        address: object = None,
    ) -> None:
        self.settings = settings
        self.address = address
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
        self._skip_before = 0
        self._backoff = Backoff(rng)
        #: Of the session that follows a living one, which is another matter.
        self._spare_backoff = Backoff(rng)
        self._spare_refused = False
        #: What was delivered when the back-off began anew.
        self._progress_at = 0
        self._connect_at: float | None = None
        self._attempt: Attempt | None = None
        self._attempted_at = 0.0
        self._over = False
        self._was_ready = False
        self._habits = ServerHabits()
        self._turn_timeout = limits.turn_timeout_ms / 1000
        self._grace = limits.close_grace_ms / 1000
        self._finalizes = FinalizeQueue(limits.finalize_timeout_ms)
        self._resent = 0
        self._confusions = 0
        self._change: Change | None = None

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

    @property
    def speaking(self) -> bool:
        """Was something said just now, by its sound?"""
        end = self._held.end
        pause = _PAUSE_MS * self.settings.rate // 1000
        return self._held.has_speech(end - pause, end)

    @property
    def _lead_in(self) -> int:
        """Audio that is kept before a moment without speech, in samples."""
        ms = LEAD_IN_MS + self.settings.prefix_padding_ms
        return ms * self.settings.rate // 1000 + self._skip_before

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
        if any(commit.begin < position for commit in session.commits):
            return False
        return all(turn.begin >= position for turn in session.turns.values())

    def _settle(self, now: float) -> None:
        """If this is so, do that, whatever led here."""
        if self._over:
            self._answer_finalizes(now)
            return
        self._take_over(now)
        self._pursue_change(now)
        self._answer_finalizes(now)

    # -- a change of the settings -----------------------------------------

    def change(
        self,
        settings: SessionSettings,
        now: float,
        *,
        by_session: bool = False,
        address: object = None,
        within_s: float = ANSWER_S,
    ) -> None:
        """Put other settings in force at the next pause.

        A `SettingsChanged` follows, at once where nothing changes for the
        service, and at the latest in ``within_s``.  Another ``address``, and
        what an update cannot bring about, take a new session, as does
        ``by_session``; else the running one is updated.  One change at a time.
        """
        if self._over or self.fatal is not None:
            self.results.append(SettingsChanged(self.fatal or CALL_OVER))
            return
        same = settings == self.settings and address == self.address
        if same and not by_session:
            self.readdress(address)
            self.results.append(SettingsChanged(None, "at once"))
            return
        by_session = (
            by_session
            or address != self.address
            or self.active is None
            or needs_new_session(self.active.session.settings, settings)
            # A server that confirms nothing would not answer an update.
            or self._habits.consents
        )
        self._change = Change(
            settings,
            address,
            "wanted" if by_session else "waits",
            # Half of the time is the service's.
            now + min(PATIENCE_S, within_s / 2),
            now + within_s,
        )
        if by_session:
            self._connect_in(0.0, now)
        self._settle(now)

    def readdress(self, address: object) -> None:
        """An equal address; but the client may have more in it than that."""
        self.address = address

    def hurry(self, now: float) -> None:
        """A change under way waits for no pause any more."""
        if self._change is not None:
            self._change.force_at = min(self._change.force_at, now)
            self._settle(now)

    def _pursue_change(self, now: float) -> None:
        change = self._change
        if change is None:
            return
        if now >= change.give_up_at:
            text = "the service did not answer in time"
            self._end_change(Fault("report", "timeout", text), now)
        elif change.stage == "wanted":
            self._try_change(now)
        elif change.stage == "tried":
            return
        elif self.active is None:
            # The session that was to be updated is gone.
            change.stage = "wanted"
            self._try_change(now)
        elif change.stage == "sent":
            session = self.active.session
            if session.not_updated is not None:
                refused = fault_of_refused_settings(session.not_updated)
                self._end_change(refused, now)
            elif session.updating is None:
                self._end_change(None, now)
        else:
            self._update_session(self.active.session, change, now)

    def _update_session(
        self, session: Session, change: Change, now: float
    ) -> None:
        pause = not self.undelivered
        if now < change.force_at and not pause:
            return
        owners = session.settings.turn_owner, change.settings.turn_owner
        if not pause and owners[0] != owners[1]:
            # A turn that nobody would end any more: it is sent again.
            change.stage = "wanted"
            self._try_change(now)
            return
        change.stage = "sent"
        if "client" in owners:
            self._feed.let_go_of_silence(session)
        session.update(change.settings)

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
            self.address = change.address
            self._spare_refused = False
            self._feed.configure(change.settings)
            self._delivery.configure(change.settings)
            link = self.standby
            if link is not None and link.session.settings != change.settings:
                # It was opened for the old settings.
                self._drop_standby(link)
        else:
            if self.standby is not None and self.standby.change is change:
                self._drop_standby(self.standby)
            if self.active is None:
                if self._connect_at is None:
                    self._connect_in(0.0, now)
            elif self.active.session.updating is not None and not self._over:
                # By which settings it works is not known, and no audio goes
                # out before it says so.
                self._restart(now)
            self.results.append(SettingsChanged(refused))
            return
        by_session = change.by_session
        self.results.append(
            SettingsChanged(None, "new session" if by_session else "next turn")
        )

    def _drop_standby(self, link: Link) -> None:
        link.session.state = "over"
        link.closing = True
        self.standby = None

    def _change_failed(
        self, change: Change | None, fault: Fault, now: float
    ) -> bool:
        """An attempt for a change failed; True if that is all.

        While there is no session at all the reason may be the outage, which
        is told and waited for like any other.
        """
        if change is None or change is not self._change:
            return False
        if self.active is None and not fault.fatal:
            change.stage = "wanted"
            return False
        self._end_change(fault, now)
        return True

    # -- connections ------------------------------------------------------

    def start(self, now: float) -> None:
        """Ask for the first connection."""
        if self._connect_at is None and self.active is None:
            self._connect_at = now

    def take_connect(self, now: float) -> Attempt | None:
        """The connection that the client shall open, once; or None."""
        if self._connect_at is None or now < self._connect_at:
            return None
        self._connect_at = None
        self._attempted_at = now
        change = self._change
        if change is not None and change.by_session:
            change.stage = "tried"
            self._attempt = Attempt(change.settings, change.address, change)
        else:
            self._attempt = Attempt(self.settings, self.address)
        return self._attempt

    def _is_stale(self, attempt: Attempt | None) -> bool:
        """Was it made for settings that are not, or no more, wanted?"""
        if attempt is None:
            return False
        if attempt.change is not None:
            return attempt.change is not self._change
        return (attempt.settings, attempt.address) != (
            self.settings,
            self.address,
        )

    def opened(self, now: float, wall: float) -> Link:
        """The WebSocket handshake is done; ``wall`` is unix time in s."""
        attempt, self._attempt = self._attempt, None
        assert attempt is not None, "no connection was asked for"
        session = Session(
            attempt.settings,
            self._protocol,
            self.limits,
            now,
            wall,
            self._habits,
        )
        link = Link(session, self.limits, now)
        link.change = attempt.change
        if self._is_stale(attempt):
            session.state = "over"
            link.closing = True
            self._connect_again(now)
        else:
            if self.standby is not None:
                self._drop_standby(self.standby)
            self.standby = link
        self._settle(now)
        return link

    def _connect_again(self, now: float) -> None:
        if self.active is None and self.fatal is None:
            self._connect_in(0.0, now)

    def failed(self, fault: Fault, now: float) -> None:
        """No connection came about."""
        attempt, self._attempt = self._attempt, None
        change = None if attempt is None else attempt.change
        if self._is_stale(attempt):
            self._connect_again(now)
        elif not self._change_failed(change, fault, now):
            self._lost(fault, now)
        self._settle(now)

    def closed(
        self, link: Link, close_code: int, reason: str, now: float
    ) -> None:
        """The connection of ``link`` is over.

        ``close_code`` 1006 stands for an end without a CLOSE frame;
        ``reason`` then says what happened.
        """
        behind = link.session.problem_behind(close_code, now)
        self.broke(link, fault_of_close(close_code, reason, behind), now)

    def broke(self, link: Link, fault: Fault, now: float) -> None:
        """The connection of ``link`` is over, for a reason that is ours to
        tell; it is closed if it is not yet."""
        link.closing = True
        link.session.state = "over"
        if link is self.active:
            self.active = None
        elif link is self.standby:
            self.standby = None
        else:
            return
        if not self._change_failed(link.change, fault, now):
            self._lost(fault, now)
        self._settle(now)

    def recover(self, fault: Fault, now: float) -> None:
        """Something of ours went wrong, in here or around it.

        Whatever state that has left goes with the connections, which the
        client has broken off; what is undelivered is sent again.
        """
        for link in (self.active, self.standby):
            if link is not None:
                link.session.state = "over"
                link.closing = True
        self.active = self.standby = self._attempt = None
        self._lost(fault, now)
        self._settle(now)

    def _lost(self, fault: Fault, now: float) -> None:
        if self._over or self.fatal is not None:
            return
        if self.active is not None:
            self._spare_failed(fault, now)
            return
        delay = 0.0
        replaced = self._standby_ready
        if replaced:
            # Whatever ended this one.
            fault = replace(fault, verdict="retry")
        elif fault.fatal:
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
                replaced,
            )
        )
        if self.fatal is not None:
            self._give_up_audio("given_up")
            self._answer_finalizes(now)
            self._end_change(fault, now)

    def _on_progress(self) -> None:
        """Audio is delivered: what was lost before has been made up for.

        It takes some audio to say so: a server that ends each session with a
        word or an error would be dialed without an end.
        """
        step = _PROGRESS_MS * self.settings.rate // 1000
        if self._held.watermark - self._progress_at >= step:
            self._progress_at = self._held.watermark
            self._backoff.reset()

    def _spare_failed(self, fault: Fault, now: float) -> None:
        """The session that shall follow did not come about; the call goes on
        with the one there is."""
        if not fault.fatal:
            wish = max(fault.retry_after, _SPARE_PAUSE_S)
            self._connect_in(self._spare_backoff.next_delay(wish), now)
            return
        # Nobody but a person can mend it, and there is time to do so.
        self._spare_refused = True
        self._connect_at = None
        text = f"the next session is refused: {fault.message}"
        self.results.append(ServerProblem(Fault("report", fault.code, text)))

    def _give_up_audio(self, cause: DropCause) -> None:
        """What is held will not be delivered any more."""
        held = self._held
        if held.end > held.watermark:
            self._delivery.dropped_audio(held.watermark, held.end, cause)
            held.advance(held.end)

    def _connect_in(self, delay: float, now: float) -> None:
        # An attempt under way, or a session that is opening, comes first.
        over = self._over or self.fatal is not None
        if self._attempt is None and self.standby is None and not over:
            self._connect_at = now + delay

    def _restart(self, now: float, delay: float = 0.0) -> None:
        """Drop the active session on purpose; the next one is fed again."""
        if self.active is not None:
            self.active.session.state = "over"
            self.active.closing = True
            self.active = None
        if not self._standby_ready:
            self._connect_in(delay, now)
        self._take_over(now)

    @property
    def _standby_ready(self) -> bool:
        link = self.standby
        return link is not None and link.session.state == "ready"

    def _take_over(self, now: float) -> None:
        """Make a ready standby the active session when the moment is right.

        While another session is alive that is a moment when nothing is
        undelivered, or the last one before that session expires.
        """
        link = self.standby
        if link is None or not self._standby_ready:
            return
        if self.active is not None:
            old = self.active.session
            forced = old.switch_at is not None and now >= old.switch_at
            if link.change is not None and link.change is self._change:
                forced = forced or now >= link.change.force_at
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
        # What was asked for meanwhile was for want of this one.
        self._connect_at = None
        self._spare_backoff.reset()
        self._spare_refused = False
        if link.change is not None and link.change is self._change:
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
        connect_s = session.ready_at - self._attempted_at
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
        if change is not None and change.stage == "sent":
            # An update that the session before was sent does not count here.
            change.stage = "waits"

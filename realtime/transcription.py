"""The whole call, across all its connections.

One position, the *watermark*, divides the call: everything before it is
delivered (its final went out, or it was silence that the owner of the turns
passed over), everything after it is held.  Finals leave in spoken order, so
the held audio is contiguous.  When a connection dies, its undelivered turns
are forgotten and the next session is fed from the watermark on, with the same
commits of ours at the same positions.  So nothing is delivered twice and
nothing is skipped.

The user's audio and wishes go into `Transcription`, the server's messages and
the time into its ``exchange``.  After every input but ``audio``:
``exchange.next_attempt`` tells what to connect, ``next_message`` of each open
link what to send, ``deadline`` when to call ``tick``, ``results`` what
happened.  All times are seconds on any monotonic clock.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from .audio_buffer import AudioBuffer, FindPause, FindSound, FindSpeech
from .caution import Caution
from .change import ANSWER_S
from .endpoints import Endpoint, EndpointsInUse
from .exchange import Exchange
from .failover import Failover
from .faults import Fault
from .feed import Feed
from .finalizes import FinalizeQueue
from .in_force import CALL_OVER, SettingsInForce
from .limits import Limits
from .link import Link
from .progress import Progress
from .quiet import Quiet
from .replay import Replay
from .result_queue import ResultQueue
from .results import Result
from .session import MIN_COMMIT_MS
from .sessions import Sessions
from .settings import ProtocolChoice, SessionSettings

#: Silence that is no gap between two words any more, in ms.
_PAUSE_MS = 300


class Transcription:
    """The state of one call, put together from its parts.

    ``exchange``: the service's side.  ``sessions``, ``progress``, ``queue``,
    ``feed``, ``replay`` and ``in_use`` are there to be looked at.
    """

    def __init__(
        self,
        settings: SessionSettings,
        limits: Limits,
        *,
        protocol: ProtocolChoice,
        find_speech: FindSpeech,
        find_sound: FindSound | None = None,
        find_pause: FindPause | None = None,
        rng: random.Random,
        address: object = None,
        fallbacks: Sequence[Endpoint] = (),
    ) -> None:
        self.limits = limits
        first = Endpoint(settings, address, protocol)
        limit = limits.max_buffer_ms * settings.rate // 1000
        finders = find_speech, find_sound, find_pause
        self._buffer = AudioBuffer(
            settings.sample_bytes, limit, *finders, settings.rate
        )
        caution = Caution(self._buffer, limits, settings.rate)
        self.feed = Feed(self._buffer, settings, limits, caution)
        self.queue = ResultQueue(self._buffer, settings)
        self._finalizes = FinalizeQueue(limits.finalize_timeout_ms)
        self.in_use = EndpointsInUse((first, *fallbacks), rng)
        self.sessions = Sessions(limits, self.in_use)
        self._quiet = Quiet(
            self._buffer,
            self.feed,
            self.queue,
            self.sessions,
            settings.rate,
        )
        self.replay = Replay(
            self._buffer,
            self.feed,
            self.queue,
            self.sessions,
            self._finalizes,
            caution,
            rng,
        )
        self.progress = Progress(
            self._buffer,
            self.queue,
            self.sessions,
            self.replay,
            self._quiet,
            caution,
            self._finalizes,
            limits,
        )
        self._in_force = SettingsInForce(
            self.in_use,
            self.sessions,
            self.feed,
            self.queue,
            self.progress,
        )
        self.failover = Failover(
            self._buffer,
            self.queue,
            self.sessions,
            self.in_use,
            self._in_force,
            limits,
        )
        self.exchange = Exchange(
            self.sessions,
            self.feed,
            self.queue,
            self.progress,
            self.replay,
            self._quiet,
            self._in_force,
            self.failover,
            limits,
        )

    # -- what there is ------------------------------------------------------

    @property
    def results(self) -> deque[Result]:
        """What to tell the user, oldest first; the reader pops."""
        return self.queue.results

    @property
    def settings(self) -> SessionSettings:
        """Those in force."""
        return self.in_use.endpoint.settings

    @property
    def address(self) -> object:
        """That in force; the client dials by it."""
        return self.in_use.endpoint.address

    @property
    def fatal(self) -> Fault | None:
        """Why no further attempt is made, or None."""
        return self.sessions.fatal

    @property
    def active(self) -> Link | None:
        """The connection whose session gets the audio."""
        return self.sessions.active

    @property
    def received(self) -> int:
        """Samples of the call so far."""
        return self._buffer.end

    @property
    def watermark(self) -> int:
        """Everything before this position is delivered."""
        return self._buffer.watermark

    @property
    def dropped(self) -> int:
        """Samples reported as dropped."""
        return self.queue.dropped

    @property
    def speaking(self) -> bool:
        """Was something said just now, by its sound?"""
        pause = self.queue.samples(_PAUSE_MS)
        return self._buffer.has_speech(self.received - pause, self.received)

    # -- from the user ----------------------------------------------------

    def audio(self, data: bytes) -> bool:
        """Take wire audio; True when there is something to send now."""
        if self.fatal is not None:
            return False
        link = self.active
        sent = self.watermark if link is None else link.session.sent
        if self._buffer.append(data, sent):
            self.progress.lost_to_bound(sent)
        return link is not None and self.feed.has_packet(link)

    def commit(self) -> None:
        """End a turn at the audio received so far."""
        if self.fatal is None and self.received > self.watermark:
            self.feed.mark(self.active, self.received)

    def detect_locally(
        self, on: bool, skip_before_ms: int | None = None
    ) -> None:
        """A local detector will, or will no more, tell where speech is.

        ``skip_before_ms``: send only speech, from so long before its onset.
        """
        # What was said so far belongs to whoever listened until now: its turn
        # ends here, if it is ours to end.
        least = self.queue.samples(MIN_COMMIT_MS)
        spoken = self._buffer.has_unmarked_speech(least)
        self._buffer.local.listen(on, self.received)
        if spoken and self.settings.turn_owner == "client":
            self.commit()
        before = skip_before_ms if on else None
        self.feed.skip.before = before and self.queue.samples(before)

    def listened(self, quiet: bool, known_to: int | None) -> bool:
        """The local detector's view of the audio so far, as `Feed.listened`
        has it; True when there is something to send now."""
        feed, link = self.feed, self.active
        feed.listened(quiet, known_to)
        return not quiet and link is not None and feed.has_packet(link)

    def speech_started(self, onset: int, start: int | None = None) -> None:
        """The local detector heard speech that begins at ``onset``, and that
        may begin softly at ``start``."""
        self._buffer.local.started(onset)
        if start is not None:
            self.feed.skip.begins(onset, start)

    def speech_ended(self, end: int, boundary: int) -> None:
        """That speech ended at ``end``: a turn is over at ``boundary``."""
        self._buffer.local.ended(end)
        if self.fatal is None and boundary > self.watermark:
            self._buffer.turn_ended(min(boundary, self.received))

    def quiet_to(self, position: int) -> None:
        """The local detector is sure that no turn is open at ``position``."""
        if self.settings.turn_owner == "client":
            self._quiet.on_local_quiet(position)

    def finalize(
        self, token: object, now: float, asked_at: float | None = None
    ) -> None:
        """Deliver everything received so far, then say so with `token`: in the
        time that begins at ``asked_at``, where it could not be done at once."""
        self._finalizes.ask(token, self.received, asked_at or now)
        self.commit()
        self.exchange.settle(now)

    def change(
        self,
        settings: SessionSettings,
        now: float,
        *,
        by_session: bool = False,
        address: object = None,
        fallbacks: Sequence[Endpoint] = (),
        within_s: float = ANSWER_S,
    ) -> None:
        """Put other settings in force at the next pause.

        A `SettingsChanged` follows, at once where nothing changes for the
        service, and at the latest in ``within_s``.  Another ``address``, and
        what an update cannot bring about, take a new session, as does
        ``by_session``; else the running one is updated.  One change at a time.
        """
        endpoints = self.in_use.others(settings, address, fallbacks)
        self._in_force.begin(endpoints, now, within_s, by_session)
        self.exchange.settle(now)

    def hurry(self, now: float) -> None:
        """A change under way waits for no pause any more."""
        self._in_force.hurry(now)
        self.exchange.settle(now)

    def start(self, now: float) -> None:
        """Ask for the first connection."""
        if self.active is None:
            self.sessions.plan_unless_due(now)
            self.failover.pursue(now)

    def stop(self, now: float) -> None:
        """The call is over; what still waits for an answer gets it, and what
        is still held is reported."""
        if self.sessions.stopped:
            return
        progress = self.progress
        by_client = self.settings.turn_owner == "client"
        if by_client:
            # What no commit was asked for is undelivered as well, and what is
            # too short for one.
            self.commit()
        if progress.undelivered and (
            by_client or progress.covers(self.received, now) != "yes"
        ):
            progress.give_up("stopped")
        self.sessions.stop()
        self._in_force.refuse(CALL_OVER, now)
        self.exchange.settle(now)

"""What is let go of as silence, by the word of whoever owns the turns."""

from __future__ import annotations

from .audio_buffer import AudioBuffer
from .faults import Fault
from .feed import Feed
from .finalizes import Covered
from .handshake import NOT_CONFIRMED
from .link import Link
from .result_queue import ResultQueue
from .session import Session
from .sessions import Sessions
from .suspicion import Suspicion
from .turn import Turn

#: Sound of which a server's detector is sure so long after it began, in ms.
_NOTICED_MS = 500
#: A word that comes later than this after the end of its turn was asked for,
#: in ms of audio, may be one of the next turn, which a commit would cut.
_LATEST_MS = 2000


class Quiet:
    """Moves the watermark over what no turn has."""

    def __init__(
        self,
        buffer: AudioBuffer,
        feed: Feed,
        queue: ResultQueue,
        sessions: Sessions,
        rate: int,
    ) -> None:
        self._buffer = buffer
        self._queue = queue
        self._feed = feed
        self._sessions = sessions
        self._suspicion = Suspicion(buffer, rate)
        self._noticed = rate * _NOTICED_MS // 1000
        self._latest = rate * _LATEST_MS // 1000
        sessions.on_left = self._left

    # -- by the server's detector -------------------------------------------

    def begin(self) -> None:
        """Another session took over."""
        self._suspicion.begin()

    def heard(self, turn: Turn, now: float) -> None:
        """The active session said something about a turn."""
        if self._sessions.active is not None:
            self._end_late(self._sessions.active)
        self._suspicion.heard(turn, now)

    def _end_late(self, link: Link) -> None:
        """Is there a word in what was silence for the local detector, when the
        end of the turn was asked for?  Then it ends now, if nobody speaks."""
        session, passed = link.session, link.marked_to
        turns, late = session.turns, session.sent - passed
        if (
            turns.by_client
            and passed > turns.boundary
            and late < self._latest
            and turns.said
            and self._buffer.sound(turns.boundary, session.sent) is not None
            and not self._buffer.has_speech(passed, session.sent)
        ):
            self._feed.mark(link, session.sent)

    def _left(self, link: Link) -> None:
        """What only the service heard is undelivered."""
        buffer, turns = self._buffer, link.session.turns
        heard = [(commit.begin, commit.end) for commit in turns.commits]
        live = link.session.settings.live
        unsure = heard or link.session.items.refused.unsure
        if turns.said and live and not unsure:
            # Else its words may be of a turn that one of those ends; other
            # models say nothing before an end, but under a wrong name.
            heard.append((turns.boundary, link.session.sent))
        heard += [
            (turn.begin, turn.end) for turn in turns if turn.text and turn.end
        ]
        for begin, end in heard if turns.by_client else ():
            begin = max(begin, buffer.watermark)
            if not buffer.has_speech(begin, end):
                buffer.local.heard_elsewhere(begin, end)

    def delivered(self, turn: Turn) -> None:
        """The final of a turn went out."""
        self._suspicion.delivered(turn)

    def covers(self, position: int, now: float) -> Covered:
        """Did the server say something about all sound before ``position``?"""
        return self._suspicion.covers(position, now)

    def on_server_quiet(self, link: Link, position: int, now: float) -> None:
        """The server's detector heard all before ``position``, and found
        nothing in what no turn has."""
        turns = link.session.turns
        if turns.by_client or turns.commits or turns.open_turn() is not None:
            return
        if link.session.handshake.on_trial:
            # Its silence proves nothing.
            return
        quiet = position - self._feed.lead_in
        # Where no more comes, it has said all there is to say.
        is_all = position >= self._buffer.end
        doubted = position - self._noticed if is_all else quiet
        silent_to = self._suspicion.lets_go(link, doubted, now)
        if not (silent_to is None or turns.pending or link.hold is not None):
            self._let_go(link.session, min(quiet, silent_to))

    def _let_go(self, session: Session, quiet: int) -> None:
        session.turns.begin_at(max(session.turns.boundary, quiet))
        self._buffer.advance(quiet)
        self._sessions.retries().progressed(
            self._buffer.watermark, session.settings.rate
        )

    def times(self, link: Link) -> list[float]:
        """When it must be looked whether the active session hears."""
        if not self._owns_turns(link.session):
            return []
        pending = link.session.turns.pending
        return self._suspicion.looks_at(link) + self._suspicion.times(pending)

    def _owns_turns(self, session: Session) -> bool:
        return not (session.turns.by_client or session.handshake.on_trial)

    def check(self, link: Link, now: float) -> Fault | None:
        """Why the active session is left: its detector says nothing where it
        should."""
        session, suspicion = link.session, self._suspicion
        due_at = min(self.times(link), default=now + 1)
        if link is not self._sessions.active or now < due_at:
            return None
        turn = suspicion.stalls(link, now)
        if turn is not None:
            if suspicion.leaves(turn, session.sent, now):
                text = "the server began a turn and does not end it"
                return Fault("retry", "no_turn_end", text)
            if not session.turns.commits:
                self._buffer.mark(session.sent)
        pending = session.turns.pending
        if now < min(suspicion.times(pending), default=now + 1):
            return None
        verdict = suspicion.conclude(now)
        if verdict == "deaf":
            text = "the server says nothing about the sound it is sent"
            return Fault("retry", "no_turn", text)
        if verdict == "too little":
            # Nobody else was asked whether that was speech.
            start = self._buffer.watermark
            self._queue.dropped_audio(start, suspicion.quiet_to, "unheard")
        self._let_go(session, suspicion.quiet_to)
        return None

    def check_trial(self, session: Session, now: float) -> Fault | None:
        """A server that confirmed nothing must say something about speech."""
        if self._buffer.may_be_speech(session.sent):
            text = "the server sent no session.updated, nor a word about audio"
            return Fault("retry", NOT_CONFIRMED, text)
        session.handshake.extend_trial(now)
        return None

    # -- by the local detector ----------------------------------------------

    def on_local_quiet(self, position: int) -> None:
        """The local detector is sure that no turn is open at ``position``."""
        buffer, link = self._buffer, self._sessions.active
        quiet = position - self._feed.lead_in
        if link is not None:
            self._feed.skip_quiet(link, quiet)
            quiet = min(position, link.session.sent) - self._feed.lead_in
            if link.session.turns.pending:
                return
        if not (buffer.marks or buffer.local.spans):
            buffer.advance(quiet)

"""Is a service that says nothing about sound deaf, or was it no speech?

Where the server's detector owns the turns, and freezes, its connection lives
on and answers PINGs.  So sound that stands out is kept until something is said
about it or about later audio.  What two sessions are silent about was no
speech; but a noisy room must not mean reconnects for ever.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from typing import Literal

from .audio_buffer import AudioBuffer, Sound
from .finalizes import Covered
from .link import Link
from .states import Machine
from .turn import Turn

#: So long may a service say nothing about sound that it was sent, in seconds:
#: ten, and one for the trip.
SILENT_S = 11.0
#: What makes suspicious, in ms of sound: at first, and after a false alarm;
#: twice as much after each further one.
_LEAST_MS, _MORE_MS = 150, 3000
#: After so many nothing does, until a turn is delivered.
_MOST_ALARMS = 2
#: So many are counted.
_MOST_COUNTED = 8
_FORGET_S = 7200.0
#: A turn that stalls is looked at again no sooner, in seconds.
_LOOK_S = 1.0
#: A pause that is so much longer than a turn may have ends it, in ms.
_MARGIN_MS = 300


class SuspicionState(Enum):
    """What is thought of a server's detector that says nothing."""

    HEARS = "it said something about all sound, or may still do so"
    SILENT = "sound went out, and its time to say something runs"
    REPLACED = "the time was up; another session is to hear the same sound"
    SILENT_TOO = "that one got it as well, and its time runs"


_S = SuspicionState
SUSPICION_MOVES = {
    _S.HEARS: frozenset({_S.HEARS, _S.SILENT, _S.REPLACED}),
    _S.SILENT: frozenset({_S.HEARS, _S.SILENT, _S.REPLACED}),
    _S.REPLACED: frozenset({_S.HEARS, _S.SILENT, _S.REPLACED, _S.SILENT_TOO}),
    _S.SILENT_TOO: frozenset({_S.HEARS, _S.REPLACED, _S.SILENT_TOO}),
}


#: "deaf": another session shall hear the sound.  "no speech": two said nothing
#: about it.  "too little": to ask another one, after false alarms.
Verdict = Literal["deaf", "no speech", "too little"]


class Suspicion:
    """``quiet_to``: up to where the session is silent, in samples."""

    def __init__(self, buffer: AudioBuffer, rate: int) -> None:
        self.quiet_to = 0
        self._buffer = buffer
        self._rate = rate
        self._machine = Machine(SuspicionState.HEARS, SUSPICION_MOVES)
        self._since = 0.0
        self._amount = 0
        self._quiet_from = 0
        #: From where on and up to where the session that was left was silent.
        self._replaced_from = self._replaced_to = 0
        self._false_alarms: deque[float] = deque(maxlen=_MOST_COUNTED)
        #: Was a turn delivered since the last of them?
        self._heard_since = False
        self._looked_at = (0, 0, False)
        self._look_again_at = 0.0
        #: The last turn that was ended by us.
        self._stalled: Turn | None = None

    def begin(self) -> None:
        """Another session is fed, or there is no such sound any more."""
        state = self._machine.state
        if state is SuspicionState.SILENT_TOO:
            self._machine.to(SuspicionState.REPLACED)
        elif state is SuspicionState.SILENT:
            self._machine.to(SuspicionState.HEARS)

    def heard(self, turn: Turn, now: float) -> None:
        """An event is about a turn."""
        if self._machine.state in (_S.REPLACED, _S.SILENT_TOO):
            if self._is_before(turn):
                return
            if turn.begin >= self._replaced_to:
                self._false_alarm(now)
        self._machine.to(SuspicionState.HEARS)

    def _is_before(self, turn: Turn) -> bool:
        """Was it said before that about which a session was silent?"""
        start, stop = self._replaced_from, self._replaced_to
        return start < stop and (turn.end or turn.begin) <= start

    def _false_alarm(self, now: float) -> None:
        self._false_alarms.append(now)
        self._heard_since = False

    def _enough(self, now: float) -> int | None:
        """So much sound makes suspicious, in samples; None: nothing does."""
        alarms = self._false_alarms
        while alarms and alarms[0] <= now - _FORGET_S:
            alarms.popleft()
        if len(alarms) >= _MOST_ALARMS and not self._heard_since:
            return None
        more = _MORE_MS << len(alarms) - 1 if alarms else _LEAST_MS
        return more * self._rate // 1000

    # -- sound of which nothing is said ---------------------------------------

    @property
    def _runs(self) -> bool:
        return self._machine.state in (_S.SILENT, _S.SILENT_TOO)

    def times(self, pending: bool) -> list[float]:
        """When its time is up; [] while it does not run.

        Where a turn before is ``pending``, what is let go of waits for it.
        """
        due = self._since + SILENT_S
        waits = pending and self._verdict(due) != "deaf"
        return [due] if self._runs and not waits else []

    def lets_go(self, link: Link, quiet: int, now: float) -> int | None:
        """The session said nothing about the audio up to ``quiet``; up to
        where is it silence?  None: it holds sound."""
        start = max(self._buffer.watermark, link.session.turns.boundary)
        # The one before may have been about to say something of the rest.
        again = (
            self._machine.state is SuspicionState.REPLACED
            and start >= self._replaced_from
        )
        if again and start >= self._replaced_to:
            # It gave way before another session could hear it.
            self._false_alarm(now)
            self._machine.to(_S.HEARS)
            again = False
        elif again:
            # Of what came later no other session could say anything.
            quiet = min(quiet, self._replaced_to)
        sound = self._sound(start, quiet)
        if sound is None:
            self.begin()
            return self._before_rise(start, quiet)
        self._amount = sound.length
        if not self._runs:
            self._machine.to(_S.SILENT_TOO if again else _S.SILENT)
            # Where all of it is let go, all of it has its time.
            enough = self._enough(now)
            asks = not again and enough is not None and sound.length >= enough
            part = sound.first if asks else sound.last - 1
            self._since = link.looked_since(part)
            self._quiet_from, self.quiet_to = start, quiet
        return None

    def _before_rise(self, start: int, stop: int) -> int:
        """What rises at the end of silence may be the begin of a word."""
        begin = max(start, stop - self._rate)
        sound = self._buffer.sound(begin, stop) if begin < stop else None
        near = stop - self._rate // 50
        return sound.first if sound and sound.last > near else stop

    def _sound(self, start: int, stop: int) -> Sound | None:
        """What could be a word in a stretch."""
        sound = self._buffer.sound(start, stop)
        least = _LEAST_MS * self._rate // 1000
        return sound if sound is not None and sound.length >= least else None

    def covers(self, stop: int, now: float) -> Covered:
        """Is there no sound before ``stop`` about which nothing was said?
        After false alarms it need not be speech."""
        stretch = self._buffer.watermark, stop
        if self._looked_at[:2] != stretch:
            self._looked_at = *stretch, self._sound(*stretch) is not None
        if not self._looked_at[2]:
            return "yes"
        return "if silent" if self._enough(now) is None else "no"

    def _verdict(self, now: float) -> Verdict:
        if self._machine.state is SuspicionState.SILENT_TOO:
            return "no speech"
        enough = self._enough(now)
        little = enough is None or self._amount < enough
        return "too little" if little else "deaf"

    def conclude(self, now: float) -> Verdict:
        """Its time is up."""
        verdict = self._verdict(now)
        if verdict == "deaf":
            self._replace(self._quiet_from, self.quiet_to)
            return verdict
        if verdict == "no speech":
            self._false_alarm(now)
        self._machine.to(SuspicionState.HEARS)
        return verdict

    def _replace(self, silent_from: int, silent_to: int) -> None:
        self._replaced_from, self._replaced_to = silent_from, silent_to
        self._machine.to(SuspicionState.REPLACED)

    # -- a turn that began and does not end -----------------------------------

    def looks_at(self, link: Link) -> list[float]:
        """When to look whether the turn that is open still grows."""
        turns = link.session.turns
        turn = turns.open_turn()
        if turn is None or not turn.from_server:
            return []
        return [max(link.heard_at + SILENT_S, self._look_again_at)]

    def stalls(self, link: Link, now: float) -> Turn | None:
        """A turn that began, and has not ended long after a pause that must
        have ended it."""
        session = link.session
        turn = session.turns.open_turn()
        if turn is None or now < min(self.looks_at(link), default=now + 1):
            return None
        longest = turn.settings.longest_pause_ms + _MARGIN_MS
        # On a line with noise that takes the bound of a turn; to take music,
        # or soft words, for a pause would cost the session.
        pause = self._buffer.first_pause(
            turn.begin, session.sent, longest * self._rate // 1000, False
        )
        due = math.inf
        if pause is not None:
            due = max(link.looked_since(pause[0]), link.heard_at) + SILENT_S
        if now < due:
            self._look_again_at = now + _LOOK_S
            return None
        return turn

    def leaves(self, turn: Turn, sent: int, now: float) -> bool:
        """Shall another session hear it?  Not once more: then a commit of ours
        is to end it."""
        if turn.begin < self._replaced_to or self._enough(now) is None:
            if turn is not self._stalled:
                self._stalled = turn
                self._false_alarm(now)
            self._look_again_at = now + _LOOK_S
            return False
        # It did say that somebody speaks: nothing was silent about that.
        to = max(sent, turn.begin + 1)
        self._replace(to, to)
        return True

    def delivered(self, turn: Turn) -> None:
        """Its final went out."""
        self._heard_since = True
        later = turn.begin >= self._replaced_to
        if later or turn.by_commit or self._is_before(turn):
            return
        if turn.end is not None and turn.end <= self._replaced_to:
            # The session before would never have said so.
            self._false_alarms.clear()
        self._replaced_to = 0

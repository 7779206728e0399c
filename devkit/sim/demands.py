"""What must hold under each kind of fault of `troubles`, beyond `watch`.

Most of it holds in a call with one kind alone only: what is right where two
come together nobody has said.
"""

from __future__ import annotations

from collections import deque

from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    Result,
    SessionLost,
    SessionReady,
    SettingsChanged,
    TurnCommitted,
    TurnFailed,
)

from .server import SimConnection
from .state import CallState, demand
from .troubles import DEATHS, FREEZES, Death, is_no_speech
from .words import WORD_SAMPLES, Piece, ms

#: Sound without an event for 10 s; PINGs are 3 s apart, their trip and the
#: connection's take the rest.
_SILENT_S = 15.0
#: From the last sound of a turn whose end never comes; PINGs as above.  Where
#: a server judges by what is said, a pause of less than 4 s ends nothing: then
#: the talker may have gone on meanwhile.
_NO_END_S = 18.0
_MORE_BY_MEANING_S = 4.0
#: A turn without its text is asked for twice in 15 s each.
_NO_TEXT_S = 35.0
#: Sessions that die (two without a CLOSE frame are as one) before the next turn
#: is delivered
#: or reported: live, a replay, always less of it, and three times alone.
_BARREN = 12
#: And those that all heard the same of it: two replays of more than one turn,
#: and three alone, of which the last is told at once.
_SAME = 6
#: Sessions that die on a turn alone before it is reported.
_ALONE = 3
#: What goes out with a turn: the padding, what is kept of the silence before
#: it, the silence that ends it, the rest of a packet; in ms.
_AROUND_MS = 3000
#: And messages: settings, commit, clear, a packet on either side.
_MESSAGES_AROUND = 8
#: Reconnects that music and noise may cost where somebody speaks in between:
#: each one after the second takes twice as much sound.
_FOR_NOISE = 8
#: From when a turn that fails was first asked for until it must not block
#: others any more: two times the turn's bound, the longest wait for a pause,
#: and two answers.
_BLOCKS_S = 45.0
#: Where the longest wait is as long as may be, and no pause comes after it.
_BLOCKS_LONG_S = 50.0
#: What tells the user of no trouble.
_NO_ERRORS = (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    SessionReady,
    SettingsChanged,
    TurnCommitted,
)


class Demands:
    """Follows the kinds of a call; raises `state.Violation`."""

    def __init__(self, call: CallState) -> None:
        self._call = call
        self._troubles = call.server.troubles
        self._alone = next(iter(call.kinds)) if len(call.kinds) == 1 else ""
        self._closed_numb: deque[tuple[SimConnection, float]] = deque()
        self._errors: deque[float] = deque(maxlen=64)
        self._gaps: list[int] = []
        self._barren = 0.0
        self._barren_from = self._barren_to = 0
        self._same = 0.0
        self._blocks, self._blocks_from = 0, 0.0
        #: When a turn was delivered or given up last.
        self._turn_at = 0.0
        self._not_before = 0.0
        self._sessions = 0
        self._lost = 0
        self._suspected = 0
        #: Words that two sessions were silent about: they count as no speech.
        self.let_go = 0

    # -- what comes ----------------------------------------------------------

    def attempt(self, now: float) -> None:
        """The core asked for a connection."""
        if self._alone == "refused_timed":
            demand(
                now >= self._not_before - 0.001,
                f"connects {self._not_before - now:.3f} s before Retry-After",
            )

    def refused(self, fault: Fault) -> None:
        """A connection was refused."""
        self._not_before = self._call.now + fault.retry_after

    def result(self, result: Result) -> None:
        """Look at a result as it comes."""
        if not isinstance(result, _NO_ERRORS):
            self._errors.append(self._call.now)
        if isinstance(result, SessionLost):
            self._lost += 1
            self._suspected += result.fault.code == "no_turn"
        elif isinstance(result, SessionReady):
            self._sessions += 1
        if isinstance(result, (Final, TurnFailed)):
            self._turn_at = self._call.now
        if isinstance(result, TurnFailed):
            self._errors.append(self._call.now)
        if isinstance(result, TurnFailed) or (
            isinstance(result, AudioDropped) and result.cause == "given_up"
        ):
            self._on_given_up(result.start_ms, result.duration_ms)

    def closed(self, connection: SimConnection) -> None:
        """A connection is over, whoever ended it."""
        ears = connection.ears
        if ears.numb_at is None:
            return
        ears.over(self._call.now)
        if self._alone in FREEZES and not self._call.stopped:
            self._closed_numb.append((connection, self._call.now))

    def died(self, connection: SimConnection, code: int) -> None:
        """A session dies of what it was sent, with this CLOSE code."""
        call = self._call
        front, last = self._front(), connection.doom.last
        weight = 0.5 if code == 1006 else 1.0
        self._troubles.deaths.append(
            Death(connection.died_of, call.now, front, last, weight)
        )
        if front != self._barren_from:
            self._barren_from, self._barren, self._same = front, 0, 0
        # What is still being said cannot be sent alone.
        if front <= len(call.spoken) and call.is_complete(front):
            self._barren += weight
            self._same = weight + (self._same if last == self._barren_to else 0)
            self._barren_to = last

    # -- what must hold ------------------------------------------------------

    def step(self) -> None:
        """The call has settled."""
        call = self._call
        if self._alone.startswith("failing"):
            failing, front = self._troubles.failing, self._front()
            demand(not failing.complaint, failing.complaint)
            if call.core._buffer.nearly_full:
                # Its bound does not wait.
                failing.too_early = ""
            demand(not failing.too_early, failing.too_early)
            if front != self._blocks:
                self._blocks, self._blocks_from = front, call.now
            failure = failing.first.get(front)
            since = max(failure.asked if failure else 0, self._blocks_from)
            bound = _BLOCKS_S
            if self._alone == "failing_long":
                # A word may be in two turns that block, one after the other.
                bound, since = _BLOCKS_LONG_S, max(since, self._turn_at)
            demand(
                failure is None or call.stopped or call.now < since + bound,
                f"w{front} failed {bound:.0f} s ago and blocks the others",
            )
        while self._closed_numb:
            connection, at = self._closed_numb.popleft()
            self._check_told(connection, at)
        if self._alone in FREEZES and not call.stopped:
            for connection in call.connections:
                if connection.ears.numb_at is not None:
                    self._check_frozen(connection)
        if self._alone in DEATHS:
            if self._front() != self._barren_from:
                self._barren = self._same = 0
            for count, most in ((self._barren, _BARREN), (self._same, _SAME)):
                demand(
                    count <= most,
                    f"{count:g} sessions died on w{self._barren_from} and"
                    " what follows, and nothing was delivered or reported",
                )
        if self._alone == "steady_sound":
            demand(
                self._lost <= _FOR_NOISE,
                f"{self._lost} sessions lost to music and noise",
            )
            demand(
                self._sessions <= 1 + _FOR_NOISE,
                f"{self._sessions} sessions for music and noise",
            )
        if self._alone in ("gap", "silent_start"):
            demand(
                self._sessions <= 1,
                f"{self._sessions} sessions, and the service is well",
            )

    def _front(self) -> int:
        """The first word that is neither delivered nor reported."""
        return self._call.passed + 1

    # -- frozen detectors ----------------------------------------------------

    def excused(self, word: int, *, asked: bool = False) -> bool:
        """Were two sessions silent about it, so that it was no speech?

        Who ``asked`` for the end of what was said is not kept waiting after a
        false alarm; then one session is enough, and it is reported later.
        """
        now = self._call.now
        silent_s = [
            connection.ears.silent_for(word, now)
            for connection in self._call.connections
        ]
        silent_s += self._troubles.silent_about[word]
        # Turns that stall are false alarms as well, if a second session's do.
        froze = sum(self._troubles.came[kind] for kind in FREEZES)
        again = (
            self.let_go
            or self._suspected >= 2
            or froze >= 2
            or "steady_sound" in self._call.kinds
        )
        if asked and again:
            return any(silent_s)
        return is_no_speech(silent_s)

    def is_rest(self, word: int, samples: int) -> bool:
        """Is so much of a word that was cut no reason to doubt a session that
        is silent about it?  The sound counts ten times its length."""
        ears = [connection.ears for connection in self._call.connections]
        silent = any(e.silent_for(word, self._call.now) for e in ears)
        silent = silent or any(self._troubles.silent_about[word])
        return silent and 10 * samples < ms(150)

    def _check_told(self, connection: SimConnection, at: float) -> None:
        since = connection.ears.numb_at or 0.0
        heard = connection.ears.numb_words or connection.ears.words
        demand(
            not heard
            or any(since <= told <= at + 0.001 for told in self._errors),
            f"a frozen session ({connection.ears.kind}) is left at {at:.1f}"
            " without an error",
        )

    def _check_frozen(self, connection: SimConnection) -> None:
        """It must not be kept for long."""
        call, ears = self._call, connection.ears
        if call.owner not in ("server", "semantic"):
            # It may have given that turn up meanwhile.
            if max(ears.numb_words, default=0) < self._front():
                return
            self._bound(ears.commit_at, _NO_TEXT_S, "no answer to a commit")
            return
        if ears.kind == "frozen_in_turn":
            end = self._end_of_turn(connection)
            more = ears.lead_s
            if call.owner == "semantic":
                more += _MORE_BY_MEANING_S
            self._bound(end, _NO_END_S + more, "a turn without its end")
            return
        is_held = max(ears.words, default=0) >= self._front()
        if ears.kind == "frozen_after_commit" and is_held:
            self._bound(ears.numb_at, _NO_TEXT_S, "no text")
        if ears.numb_words and not self.let_go:
            first = min(ears.numb_words.values())
            self._bound(first, _SILENT_S + ears.lead_s, "no word about speech")

    def _end_of_turn(self, connection: SimConnection) -> float | None:
        """When the last sound came of the turn whose end never comes."""
        call, ears = self._call, connection.ears
        heard = {**ears.words, **ears.numb_words}
        if not ears.words:
            return None
        last = call.block_of(max(ears.words))[1]
        while call.owner == "semantic" and self._goes_on(last):
            last = call.block_of(last + 1)[1]
        if last not in heard or not call.is_complete(last):
            return None
        commit_at = ears.commit_at
        if commit_at is None:
            return heard[last]
        # A finalize has ended it: what was said before that is part of it.
        before = [at for at in heard.values() if at <= commit_at]
        return max(heard[last], *before)

    def _goes_on(self, word: int) -> bool:
        """Does the next word come before a pause that ends a turn, where a
        server judges by what is said?"""
        call = self._call
        if word == len(call.spoken):
            return False
        pause = call.start_of(word + 1) - call.start_of(word) - WORD_SAMPLES
        return pause < ms(1000 * _MORE_BY_MEANING_S)

    def _bound(self, since: float | None, seconds: float, what: str) -> None:
        if since is not None:
            demand(
                self._call.now <= since + seconds,
                f"{what} for {seconds:.0f} s, and the session is kept",
            )

    # -- what is given up ----------------------------------------------------

    def _on_given_up(self, start_ms: int, duration_ms: int) -> None:
        """A stretch will never be delivered: must that be?"""
        if self._alone not in DEATHS and not self._alone.startswith(
            ("failing", "refused", "frozen", "gap", "silent", "steady")
        ):
            return
        call = self._call
        start, stop = ms(start_ms), ms(start_ms + duration_ms)
        touched = [
            word
            for word in range(self._front(), len(call.spoken) + 1)
            # A report has whole ms; less of a word is its turn's noise.
            if call.start_of(word) < stop - ms(1)
            and call.start_of(word) + WORD_SAMPLES > start
        ]
        # The rest of a word that a commit has cut belongs to the next turn.
        words = [w for w in touched if call.start_of(w) >= start - ms(2)]
        if not words:
            return
        place = f"w{words[0]} to w{words[-1]} ({start_ms} ms, {duration_ms} ms)"
        if self._alone == "failing_long":
            # What is too short for a commit goes with the turn behind it.
            words = [w for w in words if call.start_of(w) >= start + ms(100)]
        if self._alone.startswith("failing"):
            self._check_failed(words, place)
        elif self._alone in DEATHS:
            self._check_dead(words, touched[0], place, duration_ms)
        elif self._alone.startswith("frozen"):
            numb = sum(self._troubles.came.values())
            demand(numb >= 2, f"given up, and one session froze: {place}")
        else:
            demand(False, f"given up, and the service is well: {place}")

    def _check_failed(self, words: list[int], place: str) -> None:
        half = self._call.limits.turn_timeout_ms / 2000
        failing = self._troubles.failing
        for word in words:
            demand(word in failing.first, f"given up {place}: w{word} is well")
            tried = failing.last[word].at - failing.first[word].asked
            demand(
                tried >= half or failing.longest[word] >= 2 * half,
                f"given up {place}: failed for {tried:.1f} s only",
            )

    def _check_dead(
        self, words: list[int], first: int, place: str, duration_ms: int
    ) -> None:
        alone = [
            death
            for death in self._troubles.deaths
            if death.front >= first and death.last <= words[-1]
        ]
        demand(
            sum(death.weight for death in alone) >= _ALONE,
            f"given up {place}: {len(alone)} sessions died on it alone",
        )
        if not all(death.kind for death in alone[-_ALONE:]):
            # The line broke, which looks the same.
            return
        for word in words:
            demand(
                not self._can_live(word, duration_ms),
                f"given up {place}: w{word} could be delivered",
            )

    def _can_live(self, word: int, duration_ms: int) -> bool:
        """Is there a session that lives for the turn of this word?

        ``duration_ms`` is what was given up: the local detector's turn.
        """
        call, troubles = self._call, self._troubles
        first, last = call.block_of(word)
        start = call.start_of(first)
        stop = call.start_of(last) + WORD_SAMPLES
        if call.owner == "client":
            # From commit to commit, of which none takes less than 100 ms.
            marks = [*call.boundaries, max(stop, call.core.received)]
            start = max((m for m in marks if m <= start), default=0)
            enough = max(stop, start + ms(100))
            stop = min((m for m in marks if m >= enough), default=marks[-1])
        if self._alone == "death_by_word":
            # One that is cut by the turn's begin or end is enough.
            return not any(
                call.start_of(word) < stop
                and call.start_of(word) + WORD_SAMPLES > start
                for word in troubles.poison
                if word <= len(call.spoken)
            )
        length_ms = (stop - start) // 8
        if call.owner.startswith("local"):
            length_ms = max(length_ms, duration_ms)
        length_ms += _AROUND_MS
        for least in (troubles.audio_s, troubles.burst_s):
            if least is not None:
                return length_ms <= least[0] * 1000
        if troubles.messages is not None:
            packets = length_ms // call.limits.replay_packet_ms
            return packets + _MESSAGES_AROUND <= troubles.messages[0]
        return True

    # -- gaps ----------------------------------------------------------------

    def gap(self) -> None:
        """The caller went silent, and an open turn was ended."""
        self._gaps.append(self._call.core.received)

    def gap_is_over(self, seconds: float) -> None:
        """So long after that: is what was said before it delivered?"""
        call = self._call
        slow = call.server.faults.delay_s + 3
        if self._alone != "gap" or call.owner == "client" or seconds < slow:
            return
        front = self._front()
        if front > len(call.spoken):
            return
        start = call.start_of(front)
        demand(
            start + WORD_SAMPLES > call.core.received
            or call.too_short_to_commit(start, call.core.received),
            f"w{front} is not delivered {seconds:.1f} s after a gap began",
        )

    def turn(self, pieces: list[Piece]) -> None:
        """Words that are one turn: none goes on over a gap, but where a slow
        server reads ahead of what it looks at."""
        call = self._call
        if call.server.reads_ahead:
            return
        begin = call.start_of(pieces[0].word) + pieces[0].start
        stop = call.start_of(pieces[-1].word) + pieces[-1].stop
        for at in reversed(self._gaps):
            if at <= begin:
                break
            before = max((b for b in call.boundaries if b < at), default=0)
            demand(
                at >= stop or at - max(before, begin) < ms(100),
                f"one turn, {pieces[0].text} to {pieces[-1].text}, over a gap",
            )

    # -- the end -------------------------------------------------------------

    def finish(self) -> None:
        """The call is over and everything had its time."""
        turns = self._troubles.failing.turns
        if self._alone.startswith("failing"):
            # Where the server ends the turns, only in a pause the same session
            # hears one again.
            by_server = self._call.owner in ("server", "semantic")
            demand(
                self._sessions <= 2 + by_server + turns / 2,
                f"{self._sessions} sessions for {turns} failing turns",
            )

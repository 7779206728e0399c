"""What must hold at every moment of a simulated call."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import pairwise

from ten_packages.extension.openai_asr_python.realtime.backoff import (
    Backoff,
    Retries,
)
from ten_packages.extension.openai_asr_python.realtime.change import (
    PATIENCE_S,
    Attempt,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    Result,
    ServerProblem,
    SessionLost,
    SessionReady,
    SettingsChanged,
    TurnFailed,
    TurnResult,
)
from ten_packages.extension.openai_asr_python.realtime.session import (
    SessionState,
)

from .demands import Demands
from .state import CallState, demand
from .switches import Switches
from .troubles import FREEZES
from .words import TINY, WORD_SAMPLES, Piece, ms, parse

#: One frame of audio as TEN sends it, in ms: how true times must be.
FRAME_MS = 10
#: Times in results are whole ms; so much is lost by rounding, in samples.
_ROUNDING = ms(2)
#: A peer was seen alive so shortly before its text so far is a final, in s.
_ALIVE_S = 1.1
#: Attempts to connect without any progress, within 5 s.
_STORM = 8
#: Without a bound in audio: how many of a thing a call may hold.
_MANY = 600


@dataclass
class _Dials:
    """How an endpoint is dialed.

    ``wish``: the time that it named is between these; ``tried_beside``: was the
    next session tried beside the one that is active?  ``alive_at``: when a
    session has lived on for long enough.  Times in s.
    """

    lost_attempt: int = 0
    progressed: bool = True
    tried_beside: bool = False
    alive_at: float | None = None
    wish: tuple[float, float] = (0.0, 0.0)
    attempts: deque[float] = field(default_factory=deque)


class Watch:
    """Follows a call and raises `Violation` at once.

    Each word is delivered, held, or reported as dropped; one of the three,
    sample by sample.  Finals are in order, with true times.  Every finalize
    is answered once, in order, in time.  What is held is bounded.  Attempts
    to connect are polite.
    """

    def __init__(self, call: CallState) -> None:
        self._call = call
        self.demands = Demands(call)
        self.switches = Switches(call)
        self._cover: dict[int, list[Piece]] = {}
        self._gone: deque[tuple[int, int]] = deque()
        self._last = (0, 0)
        self._last_end_ms = 0
        self._drops: deque[tuple[int, int]] = deque(maxlen=64)
        self._shown: tuple[str, int, tuple[int, int]] | None = None
        self._holes_to = -1
        #: By the name of the endpoint.
        self._dials: defaultdict[str, _Dials] = defaultdict(_Dials)
        self._progress_mark = 0
        self._was_used = self._used
        self.answered = 0
        self.delivered = 0
        self.reported = 0
        self.let_go = 0
        self.interims = 0
        self.changed = 0
        self._changed_at = 0
        self.longest_outage = 0.0
        self._lost_at: float | None = None
        self._refused_beside: Link | None = None
        self._refusals_to_tell = 0
        self._warned_of: Link | None = None

    # -- input -------------------------------------------------------------

    def attempt(self, now: float) -> None:
        """The core asked for a connection."""
        demand(self._call.core.fatal is None, "connects after a fatal fault")
        demand(not self._call.stopped, "connects after the end")
        attempt = self._call.core.sessions.attempt
        assert attempt is not None
        self.switches.attempt(attempt)
        demand(self._is_needed(attempt), "connects while all is well")
        dials = self._dials[attempt.endpoint.name]
        if attempt.change is None:
            early = dials.wish[0] - now
            demand(early < 0.001, f"connects {early:.3f} s before Retry-After")
            dials.tried_beside |= self._call.core.active is not None
        self.demands.attempt(now)
        attempts = dials.attempts
        attempts.append(now)
        while attempts[0] < now - 5:
            attempts.popleft()
        demand(
            len(attempts) <= _STORM,
            f"{len(attempts)} attempts to connect within 5 s",
        )

    def result(self, result: Result) -> None:
        """Look at a result as it comes."""
        self.demands.result(result)
        if isinstance(result, (AudioDropped, TurnFailed)):
            self.switches.given_up(result)
        if isinstance(result, Interim):
            self._on_interim(result)
        elif isinstance(result, Final):
            self._on_final(result)
        elif isinstance(result, AudioDropped):
            self._not_twice(result)
            stop_ms = result.start_ms + result.duration_ms
            self._holes_to = max(self._holes_to, ms(stop_ms))
            self._add_gone(result.start_ms, result.duration_ms)
        elif isinstance(result, TurnFailed):
            self._add_gone(result.start_ms, result.duration_ms)
        elif isinstance(result, FinalizeEnd):
            self._on_finalize_end(result)
        elif isinstance(result, SettingsChanged):
            self._on_changed(result)
        elif isinstance(result, ServerProblem):
            self.switches.told(result.fault)
            if "next session is refused" in result.fault.message:
                self._refusals_to_tell -= 1
            elif "this session ends in" in result.fault.message:
                self._on_outage_ahead()
        elif isinstance(result, SessionLost):
            self._on_lost(result)
            if self._lost_at is None:
                self._lost_at = self._call.now
        elif isinstance(result, SessionReady):
            self._used.tried_beside = False
            if self._lost_at is not None:
                outage = self._call.now - self._lost_at
                self.longest_outage = max(self.longest_outage, outage)
                self._lost_at = None

    def step(self) -> None:
        """The call has settled: what must hold now?"""
        core = self._call.core
        self._note_progress()
        if not core._buffer.complete:
            self._holes_to = core._buffer.start
        self._pass_words()
        self._check_liveness()
        self._check_change()
        self._check_bounds()
        self.demands.step()
        self.switches.step()

    @property
    def _used(self) -> _Dials:
        """The endpoint in use, by what is told."""
        return self._dials[self.switches.used]

    def pong(self, now: float) -> None:
        """A session answers: one that lives on for a while is progress."""
        if self._used.alive_at is None:
            after = self._call.limits.quiet_after_ms / 1000
            self._used.alive_at = now + after

    def _note_progress(self) -> None:
        used = self._used
        if used.alive_at is not None and self._call.now >= used.alive_at:
            used.progressed = True
        watermark = self._call.core.watermark
        if watermark > self._progress_mark:
            self._progress_mark = watermark
            # One that was left with its last word has delivered that.
            for each in (used, self._was_used):
                each.progressed = True
                each.attempts.clear()
        self._was_used = used

    # -- nothing stands still ------------------------------------------------

    def _check_liveness(self) -> None:
        """What can go on goes on, without anybody waking the core."""
        call, core = self._call, self._call.core
        if call.stopped or core.fatal is not None:
            return
        demand(self._refusals_to_tell == 0, "a lasting refusal is told once")
        spare, link = core.sessions.standby, core.active
        demand(
            link is not None or spare is None or not spare.session.ready,
            "a session stands ready and none is active",
        )
        if link is None or link.must_close:
            return
        session = link.session
        demand(
            session.stuck or not core.feed.has_packet(link),
            "a packet waits that could go out",
        )

    def refused(self, fault: Fault, name: str) -> None:
        """A connection to the endpoint of this name is refused."""
        self.demands.refused(fault)
        self._heed(fault, self._dials[name])

    def _heed(self, fault: Fault, dials: _Dials) -> None:
        """The service may have named a time to wait."""
        now, wish = self._call.now, fault.retry_after
        if wish:
            dials.wish = now + wish, now + 1.25 * wish

    def _on_outage_ahead(self) -> None:
        """The next session will be late: told once, and while it matters."""
        active = self._call.core.active
        demand(active is not self._warned_of, "an outage is announced twice")
        self._warned_of = active
        end = active and active.session.expires_at
        demand(bool(end and end > self._call.now), "no session ends")

    def refused_spare(self, active: Link) -> None:
        """The next session is refused for a reason that lasts."""
        self._refused_beside = active
        self._refusals_to_tell += 1

    def _is_needed(self, attempt: Attempt) -> bool:
        """Is there a reason to connect?"""
        core, now = self._call.core, self._call.now
        if attempt.endpoint is core.in_use.returning:
            # When, `switches` looks at.
            return True
        if core.active is None or self._call.changing is not None:
            return True
        if any(c.ears.numb_at is not None for c in self._call.connections):
            return True
        if core.active is self._refused_beside:
            return False
        due = core.active.session.rollover_at
        return due is not None and now >= due

    # -- changes of the settings -------------------------------------------

    def _on_changed(self, result: SettingsChanged) -> None:
        """Each change has one answer, and holds as a whole or not at all."""
        call = self._call
        demand(call.changing is not None, f"unasked: {result}")
        if result.refused is None and call.changing is not None:
            call.settings = call.changing
            self.changed += 1
            # Whatever it was refused for may be mended by that.
            self._refused_beside = None
            self._changed_at = call.core.received
        call.changing = None
        self._check_settings()

    def _check_heard_under(self, turn: TurnResult, first_word: int) -> None:
        """What is said after a change was answered is heard under it; but a
        turn may have begun before, with music."""
        call = self._call
        prompt = call.server.heard_under.pop(turn.item_id, None)
        begin = min(call.start_of(first_word), ms(turn.start_ms))
        if begin < self._changed_at:
            return
        allowed = [call.settings.prompt or None]
        if call.changing is not None:
            allowed.append(call.changing.prompt)
        demand(
            prompt in allowed,
            f"w{first_word} is heard under {prompt!r}, not {allowed}",
        )

    def _check_settings(self) -> None:
        call, core = self._call, self._call.core
        settings = call.settings_in_use
        demand(core.settings == settings, "other settings in force")
        if core.active is None or call.stopped:
            # After the end an update may yet be answered; nothing is sent.
            return
        session = core.active.session
        demand(
            session.state is SessionState.UPDATING
            or session.settings == settings,
            "the session works by {}",
            session.settings,
        )

    def _check_change(self) -> None:
        call = self._call
        self._check_settings()
        if call.changing is None:
            return
        waited = call.now - call.change_at
        demand(
            waited <= 2 * PATIENCE_S + call.slack_ms / 1000,
            f"a change waits {waited:.1f} s for its answer",
        )
        over = call.stopped or call.core.fatal is not None
        demand(not over, "a change has no answer after the end")

    # -- words -------------------------------------------------------------

    def _on_interim(self, result: Interim) -> None:
        turn = result.turn
        self.interims += 1
        demand(bool(turn.text.strip()), "an interim without text")
        pieces = parse(turn.text)
        # Text under a wrong id may be taken for a later turn's.
        mixed = "wrong_id" in self._call.server.happened
        first = (0, 0)
        if pieces:
            first = pieces[0][:2]
            demand(
                mixed or first[0] > self._call.passed,
                f"interim repeats {pieces[0].text}",
            )
        shown = self._shown
        # Text that comes before the notice of its item is taken for the
        # first commit's; where the notice never comes that was a guess.
        guessed = mixed or "no_committed" in self._call.server.happened
        guessed |= self._call.server.live
        again = bool(pieces) and not guessed
        if shown is not None and (
            shown[0] == turn.item_id or (again and shown[2] == first)
        ):
            # What it began with may have been dropped meanwhile.
            demand(
                shown[1] == turn.start_ms or ms(shown[1]) < self._holes_to,
                f"a turn's start moved from {shown[1]} to {turn.start_ms}",
            )
        demand(turn.start_ms >= self._last_end_ms, "interim overlaps a final")
        self._shown = (turn.item_id, turn.start_ms, first)

    def _on_final(self, result: Final) -> None:
        turn = result.turn
        missed = self._call.server.misheard.pop(turn.item_id, None)
        self.switches.final(turn)
        pieces = parse(turn.text)
        if missed is not None and not turn.text:
            pieces = missed
        meant = self._call.server.meant.pop(turn.item_id, [])
        if turn.early:
            self._check_lives()
            # What comes later is not said again.
            demand(pieces == meant[: len(pieces)], f"not so far: {turn}")
            pieces = meant
        for piece in pieces:
            self._deliver(piece)
        if pieces:
            self.demands.turn(pieces)
            self._check_heard_under(turn, pieces[0].word)
        if turn.text:
            self._check_times(result, pieces)
        self._shown = None

    def _check_lives(self) -> None:
        """Who ends a turn with its text so far, and will not hear it again,
        must know that there is somebody who could say the rest."""
        call = self._call
        if "no_completed" in call.server.happened or call.kinds & {*FREEZES}:
            # It may be a turn that got no answer twice.
            return
        for connection in call.connections:
            if connection.link is call.core.active:
                demand(
                    call.now - connection.frozen_at <= _ALIVE_S,
                    "the text so far of a peer that is gone is a final",
                )

    def _deliver(self, piece: Piece) -> None:
        demand(piece.word > self._call.passed, f"doubled: {piece.text}")
        demand(
            self._last <= (piece.word, piece.start),
            f"out of order: {piece.text} after word {self._last}",
        )
        self._last = (piece.word, piece.stop)
        self._cover.setdefault(piece.word, []).append(piece)

    def _check_times(self, result: Final, pieces: list[Piece]) -> None:
        turn = result.turn
        end_ms = turn.start_ms + turn.duration_ms
        demand(
            turn.start_ms >= self._last_end_ms,
            f"overlap: {turn} begins before {self._last_end_ms} ms",
        )
        demand(turn.duration_ms > 0, f"no duration: {turn}")
        self._last_end_ms = end_ms
        shown = self._shown
        if shown is not None and shown[0] == turn.item_id:
            demand(
                shown[1] == turn.start_ms,
                f"interim at {shown[1]}, its final at {turn.start_ms} ms",
            )
        if not pieces or self._call.noisy:
            return
        begin = self._call.start_of(pieces[0].word) + pieces[0].start
        stop = self._call.start_of(pieces[-1].word) + pieces[-1].stop
        if begin < self._holes_to + ms(1000):
            return
        # Where the notice of the turn before is lost, nobody can tell that the
        # server's padding was cut short by it.
        lost = "no_committed" in self._call.server.happened
        padding = 300 if lost and self._call.owner == "server" else 0
        slack = FRAME_MS + padding
        for said, true in ((turn.start_ms, begin), (end_ms, stop)):
            demand(
                abs(said - true // 8) <= slack
                or self._is_edge(said, pieces[0].word, pieces[-1].word),
                f"times: {turn.text[:40]!r} {turn.item_id} {said} ms instead of"
                f" {true // 8} ms; said {turn.start_ms} to {end_ms},"
                f" true {begin // 8} to {stop // 8}",
            )

    def _is_edge(self, said_ms: int, first: int, last: int) -> bool:
        """Is this the end of a word of which the turn has too little to be
        recognised?"""
        edges = []
        if first > 1:
            edges.append(self._call.start_of(first - 1) + WORD_SAMPLES)
        if last < len(self._call.spoken):
            edges.append(self._call.start_of(last + 1))
        return any(abs(ms(said_ms) - at) <= TINY + _ROUNDING for at in edges)

    def _add_gone(self, start_ms: int, duration_ms: int) -> None:
        start = ms(start_ms) - _ROUNDING
        stop = ms(start_ms + duration_ms) + _ROUNDING
        passed_to = (
            self._call.start_of(self._call.passed) if self._call.passed else 0
        )
        while self._gone and self._gone[0][1] < passed_to:
            self._gone.popleft()
        self._gone.append((start, stop))

    def _not_twice(self, result: AudioDropped) -> None:
        """No audio is reported twice, but for rounding to whole ms."""
        start, stop = result.start_ms, result.start_ms + result.duration_ms
        for low, high in self._drops:
            demand(
                min(stop, high) - max(start, low) <= 1,
                "dropped twice: {}, before {} to {} ms",
                result,
                low,
                high,
            )
        self._drops.append((start, stop))

    def _pass_words(self) -> None:
        """Words before the watermark must be accounted for."""
        watermark = self._call.core.watermark
        spoken = self._call.spoken
        for word, start in spoken[self._call.passed :]:
            if start + WORD_SAMPLES > watermark:
                break
            self._account(word, start)
            self._call.passed = word
        for word, pieces in self._cover.items():
            for piece in pieces:
                demand(
                    self._call.start_of(word) + piece.stop <= watermark,
                    "{} is delivered and still held",
                    piece.text,
                )

    def _reported(self, start: int) -> list[tuple[int, int]]:
        """The stretches of a word that are reported as given up."""
        within = [
            (max(low - start, 0), min(high - start, WORD_SAMPLES))
            for low, high in self._gone
        ]
        return [(low, high) for low, high in within if low < high]

    def _parts(self, word: int, start: int) -> list[tuple[int, int]]:
        """The stretches of a word that are delivered or reported."""
        delivered = [(p.start, p.stop) for p in self._cover.get(word, ())]
        return sorted(delivered + self._reported(start))

    def _hole(
        self, word: int, start: int, accepted: int = WORD_SAMPLES
    ) -> bool:
        at = 0
        for low, high in self._parts(word, start):
            if low > at + TINY:
                return True
            at = max(at, high)
        return at + TINY < accepted

    def _account(
        self, word: int, start: int, accepted: int = WORD_SAMPLES
    ) -> None:
        """A word of which so much was accepted is held no more."""
        let_go = False
        if self._hole(word, start, accepted):
            known = self._parts(word, start)
            missing = accepted - sum(high - low for low, high in known)
            let_go = self.demands.excused(word) or (
                bool(known) and self.demands.is_rest(word, missing)
            )
            self.demands.let_go += let_go
        demand(
            let_go or not self._hole(word, start, accepted),
            f"lost: w{word} at sample {start}, known:"
            f" {self._parts(word, start)}",
        )
        pieces = self._cover.pop(word, [])
        for before, after in pairwise(pieces):
            demand(before.stop <= after.start, f"doubled: part of w{word}")
        reported = self._reported(start)
        both = sum(
            max(0, min(high, piece.stop) - max(low, piece.start))
            for low, high in reported
            for piece in pieces
        )
        slack = TINY + 4 * _ROUNDING
        demand(both <= slack, f"w{word} is delivered and reported dropped")
        # Each in one count: a word of which a part is reported is reported.
        if reported:
            self.reported += 1
        elif pieces:
            self.delivered += 1
        else:
            self.let_go += 1

    # -- finalizes, attempts, bounds ----------------------------------------

    def _on_finalize_end(self, result: FinalizeEnd) -> None:
        call = self._call
        asked = call.asked
        demand(self.answered < len(asked), f"answers unasked: {result}")
        token, position = asked[self.answered], call.asked_at[self.answered]
        demand(result.token == token, f"{result} instead of {token}")
        self.answered += 1
        bound = call.limits.finalize_timeout_ms + call.slack_ms
        demand(result.waited_ms <= bound, f"late: {result}")
        if result.timed_out or call.stopped or call.core.fatal is not None:
            return
        spoken = call.spoken
        before = bisect_left(
            spoken, position - WORD_SAMPLES, key=lambda s: s.start
        )
        for index in range(self._call.passed, before):
            start = spoken[index].start
            if call.too_short_to_commit(start, position):
                continue
            demand(
                not self._hole(index + 1, start)
                or self.demands.excused(index + 1, asked=True),
                f"{result} at {position} before w{index + 1} at {start}",
            )

    def _on_lost(self, lost: SessionLost) -> None:
        used = self._used
        self._heed(lost.fault, used)
        tried_beside, used.tried_beside = used.tried_beside, False
        if lost.fault.fatal or lost.replaced:
            return
        self._note_progress()
        demand(
            used.progressed or lost.attempt > used.lost_attempt,
            f"backs off less without progress: {lost}",
        )
        used.progressed = False
        used.alive_at = None
        used.lost_attempt = lost.attempt
        least, most = (max(at - self._call.now, 0) * 1000 for at in used.wish)
        if lost.attempt == 1:
            demand(lost.retry_ms <= most + 1, f"not at once: {lost}")
            return
        step = Backoff.BASE_S * 2.0 ** min(lost.attempt - 2, 16) * 1000
        step = min(step, Backoff.CAP_S * 1000)
        if tried_beside:
            # Its pause goes on, and may be almost over.
            most = max(most, 1.25 * Retries.PAUSE_S * 1000)
        elif self._call.changing is None or not self.switches.several:
            # Beside another endpoint's end a change is tried at once.
            least = max(least, step / 2)
        demand(
            least - 1 <= lost.retry_ms <= max(step, most) + 1, f"delay: {lost}"
        )

    def _check_bounds(self) -> None:
        core = self._call.core
        held = core._buffer
        limit = ms(self._call.limits.max_buffer_ms)
        demand(
            held.end - held.start <= limit,
            "{} samples are held, bound {}",
            held.end - held.start,
            limit,
        )
        demand(len(held._data) == held.end - held.start, "held is not whole")
        demand(len(held.marks) <= _MANY, "many marks")
        demand(len(held.local.spans or ()) <= _MANY, "many detected stretches")
        demand(not core.results, "results left")
        for link in (core.active, core.sessions.standby):
            if link is None:
                continue
            session = link.session
            for name, count in (
                ("turns", len(session.turns)),
                ("commits", len(session.turns.commits)),
                ("messages", len(session.outbox)),
                ("problems", len(session.errors)),
                ("finished items", len(session.turns.finished)),
                ("PONGs", len(link._heard)),
                ("anchors", len(session.audio._anchors)),
            ):
                demand(count <= _MANY, "many {}: {}", name, count)

    def after_stop(self) -> None:
        """The call was stopped: what was accepted is delivered or reported."""
        call = self._call
        for word, start in call.spoken[call.passed :]:
            accepted = min(WORD_SAMPLES, call.core.received - start)
            if accepted <= 0:
                break
            self._account(word, start, accepted)
            call.passed = word
        demand(call.changing is None, "a change has no answer")
        demand(
            self.answered == len(call.asked),
            f"{len(call.asked) - self.answered} finalizes without an answer",
        )

    def finish(self) -> None:
        """The call is over and everything had its time."""
        call = self._call
        self.demands.finish()
        words = len(call.spoken)
        demand(
            self._call.passed == words,
            f"{words - self._call.passed} words held",
        )
        demand(call.changing is None, "a change has no answer")
        demand(
            self.answered == len(call.asked),
            f"{len(call.asked) - self.answered} finalizes without an answer",
        )

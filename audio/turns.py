"""Local turn detection with the words of OpenAI's `server_vad`.

Rules that this module obeys
- Positions are samples counted from the first one pushed. They depend on
  the samples alone: any division into pushes gives the same events.
- A turn starts when speech was heard for `min_speech_ms`. Its audio begins
  `prefix_padding_ms` before the onset, but not before the last turn's end.
- A turn ends when no speech was heard for `silence_duration_ms`.
- A turn that does not end is cut at a quiet place before `max_turn_ms`.
- Noise and silence, of whatever level, start nothing.

How likely a window is speech others compute (`model`), now or later: the
detector hands out the windows that need a score, and takes the scores in the
same order.  What it decides does not depend on when they come.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from .g711 import Int16Array
from .model import WINDOW_MS, StreamMemory
from .speech import EnergyGate, levels_db

_HYSTERESIS = 0.15  # under the threshold, so that weak syllables end no turn
_PARTS = 4  # levels per window: one per 8 ms
# Windows of silence that are kept for the model: when the gate opens, it
# hears them first, because a soft onset comes before the loud vowel.
_PRE_ROLL = 6
# Windows remembered: of the search for the onset, and of a candidate. More
# where what comes before a turn is not sent.
_LOOKBACK, _FAR_LOOKBACK = 18, 32
_CANDIDATE_GAP = 2  # silent windows after which a candidate is forgotten
# How far before the first speech window the onset is searched (304 ms), how
# far above the background it stands, and the silence it may have (stops).
# Further (768 ms) where what comes before is not sent: the model may take a
# first syllable for none.
_ONSET_PARTS, _FAR_ONSET_PARTS = 38, 96
_ONSET_DB = 6.0
_ONSET_GAP, _FAR_ONSET_GAP = 6, 16
# Speech stands so far above its background where soft sounds do stand out.
_CLEAR_DB = 46.0
# The cut of an endless turn: means over 104 ms are compared, over so much of
# the past, which bounds how old a cut can be, in the last part of the turn.
_QUIET_PARTS = 13
_CUT_WINDOWS = 13  # 416 ms
_CUT_SEARCH_MS = 4000
_CUT_DEPTH_DB = 25.0  # wanted at first below the turn's level; 0 at the end


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Speech was recognised. `at_sample`: end of the window that made sure.
    `onset_sample`: where the speech began. `start_sample`: the same less the
    prefix padding, but in no turn before: what `audio_start_ms` means."""

    at_sample: int
    onset_sample: int
    start_sample: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over. `at_sample`: end of the window that made sure: what
    `audio_end_ms` means. `end_of_speech_sample`: where the last speech ended.
    `cut`: the turn was too long; then `end_of_speech_sample` is the quiet place
    of the cut, 50 to 370 ms before `at_sample`, and later audio is the next
    turn's. `end_sample`: where its audio ends: there; else `at_sample` or, with
    a tail, so much after its speech."""

    at_sample: int
    end_of_speech_sample: int
    cut: bool
    end_sample: int


Event = TurnStarted | TurnEnded


class Window:
    """32 ms of the stream.  `samples`: int16. `fresh`: the model has missed
    what came before, and shall forget the rest. `stands_out`: the energy gate
    lets it through."""

    __slots__ = (
        "due",
        "end",
        "floor_db",
        "fresh",
        "level",
        "levels",
        "samples",
        "score",
        "stands_out",
    )

    def __init__(self, samples: Int16Array, end: int, gate: EnergyGate) -> None:
        self.samples = samples
        self.end = end  # position of the sample after its last
        self.levels = levels_db(samples, _PARTS)  # dB over one LSB
        power = [10 ** (level / 10) for level in self.levels.tolist()]
        self.level = 10 * math.log10(sum(power) / _PARTS)
        self.stands_out = gate.is_open(self.level)
        # The window with which its score was found to be needed: that one's
        # end, and the level of the background by then.
        self.due = end
        self.floor_db = gate.floor_db
        self.fresh = False
        self.score = 0.0  # probability of speech


class TurnDetector:
    """Finds the turns in one mono stream of `rate` Hz.

    After each `push` and each `scored`, `take_windows` may have windows to be
    scored; each is answered by one call of `scored`.

    `position`: samples pushed so far. `turn_open`: did one start, and not end?
    `memory`: the model's, of this stream; for whoever computes the scores.
    `rate`: a multiple of 8000 up to 48000. `threshold`: probability 0 to 1
    above which a window is speech; higher is stricter. `prefix_padding_ms`,
    `silence_duration_ms`: as in server_vad. `max_turn_ms`: longest turn,
    0 for no bound. `min_speech_ms`: shorter sounds are no turn. `tail_ms`: of
    the silence that ends a turn so much is in it; None: all.
    Raises ValueError naming the argument.
    """

    def __init__(
        self,
        rate: int,
        *,
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
        max_turn_ms: int = 30000,
        min_speech_ms: int = 128,
        tail_ms: int | None = None,
    ) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold: {threshold} is not between 0 and 1")
        for field, value, least in (
            ("prefix_padding_ms", prefix_padding_ms, 0),
            ("silence_duration_ms", silence_duration_ms, WINDOW_MS),
            ("min_speech_ms", min_speech_ms, 0),
            ("max_turn_ms", max_turn_ms or 2000, 2000),
            ("tail_ms", tail_ms or 0, 0),
        ):
            if value < least:
                raise ValueError(f"{field}: {value} is less than {least}")
        self.rate = rate
        self.memory = StreamMemory(rate)
        self._gate = EnergyGate()
        self._size = rate * WINDOW_MS // 1000
        self._part = self._size // _PARTS
        self._threshold = threshold
        self._release = max(threshold - _HYSTERESIS, threshold / 4)
        self._padding = prefix_padding_ms * rate // 1000
        self._silence = silence_duration_ms * rate // 1000
        self._min_speech = min_speech_ms * rate // 1000
        self._max_turn = max_turn_ms * rate // 1000
        self._tail: int | None = None
        lookback = _LOOKBACK
        self._reach, self._gap = _ONSET_PARTS, _ONSET_GAP
        if tail_ms is not None:
            self._tail = tail_ms * rate // 1000
            lookback = _FAR_LOOKBACK
            self._reach, self._gap = _FAR_ONSET_PARTS, _FAR_ONSET_GAP
        self._cut_search = min(
            _CUT_SEARCH_MS * rate // 1000, self._max_turn // 2
        )
        self.position = 0
        self.turn_open = False
        self._left: Int16Array = np.zeros(0, np.int16)
        # On its way a window is in one or two of these: not looked at, quiet
        # (silence so far), asked (waits for its score) and, until it is handed
        # out, to_ask, and in the past.
        self._arrived: deque[Window] = deque()
        self._quiet: deque[Window] = deque()
        self._asked: deque[Window] = deque()
        self._to_ask: list[Window] = []
        self._past: deque[Window] = deque(maxlen=lookback)
        # The model missed a window, so what it remembers is void.
        self._missed = True
        self._floor_db = self._gate.floor_db  # of the last window looked at
        # Samples of speech in the candidate or turn: 0 if there is neither.
        self._speech = 0
        self._first_speech = 0  # start of the candidate's first window
        self._last_speech = 0  # end of the last window with speech
        self._start = 0  # start of the open turn, with padding
        self._boundary = 0  # no turn may begin before
        self._level_sum = 0.0  # of the open turn's speech windows, dB
        self._level_count = 0

    @property
    def speaking(self) -> bool:
        """True in a turn, and in what may yet become one."""
        return self._speech > 0

    @property
    def quiet(self) -> bool:
        """True while nothing stands out that was not found to be no speech."""
        return bool(self._quiet) and not (self._speech or self._asked)

    @property
    def known_to(self) -> int | None:
        """Up to here audio is the open turn's; what follows is silence that
        may be that behind it. None: no turn is open, or it has all."""
        return self._with_tail() if self.turn_open else None

    def _with_tail(self) -> int | None:
        """Where the last speech ends, and its tail; None: all is in it."""
        return None if self._tail is None else self._last_speech + self._tail

    def speech_since(self, sample: int) -> int | None:
        """Where speech was heard that ended after position `sample`, or None.
        Also counts sounds still too short for a turn: who must decide now
        whether there is something to transcribe had better try."""
        if self._last_speech <= sample:
            return None
        if not self._speech:
            # No candidate any more: what is remembered is its end.
            return max(self._last_speech - self._size, sample)
        return max(self._onset(), self._boundary, sample)

    def finalize(self) -> TurnEnded | None:
        """End an open turn here and now, if there is one; what follows belongs
        to the next."""
        was_open = self.turn_open
        end = self._end_of_turn(self.position)
        if was_open and end < self.position and self._sounds_from(end):
            # It may be the beginning of a word.
            end = self.position
        self._close(self.position)
        ended = TurnEnded(self.position, self._last_speech, False, end)
        return ended if was_open else None

    def _end_of_turn(self, at_sample: int) -> int:
        end = self._with_tail()
        return at_sample if end is None else min(end, at_sample)

    def _sounds_from(self, sample: int) -> bool:
        """Does anything stand out after position `sample`?"""
        past = list(self._past)
        background = _ONSET_DB + max(
            min((window.level for window in past), default=0.0), self._floor_db
        )
        levels = [w.levels.max() for w in past if w.end > sample]
        if len(self._left):
            levels.append(levels_db(self._left, 1)[0])
        return max(levels, default=0.0) >= background

    def push(self, samples: Int16Array) -> None:
        """Take int16 `samples` (1-D)."""
        if samples.dtype != np.int16:
            raise TypeError(f"samples: int16 expected, got {samples.dtype}")
        end = self.position - len(self._left)
        self.position += len(samples)
        left = np.concatenate((self._left, samples))
        while len(left) >= self._size:
            end += self._size
            # A copy, or a window would keep all that came with it.
            window = Window(left[: self._size].copy(), end, self._gate)
            self._arrived.append(window)
            left = left[self._size :]
        self._left = left.copy()
        self._look()

    def take_windows(self) -> list[Window]:
        """Those that need a score and were not handed out before, in order."""
        windows, self._to_ask = self._to_ask, []
        return windows

    def scored(self, score: float) -> list[Event]:
        """Take the score (probability 0 to 1) of the oldest window that waits
        for one; return what it decided, in order."""
        window = self._asked.popleft()
        window.score = score
        self._floor_db = window.floor_db
        events = self._step(window)
        self._look()
        return events

    @property
    def waits(self) -> bool:
        """Is there a window without its score?"""
        return bool(self._asked or self._arrived)

    @property
    def scored_to(self) -> int:
        """The audio before this position is looked through."""
        for windows in (self._asked, self._arrived):
            if windows:
                return windows[0].end - self._size
        return self.position

    @property
    def undecided(self) -> int | None:
        """No event comes with the audio before this position, whatever the
        scores that are missing will be; None: nor with all audio so far."""
        windows = itertools.chain(self._asked, self._arrived)
        for number, window in enumerate(windows, 1):
            if self._may_decide(window, number):
                return window.due
        return None

    def _may_decide(self, window: Window, missing: int) -> bool:
        """May its score lead to an event, where that many scores are missing,
        its own with them?"""
        if self._tail is not None:
            # What may be silence waits for each score.
            return True
        if not self.turn_open:
            return self._speech + missing * self._size >= self._min_speech
        if window.end - self._last_speech >= self._silence:
            return True
        return self._max_turn > 0 and self._late(window) >= 0

    def _look(self) -> None:
        """Look at what arrived: is the model to be asked?"""
        while self._arrived:
            window = self._arrived[0]
            sure = window.stands_out or self._is_in_turn(window)
            if self._asked and not sure:
                # Only where somebody speaks, which those will tell.
                return
            self._quiet.append(self._arrived.popleft())
            self._floor_db = window.floor_db
            if window.stands_out or self._speech:
                self._ask(window)
            elif len(self._quiet) > _PRE_ROLL:
                self._missed = True
                self._past.append(self._quiet.popleft())

    def _is_in_turn(self, window: Window) -> bool:
        """Is a turn open as it begins, whatever the scores before it?"""
        before = window.end - self._size
        may_be_cut = self._max_turn > 0 and self._late(window) >= self._size
        may_be_over = before - self._last_speech >= self._silence
        return self.turn_open and not (may_be_cut or may_be_over)

    def _ask(self, last: Window) -> None:
        """Have all scored that was quiet, up to this window."""
        self._quiet[0].fresh, self._missed = self._missed, False
        for window in self._quiet:
            window.due, window.floor_db = last.end, last.floor_db
        self._asked += self._quiet
        self._to_ask += self._quiet
        self._quiet.clear()

    def _step(self, window: Window) -> list[Event]:
        self._past.append(window)
        limit = self._release if self._speech else self._threshold
        if window.score >= limit:
            if not self._speech:
                self._first_speech = window.end - self._size
            self._speech += self._size
            self._last_speech = window.end
        silent = window.end - self._last_speech
        if self.turn_open:
            if window.score >= self._threshold:
                self._level_sum += window.level
                self._level_count += 1
            if silent >= self._silence:
                end = self._end_of_turn(window.end)
                self._close(end)
                return [TurnEnded(window.end, self._last_speech, False, end)]
            return self._cut(window)
        if self._speech >= self._min_speech and not silent:
            return [self._started(window.end)]
        if silent > _CANDIDATE_GAP * self._size:
            self._speech = 0
        return []

    def _close(self, boundary: int) -> None:
        self.turn_open = False
        self._speech = 0
        self._boundary = boundary

    def _started(self, at_sample: int) -> TurnStarted:
        onset = max(self._onset(), self._boundary)
        start = onset - self._padding
        if self._tail is not None and self._is_noisy():
            # It may hide a soft beginning.
            start = min(start, self._first_speech - _ONSET_PARTS * self._part)
        self._start = max(start, self._boundary)
        self.turn_open = True
        self._level_sum, self._level_count = 0.0, 0
        return TurnStarted(at_sample, onset, self._start)

    def _is_noisy(self) -> bool:
        """Is the background so loud that soft sounds do not stand out?"""
        loudest = max(window.level for window in self._past)
        before = [w.level for w in self._past if w.end <= self._first_speech]
        background = max(min(before, default=0.0), self._floor_db)
        return loudest < background + _CLEAR_DB

    def _onset(self) -> int:
        """Go back from the first speech window to where the sound rose: the
        model needs some vowel to be sure, and soft beginnings before it, up to
        300 ms, belong to the word."""
        before = [w for w in self._past if w.end <= self._first_speech]
        if not before:
            return self._first_speech
        quietest = min(w.level for w in before)
        background = max(quietest, self._floor_db) + _ONSET_DB
        parts = np.concatenate([w.levels for w in before])[-self._reach :]
        # How far back it was loud; what comes before a long gap is not of it.
        loud = 1 + np.flatnonzero(parts[::-1] >= background)
        near = np.diff(loud, prepend=0) <= self._gap + 1
        loud = loud[np.logical_and.accumulate(near)]
        return self._first_speech - int(loud.max(initial=0)) * self._part

    def _late(self, window: Window) -> int:
        """For how long a place for a cut is looked for, at its end."""
        return window.end - self._start - (self._max_turn - self._cut_search)

    def _cut(self, window: Window) -> list[Event]:
        """Cut a turn that is about to become too long, if here is good."""
        late = self._late(window)
        if not self._max_turn or late < 0:
            return []
        recent = list(self._past)[-_CUT_WINDOWS:]
        parts = np.concatenate([w.levels for w in recent])
        power = np.concatenate(([0.0], np.cumsum(10 ** (parts / 10))))
        means = (power[_QUIET_PARTS:] - power[:-_QUIET_PARTS]) / _QUIET_PARTS
        lowest = int(np.argmin(means))
        depth = _CUT_DEPTH_DB * (1 - late / self._cut_search)
        loudness = self._level_sum / max(self._level_count, 1)
        overdue = late + self._size > self._cut_search
        if 10 * np.log10(means[lowest]) > loudness - depth and not overdue:
            return []
        oldest = recent[0].end - self._size
        place = oldest + (2 * lowest + _QUIET_PARTS) * self._part // 2
        self._close(place)
        events: list[Event] = [TurnEnded(window.end, place, True, place)]
        if any(
            w.score >= self._release and w.end - self._size >= place
            for w in recent
        ):
            self._first_speech = place
            self._speech = self._size
            events.append(self._started(window.end))
        return events

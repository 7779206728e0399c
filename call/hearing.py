"""A call's turn detector, and the scores that it waits for.

The model is shared, and answers later.  If it does not, or cannot, the energy
gate's word counts instead: noise may then make a turn, but no speech is missed
and nobody waits.  Meanwhile one window at a time is asked about, to find out
when the model is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum

from ..audio.g711 import Int16Array
from ..audio.turns import Event, TurnDetector, Window
from ..connection.driver import now
from ..realtime.states import Machine
from .scoring import Answer, Scoring

#: How often it is looked whether the model answers, in seconds; two looks are
#: enough.  Nor may an answer be so late, in seconds.
_LOOK_S, _LATEST_S = 0.5, 2.0
#: A look that comes later than this does not count: the loop was held, and the
#: model may not even have been asked.  Until an answer comes there is one.
_HELD_S = 0.4


class ModelSilentError(Exception):
    """The speech model did not answer in time."""


class HearingState(Enum):
    """Whose word counts."""

    SCORED = "the model's"
    UNSCORED = "the energy gate's; the model failed, or does not answer"
    PROBED = "the energy gate's; the model is asked whether it is there"
    OVER = "the energy gate's; nobody is asked any more"


HEARING_MOVES: Mapping[HearingState, frozenset[HearingState]] = {
    HearingState.SCORED: frozenset({HearingState.UNSCORED, HearingState.OVER}),
    HearingState.UNSCORED: frozenset({HearingState.PROBED, HearingState.OVER}),
    HearingState.PROBED: frozenset(
        {HearingState.SCORED, HearingState.UNSCORED, HearingState.OVER}
    ),
    HearingState.OVER: frozenset({HearingState.OVER}),
}


class Hearing:
    """``decided`` is called after each window that was scored, with what that
    decided; ``tell`` with what went wrong."""

    def __init__(
        self,
        detector: TurnDetector,
        scoring: Scoring,
        decided: Callable[[list[Event]], None],
        tell: Callable[[Exception], None],
    ) -> None:
        self.detector = detector
        self._stream = scoring.stream(detector.memory, self._on_answer)
        self._decided = decided
        self._tell = tell
        self._machine = Machine(HearingState.SCORED, HEARING_MOVES)
        #: Windows without an answer yet, and when they were asked about.
        self._asked: deque[tuple[Window, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0
        self._hurries = False
        #: When the last look was due that counts; was there one that did not?
        self._look_at = 0.0
        self._excused = False

    def push(self, samples: Int16Array) -> None:
        """Hear samples."""
        self.detector.push(samples)
        self._ask()

    @property
    def waits(self) -> bool:
        """Are there scores to come of what was heard so far?"""
        return self.detector.waits

    def hurry(self) -> None:
        """Somebody waits for all of them."""
        self._hurries = True
        self._stream.hurry(0.0)

    def close(self) -> None:
        """Nothing waits any more."""
        self._do_without(HearingState.OVER)
        self._stream.close()

    def _ask(self) -> None:
        """Have scored what needs it.  Where that may end or begin a turn audio
        waits for it."""
        while windows := self.detector.take_windows():
            if self._machine.state is HearingState.SCORED:
                at = now()
                self._asked.extend((window, at) for window in windows)
                if self._timer is None:
                    self._look_later()
                self._stream.ask(windows)
                break
            if self._machine.state is HearingState.UNSCORED:
                self._machine.to(HearingState.PROBED)
                self._stream.ask([windows[-1]])
            for window in windows:
                self._take(float(window.stands_out))
        self._hurries &= self.waits
        if self._hurries:
            self._stream.hurry(0.0)
        elif self._asked and self.detector.undecided is not None:
            self._stream.hurry()

    def _take(self, score: float) -> None:
        """Have it decided.  Whatever is wrong with that costs no other."""
        try:
            self._decided(self.detector.scored(score))
        except Exception as error:
            self._tell(error)

    def _on_answer(self, answer: Answer) -> None:
        if self._machine.state is HearingState.PROBED:
            if isinstance(answer, Exception):
                self._machine.to(HearingState.UNSCORED)
                return
            # What it heard for that was out of order.
            self._stream.cancel()
            self._machine.to(HearingState.SCORED)
        elif isinstance(answer, Exception):
            self._tell(answer)
            self._do_without(HearingState.UNSCORED)
        else:
            self._looks, self._excused = 0, False
            self._asked.popleft()
            self._take(answer)
            self._ask()

    def _do_without(self, state: HearingState) -> None:
        self._machine.to(state)
        self._stream.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asked, self._asked = self._asked, deque()
        for window, _ in asked:
            self._take(float(window.stands_out))
        self._ask()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._look_at = now() + _LOOK_S
        self._timer = loop.call_at(self._look_at, self._look)

    def _look(self) -> None:
        """One timer for many windows: it stops when none waits."""
        self._timer = None
        if not self._asked:
            self._looks = 0
            return
        at = now()
        if at > self._look_at + _HELD_S and not self._excused:
            self._looks, self._excused = 0, True
            self._asked = deque((window, at) for window, _ in self._asked)
            self._look_later()
            return
        self._looks += 1
        if self._looks < 2 and at - self._asked[0][1] < _LATEST_S:
            self._look_later()
            return
        self._looks = 0
        self._tell(ModelSilentError())
        self._do_without(HearingState.UNSCORED)

"""The calls of a day, on one time line."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ten_packages.extension.openai_asr_python.realtime.faults import (
    Fault,
    fault_of_http,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits

from devkit.sim.call import Call
from devkit.sim.random_call import Tally, tally_of
from devkit.sim.server import Faults, SimServer
from devkit.sim.state import Violation
from devkit.sim.words import WORD_SAMPLES, ms

from .plan import Plan, Trouble

#: A call hears so much at once.  So many calls a day need coarse steps; how
#: fine frames are has no part in when it connects.
_STEP_MS = 2000
_LIFE_S = 3600.0
#: A connection takes up to this, a text after its turn as well.
_CONNECT_S = 0.2
_TEXT_S = 0.8
#: stop_timeout_ms
_STOP_S = 3.0
#: Somebody who speaks says four words in about two seconds, so often; then
#: they listen, so many steps in the mean.
_WORDS = 4
_GAP_MS = (380, 480)
_SPEAKS_STEPS = (1, 2)
_LISTENS_STEPS = 4.0
_OWNERS = ("local", "server")


@dataclass
class Attempt:
    """A connection that a call tried to open."""

    at: float
    accepted: bool


@dataclass
class Outcome:
    """A call that is over; ``complaint``: the promise it broke, or ""."""

    start: float
    end: float = 0.0
    tally: Tally = field(default_factory=Tally)
    attempts: list[Attempt] = field(default_factory=list)
    complaint: str = ""


class Service:
    """Takes connections, or does not.

    Which of the attempts in one second of the day are over the limit is not
    told by their order within it: calls take turns in steps of two seconds.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._taken: Counter[int] = Counter()

    def refusal(self, now: float) -> Fault | None:
        """Why a connection is not taken."""
        for outage in self._plan.outages:
            if outage.start <= now < outage.end:
                if outage.trouble is Trouble.LIMITED:
                    return fault_of_http(429, b"", str(outage.retry_after))
                return Fault("retry", "refused", "no")
        if self._plan.limit is None:
            return None
        if self._taken[int(now)] >= self._plan.limit:
            return fault_of_http(429)
        self._taken[int(now)] += 1
        return None


class Caller:
    """Speaks in turns, listens, and hangs up."""

    def __init__(
        self, plan: Plan, number: int, start: float, service: Service
    ) -> None:
        self._dice = plan.dice(number)
        self._length = plan.length(self._dice)
        self._service = service
        self.outcome = Outcome(start)
        self._call = Call(
            self._dice,
            SimServer(self._dice, Faults(delay_s=_TEXT_S), _LIFE_S),
            _OWNERS[number % len(_OWNERS)],
            Limits(packet_ms=_STEP_MS, replay_packet_ms=_STEP_MS),
            connect_s=_CONNECT_S,
            door=self._knock,
        )
        self._call.piece_ms = _STEP_MS
        self._call.keep_results = False
        #: By how much the clock of the call is ahead of the day.
        self._ahead = self._call.now - start
        self._coming = [o for o in plan.outages if o.start > start]

    @property
    def now(self) -> float:
        """The time of the day."""
        return self._call.now - self._ahead

    def live(self) -> Iterator[float]:
        """The call, in steps of two seconds; yields the time after each."""
        try:
            yield from self._talk()
            yield from self._hang_up()
            self._call.check()
        except Violation as violation:
            self.outcome.complaint = str(violation)
        self.outcome.end = self.now
        self.outcome.tally = tally_of(self._call)

    def _talk(self) -> Iterator[float]:
        over_at = self.outcome.start + self._length
        while self.now < over_at:
            for _ in range(self._dice.randint(*_SPEAKS_STEPS)):
                self._say(self._dice.uniform(*_GAP_MS))
                yield self.now
            steps = self._dice.expovariate(1 / _LISTENS_STEPS)
            for _ in range(1 + int(steps)):
                self._pause(_STEP_MS)
                yield self.now

    def _hang_up(self) -> Iterator[float]:
        """As the client stops: what was said is waited for, within a bound."""
        call = self._call
        call.finalize()
        until = self.now + _STOP_S
        while self.now < until and call.watch.answered < len(call.asked):
            left = self._left()
            call.wait(min(0.1, left))
            if left <= 0.1:
                self._strike()
            yield self.now
        call.stop()

    def _say(self, gap_ms: float) -> None:
        size = _WORDS * WORD_SAMPLES + (_WORDS - 1) * ms(gap_ms)
        rest = size - ms(self._left() * 1000)
        if rest > 0:
            self._call.say(_WORDS, gap_ms, rest)
            self._strike()
            self._call.resume()
        else:
            self._call.say(_WORDS, gap_ms)
        self._pause(gap_ms)

    def _pause(self, length_ms: float) -> None:
        left_ms = self._left() * 1000
        if left_ms < length_ms:
            self._call.pause(left_ms)
            self._strike()
            length_ms -= left_ms
        self._call.pause(length_ms)

    def _left(self) -> float:
        """Seconds until the next outage begins, a day if there is none."""
        if not self._coming:
            return 86_400.0
        return max(0.0, self._coming[0].start - self.now)

    def _strike(self) -> None:
        """It begins: for every call in the same moment."""
        outage = self._coming.pop(0)
        if outage.trouble is Trouble.DOWN:
            self._call.drop(1006, "reset")
        elif outage.trouble is Trouble.HUNG:
            self._call.freeze()
        elif outage.trouble is Trouble.RESTART:
            self._call.drop(1012, "restart")
        else:
            self._call.drop(1013, "try again later")

    def _knock(self, now: float) -> Fault | None:
        at = now - self._ahead
        fault = self._service.refusal(at)
        self.outcome.attempts.append(Attempt(at, fault is None))
        return fault


def run_calls(plan: Plan, numbers: Iterable[int]) -> list[Outcome]:
    """These calls of the day, each step in the order of time."""
    arrivals = plan.arrivals()
    service = Service(plan)
    outcomes = []
    coming = [(arrivals[number], number) for number in numbers]
    coming.sort(reverse=True)
    #: When a call goes on, its number, the rest of it.
    living: list[tuple[float, int, Iterator[float]]] = []
    while coming or living:
        if coming and (not living or coming[-1][0] <= living[0][0]):
            start, number = coming.pop()
            caller = Caller(plan, number, start, service)
            outcomes.append(caller.outcome)
            steps = caller.live()
        else:
            _, number, steps = heapq.heappop(living)
        at = next(steps, None)
        if at is not None:
            heapq.heappush(living, (at, number, steps))
    return outcomes

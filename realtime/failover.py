"""Which of several endpoints a call uses, and when another one."""

from __future__ import annotations

from dataclasses import dataclass

from .audio_buffer import AudioBuffer
from .change import Attempt
from .endpoints import Endpoint, EndpointsInUse
from .errors import NO_ANSWER, ErrorInfo
from .faults import Fault, fault_of_turn, passes, refuses_all
from .in_force import SettingsInForce
from .limits import Limits
from .link import Link
from .patience import Patience
from .result_queue import ResultQueue
from .results import ServerProblem
from .sessions import NextState, Sessions

#: The code of what is told about a change of the endpoint.
SWITCHED = "endpoint_switched"
#: Turns that fail one after the other, and sessions that end without a final:
#: then it may be the service.
_MOST_FAILURES, _MOST_BARREN = 3, 2
#: A service that lives and says nothing of what it is sent.
_SILENT = ("no_turn", "no_turn_end")
#: A first one that came back and delivered nothing is tried again after twice
#: the time, and at most so many times of what was set.
_RAREST = 8


@dataclass(eq=False, repr=False)
class Failover:
    """Leaves an endpoint that does not serve, and returns to the first.

    An endpoint is left where it gives no ready session for a time, refuses for
    good, or fails turn after turn; with one endpoint nothing of this happens.
    ``switches``: how often another one was taken.  ``wait_s``: how long the
    first one is then left alone.
    """

    _buffer: AudioBuffer
    _queue: ResultQueue
    _sessions: Sessions
    _in_use: EndpointsInUse
    _in_force: SettingsInForce
    _limits: Limits

    def __post_init__(self) -> None:
        self.switches = 0
        self._patience = Patience(self._limits.fallback_after_ms / 1000)
        self._retry = self._limits.fallback_retry_ms / 1000
        self._back_at = 0.0
        #: How long until the first is tried again; the finals when it was back.
        self.wait_s = self._retry
        self._back_finals = -1
        #: When which endpoint refused for good.
        self._refused: dict[str, float] = {}
        #: Finals when the counts of failures began.
        self._finals = self._failures = self._barren = 0
        #: Endpoints left for failures since a turn was over; given up by then.
        self._hops = self._given_up = 0
        #: How many were taken since there was a session.
        self._vain = 0
        self._seen = self._in_use.endpoints

    @property
    def _alone(self) -> bool:
        return len(self._in_use.endpoints) == 1

    # -- what happened --------------------------------------------------------

    def turn_failed(self, error: ErrorInfo, now: float) -> None:
        """The active session failed to transcribe a turn."""
        if self._alone:
            return
        self._look_at_finals()
        self._failures += 1
        fault, lasting = fault_of_turn(error), not passes(error)
        # Who is to be asked later gives no service until then, either.
        later = fault.retry_after > self._patience.after_s
        late = later or error.code == NO_ANSWER
        if lasting or late or self._failures >= _MOST_FAILURES:
            if refuses_all(error):
                self._refused[self._in_use.endpoint.name] = now
            if self._hop(fault, now):
                self._back_at = max(self._back_at, now + fault.retry_after)

    def lost(self, attempt: Attempt | None, fault: Fault, now: float) -> bool:
        """A session or an attempt at one ended; True if that is all to it."""
        sessions = self._sessions
        if self._alone or sessions.over:
            return False
        if attempt is not None and self._is_back(attempt):
            self._not_back(fault, now)
            return True
        if sessions.active is not None or sessions.ready is not None:
            return False
        if fault.fatal:
            self._refused[self._in_use.endpoint.name] = now
            self._not_tried()
            index = self._next(now)
            if index is not None:
                self._switch(index, fault, now)
            return index is not None
        self._look_at_finals()
        said = self._buffer.may_be_speech(self._buffer.end)
        barren = self._barren >= _MOST_BARREN and said
        # What two sessions are silent about is let go: not two of one service.
        silent = fault.code in _SILENT
        return (barren or silent) and self._hop(fault, now)

    def look_at_answers(self, link: Link, now: float) -> None:
        """Was the active session left because an answer did not come?"""
        if self._alone or link is self._sessions.active:
            return
        self._look_at_finals()
        self._failures += 1
        first = min(link.answers.bounds(), default=now)
        if self._failures >= _MOST_FAILURES or first <= now:
            text = "the server sent no result for a turn"
            self._hop(Fault("retry", "no_result", text), now)

    def taken_over(self, link: Link, now: float) -> None:
        """A session became the active one."""
        self._patience.served()
        self._vain = 0
        if self._alone:
            return
        self._look_at_finals()
        self._barren += 1
        endpoint = link.attempt.endpoint
        self._refused.pop(endpoint.name, None)
        if self._is_back(link.attempt):
            left = self._in_use.endpoint
            self._begin(0, now)
            self._back_finals = self._queue.finals
            self._tell(f"{endpoint.label} is back, in place of {left.label}")

    def _look_at_finals(self) -> None:
        if self._queue.finals > self._finals:
            self._finals = self._queue.finals
            self._failures = self._barren = self._hops = 0
        if self._queue.dropped > self._given_up:
            # Another turn may fare better with those that failed at this one.
            self._given_up, self._hops = self._queue.dropped, 0

    # -- leaving an endpoint ---------------------------------------------

    def _next(self, now: float) -> int | None:
        """The one to try next; None where all refused for good, lately."""
        endpoints, index = self._in_use.endpoints, self._in_use.index
        for step in range(1, len(endpoints)):
            other = (index + step) % len(endpoints)
            refused = self._refused.get(endpoints[other].name)
            if refused is None or now >= refused + self._retry:
                return other
        return None

    def _hop(self, fault: Fault, now: float) -> bool:
        """Let another one try what this one fails at: each once, for the
        audio may be to blame."""
        index = self._next(now)
        if index is None or self._hops >= len(self._in_use.endpoints) - 1:
            return False
        self._hops += 1
        self._switch(index, fault, now)
        return True

    def _not_tried(self) -> None:
        """Whoever gives no session does not try what another one fails at."""
        self._hops = max(self._hops - 1, 0)

    def _switch(self, index: int, fault: Fault, now: float) -> None:
        left = self._in_use.endpoint
        if index <= self._in_use.index:
            self._patience.lengthen()
        self._vain += 1
        self._sessions.remove_all()
        self._begin(index, now)
        self._patience.begin(now)
        self._sessions.plan(now)
        taken = self._in_use.endpoint.label
        text = f"{taken} takes over from {left.label}: {fault.message}"
        none = self._vain >= len(self._in_use.endpoints)
        self._tell(f"all were tried, none serves; {text}" if none else text)

    def _begin(self, index: int, now: float) -> None:
        """From now on the call uses another endpoint."""
        self.switches += 1
        self._failures = self._barren = 0
        if self._in_use.index == 0:
            barren = self._queue.finals == self._back_finals
            longer = min(2 * self.wait_s, _RAREST * self._retry)
            self.wait_s = longer if barren else self._retry
        self._back_at = now + self.wait_s
        self._in_force.use(index)
        self._in_use.known().retries.used_from(self._buffer.watermark)

    def _tell(self, text: str) -> None:
        self._queue.tell(ServerProblem(Fault("report", SWITCHED, text)))

    # -- and back ---------------------------------------------------------

    def _is_back(self, attempt: Attempt) -> bool:
        """Where a change leads to is the matter of that."""
        returning = self._in_use.returning
        return attempt.change is None and attempt.endpoint.is_like(returning)

    def _return_to(self, endpoint: Endpoint | None, now: float) -> None:
        """None: not now."""
        self._in_use.returning = endpoint
        self._back_at = now + self._retry

    def _not_back(self, fault: Fault, now: float) -> None:
        """The first one does not serve yet."""
        self._return_to(None, now)
        if fault.fatal:
            self._refused[self._in_use.endpoints[0].name] = now
        if self._sessions.active is None:
            self._sessions.plan_unless_due(now)

    # -- time -------------------------------------------------------------

    def held_up(self, now: float) -> None:
        """We were: no endpoint is to blame for that."""
        self._patience.held_up(now)

    def pursue(self, now: float) -> None:
        """Do what is due."""
        if self._alone or self._sessions.over:
            return
        self._look_at_endpoints(now)
        sessions = self._sessions
        gone = sessions.next_state is NextState.NONE
        alone = sessions.active is None and sessions.ready is None
        if self._in_use.returning is not None and (gone or alone):
            # It became useless, or whoever served until now may be sooner.
            sessions.drop_next(self._is_back)
            self._return_to(None, now)
            if alone:
                sessions.plan_unless_due(now)
        if sessions.active is None:
            self._look_for_session(now)
        elif self._may_go_back and now >= self._go_back_at:
            self._return_to(self._in_use.endpoints[0], now)
            sessions.plan(now, asked=True)

    def _look_at_endpoints(self, now: float) -> None:
        """Others may have been put in force."""
        seen, self._seen = self._seen, self._in_use.endpoints
        if seen is not self._seen:
            self._refused.clear()
        if not self._seen[0].is_like(seen[0]):
            self._back_at = now

    def _look_for_session(self, now: float) -> None:
        if (waited := self._patience.waited(now)) is None:
            return
        index = self._next(now)
        self._patience.begin(now)
        self._not_tried()
        if index is not None:
            text = f"no session was ready for {waited:.1f} s"
            self._switch(index, Fault("retry", "no_session", text), now)

    @property
    def _go_back_at(self) -> float:
        """When, and not before the time that the first one named."""
        first = self._in_use.known(self._in_use.endpoints[0])
        return max(self._back_at, first.retries.not_before)

    @property
    def _may_go_back(self) -> bool:
        idle = self._sessions.next_state is NextState.NONE
        return self._in_use.index > 0 and idle and not self._in_force.changing

    def times(self) -> list[float]:
        """When something of this becomes due."""
        if self._alone or self._sessions.over:
            return []
        if self._sessions.active is None:
            return self._patience.times()
        return [self._go_back_at] if self._may_go_back else []

"""What must hold where a call has several endpoints."""

from __future__ import annotations

import math
import re

from ten_packages.extension.openai_asr_python.realtime.backoff import Backoff
from ten_packages.extension.openai_asr_python.realtime.change import Attempt
from ten_packages.extension.openai_asr_python.realtime.failover import SWITCHED
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    TurnFailed,
    TurnResult,
)

from .endpoints import CONNECT_S, SimEndpoint
from .state import CallState, demand
from .words import RATE, ms

_TOLD = re.compile(
    r"(\S+) \([^)]*\) (?:takes over from|is back, in place of) (\S+) \("
)
#: The core's bound for a round, per endpoint, in s.
_LONGEST_S = 60.0
#: From an open connection to a session that is ready; two trips.
_HANDSHAKE_S = 1.0
#: From a turn that is sent to its text, or the word that it failed: two times
#: the turn's bound, a pause, two answers.
_TURN_S = 45.0
#: An attempt that was made while the endpoint did not serve: it comes to
#: nothing, after the client's time for a connection and the core's for the
#: settings.
_UNDER_WAY_S = CONNECT_S + 5.0


class Switches:
    """Follows which endpoint is used; raises `state.Violation`.

    ``used``: its name, by what was told.
    """

    def __init__(self, call: CallState) -> None:
        self._call = call
        self._alone = call.kinds == {"endpoints"}
        self._told = 0
        self._over = False
        self._switched_at = call.now
        #: Since when there is no session.
        self._none_since: float | None = call.now
        #: When the first one was dialed beside another.
        self._back_at = -math.inf
        self._settings = call.settings
        #: Up to where all is delivered or reported, and since when.
        self._watermark, self._moved_at = 0, call.now
        self.used = call.endpoints[0].name

    @property
    def several(self) -> bool:
        """Is there more than one?"""
        return len(self._call.endpoints) > 1

    # -- what comes ----------------------------------------------------------

    def told(self, fault: Fault) -> None:
        """Something is told; each switch is, once."""
        if fault.code != SWITCHED:
            return
        names = _TOLD.search(fault.message)
        demand(names is not None, f"which endpoint? {fault.message}")
        assert names is not None
        taken, left = names.groups()
        demand(left == self.used, f"{self.used} was in use: {fault.message}")
        demand(taken != left, f"that is no other one: {fault.message}")
        self.used = taken
        self._told += 1
        self._switched_at = self._call.now

    def attempt(self, attempt: Attempt) -> None:
        """The core asks for a connection: beside a fallback not too often."""
        call, core = self._call, self._call.core
        if attempt.endpoint is not core.in_use.returning:
            return
        retry_s = call.limits.fallback_retry_ms / 1000
        early = max(self._switched_at, self._back_at) + retry_s - call.now
        # Other settings may be what it was refused for.
        demand(
            early < 0.001 or self._settings != attempt.settings,
            f"the first endpoint is tried {early:.1f} s early",
        )
        self._back_at, self._settings = call.now, attempt.settings

    def final(self, turn: TurnResult) -> None:
        """Who heard it?"""
        heard = self._call.server.heard_by.pop(turn.item_id, None)
        demand(
            heard is None or heard == (turn.endpoint, turn.model),
            f"heard by {heard}: {turn}",
        )

    # -- what must hold ------------------------------------------------------

    def step(self) -> None:
        """The call has settled."""
        call, core = self._call, self._call.core
        if not self.several:
            return
        in_use = core.in_use.endpoint.name
        demand(self.used == in_use, f"{in_use} is in use, and nothing is told")
        demand(self._told == core.failover.switches, "not each switch is told")
        if core.fatal is not None and not self._over:
            self._over = True
            self._check_fatal()
        if self._over or call.stopped or not self._alone:
            return
        self._check_stuck()
        if core.active is not None:
            self._none_since = None
            self._check_return()
        elif self._none_since is None:
            self._none_since = call.now
        else:
            self._check_reach(self._none_since)

    def _check_fatal(self) -> None:
        """The call is over: each one refused for good, and lately."""
        retry_s = self._call.limits.fallback_retry_ms / 1000
        for endpoint in self._call.endpoints:
            ago = self._call.now - endpoint.server.refused_at
            demand(
                ago <= retry_s + 0.001,
                f"the call is over, and {endpoint.name} did not refuse",
            )

    def reached_after(self, endpoint: SimEndpoint, out_s: float) -> float:
        """How long it may take until one that serves is used, in s, where there
        was no session for ``out_s`` before (docs/proof.md)."""
        limits, many = self._call.limits, len(self._call.endpoints)
        after = limits.fallback_after_ms / 1000
        wait = 2 * many * max(out_s + after, 2 * self._connect_s)
        wait = min(wait, many * _LONGEST_S)
        retry_s = limits.fallback_retry_ms / 1000
        lately = self._call.now - wait - 2 * retry_s
        refused = [
            other
            for other in self._call.endpoints
            if other.server.refused_at > lately
        ]
        if endpoint in refused:
            wait += retry_s
        if refused:
            # Where no other is left, an attempt has its time, and its pause.
            wait += _UNDER_WAY_S + Backoff.CAP_S
        return wait + self._connect_s

    # -- nothing is lost, and nothing waits, while one serves ------------------

    def _front(self) -> int | None:
        """The first word that is neither delivered nor reported, if it is all
        said."""
        call = self._call
        front, at = call.passed + 1, call.core.watermark
        said = front <= len(call.spoken) and call.is_complete(front)
        # Such a rest comes with the next turn.
        is_rest = any(at < b < at + ms(100) for b in call.boundaries)
        return front if said and not is_rest else None

    def _check_stuck(self) -> None:
        """Words must not wait for long."""
        call = self._call
        if call.core.watermark != self._watermark:
            self._watermark, self._moved_at = call.core.watermark, call.now
        elif call.now > self._moved_at + _TURN_S and (word := self._front()):
            self._demand_out(word, "is neither delivered nor reported")

    def given_up(self, result: AudioDropped | TurnFailed) -> None:
        """A stretch is reported: could none deliver it?"""
        call = self._call
        if not self._alone or call.stopped or call.core.fatal is not None:
            return
        start, stop = result.start_ms, result.start_ms + result.duration_ms
        words = [
            word
            for word in range(call.passed + 1, len(call.spoken) + 1)
            if start < call.start_of(word) // 8 < stop
        ]
        if words:
            self._demand_out(words[0], f"is given up: {result}")

    def _demand_out(self, word: int, what: str) -> None:
        """No endpoint serves for long enough since a word was said."""
        ago_s = (self._call.core.received - self._call.start_of(word)) / RATE
        stuck_since = max(self._moved_at, self._call.now - ago_s)
        for endpoint in self._call.endpoints:
            if endpoint.outage:
                continue
            since = max(endpoint.serves_since, stuck_since)
            served_s = self._call.now - since
            reach_s = self.reached_after(endpoint, since - stuck_since)
            demand(
                served_s <= reach_s + _TURN_S,
                f"{endpoint.name} serves for {served_s:.1f} s, and w{word}"
                f" {what}",
            )

    @property
    def _connect_s(self) -> float:
        return self._call.connect_s + _HANDSHAKE_S

    def _check_reach(self, none_since: float) -> None:
        now = self._call.now
        for endpoint in self._call.endpoints:
            if endpoint.outage:
                continue
            since = max(none_since, endpoint.serves_since)
            bound = self.reached_after(endpoint, since - none_since)
            demand(
                now <= since + bound,
                f"{endpoint.name} serves for {now - since:.1f} s and is not"
                f" reached, bound {bound:.1f} s",
            )

    def _check_return(self) -> None:
        call, first = self._call, self._call.endpoints[0]
        if self.used == first.name or first.outage:
            return
        if call.core.progress.undelivered:
            return
        since = max(first.serves_since, self._switched_at)
        # Longer where it was back and delivered nothing.
        bound = call.core.failover.wait_s + self._connect_s
        late = call.now - since - bound - _UNDER_WAY_S
        demand(
            late <= 0, f"the first endpoint serves, and is {late:.1f} s late"
        )

"""The kinds of faults of a random call: which, and when they come."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

from .call import GAP_S, Call
from .endpoints import OUTAGES, SimEndpoint
from .server import SimServer
from .troubles import FAILING, FREEZES, KINDS, Troubles
from .words import WORD_SAMPLES

ALL = frozenset(KINDS)
OLD = frozenset({"old"})
#: Alone in so many of the calls; else with others.
_ALONE = 0.4
#: A call has one of these and no other kind of fault; or these as well.
_MORE = 0.08
_ON_TOP = {
    "endpoints": "places",
    "uncommitted": "refusals",
    "late_notices": "lateness",
}
#: How long an endpoint fails, in s.
_OUTAGES_S = (0.5, 3, 8, 20, 60, 150)


def parse_kinds(text: str) -> frozenset[str]:
    """Kinds of a list with commas, or all; raises ValueError for others."""
    kinds = frozenset(text.split(","))
    if kinds == {"all"}:
        return ALL
    if unknown := kinds - ALL:
        raise ValueError(f"no kind of fault: {', '.join(sorted(unknown))}")
    return kinds


def kinds_of(seed: int, allowed: Collection[str]) -> frozenset[str]:
    """Which of the allowed kinds the call of this seed has."""
    if len(allowed) == 1:
        return frozenset(allowed)
    for kind, what in _ON_TOP.items():
        if kind not in allowed:
            continue
        # On top, so that the other kinds of a call stay what they were.
        dice, others = _dice(seed, what), set(allowed) - {kind}
        if dice.random() < _MORE:
            return frozenset({kind})
        kinds = kinds_of(seed, others)
        return kinds | {kind} if dice.random() < _MORE else kinds
    dice = _dice(seed, "choice")
    names = sorted(allowed)
    if dice.random() < _ALONE:
        return frozenset({dice.choice(names)})
    chosen = set(dice.sample(names, min(dice.randint(2, 4), len(names))))
    if "old" in allowed and dice.random() < 0.5:
        chosen.add("old")
    return frozenset(chosen)


def _dice(seed: int, what: str) -> random.Random:
    return random.Random(f"{what} of {seed}")


def troubles_of(seed: int, kinds: Collection[str]) -> Troubles:
    """How the service of this call misbehaves."""
    dice = _dice(seed, "troubles")
    troubles = Troubles(dice)
    for kind in FREEZES:
        if kind in kinds:
            troubles.freezes[kind] = dice.choice((0.2, 0.4, 0.6))
    if "death_by_audio" in kinds:
        least = dice.choice((6.0, 8.0, 15.0, 40.0))
        troubles.audio_s = (least, least * dice.choice((1, 1, 3)))
    if "death_by_messages" in kinds:
        fewest = dice.choice((20, 30, 60, 200))
        troubles.messages = (fewest, fewest * dice.choice((1, 1, 3)))
    if "death_by_speed" in kinds:
        least = dice.choice((6.0, 7.5))
        troubles.burst_s = (least, least)
    if "chainless" in kinds:
        troubles.root = dice.choice((None, "root"))
        troubles.lost = dice.choice((0.1, 0.3))
    if "swallowed" in kinds:
        troubles.swallows = dice.choice((0.1, 0.3))
    if "uncommitted" in kinds:
        troubles.refuses = dice.choice((0.1, 0.3, 1.0))
        troubles.keeps_refused = troubles.refuses < 1 and dice.random() < 0.5
        troubles.refused_s = dice.choice((0.0, 0.3, 1.5, 5.0))
    if "late_notices" in kinds:
        troubles.late = dice.choice((0.1, 0.3, 1.0))
        troubles.late_s = dice.choice((0.5, 2.0, 6.0))
        troubles.late_in_order = dice.random() < 0.5
    if "own_detector" in kinds:
        troubles.own_lag_s = dice.choice((0.0, 0.2, 0.5))
    return troubles


def endpoints_of(
    seed: int, kinds: Collection[str], server: SimServer
) -> list[SimEndpoint]:
    """The services of this call, where it has several."""
    if "endpoints" not in kinds:
        return []
    dice = _dice(seed, "endpoints")
    endpoints = [SimEndpoint(server, "primary")]
    for number in range(dice.choice((1, 1, 2))):
        name, model = f"fallbacks[{number}]", f"model-{number}"
        endpoints.append(
            SimEndpoint(server.twin(), name, model, dice.random() < 0.5)
        )
    return endpoints


class Schedule:
    """When what comes that is not the service's doing alone."""

    def __init__(
        self, call: Call, seed: int, kinds: Iterable[str], words: int
    ) -> None:
        self._call = call
        self._kinds = frozenset(kinds)
        self._words = words
        self._dice = _dice(seed, "schedule")

    @property
    def is_new(self) -> bool:
        """Is there any kind but the old ones?"""
        return self._kinds != OLD

    def begin(self) -> None:
        """Before the first word."""
        call, dice = self._call, self._dice
        if "stop" in self._kinds:
            call.over_at = call.now + dice.choice(
                (dice.uniform(0, 3), dice.uniform(0, 90))
            )
        if "silent_start" in self._kinds:
            call.server.troubles.came["silent_start"] += 1
            call.pause(dice.choice((20_000, 60_000, 180_000)))

    def before_turn(self) -> None:
        """Somebody is about to speak."""
        call, dice = self._call, self._dice
        troubles = call.server.troubles
        if "death_by_word" in self._kinds and dice.random() < 0.12:
            first = len(call.spoken) + 1
            troubles.poison.add(first + dice.randrange(self._words))
        if fails := sorted(self._kinds & set(FAILING)):
            self._fail(fails)
        if "own_detector" in self._kinds:
            how = dice.random()
            troubles.came["own_detector"] += how < 0.3
            if how < 0.2:
                troubles.failing.once = dice.randint(1, 3)
            elif how < 0.3:
                call.drop()
        if "death_by_speed" in self._kinds and dice.random() < 0.15:
            # There is something to catch up with.
            call.refuse(503, dice.choice(("4", "15")))
            call.drop()
        if "refused_timed" in self._kinds and dice.random() < 0.15:
            for _ in range(dice.randint(1, 3)):
                call.refuse(
                    dice.choice((429, 503)), dice.choice(("0.5", "3", "12"))
                )
                troubles.came["refused_timed"] += 1
            call.drop()
        if "gap" in self._kinds and dice.random() < 0.4:
            self._gap()
        if "endpoints" in self._kinds and dice.random() < 0.4:
            self._fail_endpoints()

    def after_turn(self) -> None:
        """Something was said."""
        call, dice = self._call, self._dice
        if not self.is_new:
            return
        if dice.random() < 0.6:
            call.pause(dice.uniform(1600, 4000))
            if call.owner == "client" and dice.random() < 0.7:
                call.finalize()
        if "endpoints" in self._kinds and dice.random() < 0.25:
            call.pause(dice.uniform(3000, dice.choice((10_000, 90_000))))
        if "steady_sound" in self._kinds and dice.random() < 0.15:
            call.music(dice.uniform(2, 40))
        if "stop" in self._kinds and dice.random() < 0.02:
            # As the client does it: what is said is waited for, so long.
            call.finalize()
            call.wait(dice.uniform(0, 6))
            call.server.troubles.came["stop"] += not call.stopped
            call.stop()

    def _fail(self, kinds: list[str]) -> None:
        call, dice = self._call, self._dice
        failing, came = call.server.troubles.failing, call.server.troubles.came
        if dice.random() > 0.25:
            return
        kind = kinds[0] if len(kinds) == 1 else dice.choice(kinds)
        failing.timed = kind != "failing_untimed"
        failing.long = kind == "failing_long"
        came[kind] += 1
        how = dice.random()
        if how < 0.4:
            failing.until = call.now + dice.uniform(0.5, 14)
        elif how < 0.8:
            failing.once = dice.randint(1, 12)
        else:
            failing.row = dice.randint(1, 12)

    def _fail_endpoints(self) -> None:
        """One of them, or each; where somebody speaks, or in a pause."""
        call, dice = self._call, self._dice
        failing = [call.endpoints[call.core.in_use.index]]
        how = dice.random()
        if how < 0.3:
            failing = [dice.choice(call.endpoints)]
        elif how < 0.45:
            failing = list(call.endpoints)
        rest = None
        if dice.random() < 0.5:
            rest = dice.choice((None, dice.randint(20, WORD_SAMPLES - 20)))
            call.say(dice.randint(1, self._words), 60, rest)
        for endpoint in failing:
            # None for longer than is held, where it is each of them.
            longest = -1 if len(failing) > 1 else len(_OUTAGES_S)
            seconds = dice.choice(_OUTAGES_S[:longest]) * dice.uniform(0.5, 1.5)
            call.fail(endpoint, dice.choice(list(OUTAGES)), seconds)
        if rest is not None:
            call.resume()

    def _gap(self) -> None:
        """In mid-speech, also in the middle of a word."""
        call, dice = self._call, self._dice
        rest = dice.choice((None, dice.randint(20, WORD_SAMPLES - 20)))
        call.say(dice.randint(1, self._words), dice.choice((30, 60)), rest)
        if rest is None and dice.random() < 0.3:
            call.pause(dice.uniform(0, 600))
        call.gap(dice.choice((0.3, GAP_S - 0.1, GAP_S + 0.1, 4, 12, 70)))
        if rest is not None:
            call.resume()

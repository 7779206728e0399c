"""A random call with random faults, the same for the same seed."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from ten_packages.extension.openai_asr_python.realtime.limits import Limits

from .call import OWNERS, Call
from .kinds import OLD, Schedule, endpoints_of, kinds_of, troubles_of
from .server import Faults, SimServer
from .words import WORD_SAMPLES, ms

#: How long the last words may take where each session delivers a turn.
_FINISH_S = 1200
#: Close codes that do not end the call for good.
CODES = (1000, 1001, 1006, 1006, 1011, 1012)
STATUSES = (429, 500, 503)
#: Seconds of audio that the server looks at in a second, and whether what
#: answers PINGs is ahead of that.
PACES = ((1.2, False), (2.5, True), (6.0, True), (math.inf, False))


@dataclass
class Tally:
    """What happened in one or many calls.  Times in seconds, sizes in ms.

    Each word that was said is ``delivered``, ``reported`` as given up (also
    where that is a part of it), ``let_go`` (two sessions were silent about it)
    or said ``after_end``, when the call was over. ``switches``: how often
    another endpoint was used; ``kinds``: how often each kind of fault came.
    """

    calls: int = 0
    words: int = 0
    delivered: int = 0
    faults: int = 0
    reported: int = 0
    sessions: int = 0
    replayed_s: float = 0.0
    audio_s: float = 0.0
    peak_held_ms: int = 0
    longest_outage_s: float = 0.0
    changes: int = 0
    changed: int = 0
    let_go: int = 0
    after_end: int = 0
    switches: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count another call in."""
        for name, value in vars(other).items():
            if name == "kinds":
                self.kinds += value
                continue
            old = getattr(self, name)
            largest = name in ("peak_held_ms", "longest_outage_s")
            setattr(self, name, max(old, value) if largest else old + value)


def owner_of(seed: int) -> str:
    """Who ends turns in the call of this seed."""
    owner = OWNERS[seed % len(OWNERS)]
    skips = owner == "local" and seed // len(OWNERS) % 2 == 1
    return "local_skip" if skips else owner


def make_call(
    seed: int, kinds: Collection[str] = OLD, live: bool = False
) -> Call:
    """A call on a server that misbehaves in a way of its own, of the kinds
    that are allowed; ``live``: words come before the end of their turn, where
    that is the client's."""
    rng = random.Random(seed)

    def sometimes(*chances: float) -> float:
        return rng.choice((0.0, 0.0, *chances))

    faults = Faults(
        fail=sometimes(0.05),
        duplicate=sometimes(0.2),
        late_delta=sometimes(0.2),
        no_committed=sometimes(0.1),
        no_completed=sometimes(0.03),
        wrong_id=sometimes(0.03),
        empty=sometimes(0.03),
        invent=sometimes(0.5),
        junk=sometimes(0.05),
        never_ready=sometimes(0.05),
        refuse_session=sometimes(0.1),
        error_event=sometimes(0.05),
        refuse_change=0.2,
        mute_change=0.1,
        delay_s=rng.choice((0.1, 2.0, 6.0)),
    )
    life = rng.choice((None, None, 20.0, 60.0))
    chosen = kinds_of(seed, kinds)
    tells_expiry = rng.random() < 0.7
    if "old" not in chosen:
        faults, life = Faults(delay_s=faults.delay_s), None
    troubles = troubles_of(seed, chosen)
    server = SimServer(rng, faults, life, tells_expiry, troubles)
    limits = Limits(
        packet_ms=100,
        replay_packet_ms=1000,
        max_buffer_ms=rng.choice((120_000, 120_000, 20_000, 8_000)),
        max_turn_ms=rng.choice((30_000, 6_000)),
    )
    if "old" not in chosen:
        limits = replace(limits, max_buffer_ms=120_000)
    endpoints = endpoints_of(seed, chosen, server)
    if endpoints:
        dice = random.Random(f"limits of {seed}")
        limits = replace(
            limits,
            fallback_after_ms=dice.choice((1000, 4000)),
            fallback_retry_ms=dice.choice((5_000, 20_000, 60_000)),
        )
    return Call(
        rng,
        server,
        owner_of(seed),
        limits,
        connect_s=rng.choice((0.0, 0.3, 3.0)),
        wall_error_s=rng.choice((0.0, 0.0, 0.0, -4000.0, 4000.0)),
        kinds=chosen,
        endpoints=endpoints,
        live=live,
    )


def run(
    seed: int,
    turns: int = 25,
    words: int = 12,
    kinds: Collection[str] = OLD,
    live: bool = False,
) -> Tally:
    """One call to its end; raises `state.Violation`."""
    call = make_call(seed, kinds, live)
    call.keep_results = False
    rng = call.rng
    stalls = random.Random(f"stalls of {seed}")
    schedule = Schedule(call, seed, call.kinds, words)
    schedule.begin()
    for _ in range(turns):
        if call.stopped:
            break
        schedule.before_turn()
        _speak(call, rng, words)
        if rng.random() < (0.9 if call.owner == "client" else 0.2):
            call.pause(rng.uniform(0, 400))
            call.finalize()
        call.pause(rng.choice((rng.uniform(0, 1500), rng.uniform(0, 300))))
        schedule.after_turn()
        if "old" not in call.kinds or call.stopped:
            continue
        disturb(call, rng)
        if rng.random() < 0.08:
            change(call, rng)
        if stalls.random() < 0.03:
            _stall(call, stalls)
    if call.stopped:
        # Nothing more may come.
        call.wait(60)
    else:
        call.finish(_FINISH_S if schedule.is_new else 300)
    call.check()
    return tally_of(call)


def _speak(call: Call, rng: random.Random, words: int) -> None:
    rest = None
    if rng.random() < 0.1:
        rest = rng.randint(20, WORD_SAMPLES - 20)
    many = rng.randint(1, words)
    if rng.random() < 0.03:
        many *= 20
    call.say(many, rng.choice((30, 60, 200)), rest)
    if rest is not None:
        interrupt = rng.choice((call.finalize, call.commit, call.drop))
        if interrupt != call.drop or "old" in call.kinds:
            interrupt()
        call.resume()
    if rng.random() < 0.05 and call.kinds & {"old", "steady_sound"}:
        call.pause(rng.uniform(0, 1000))
        call.noise(rng.uniform(20, 600))


def _stall(call: Call, rng: random.Random) -> None:
    """Words, and then more at once than was ever heard, or can be held."""
    call.say(rng.randint(1, 3))
    call.pause(rng.uniform(0, 300))
    call.stall()
    for _ in range(rng.randint(1, 3)):
        call.pause(rng.choice((300, 3_000, 20_000)))
        if rng.random() < 0.5:
            call.say(rng.randint(1, 30))
    call.catch_up()


def change(call: Call, rng: random.Random) -> None:
    """Other settings, perhaps in the middle of what is said."""
    chance = rng.random()
    if chance < 0.35:
        rest = rng.choice((None, WORD_SAMPLES // 2))
        call.say(rng.randint(1, 3), 60, rest)
        if chance < 0.2:
            call.change_owner(rng.choice((*OWNERS, "local_skip")))
        elif chance < 0.3 and call.detector is not None:
            call.listen()
        else:
            call.change_nothing()
        if rest is not None:
            call.resume()
        return
    what: dict[str, Any] = {}
    if call.owner == "server":
        what["turn_detection"] = {
            "type": "server_vad",
            "prefix_padding_ms": 300,
            "silence_duration_ms": rng.choice((300, 500, 700)),
        }
    by_session = rng.random() < 0.5
    if by_session:
        what["model"] = rng.choice(("gpt-4o-transcribe", "whisper-1"))
    rest = rng.choice((None, WORD_SAMPLES // 2))
    call.say(1, 60, rest)
    call.change(by_session, **what)
    if rest is not None:
        call.resume()
    if rng.random() < 0.2:
        rng.choice((call.drop, call.drop_one))(rng.choice(CODES))


def disturb(call: Call, rng: random.Random) -> None:
    """Something goes wrong, perhaps."""
    chance = rng.random()
    if chance < 0.14:
        call.drop(rng.choice(CODES))
    elif chance < 0.2:
        call.drop_one(rng.choice(CODES))
    elif chance < 0.23:
        call.freeze()
    elif chance < 0.26:
        call.deafen()
    elif chance < 0.31:
        call.reachable = False
    elif chance < 0.35:
        call.refuse(rng.choice(STATUSES), rng.choice(("", "2")))
        call.drop()
    elif chance < 0.36:
        call.leap(rng.uniform(1, 400))
    elif chance < 0.37:
        call.commit()
        call.drop()
    elif chance < 0.38:
        call.finalize()
        call.drop()
    elif chance < 0.42:
        call.slow_down(*rng.choice(PACES))
    elif chance < 0.46:
        call.refuses_spare = True
    elif chance < 0.7:
        call.reachable = True
        call.refuses_spare = False


def tally_of(call: Call) -> Tally:
    """What happened in a call."""
    old = call.faults_done + sum(e.server.struck for e in call.endpoints)
    old -= call.server.troubles.came["refused_timed"]
    return Tally(
        calls=1,
        words=len(call.spoken),
        delivered=call.watch.delivered,
        faults=old + call.server.troubles.came.total(),
        reported=call.watch.reported,
        sessions=call.opened,
        replayed_s=call.core.replay.replayed / ms(1000),
        audio_s=call.core.received / ms(1000),
        peak_held_ms=call.peak_held * 1000 // ms(1000),
        longest_outage_s=call.watch.longest_outage,
        changes=call.changes,
        changed=call.watch.changed,
        let_go=call.watch.let_go,
        after_end=len(call.spoken) - call.passed,
        switches=call.core.failover.switches,
        kinds=call.server.troubles.came + Counter(old=old),
    )

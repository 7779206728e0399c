"""Peers that are only half there: deaf, frozen, or just slow."""

from __future__ import annotations

import json
import random

import pytest
from sim import OWNERS, SILENCE, Call, SimServer, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.results import (
    SessionLost,
)

CHATTER = json.dumps({"type": "rate_limits.updated"})
#: What the README promises.
BOUND_S = 10


def make_call(owner: str = "server", seed: int = 1) -> Call:
    rng = random.Random(seed)
    limits = Limits(
        packet_ms=100, replay_packet_ms=1000, finalize_timeout_ms=60_000
    )
    return Call(rng, SimServer(rng), owner, limits)


def losses(call: Call) -> list[SessionLost]:
    return [r for r in call.results if isinstance(r, SessionLost)]


def talk_until_lost(call: Call, chatter: bool) -> float:
    """Seconds until the connection is given up, 60 at most."""
    begin = call.now
    [connection] = call.connections
    while not losses(call) and call.now < begin + 60:
        if chatter and connection.open:
            connection.push(call.now, CHATTER)
        call.say(1, 0)
    return call.now - begin


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("state", ["deafen", "freeze"])
@pytest.mark.parametrize("seed", range(4))
def test_a_peer_that_does_not_read_is_noticed_within_the_bound(
    owner, state, seed
):
    """Also when it goes on sending, and whenever it begins."""
    call = make_call(owner, seed)
    call.say(3)
    call.pause(1000 + 777 * seed)
    getattr(call, state)()
    took = talk_until_lost(call, chatter=state == "deafen")
    assert took <= BOUND_S
    assert len(losses(call)) == 1
    call.finish()
    call.check()
    assert len(call.heard) == len(call.spoken)


@pytest.mark.parametrize("owner", OWNERS)
def test_a_peer_that_dies_over_an_answer_is_noticed_within_the_bound(owner):
    """Nobody speaks any more, and no audio flows: the user waits."""
    call = make_call(owner)
    call.server.faults.no_completed = 1.0
    call.say(3)
    call.finalize()
    call.wait(5)
    call.freeze()
    begin = call.now
    while not losses(call) and call.now < begin + 60:
        call.wait(0.5)
    assert call.now - begin <= BOUND_S


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(
    ("pace", "reads_ahead"), [(1.1, False), (2.0, False), (2.2, True)]
)
def test_a_server_that_is_slow_at_a_replay_is_not_given_up(
    owner, pace, reads_ahead
):
    call = make_call(owner)
    call.say(2)
    call.reachable = False
    call.drop()
    for _ in range(10):
        call.say(8)
        call.pause(1200)
    call.slow_down(pace, reads_ahead)
    call.reachable = True
    gone = len(losses(call))
    call.wait(2)
    for _ in range(10):
        call.say(8)
        call.pause(1200)
    lost = len(losses(call)) - gone
    call.finish()
    call.check()
    assert lost == 0, losses(call)
    assert len(call.heard) == len(call.spoken)


def test_audio_goes_out_only_so_far_ahead_of_the_last_pong():
    call = make_call("client")
    call.say(1)
    call.pause(2000)
    link = call.core.active
    assert link is not None
    call.connections.clear()  # From here on this test is the server.
    call.core.audio(word_audio(1) * 500)
    ahead, answers = [], 0
    while True:
        before = link.session.audio.samples
        while call.core.exchange.next_message(link, call.now) is not None:
            pass
        if not link.wants_ping:
            break
        assert link.session.audio.samples - before <= ms(8000 + 1000)
        ahead.append(link.session.audio.samples - before)
        link.take_ping()
        call.core.exchange.pong(link, call.now)
        answers += 1
    assert call.core.received - link.session.sent < ms(100)
    assert ahead[0] >= ms(8000 - 3000)
    assert answers >= len(word_audio(1)) * 500 // ms(8000)


def test_a_full_window_does_not_wake_the_sender():
    call = make_call("client")
    call.say(1)
    call.pause(2000)
    link = call.core.active
    assert link is not None
    call.connections.clear()
    assert call.core.audio(SILENCE * ms(9000))
    while call.core.exchange.next_message(link, call.now) is not None:
        pass
    assert not call.core.audio(SILENCE * ms(9000))

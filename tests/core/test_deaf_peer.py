"""A server that sends and sends but reads nothing any more."""

from __future__ import annotations

import json
import random

from sim import Call, SimServer
from ten_packages.extension.openai_asr_python.realtime.results import (
    SessionLost,
)

CHATTER = json.dumps({"type": "rate_limits.updated"})


def test_what_it_sends_does_not_hide_for_ever_that_it_is_deaf():
    rng = random.Random(1)
    call = Call(rng, SimServer(rng))
    call.say(3)
    call.pause(2000)
    call.deafen()
    [connection] = call.connections
    for _ in range(120):
        connection._push(call.now, CHATTER)
        call.say(1)
        call.pause(500)
        if not connection.open:
            break
    lost = [r for r in call.results if isinstance(r, SessionLost)]
    assert len(lost) == 1
    call.finish()
    call.check()
    assert len(call.heard) == len(call.spoken)

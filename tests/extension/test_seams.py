"""Where something changes: the start of a call, its end, and what is between
two configurations."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from typing import Any

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_packages.extension.openai_asr_python.call import call as call_module
from ten_packages.extension.openai_asr_python.call import (
    intake as intake_module,
)
from ten_packages.extension.openai_asr_python.call import update_queue
from ten_packages.extension.openai_asr_python.call.scoring import Scoring
from ten_packages.extension.openai_asr_python.extension import (
    OpenAIASRExtension,
)
from ten_packages.extension.openai_asr_python.properties.updates import Version
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_runtime import AudioFrame, AudioFrameDataFmt

from devkit.matrix.known_speech import KnownSpeechEngine, call_audio, call_words
from devkit.server import Faults, ServerThread

GOOD, WRONG = "sk-good-0123456789", "sk-wrong-0123456789"


async def update(call: Call, **params) -> tuple[int, str, str]:
    """The answer: code, message, and from when on it applies."""
    result, error = await call.command(
        "update_configs", json.dumps({"params": params})
    )
    assert error is None
    assert result is not None
    applies, _ = result.get_property_string("applies")
    return (
        result.get_property_int("code")[0],
        result.get_property_string("message")[0],
        applies,
    )


async def outage(call: Call, server: ServerThread) -> None:
    """A call that was connected; nobody is there any more, and it knows."""
    await call.until(lambda: call.metric("connect_delay"))
    server.stop_listening()
    server.drop_connections()
    await call.until(lambda: call.errors)


# -- B1: which call is there -------------------------------------------------


@pytest.mark.parametrize("auto_connect", [True, False])
@pytest.mark.parametrize("times", [1, 3])
def test_an_update_before_the_connection_leaves_no_deaf_call(
    auto_connect, times
):
    """With the default model, whose detector is loaded in a thread."""
    sound = call_audio(16000)
    with ServerThread(engine=KnownSpeechEngine()) as server:

        async def script(call: Call) -> None:
            answers = [
                asyncio.ensure_future(update(call, prompt=f"call {n}"))
                for n in range(times)
            ]
            await call.send_data("trigger_connect")
            await call.send(sound)
            for answer in answers:
                assert (await answer)[:2] == (0, "applied")
            await call.until_finalized("end")

        config = properties(
            server.url,
            input_audio_transcription={"model": "gpt-live-transcribe"},
            top={"auto_connect": auto_connect},
        )
        call = run_call(config, script)
        assert " ".join(call.texts).split() == call_words()
        assert call.errors == []
        # No session is left over with nobody who stops it.
        server.wait_for(lambda: not any(s.open for s in server.sessions))
        prompt = server.sessions[-1].config["audio"]["input"]["transcription"]
        assert prompt["prompt"] == f"call {times - 1}"


@pytest.mark.parametrize(
    "more",
    [
        {"max_buffer_ms": 3_600_000, "max_turn_ms": 600_000},
        {"max_turn_ms": 2000},
        {"turn_detection": {"prefix_padding_ms": 0}},
        {"turn_detection": {"prefix_padding_ms": 10_000}},
        {"turn_detection": {"silence_duration_ms": 20}},
        {"turn_detection": {"silence_duration_ms": 10_000}},
        {"turn_detection": {"threshold": 0.0, "silence": "skip"}},
        {"turn_detection": {"prefix_padding_ms": 0, "silence": "skip"}},
    ],
)
def test_a_number_at_its_end_makes_a_call_that_works(more):
    """By the local detector, which counts in them."""

    async def script(call: Call) -> None:
        await call.send(call_audio(16000))
        await call.until_finalized("end")

    detection = {"type": "local", **more.get("turn_detection", {})}
    with ServerThread(engine=KnownSpeechEngine()) as server:
        config = properties(server.url, **{**more, "turn_detection": detection})
        call = run_call(config, script)
    assert " ".join(call.texts).split() == call_words()
    assert call.errors == []


def test_the_least_buffer_makes_a_call_that_works():
    """Its turns are longer; what was sent of them is kept no more."""
    sound = call_audio(16000)

    async def script(call: Call) -> None:
        for start in range(0, len(sound), 8000):
            await call.send(sound[start : start + 8000])
            sent_ms = start // 16
            await asyncio.to_thread(
                server.wait_for,
                lambda ms=sent_ms: (
                    server.sessions and server.sessions[-1].audio_ms >= ms
                ),
            )
        await call.until_finalized("end")

    with ServerThread(engine=KnownSpeechEngine()) as server:
        config = properties(
            server.url, turn_detection={"type": "local"}, max_buffer_ms=1000
        )
        call = run_call(config, script)
    assert " ".join(call.texts).split() == call_words()
    assert call.errors == []


# -- B2: who hears speech ----------------------------------------------------


@pytest.mark.parametrize(
    "then",
    [
        {"type": "local", "silence_duration_ms": 700},
        {"type": "local", "silence": "skip"},
        {"type": "none"},
        {"type": "server_vad"},
    ],
)
@pytest.mark.parametrize("first", ["local", "none"])
def test_no_word_is_lost_by_another_detector(first, then):
    """Said before the change, not ended yet, and after it."""
    sound = call_audio(16000)
    pause = 700 + 1000
    with ServerThread(engine=KnownSpeechEngine()) as server:

        async def script(call: Call) -> None:
            # In the middle of the first sentence.
            await call.send(sound[: pause * 16])
            await server.until(
                lambda: server.sessions and server.sessions[0].audio_ms >= 1500
            )
            answer = asyncio.ensure_future(update(call, turn_detection=then))
            # One that did not wait for a pause would be answered by then.
            await asyncio.wait([answer], timeout=1)
            await call.send(sound[pause * 16 :])
            assert (await answer)[:2] == (0, "applied")
            await call.until_finalized("end")

        config = properties(
            server.url,
            input_audio_transcription={"model": "gpt-transcribe"},
            turn_detection={"type": first},
        )
        call = run_call(config, script)
    words = " ".join(call.texts).split()
    assert words == call_words()
    assert call.errors == []


def test_a_detector_does_not_change_in_a_word_that_began_meanwhile():
    """The service takes its time to answer a change that came in a pause."""
    sound = call_audio(16000)
    with ServerThread(engine=KnownSpeechEngine()) as server:

        async def script(call: Call) -> None:
            await call.send(sound[: 2900 * 16])
            await call.until_finals(1)
            server.inject(slow_session_updated_ms=500)
            answer = asyncio.ensure_future(
                update(
                    call,
                    turn_detection={"silence_duration_ms": 700},
                    input_audio_transcription={"language": "de"},
                )
            )
            await server.until(lambda: updates(server) == 2)
            await call.send(sound[2900 * 16 : 3600 * 16])
            await asyncio.wait([answer], timeout=1)
            await call.send(sound[3600 * 16 :])
            assert await answer == (0, "applied", "next turn")
            await call.until_finalized("end")

        call = run_call(local_turns(server), script)
    assert " ".join(call.texts).split() == call_words()
    assert call.errors == []


def local_turns(server: ServerThread) -> dict[str, Any]:
    return properties(
        server.url,
        input_audio_transcription={"model": "gpt-transcribe"},
        turn_detection={"type": "local"},
    )


def updates(server: ServerThread) -> int:
    """How often the session was asked for settings."""
    return server.sessions[0].client_types().count("session.update")


def test_a_detector_that_changes_in_silence_is_there_after_five_seconds(
    monkeypatch,
):
    """Where no more audio comes; then a word may be cut."""
    assert call_module.PATIENCE_S == 5
    monkeypatch.setattr(call_module, "PATIENCE_S", 1.0)
    sound = call_audio(16000)
    with ServerThread(engine=KnownSpeechEngine()) as server:

        async def script(call: Call) -> None:
            await call.send(sound[: 1700 * 16])
            await server.until(
                lambda: server.sessions and server.sessions[0].audio_ms >= 1500
            )
            code, _, applies = await update(
                call, turn_detection={"silence_duration_ms": 700}
            )
            assert (code, applies) == (0, "next turn")
            await call.send(sound[1700 * 16 :])
            await call.until_finalized("end")

        call = run_call(local_turns(server), script)
    words = " ".join(call.texts).split()
    # A piece of 150 ms may be cut in two.
    assert len(set(call_words()) - set(words)) <= 1


# -- B5: planar frames -------------------------------------------------------


@pytest.mark.parametrize("planar", [True, False])
def test_stereo_is_mixed_whichever_way_its_channels_lie(server, planar):
    audio, _ = spoken([[1, 2, 3]])

    async def script(call: Call) -> None:
        for start in range(0, len(audio), 160):
            piece = audio[start : start + 160]
            both = np.concatenate([piece, piece])
            if not planar:
                both = np.repeat(piece, 2)
            frame = AudioFrame.create("pcm_frame")
            frame.alloc_buf(both.nbytes)
            view = frame.lock_buf()
            view[:] = both.tobytes()
            frame.unlock_buf(view)
            frame.set_sample_rate(16000)
            frame.set_number_of_channels(2)
            frame.set_bytes_per_sample(2)
            if planar:
                frame.set_data_fmt(AudioFrameDataFmt.NON_INTERLEAVE)
            await call.env.send_audio_frame(frame)
            await asyncio.sleep(0)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2, 3])


@pytest.mark.parametrize("cut", [641, 1, 3, 4097])
def test_frames_cut_anywhere_lose_nothing(server, cut):
    audio, _ = spoken([[1, 2, 3], [4]])
    raw = audio.tobytes()
    # Those of a byte would be too many.
    parts = [raw[i : i + cut] for i in range(0, len(raw), cut)]
    if cut < 100:
        parts = [*parts[:200], raw[200 * cut :]]

    async def script(call: Call) -> None:
        for part in parts:
            frame = AudioFrame.create("pcm_frame")
            frame.alloc_buf(len(part))
            view = frame.lock_buf()
            view[:] = part
            frame.unlock_buf(view)
            frame.set_sample_rate(16000)
            await call.env.send_audio_frame(frame)
            await asyncio.sleep(0)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2, 3], [4])
    assert call.errors == []


# -- B6: the dead period and the end -----------------------------------------


def test_times_count_what_came_while_the_call_was_dead(server):
    """A fatal error, five seconds that nobody heard, another key."""
    first, _ = spoken([[1, 2]])
    dead = np.zeros(16000 * 5, np.int16)
    second, times = spoken([[3, 4]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.send(first)
        await call.send(dead)
        assert await update(call, api_key=GOOD) == (0, "applied", "new session")
        await call.send(second)
        await call.until_finalized("end")

    call = run_call(properties(server.url, api_key=WRONG), script)
    assert call.texts == text_of([3, 4])
    before = (len(first) + len(dead)) // 16
    assert abs(call.finals[0]["start_ms"] - (before + times[0][0])) <= 20
    codes = [error["code"] for error in call.errors]
    assert codes == [-1000, 1000]
    told = call.errors[1]
    assert told["vendor_info"]["code"] == "audio_dropped"
    assert f"{before} ms from 0 ms on" in told["message"]
    assert "full" not in told["message"]


def test_all_audio_that_was_reported_as_dropped_is_counted(server, tmp_path):
    """In two calls of a node that were given up, and behind each of them."""
    audio, _ = spoken([[1, 2]])

    async def fail(call: Call, fatal: int) -> None:
        server.refuse(http_status=401)
        server.drop_connections()
        await call.until(
            lambda: [e["code"] for e in call.errors].count(-1000) == fatal
        )
        # Nobody hears it.
        await call.send(audio)
        server.refuse(False)

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        server.drop_connections()
        await call.until(lambda: len(call.metric("connect_delay")) == 2)
        await call.send(audio[:16000])
        await fail(call, 1)
        assert await update(call, api_key=GOOD) == (0, "applied", "new session")
        await call.send(audio)
        await call.until_finalized("a")
        server.drop_connections()
        await call.until(lambda: len(call.metric("connect_delay")) == 4)
        await fail(call, 2)

    # The last ones come when the tester may be gone.
    dump = tmp_path / "call.pcm"
    config = properties(server.url, dump=True, dump_path=str(dump))
    run_call(config, script)
    lines = dump.with_suffix(".jsonl").read_text("utf-8").splitlines()
    logged = [json.loads(line) for line in lines]
    reported = [
        int(ms)
        for entry in logged
        if entry["kind"] == "error"
        for ms in re.findall(r"dropped: (\d+) ms", entry["message"])
    ]
    counts = [e["counters"] for e in logged if e["kind"] == "counters"]
    assert sum(reported) > 2 * len(audio) // 16
    assert abs(counts[-1]["dropped_ms"] - sum(reported)) <= 2
    assert counts[-1]["reconnects"] == 2


def test_what_waited_for_a_whole_packet_as_the_call_was_given_up_is_reported():
    """90 ms came before the key was refused; a part was still here."""
    faults = Faults(slow_handshake="always", slow_handshake_ms=300)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(np.zeros(90 * 16, np.int16), frame_ms=10)
            await call.until(lambda: len(call.errors) == 2)
            assert await update(call, api_key=GOOD) == (
                0,
                "applied",
                "new session",
            )
            await call.until(lambda: len(call.errors) == 3)

        call = run_call(properties(server.url, api_key=WRONG), script)
    numbers = [re.findall(r"\d+", e["message"]) for e in call.errors[1:]]
    (first, start), (second, then) = numbers
    assert (int(start), int(then)) == (0, int(first))
    assert int(first) + int(second) == 90


def test_times_count_what_came_before_a_valid_configuration(server):
    audio, times = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.send(audio)
        code, message, applies = await update(call, sample_rate=16000)
        assert (code, message, applies) == (0, "applied", "new session")
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url, sample_rate="fast"), script)
    assert call.texts == text_of([1, 2])
    expected = len(audio) // 16 + times[0][0]
    assert abs(call.finals[0]["start_ms"] - expected) <= 20


async def test_frames_are_counted_once_as_the_call_begins(monkeypatch):
    """They came before there was one, and the base has not looked at them."""
    extension = OpenAIASRExtension("asr")
    told = []

    async def handle(*_: object) -> None:
        assert extension._slot.call is None

    async def report(fault: Fault) -> None:
        told.append(fault.message)

    async def made(*_: object) -> object:
        return object()

    monkeypatch.setattr(extension, "_handle_audio_frame", handle)
    monkeypatch.setattr(extension._errors, "send", report)
    monkeypatch.setattr(extension._lifecycle, "_make", made)
    extension.ten_env = None
    extension.auto_connect = False
    for _ in range(3):
        frame = AudioFrame.create("pcm_frame")
        frame.alloc_buf(320)
        await extension.on_audio_frame(None, frame)
    config = Version.load({"params": {"api_key": GOOD}}).config
    assert await extension._lifecycle.apply(config, 9.0, False) == "at once"
    assert extension.audio_frames_queue.empty()
    [text] = told
    assert "30 ms from 0 ms on" in text


def test_a_revival_that_is_refused_again_says_so(server):
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        code, message, _ = await update(call, api_key=WRONG + "2")
        assert code == -1
        assert "Incorrect API key" in message
        assert "0123456789" not in message
        code, message, applies = await update(call, api_key=GOOD)
        assert (code, message, applies) == (0, "applied", "new session")

    run_call(properties(server.url, api_key=WRONG), script)


def test_what_is_undelivered_at_the_end_is_reported_with_its_length(tmp_path):
    """Who listens to the test is gone by then; the session log is not."""
    audio, times = spoken([[1, 2, 3]])
    with ServerThread(
        engine="script", faults=Faults(never_completed="always")
    ) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await server.until(
                lambda: server.sessions and server.sessions[0].items
            )

        config = properties(
            server.url,
            stop_timeout_ms=200,
            dump=True,
            dump_path=str(tmp_path / "call.pcm"),
        )
        run_call(config, script)
    lines = (tmp_path / "call.jsonl").read_text().splitlines()
    told = [
        entry["message"]
        for entry in map(json.loads, lines)
        if entry["kind"] == "error"
    ]
    assert len(told) == 1
    assert "stopped" in told[0]
    length = int(told[0].split(": ")[1].split(" ms")[0])
    assert length >= times[0][1] - times[0][0]


# -- B7: what the service is not told ----------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"log_level": "DEBUG"},
        {"stop_timeout_ms": 1234},
        {"connect_timeout_ms": 4321},
        {},
        {"prompt": ""},
    ],
)
@pytest.mark.parametrize("outage", [True, False])
def test_a_change_that_the_service_is_not_told_is_there_at_once(
    server, params, outage
):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        if outage:
            server.stop_listening()
            server.drop_connections()
            await call.until(lambda: len(call.errors) >= 2)
        assert await update(call, **params) == (0, "applied", "at once")

    run_call(properties(server.url), script)
    assert len(server.sessions) == 1
    assert server.sessions[0].config_updates == 1


@pytest.mark.parametrize("params", [{"log_level": "DEBUG"}, {}])
def test_it_does_not_wait_behind_one_that_waits_for_the_service(server, params):
    """Both are in force in the end."""

    async def script(call: Call) -> None:
        await outage(call, server)
        asked = asyncio.ensure_future(update(call, prompt="other"))
        await asyncio.sleep(0)
        assert await update(call, **params) == (0, "applied", "at once")
        assert not asked.done()
        server.start_listening()
        assert await asked == (0, "applied", "new session")
        await call.until(lambda: server.sessions[-1].config_updates)

    run_call(properties(server.url), script)
    request = server.sessions[-1].config["audio"]["input"]["transcription"]
    assert request["prompt"] == "other"


def test_what_takes_back_one_that_waits_comes_after_it(server):
    """By itself it would change nothing."""

    async def script(call: Call) -> None:
        await outage(call, server)
        asked = asyncio.ensure_future(update(call, prompt="other"))
        await asyncio.sleep(0)
        back = asyncio.ensure_future(update(call, prompt=""))
        await asyncio.sleep(0)
        server.start_listening()
        assert (await asked)[0] == 0
        assert (await back)[0] == 0
        # Together they are no change, which is answered in the outage.
        await server.until(lambda: len(requests()) > 1)

    def requests() -> list[Any]:
        """Of the sessions that were told their settings."""
        configs = [s.config for s in server.sessions if s.config]
        found = [c["audio"]["input"]["transcription"] for c in configs]
        return [request for request in found if request]

    run_call(properties(server.url), script)
    request = requests()[-1]
    assert request["prompt"] is None


# -- answers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "applies"),
    [
        ({"prompt": "other"}, "next turn"),
        ({"language": "de"}, "next turn"),
        ({"turn_detection": {"silence_duration_ms": 800}}, "next turn"),
        ({"model": "whisper-1"}, "new session"),
        ({"api_key": GOOD}, "new session"),
        ({"headers": {"X-A": "b"}}, "new session"),
    ],
)
def test_the_answer_tells_from_when_on_it_applies(server, params, applies):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        assert await update(call, **params) == (0, "applied", applies)

    run_call(properties(server.url), script)
    assert len(server.sessions) == (2 if applies == "new session" else 1)


def test_two_at_once_are_made_one_after_the_other_and_both_answered(server):
    """While somebody speaks: who waits does not wait for a pause."""
    audio, _ = spoken([[*range(1, 25)]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(audio[: len(audio) // 2])
        answers = await asyncio.gather(
            update(call, prompt="one"), update(call, keywords=["two"])
        )
        assert [a[:2] for a in answers] == [(0, "applied")] * 2
        await call.send(audio[len(audio) // 2 :])
        await call.until_finalized("end")

    # No frames come while they are made, but he goes on speaking.
    call = run_call(properties(server.url, gap_timeout_ms=0), script)
    request = server.sessions[-1].config["audio"]["input"]["transcription"]
    assert request["prompt"] == "one Keywords: two."
    words = " ".join(call.texts).split()
    assert words == text_of([*range(1, 25)])[0].split()


def test_an_update_in_an_outage_is_refused_in_time_and_changes_nothing(
    server, monkeypatch
):
    audio, _ = spoken([[1, 2]])
    # Less than the ten seconds that are promised; and here still less.
    assert update_queue._UPDATE_S == 9.5
    monkeypatch.setattr(update_queue, "_UPDATE_S", 2.5)

    async def script(call: Call) -> None:
        await outage(call, server)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        code, message, _ = await update(call, prompt="other")
        assert loop.time() - begin < 4
        assert code == -1
        assert "in time" in message
        server.start_listening()
        await call.send(audio)
        await call.until_finals(1)

    call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2])
    request = server.sessions[-1].config["audio"]["input"]["transcription"]
    assert request["prompt"] is None


def test_the_end_of_the_call_answers_an_update_under_way(server):
    """It waits for a pause that never comes."""
    audio, _ = spoken([[*range(1, 9)]])
    answers: list[tuple[int, str, str]] = []

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(audio[: len(audio) // 2])

        async def ask() -> None:
            answers.append(await update(call, prompt="other"))

        task = asyncio.ensure_future(ask())
        await asyncio.sleep(0)
        await call.until_finalized("end")
        await task

    run_call(properties(server.url), script)
    assert len(answers) == 1


class Outcomes(list[str]):
    """How each command ended: a host cancels what is left at the end."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)

    async def until_begun(self, number: int) -> None:
        """A host may take a message later than it was sent."""
        for _ in range(number):
            assert await asyncio.to_thread(self.begun.acquire, True, 20)


@pytest.fixture
def outcomes(monkeypatch) -> Outcomes:
    ended = Outcomes()
    real = OpenAIASRExtension.on_cmd

    async def on_cmd(self, ten_env, cmd) -> None:
        ended.begun.release()
        try:
            await real(self, ten_env, cmd)
        except BaseException as error:
            ended.append(repr(error))
            raise
        ended.append("answered")

    monkeypatch.setattr(OpenAIASRExtension, "on_cmd", on_cmd)
    return ended


def test_the_end_of_the_call_answers_all_that_wait_in_an_outage(
    server, host_log, outcomes
):
    """And leaves no task of ours behind."""

    async def script(call: Call) -> None:
        await outage(call, server)
        for number in range(5):
            # Their answers come when there is nobody any more to read them.
            payload = json.dumps({"prompt": f"call {number}"})
            asked = call.command("update_configs", payload)
            asyncio.ensure_future(asked)  # noqa: RUF006
        await outcomes.until_begun(5)

    run_call(properties(server.url, stop_timeout_ms=100), script)
    assert host_log.text.count("refused: the call is over") == 5
    assert outcomes == ["answered"] * 5
    left = [line for line in host_log.lines if "left after on_deinit" in line]
    assert "on_cmd" not in str(left)


def test_the_end_answers_an_update_that_loads_a_detector(
    server, monkeypatch, host_log, outcomes
):
    """Its model may take longer than the stop may."""
    loading, over = threading.Event(), threading.Event()

    def load() -> None:
        loading.set()
        over.wait(20)

    monkeypatch.setattr(intake_module, "SCORING", Scoring(load))

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        asked = call.command(
            "update_configs", json.dumps({"turn_detection": {"type": "local"}})
        )
        asyncio.ensure_future(asked)  # noqa: RUF006
        await asyncio.to_thread(loading.wait, 20)

    try:
        run_call(properties(server.url), script)
    finally:
        over.set()
    assert "update_configs refused: the call is over" in host_log.text
    assert outcomes == ["answered"]
    left = [line for line in host_log.lines if "left after on_deinit" in line]
    assert "on_cmd" not in str(left)

"""A caller who stops sending: mute, packet loss, a dead microphone."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_packages.extension.openai_asr_python.call.gap import GapTimer
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)

from devkit.matrix.known_speech import KnownSpeechEngine, call_audio, call_words
from devkit.server import ServerThread


def without_pause(turns: list[list[int]]):
    """Speech that breaks off with its last word; where that began and ended
    in ms."""
    audio, times = spoken(turns)
    begin, end = times[0][0], times[-1][1]
    return audio[: end * 16], begin, end


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_a_turn_that_breaks_off_is_over_after_a_while(server, kind):
    first, begin, end = without_pause([[1, 2, 3]])
    second, _ = spoken([[4, 5]])

    async def script(call: Call) -> None:
        await call.send(first)
        await call.until(lambda: len(call.texts) == 1)
        assert call.ends == []
        await call.send(second)
        await call.until_finalized("end")

    config = properties(
        server.url,
        turn_detection={"type": kind},
        gap_timeout_ms=300,
    )
    call = run_call(config, script)
    assert call.texts == text_of([1, 2, 3], [4, 5])
    one, other = (r for r in call.results if r["final"])
    assert abs(one["start_ms"] - begin) <= 60
    # The gap is no audio.
    assert other["start_ms"] >= end
    assert abs(other["start_ms"] - (end + begin)) <= 60
    assert call.errors == []


@pytest.mark.parametrize("silence", ["send", "skip"])
def test_the_local_detector_ends_it_as_well(silence):
    sound = call_audio(16000)
    broken_off = 1700 * 16

    async def script(call: Call) -> None:
        await call.send(sound[:broken_off])
        await call.until(lambda: call.texts)
        assert call.ends == []
        await call.send(sound[broken_off:])
        await call.until_finalized("end")

    with ServerThread(engine=KnownSpeechEngine()) as server:
        config = properties(
            server.url,
            input_audio_transcription={"model": "gpt-live-transcribe"},
            turn_detection={"type": "local", "silence": silence},
            gap_timeout_ms=300,
        )
        call = run_call(config, script)
    words = " ".join(call.texts).split()
    # A piece of 150 ms may be cut in two.
    assert len(set(call_words()) - set(words)) <= 1
    finals = [r for r in call.results if r["final"]]
    ends = [r["start_ms"] + r["duration_ms"] for r in finals]
    assert ends[0] <= 1700 + 60
    assert finals[1]["start_ms"] >= ends[0]
    assert call.errors == []


def test_by_default_it_is_a_second_after_the_pause_that_ends_a_turn():
    def gap_s(**given) -> float:
        return load_config({"api_key": "k", **given})[0].gap_s

    assert gap_s() == 1.5
    assert gap_s(turn_detection={"silence_duration_ms": 800}) == 1.8
    assert gap_s(gap_timeout_ms=250) == 0.25
    # Less lies between any two frames.
    assert gap_s(gap_timeout_ms=1) == 0.1
    assert gap_s(gap_timeout_ms=0) == 0


async def test_each_gap_is_noticed_once_and_none_where_that_is_off():
    gaps = 0

    def on_gap() -> None:
        nonlocal gaps
        gaps += 1

    async def until_no_timer() -> None:
        while timer._timer is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    timer = GapTimer(0.01, on_gap)
    for count in (1, 2):
        for _ in range(10):
            timer.frame()
        assert gaps == count - 1
        await until_no_timer()
        assert gaps == count
    timer.frame()
    timer.stop()
    timer.change(0.0)
    timer.frame()
    assert timer._timer is None
    # It is turned off while a frame is waited for.
    timer.change(0.01)
    timer.frame()
    timer.change(0.0)
    await until_no_timer()
    assert gaps == 2


@pytest.mark.parametrize("before", [0.0, 1000.0, 0.001])
async def test_another_time_counts_for_the_gap_under_way(before):
    gaps, over = 0, asyncio.Event()

    def on_gap() -> None:
        nonlocal gaps
        gaps += 1
        over.set()

    timer = GapTimer(before, on_gap)
    # Before the first frame there is no gap.
    timer.change(1000.0)
    timer.change(before)
    assert timer._timer is None
    timer.frame()
    timer.change(500.0)
    timer.change(0.02)
    await asyncio.wait_for(over.wait(), 20)
    # It was told.
    timer.change(0.01)
    assert timer._timer is None
    assert gaps == 1


@pytest.mark.parametrize("before", [0, 60_000])
def test_an_update_counts_for_a_caller_who_has_stopped(server, before):
    audio, _, _ = without_pause([[1, 2, 3]])

    async def script(call: Call) -> None:
        await call.send(audio)
        result, _ = await call.command(
            "update_configs", json.dumps({"gap_timeout_ms": 300})
        )
        assert result.get_property_string("applies")[0] == "at once"
        await call.until_finals(1)

    call = run_call(properties(server.url, gap_timeout_ms=before), script)
    assert call.texts == text_of([1, 2, 3])


async def test_frames_that_wait_while_the_loop_is_held_are_no_gap():
    """They take some rounds of the loop to come here."""
    loop, gaps, over = asyncio.get_running_loop(), [], asyncio.Event()

    def on_gap() -> None:
        gaps.append(loop.time())
        over.set()

    timer = GapTimer(0.1, on_gap)

    def came(rounds: int) -> None:
        if rounds:
            loop.call_soon(came, rounds - 1)
        else:
            timer.frame()

    for held_s in (0.06, 0.09, 0.1, 0.11, 0.16, 0.3):
        timer.frame()
        loop.call_soon_threadsafe(came, 8)
        # Another extension does.
        time.sleep(held_s)  # noqa: ASYNC251
        for _ in range(10):
            await asyncio.sleep(0)
    assert gaps == []
    last = loop.time()
    await asyncio.wait_for(over.wait(), 20)
    assert gaps[0] - last > 0.05
    assert timer._timer is None


def test_a_finalize_after_a_mute_costs_no_session(server):
    """By then a PING is overdue; nobody asks when a timer would have rung."""
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        for number in (1, 2):
            await call.send(audio)
            # Longer than twice the time between two PINGs of a busy session.
            await asyncio.sleep(1.7)
            await asyncio.gather(*(call.finalize(f"{number}{k}") for k in "ab"))
            await call.until_finalized(f"{number}b")

    config = properties(
        server.url,
        turn_detection={"type": "none"},
        gap_timeout_ms=0,
        peer_timeout_ms=2000,
    )
    call = run_call(config, script)
    assert call.texts == text_of([1, 2], [1, 2])
    assert call.errors == []
    assert len(server.sessions) == 1

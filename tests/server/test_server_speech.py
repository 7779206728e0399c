"""The speech engine on committed recordings: bounds on the word error rate.

A synthetic voice, two sentences: what people's speech comes out as is measured
on recordings that are not ours to commit (docs/speech_engine.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from realtime_client import COMMITTED, COMPLETED, DELTA, session

from devkit.demo.word_error_rate import word_error_rate
from devkit.server import LocalServer
from devkit.server.recogniser import RecogniserDied
from devkit.server.speech_engine import Interim, SpeechEngine

pytest.importorskip("moonshine_voice", reason="the recogniser is optional")

SENTENCES = [
    "could you tell me your name and your telephone number",
    "my number is five five five two three eight nine",
]
VAD = {"type": "server_vad", "silence_duration_ms": 500}


def sample() -> npt.NDArray[np.int16]:
    """Two sentences at 24 kHz."""
    file = Path(__file__).with_name("data") / "two_turns_16k.flac"
    samples, rate = soundfile.read(file, dtype="int16")
    return np.asarray(soxr.resample(samples, rate, 24_000), np.int16)


def rate(said: str, heard: list[str]) -> float:
    return word_error_rate(said, " ".join(heard))


async def test_turns_of_the_server_are_the_sentences() -> None:
    async with (
        LocalServer("speech") as server,
        session(server, vad=VAD) as client,
    ):
        await client.speak(sample())
        first = await client.until(COMPLETED)
        second = await client.until(COMPLETED)
        heard = [first["transcript"], second["transcript"]]
        for said, text in zip(SENTENCES, heard, strict=True):
            assert rate(said, [text]) <= 0.2
        # One that the detector never hears begins no turn.
        begun = len(client.of("input_audio_buffer.speech_started"))
        tone = 8000 * np.sin(np.arange(48_000) / 24_000 * 880 * 2 * np.pi)
        await client.speak(tone.astype(np.int16))
        await client.speak(np.zeros(24_000, np.int16))
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        assert len(client.of("input_audio_buffer.speech_started")) == begun == 2


async def test_the_server_answers_while_a_look_is_in_progress() -> None:
    async with LocalServer("speech") as server, session(server) as client:
        await client.speak(sample())
        await client.send("input_audio_buffer.commit")
        await client.until(COMMITTED)
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        assert not client.of(COMPLETED)
        completed = await client.until(COMPLETED)
        assert rate(" ".join(SENTENCES), [completed["transcript"]]) <= 0.16


async def test_interim_text_comes_before_the_commit() -> None:
    async with (
        LocalServer("speech") as server,
        session(server, "gpt-live-transcribe") as client,
    ):
        # At once, as audio is sent again after a reconnect.
        await client.speak(sample())
        first = await client.until(DELTA)
        await client.send("input_audio_buffer.commit")
        committed = await client.until(COMMITTED)
        assert committed["item_id"] == first["item_id"]
        completed = await client.until(COMPLETED)
        assert rate(" ".join(SENTENCES), [completed["transcript"]]) <= 0.16
        deltas = "".join(event["delta"] for event in client.of(DELTA))
        assert rate(" ".join(SENTENCES), [deltas]) <= 0.3
        await client.append(bytes(9600))
        await client.send("input_audio_buffer.commit")
        assert (await client.until(COMPLETED))["transcript"] == ""


async def test_telephone_audio_and_none() -> None:
    samples = np.asarray(soxr.resample(sample(), 24_000, 8000), np.int16)
    engine = SpeechEngine()
    try:
        text = await engine.transcribe(samples, 8000)
        assert rate(" ".join(SENTENCES), [text]) <= 0.16
        for silence in (np.zeros(8000, np.int16), samples[:0]):
            assert await engine.transcribe(silence, 8000) == ""

        # One that dies is an error, not a hang, and the next one works.
        assert engine.recogniser_pid is not None
        os.kill(engine.recogniser_pid, signal.SIGSTOP)
        waiting = asyncio.create_task(engine.transcribe(samples, 8000))
        await asyncio.sleep(0)
        os.kill(engine.recogniser_pid, signal.SIGKILL)
        # It may have died before it was asked.
        with contextlib.suppress(RecogniserDied):
            await waiting
        text = await engine.transcribe(samples, 8000)
        assert rate(" ".join(SENTENCES), [text]) <= 0.16
        # Closing waits for no look.
        os.kill(engine.recogniser_pid, signal.SIGSTOP)
        audio = np.ones(160_000, np.int16)
        looks = [
            asyncio.create_task(engine.decode(audio, urgent=False))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
    finally:
        engine.close()
    for look in looks:
        with pytest.raises(RecogniserDied):
            await look


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        (["One", "One two", "One two three"], ["", "One", " two"]),
        # A word that is not yet agreed on, and one that still grows.
        (["One too", "One two", "One two, three"], ["", "One", " two,"]),
        # All of both is the same: nothing grows any more.
        (["One two", "one, two."], ["", "one, two."]),
        # What is out stays out.
        (["A b", "A b", "C b d", "C b d e"], ["", "A b", "", " d"]),
        (["", ""], ["", ""]),
        (["日本", "日本語", "日本語です"], ["", "日本", "語"]),
    ],
)
def test_what_two_looks_agree_on_goes_out(
    looks: list[str], said: list[str]
) -> None:
    interim = Interim()
    assert ["".join(interim.looked(text)) for text in looks] == said


def test_what_a_piece_ends_with_goes_out() -> None:
    interim = Interim()
    interim.looked("Thank you")
    interim.looked("Thank you for")
    assert "".join(interim.settled("Thank you for calling.")) == " for calling."
    assert Interim().settled("") == []

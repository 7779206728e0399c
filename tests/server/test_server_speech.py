"""The speech engine on a committed sample of a synthetic voice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from realtime_client import COMMITTED, COMPLETED, DELTA, session

from devkit.server import LocalServer
from devkit.server.recogniser import Recogniser, RecogniserDied

pytest.importorskip("pocketsphinx", reason="the recogniser is optional")

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


async def test_real_speech_while_the_loop_stays_free() -> None:
    async with LocalServer("speech") as server:
        async with session(server, vad=VAD) as client:
            await client.speak(sample())
            await client.send("input_audio_buffer.clear")
            # Decoding takes about a second; answers do not wait for it.
            await client.until("input_audio_buffer.cleared")
            record = server.sessions[0]
            assert not record.transcripts
            await client.until(COMPLETED, 2)
            assert record.transcripts == SENTENCES

        async with session(server, "gpt-live-transcribe") as client:
            await client.speak(sample())
            first = await client.until(DELTA)
            await client.send("input_audio_buffer.commit")
            committed = await client.until(COMMITTED)
            assert committed["item_id"] == first["item_id"]
            completed = await client.until(COMPLETED)
            assert completed["transcript"] == " ".join(SENTENCES)
            await client.append(bytes(9600))
            await client.send("input_audio_buffer.commit")
            assert (await client.until(COMPLETED))["transcript"] == ""


async def test_a_session_that_ends_in_the_middle_frees_its_recogniser() -> None:
    async with LocalServer("speech") as server:
        for _ in range(8):  # more than there are streams with interims
            async with session(server, "gpt-live-transcribe") as client:
                await client.speak(sample()[:24_000])
        async with session(server, "gpt-live-transcribe") as client:
            await client.speak(sample())
            assert (await client.until(DELTA))["delta"].strip()


async def test_a_dead_recogniser_is_an_error_not_a_hang() -> None:
    recogniser = Recogniser()
    waiting = asyncio.get_running_loop().run_in_executor(
        None, lambda: recogniser.decode(np.zeros(16_000 * 60, np.int16))
    )
    recogniser.kill()
    with pytest.raises(RecogniserDied):
        await waiting
    assert not recogniser.alive

"""What each model answers, and the audio formats."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from realtime_client import COMMITTED, COMPLETED, DELTA, session

from devkit.script_audio import encode_words, speak
from devkit.server import LocalServer
from devkit.server.wire_audio import WireDecoder

VAD = {"type": "server_vad", "silence_duration_ms": 300}
BUFFER = "input_audio_buffer"


TOKENS = {  # 0.48 s of audio, two words
    "type": "tokens",
    "total_tokens": 6,
    "input_tokens": 4,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 4},
    "output_tokens": 2,
}
DURATION = {"type": "duration", "seconds": 1}


@pytest.mark.parametrize(
    ("model", "deltas", "usage"),
    [
        ("whisper-1", 1, DURATION),
        ("gpt-4o-transcribe", 2, TOKENS),
        ("gpt-4o-mini-transcribe", 2, TOKENS),
        ("gpt-4o-mini-transcribe-2025-12-15", 2, TOKENS),
        ("gpt-4o-transcribe-diarize", 2, TOKENS),
        ("gpt-transcribe", 2, DURATION),
        ("gpt-live-transcribe", 2, DURATION),
        ("gpt-realtime-whisper", 2, TOKENS),
    ],
)
async def test_what_each_model_answers(
    model: str, deltas: int, usage: dict[str, Any]
) -> None:
    include = ["item.input_audio_transcription.logprobs"]
    hint: dict[str, Any] = {"language": "de"}
    if model in ("gpt-transcribe", "gpt-live-transcribe"):
        hint = {"languages": ["de", "en"]}
    async with (
        LocalServer() as server,
        session(server, model, include=include, **hint) as client,
    ):
        await client.say(1, 2)
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000001 w000002"
        assert len(client.of(DELTA)) == deltas
        assert completed["usage"] == usage
        assert completed.get("languages") == (
            [{"code": "de"}] if model == "gpt-transcribe" else None
        )
        logprobs = "gpt-4o" in model and "diarize" not in model
        assert ("logprobs" in completed) == logprobs
        if logprobs:
            token = completed["logprobs"][1]
            assert bytes(token["bytes"]).decode() == token["token"]
            assert token["token"] == " w000002"
            assert token["logprob"] <= 0
        segments = client.of(
            "conversation.item.input_audio_transcription.segment"
        )
        assert bool(segments) == model.endswith("diarize")


async def test_without_a_hint_the_language_is_a_detection() -> None:
    async with (
        LocalServer() as server,
        session(server, "gpt-transcribe") as client,
    ):
        await client.say(1)
        completed = await client.until(COMPLETED)
        assert completed["languages"] == [{"code": "en"}]


@pytest.mark.parametrize(
    "model", ["gpt-live-transcribe", "gpt-realtime-whisper"]
)
async def test_streaming_models_speak_before_the_commit(model: str) -> None:
    async with LocalServer() as server, session(server, model) as client:
        samples, _ = speak([[1, 2]], 24_000, 100)
        await client.speak(samples)
        first = await client.until(DELTA)
        second = await client.until(DELTA)
        assert first["delta"] + second["delta"] == "w000001 w000002"
        await client.speak(encode_words([3], 24_000))
        await client.send(f"{BUFFER}.commit")
        committed = await client.until(COMMITTED)
        # Deltas before the commit carry the id that the item gets.
        assert committed["item_id"] == first["item_id"]
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000001 w000002 w000003"
        joined = "".join(delta["delta"] for delta in client.of(DELTA))
        assert joined == completed["transcript"]
        await client.say(4)
        assert (await client.until(COMPLETED))["transcript"] == "w000004"


async def test_duration_is_rounded_up_and_billed_for_silence() -> None:
    async with (
        LocalServer() as server,
        session(server, "gpt-transcribe") as client,
    ):
        await client.append(bytes(2 * 24_000 + 4800))
        await client.send(f"{BUFFER}.commit")
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == ""
        assert completed["usage"]["seconds"] == math.ceil(1.1)
        assert not client.of(DELTA)


@pytest.mark.parametrize("format_type", ["audio/pcmu", "audio/pcma"])
async def test_telephone_formats(format_type: str) -> None:
    samples, _ = speak([[77, 78]], 8000, 800)
    async with (
        LocalServer() as server,
        session(server, vad=VAD, format_type=format_type) as client,
    ):
        await client.append(companded(samples, format_type))
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000077 w000078"
        assert server.sessions[0].audio_ms == len(samples) / 8


def companded(samples: Any, format_type: str) -> bytes:
    """G.711 codes by libsndfile."""
    file = io.BytesIO()
    subtype = "ULAW" if format_type == "audio/pcmu" else "ALAW"
    soundfile.write(file, samples, 8000, format="RAW", subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("format_type", ["audio/pcmu", "audio/pcma"])
def test_g711_table_is_that_of_libsndfile(format_type: str) -> None:
    codes = bytes(range(256))
    subtype = "ULAW" if format_type == "audio/pcmu" else "ALAW"
    expected, _ = soundfile.read(
        io.BytesIO(codes),
        samplerate=8000,
        channels=1,
        format="RAW",
        subtype=subtype,
        dtype="int16",
    )
    assert WireDecoder(format_type).decode(codes).tolist() == expected.tolist()


async def test_samples_split_between_appends() -> None:
    data = encode_words([5], 24_000).tobytes()
    async with LocalServer() as server, session(server) as client:
        for start in range(0, len(data), 1001):
            await client.append(data[start : start + 1001])
        await client.send(f"{BUFFER}.commit")
        assert (await client.until(COMPLETED))["transcript"] == "w000005"


async def test_append_above_15_mib_is_refused() -> None:
    async with LocalServer() as server, session(server) as client:
        audio = base64.b64encode(bytes(15 * 1024 * 1024 + 3)).decode()
        await client.send(f"{BUFFER}.append", audio=audio)
        error = (await client.receive())["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "audio")
        assert server.sessions[0].audio_bytes == 0


async def test_changing_the_format_keeps_uncommitted_audio_and_time() -> None:
    async with LocalServer() as server, session(server) as client:
        await client.speak(encode_words([1], 24_000))
        await client.update(format_type="audio/pcmu")
        await client.append(companded(np.zeros(800, np.int16), "audio/pcmu"))
        more = encode_words([2], 8000)
        await client.append(companded(more, "audio/pcmu"))
        await client.send(f"{BUFFER}.commit")
        completed = await client.until(COMPLETED)
        assert completed["transcript"] == "w000001 w000002"
        assert server.sessions[0].commits[0].end_ms == 500

"""Plays an audio file into the graph as if somebody were calling."""

import asyncio
import json
from asyncio import sleep
from collections.abc import Iterator
from time import monotonic
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]
from pydantic import BaseModel, Field, FilePath, ValidationError
from ten_runtime import AsyncExtension, AsyncTenEnv, AudioFrame, Data
from ten_runtime import AudioFrameDataFmt as Format
from typing_extensions import override


class Settings(BaseModel):
    """The node's properties; numbers may be strings, as from `${env:…}`."""

    path: FilePath
    speed: float = Field(1.0, ge=0.01, le=1000)
    tail_silence_ms: int = Field(1000, ge=0, le=60_000)
    session_id: str = ""


class FileSourceExtension(AsyncExtension):
    """Sends a file as `pcm_frame`, then `asr_finalize`.

    To the captions go `source_progress` (position_ms, duration_ms, done)
    and, if the file cannot be played, one `source_error` (message).
    """

    @override
    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._task = asyncio.create_task(self._run(ten_env))

    @override
    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, ten_env: AsyncTenEnv) -> None:
        text, _ = await ten_env.get_property_to_json("")
        try:
            settings = Settings(**json.loads(text or "{}"))
            await self._play(ten_env, settings)
        except ValidationError as error:
            wrong = error.errors()[0]
            problem = f"{wrong['loc'][0]}: {wrong['msg']}: {wrong['input']}"
            await _send(ten_env, "source_error", {"message": problem})
        except Exception as error:
            why = getattr(error, "error_string", error)
            problem = f"{settings.path}: cannot be played: {why}"
            await _send(ten_env, "source_error", {"message": problem})

    async def _play(self, ten_env: AsyncTenEnv, settings: Settings) -> None:
        file = Recording(settings.path)
        if not file.frames:
            raise ValueError("contains no audio")
        rate = file.samplerate
        duration_ms = file.frames * 1000 // rate
        progress = {"position_ms": 0, "duration_ms": duration_ms, "done": False}
        metadata = {"session_id": settings.session_id}
        start_s, samples = monotonic(), 0
        frames = pcm_frames(file, settings.tail_silence_ms)
        for number, pcm in enumerate(frames):
            position_ms = samples * 1000 // rate
            progress["position_ms"] = min(position_ms, duration_ms)
            if number % 10 == 0:
                await _send(ten_env, "source_progress", progress)
            frame = _audio_frame(pcm, rate, file.channels)
            frame.set_timestamp(position_ms)
            frame.set_property_from_json("metadata", json.dumps(metadata))
            samples += frame.get_samples_per_channel()
            # Due when its last sample would have been spoken. Counted from
            # the start: waking up late does not add up.
            due_s = start_s + samples / rate / settings.speed
            await sleep(max(0.0, due_s - monotonic()))
            await ten_env.send_audio_frame(frame)
        end = {"finalize_id": "end-of-file", "metadata": metadata}
        await _send(ten_env, "asr_finalize", end)
        taken_s = max(monotonic() - start_s, 0.001)
        reached = {"speed": round(samples / rate / taken_s, 2)}
        progress |= {"position_ms": duration_ms, "done": True, **reached}
        await _send(ten_env, "source_progress", progress)


class Recording(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its beginning to its end, and no other way.

    `SoundFile` seeks behind each read, to where it is; an mp3 decoder loses
    what it knew of the past with that, and the samples at each seam are wrong.
    """

    def seekable(self) -> bool:
        return False


def pcm_frames(file: soundfile.SoundFile, tail_ms: int) -> Iterator[bytes]:
    """10 ms each of interleaved 16-bit samples, then `tail_ms` of silence."""
    size = max(1, file.samplerate // 100)
    # As floats: libsndfile scales no float file to integers.
    while len(wave := file.read(size, "float32", always_2d=True)):
        samples = np.nan_to_num(np.rint(wave * 32768.0))
        yield samples.clip(-32768, 32767).astype("<i2").tobytes()
    for _ in range(0, tail_ms, 10):
        yield bytes(size * file.channels * 2)


def _audio_frame(pcm: bytes, rate: int, channels: int) -> AudioFrame:
    frame = AudioFrame.create("pcm_frame")
    frame.set_sample_rate(rate)
    frame.set_number_of_channels(channels)
    frame.set_bytes_per_sample(2)
    frame.set_samples_per_channel(len(pcm) // 2 // channels)
    frame.set_data_fmt(Format.INTERLEAVE)
    frame.alloc_buf(len(pcm))
    buffer = frame.lock_buf()
    buffer[:] = pcm
    frame.unlock_buf(buffer)
    return frame


async def _send(ten_env: AsyncTenEnv, name: str, body: dict[str, Any]) -> None:
    data = Data.create(name)
    data.set_property_from_json("", json.dumps(body))
    await ten_env.send_data(data)

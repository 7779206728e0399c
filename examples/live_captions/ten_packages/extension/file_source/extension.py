"""Plays an audio file into the graph as if somebody were calling."""

import asyncio
import json
from asyncio import sleep
from time import monotonic
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from ten_runtime import AsyncExtension, AsyncTenEnv, AudioFrame, Data
from ten_runtime import AudioFrameDataFmt as Format
from typing_extensions import override

from .audio import open_audio, pcm_frames


class Settings(BaseModel):
    """The node's properties; numbers may be strings, as from `${env:…}`."""

    path: str
    speed: float = Field(1.0, ge=0.01, le=1000)
    frame_ms: int = Field(10, ge=1, le=1000)
    tail_silence_ms: int = Field(1000, ge=0, le=60_000)
    session_id: str = ""

    @classmethod
    def read(cls, text: str) -> "Settings":
        """Blank means not given; a ValueError names what is wrong."""
        properties = json.loads(text or "{}")
        try:
            return cls(**{k: v for k, v in properties.items() if v != ""})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{first['loc'][0]}: {first['msg']}") from None


class FileSourceExtension(AsyncExtension):
    """Sends a file as `pcm_frame`, then `asr_finalize`.

    To the captions go `source_progress` (position_ms, duration_ms, done)
    and, if the file cannot be played, one `source_error` (message).
    """

    _task: asyncio.Task[None] | None = None

    @override
    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._task = asyncio.create_task(self._run(ten_env))

    @override
    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, ten_env: AsyncTenEnv) -> None:
        try:
            text, _ = await ten_env.get_property_to_json("")
            await self._play(ten_env, Settings.read(text))
        except Exception as error:  # the captions tell people
            ten_env.log_error(f"file_source: {error!r}")
            await _send(ten_env, "source_error", {"message": str(error)})

    async def _play(self, ten_env: AsyncTenEnv, settings: Settings) -> None:
        # Opening and reading can block (network file systems), and all
        # Python extensions share one loop: so both go to a thread.
        file = await asyncio.to_thread(open_audio, settings.path)
        frames = pcm_frames(file, settings.frame_ms, settings.tail_silence_ms)
        duration_ms = file.frames * 1000 // file.samplerate
        metadata = {"session_id": settings.session_id}
        progress = {"position_ms": 0, "duration_ms": duration_ms, "done": False}
        await _send(ten_env, "source_progress", progress)
        start_s, told_ms, samples = monotonic(), 0, 0
        while pcm := await asyncio.to_thread(next, frames, b""):
            frame = _audio_frame(pcm, file.samplerate, file.channels)
            frame.set_timestamp(round(samples * 1000 / file.samplerate))
            frame.set_property_from_json("metadata", json.dumps(metadata))
            samples += frame.get_samples_per_channel()
            # Due when its last sample would have been spoken. Counted from
            # the start: waking up late does not add up.
            due_s = start_s + samples / file.samplerate / settings.speed
            await sleep(max(0.0, due_s - monotonic()))
            await ten_env.send_audio_frame(frame)
            position_ms = samples * 1000 // file.samplerate
            progress["position_ms"] = min(position_ms, duration_ms)
            if position_ms >= told_ms + 100:
                told_ms = position_ms
                await _send(ten_env, "source_progress", progress)
        end = {"finalize_id": "end-of-file", "metadata": metadata}
        await _send(ten_env, "asr_finalize", end)
        await _send(ten_env, "source_progress", {**progress, "done": True})


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

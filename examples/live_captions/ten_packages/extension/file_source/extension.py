"""The TEN side of the file source: audio frames and progress out."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from ten_runtime import (
    AsyncExtension,
    AsyncTenEnv,
    AudioFrame,
    AudioFrameDataFmt,
    Data,
)

from .audio_file import AudioFile, AudioFileError, Frame, silence
from .pacing import Pacer
from .settings import Settings

_PROGRESS_MS = 100
_FINALIZE_ID = "end-of-file"


class _Closed(Exception):
    """TEN takes no more messages: the graph is going down."""


class FileSourceExtension(AsyncExtension):
    """Sends a file as `pcm_frame`, then `asr_finalize`.

    To the captions go `source_progress` (position_ms, duration_ms, done)
    and, if the file cannot be played, one `source_error` (message).
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._task: asyncio.Task[None] | None = None

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._task = asyncio.create_task(self._run(ten_env))

    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, ten_env: AsyncTenEnv) -> None:
        try:
            text, _ = await ten_env.get_property_to_json("")
            settings = Settings.from_properties(json.loads(text or "{}"))
            await self._play(ten_env, settings)
        except _Closed:
            return
        except (AudioFileError, ValueError) as error:
            await self._report_error(ten_env, str(error))
        except Exception as error:
            ten_env.log_error(f"file_source: {error!r}")
            await self._report_error(ten_env, f"file_source: {error!r}")

    async def _play(self, ten_env: AsyncTenEnv, settings: Settings) -> None:
        # Opening and reading can block (network file systems), and all
        # Python extensions share one loop: so both go to a thread.
        file = await asyncio.to_thread(AudioFile, settings.path)
        with file:
            sender = _Sender(ten_env, settings, file)
            blocks = file.blocks(settings.frame_ms)
            while block := await asyncio.to_thread(_next_block, blocks):
                for frame in block:
                    await sender.audio(frame)
            await sender.tail()
        await sender.finalize()

    async def _report_error(self, ten_env: AsyncTenEnv, text: str) -> None:
        with contextlib.suppress(_Closed):
            await _send_data(ten_env, "source_error", {"message": text})


class _Sender:
    """Sends the frames of one file at the right moments."""

    def __init__(
        self, ten_env: AsyncTenEnv, settings: Settings, file: AudioFile
    ) -> None:
        self._ten_env = ten_env
        self._settings = settings
        self._pacer = Pacer(settings.speed)
        self._rate = file.sample_rate
        self._channels = file.channels
        self._duration_ms = file.duration_ms
        self._metadata = json.dumps({"session_id": settings.session_id})
        self._samples = 0  # sent, per channel
        self._reported_ms = -_PROGRESS_MS

    async def audio(self, frame: Frame) -> None:
        """Send one frame when its last sample would have been spoken."""
        if self._samples == 0:
            await self._pacer.until(0)
            await self._progress()
        self._samples += frame.samples
        position_ms = self._samples * 1000 / self._rate
        await self._pacer.until(position_ms)
        _check(await self._ten_env.send_audio_frame(self._message(frame)))
        if position_ms - self._reported_ms >= _PROGRESS_MS:
            await self._progress()

    async def tail(self) -> None:
        """Send the silence after the end of the file."""
        step = self._settings.frame_ms
        for sent in range(0, self._settings.tail_silence_ms, step):
            start_ms = self._duration_ms + sent
            await self.audio(
                silence(self._rate, self._channels, start_ms, step)
            )

    async def finalize(self) -> None:
        """Say that nothing more will come."""
        await _send_data(
            self._ten_env,
            "asr_finalize",
            {
                "finalize_id": _FINALIZE_ID,
                "metadata": {"session_id": self._settings.session_id},
            },
        )
        await self._progress(done=True)

    async def _progress(self, *, done: bool = False) -> None:
        position_ms = self._samples * 1000 // self._rate
        self._reported_ms = position_ms
        await _send_data(
            self._ten_env,
            "source_progress",
            {
                "position_ms": min(position_ms, self._duration_ms),
                "duration_ms": self._duration_ms,
                "done": done,
            },
        )

    def _message(self, frame: Frame) -> AudioFrame:
        message = AudioFrame.create("pcm_frame")
        message.set_sample_rate(self._rate)
        message.set_number_of_channels(self._channels)
        message.set_bytes_per_sample(2)
        message.set_samples_per_channel(frame.samples)
        message.set_data_fmt(AudioFrameDataFmt.INTERLEAVE)
        message.set_timestamp(frame.start_ms)
        message.set_property_from_json("metadata", self._metadata)
        message.alloc_buf(len(frame.pcm))
        view = message.lock_buf()
        view[:] = frame.pcm
        message.unlock_buf(view)
        return message


def _next_block(blocks: Iterator[list[Frame]]) -> list[Frame] | None:
    return next(blocks, None)


async def _send_data(
    ten_env: AsyncTenEnv, name: str, body: dict[str, Any]
) -> None:
    data = Data.create(name)
    data.set_property_from_json("", json.dumps(body))
    _check(await ten_env.send_data(data))


def _check(error: object) -> None:
    # Sends are fire-and-forget: the only error that comes back at once is
    # "TEN is closed".
    if error is not None:
        raise _Closed

"""Many calls without a host: ``python -m bench.load.plain WHO URL PLAN NOTES``.

``WHO``: ``feed`` (nobody), ``floor``, or a client of others: ``openai`` (the
SDK, turns of the server), ``livekit`` and ``pipecat`` with their local
detector, ``livekit-server`` with turns of the server.
"""

# What is imported here is there only in the environment of each.
# mypy: disable-error-code="import-not-found,import-untyped,misc"
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from .feed import Feed
from .floor import SESSION, Floor, OnResult
from .plan import RATE, Plan

_KEY = "sk-local"


class Nobody:
    """The feed alone, which every client pays besides its own work."""

    def __init__(self, url: str, on_result: OnResult) -> None:
        self._url, self._on_result = url, on_result

    async def start(self) -> None:
        """Get ready for audio."""

    async def push(self, frame: bytes) -> None:
        """Take 10 ms."""


class OpenAI(Floor):
    """The realtime client of the openai package in place of websockets."""

    async def _open(self) -> None:
        from openai import AsyncOpenAI

        client = AsyncOpenAI(api_key=_KEY, base_url=self._url)
        manager = client.realtime.connect(
            extra_query={"intent": "transcription"}
        )
        self._connection = await manager.enter()
        session: Any = SESSION
        await self._connection.session.update(session=session)

    async def _read(self) -> None:
        async for event in self._connection:
            text = getattr(event, "delta", getattr(event, "transcript", ""))
            self._texts.event(event.type, text)

    async def _write(self) -> None:
        while True:
            audio = await self._packer.next()
            await self._connection.input_audio_buffer.append(audio=audio)


class LiveKit(Nobody):
    """The STT of livekit-plugins-openai; Silero's model finds the turns of a
    model that needs it."""

    model = "gpt-live-transcribe"

    async def start(self) -> None:
        from livekit import rtc
        from livekit.agents import stt
        from livekit.agents.utils import http_context
        from livekit.plugins import openai

        self._frame, self._kinds = rtc.AudioFrame, stt.SpeechEventType
        # One HTTP session for the process, as a worker of theirs has it.
        if not hasattr(LiveKit, "context"):
            LiveKit.context = http_context.open()  # type: ignore[attr-defined]
            await LiveKit.context.__aenter__()  # type: ignore[attr-defined]
        self._stt = openai.STT(
            model=self.model,
            language="en",
            use_realtime=True,
            base_url=self._url,
            api_key=_KEY,
        )
        self._stream = self._stt.stream()
        self._task = asyncio.create_task(self._read())

    async def push(self, frame: bytes) -> None:
        self._stream.push_frame(self._frame(frame, RATE, 1, len(frame) // 2))

    async def _read(self) -> None:
        kinds = self._kinds
        async for event in self._stream:
            if event.type in (kinds.INTERIM_TRANSCRIPT, kinds.FINAL_TRANSCRIPT):
                final = event.type == kinds.FINAL_TRANSCRIPT
                self._on_result(event.alternatives[0].text, final)


class LiveKitServer(LiveKit):
    model = "gpt-4o-transcribe"


class Pipecat(Nobody):
    """A pipeline of Silero's detector and the realtime STT service."""

    async def start(self) -> None:
        from loguru import logger
        from pipecat.audio.vad.silero import SileroVADAnalyzer
        from pipecat.frames.frames import (
            InputAudioRawFrame,
            InterimTranscriptionFrame,
            TranscriptionFrame,
        )
        from pipecat.pipeline.pipeline import Pipeline
        from pipecat.pipeline.worker import PipelineParams, PipelineWorker
        from pipecat.processors.audio.vad_processor import VADProcessor
        from pipecat.processors.frame_processor import FrameProcessor
        from pipecat.services.openai.stt import OpenAIRealtimeSTTService
        from pipecat.workers.runner import WorkerRunner

        logger.remove()
        on_result = self._on_result

        class Sink(FrameProcessor):
            async def process_frame(self, frame: Any, direction: Any) -> None:
                await super().process_frame(frame, direction)
                if isinstance(frame, TranscriptionFrame):
                    on_result(frame.text, True)
                elif isinstance(frame, InterimTranscriptionFrame):
                    on_result(frame.text, False)
                await self.push_frame(frame, direction)

        self._frame = InputAudioRawFrame
        service = OpenAIRealtimeSTTService(
            api_key=_KEY,
            base_url=self._url.replace("http", "ws", 1) + "/realtime",
            settings=OpenAIRealtimeSTTService.Settings(
                model="gpt-live-transcribe"
            ),
        )
        detector = VADProcessor(vad_analyzer=SileroVADAnalyzer())
        self._worker = PipelineWorker(
            Pipeline([detector, service, Sink()]),
            cancel_on_idle_timeout=False,
            params=PipelineParams(audio_in_sample_rate=RATE),
        )
        started = asyncio.Event()

        @self._worker.event_handler("on_pipeline_started")
        async def _on_started(worker: Any, frame: Any) -> None:
            started.set()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        self._task = asyncio.create_task(runner.run())
        await started.wait()

    async def push(self, frame: bytes) -> None:
        await self._worker.queue_frame(self._frame(frame, RATE, 1))


CLIENTS: dict[str, Any] = {
    "feed": Nobody,
    "floor": Floor,
    "openai": OpenAI,
    "livekit": LiveKit,
    "livekit-server": LiveKitServer,
    "pipecat": Pipecat,
}


async def main(who: str, url: str, plan: Plan, notes: Path) -> None:
    """Feed so many calls of this client."""
    clients: list[Any] = []

    async def send(call: int, frame: bytes) -> None:
        await clients[call].push(frame)

    feed = Feed(plan, send)

    def listener(call: int) -> OnResult:
        return lambda text, final: feed.result(call, text, final)

    for call in range(len(plan.starts)):
        clients.append(CLIENTS[who](f"{url}/{call}/v1", listener(call)))
    for client in clients:
        await client.start()
    await feed.run(notes)
    sys.stderr.flush()
    # Closing is not measured.
    os._exit(0)


if __name__ == "__main__":
    who, url, plan_file, notes_file = sys.argv[1:]
    plan = Plan.read(Path(plan_file))
    asyncio.run(main(who, url, plan, Path(notes_file)))

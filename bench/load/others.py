"""Clients of others, one call each, for `plain`.

What is imported in the methods is there only in the environment of each.
"""

# mypy: disable-error-code="import-not-found,import-untyped,misc"
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from .floor import SESSION, Floor, OnResult
from .plan import RATE

_KEY = "sk-local"


class Nobody:
    """The feed alone, which every client pays besides its own work."""

    #: What works for the client; where it ends, the client does.
    tasks: Sequence[asyncio.Task[None]] = ()

    def __init__(self, url: str, on_result: OnResult) -> None:
        self._url, self._on_result = url, on_result

    async def start(self) -> None:
        """Get ready for audio."""

    async def push(self, frame: bytes) -> None:
        """Take 10 ms."""


class OpenAI(Floor):
    """The realtime client of the openai package in place of websockets."""

    #: Of `connect`.
    options: Mapping[str, Any] = {}

    async def _open(self) -> None:
        from openai import AsyncOpenAI

        client = AsyncOpenAI(api_key=_KEY, base_url=self._url)
        manager = client.realtime.connect(
            extra_query={"intent": "transcription"}, **self.options
        )
        self._connection = await manager.enter()
        await self._configure()

    async def _configure(self) -> None:
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


class OpenAIReconnecting(OpenAI):
    """The same with the SDK's own reconnect, its limits as they are.

    It queues what is sent while it reconnects: first the new session's
    settings, so that the audio behind them is transcribed.
    """

    def __init__(self, url: str, on_result: OnResult) -> None:
        super().__init__(url, on_result)
        self.options = {"on_reconnecting": self._on_reconnecting}

    def _on_reconnecting(self, event: Any) -> None:
        self._configuring = asyncio.create_task(self._configure())

    async def _write(self) -> None:
        from websockets.exceptions import ConnectionClosed

        # What is sent just before the loss is noticed is gone.
        while True:
            audio = await self._packer.next()
            with contextlib.suppress(ConnectionClosed):
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
        self._events = self._open()
        self.tasks = [asyncio.create_task(self._read())]

    def _open(self) -> Any:
        """Begin to listen; the events."""
        stream = self._stt.stream()
        self._push = stream.push_frame
        return stream

    async def push(self, frame: bytes) -> None:
        self._push(self._frame(frame, RATE, 1, len(frame) // 2))

    async def _read(self) -> None:
        kinds = self._kinds
        async for event in self._events:
            if event.type in (kinds.INTERIM_TRANSCRIPT, kinds.FINAL_TRANSCRIPT):
                final = event.type == kinds.FINAL_TRANSCRIPT
                self._on_result(event.alternatives[0].text, final)


class LiveKitServer(LiveKit):
    """The same with turns of the server."""

    model = "gpt-4o-transcribe"


class LiveKitSession(LiveKitServer):
    """The same behind LiveKit's own pipeline of an AgentSession, which makes
    a stream anew after an error of the API, until there were too many."""

    def _open(self) -> Any:
        from livekit.agents.voice.agent_session import SessionConnectOptions
        from livekit.agents.voice.audio_recognition import _STTPipeline

        most = SessionConnectOptions().max_unrecoverable_errors
        self._failures = 0
        self._stt.on("error", self._on_error)
        pipeline = _STTPipeline(
            self._node, is_closing=lambda: self._failures > most
        )
        self._push = pipeline.audio_ch.send_nowait
        return pipeline.event_ch

    def _on_error(self, error: Any) -> None:
        # As AgentSession._on_error counts.
        self._failures += not error.recoverable

    async def _node(self, audio: Any, settings: Any) -> Any:
        """What Agent.default.stt_node does."""
        async with self._stt.stream() as stream:

            async def forward() -> None:
                async for frame in audio:
                    stream.push_frame(frame)

            forwarding = asyncio.create_task(forward())
            try:
                async for event in stream:
                    if event.type == self._kinds.FINAL_TRANSCRIPT:
                        self._failures = 0
                    yield event
            finally:
                forwarding.cancel()


class Pipecat(Nobody):
    """A pipeline of Silero's detector and the realtime STT service."""

    model = "gpt-live-transcribe"
    #: Of the service's options; turns of the server need no other detector.
    options: Mapping[str, Any] = {}

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
            settings=OpenAIRealtimeSTTService.Settings(model=self.model),
            **self.options,
        )
        stages = [service, Sink()]
        if not self.options:
            stages.insert(0, VADProcessor(vad_analyzer=SileroVADAnalyzer()))
        self._worker = PipelineWorker(
            Pipeline(stages),
            cancel_on_idle_timeout=False,
            params=PipelineParams(audio_in_sample_rate=RATE),
        )
        started = asyncio.Event()

        @self._worker.event_handler("on_pipeline_started")
        async def _on_started(worker: Any, frame: Any) -> None:
            started.set()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        self.tasks = [asyncio.create_task(runner.run())]
        await started.wait()

    async def push(self, frame: bytes) -> None:
        await self._worker.queue_frame(self._frame(frame, RATE, 1))


class PipecatServer(Pipecat):
    """The same with turns of the server."""

    model = "gpt-4o-transcribe"
    options: Mapping[str, Any] = {"turn_detection": {"type": "server_vad"}}

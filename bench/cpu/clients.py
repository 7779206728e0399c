"""The clients that are compared, and the process that measures one of them.

``python -m bench.cpu.clients NAME URL STREAMS SECONDS`` feeds frames of 10 ms
at 16 kHz in real time and prints JSON: CPU seconds from the first frame to
the last final, finals and interims.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

RATE = 16_000
FRAME_MS = 10
#: Audio in one message of the bare clients: less often is cheaper.
_PACKET_MS = 40
_DRAIN_S = 10


class Client:
    """One stream: `finals` and `interims` count what came.

    By itself nobody: the feed alone, which every client pays besides its own
    work.
    """

    def __init__(self, url: str) -> None:
        self.finals = self.interims = 0
        self._url = url
        self._ready = asyncio.Event()

    async def start(self) -> None:
        """Return when audio may come."""

    def push(self, frame: bytes) -> None:
        """Take 10 ms."""

    async def stop(self) -> None:
        """Close."""


class Ours(Client):
    """The extension's call, without TEN: intake, client and core."""

    async def start(self) -> None:
        from ten_packages.extension.openai_asr_python.call.call import Call
        from ten_packages.extension.openai_asr_python.contract.reports import (
            ExtensionLog,
        )
        from ten_packages.extension.openai_asr_python.properties.loading import (  # noqa: E501
            load_config,
        )
        from ten_packages.extension.openai_asr_python.safety.redaction import (
            Redactor,
        )

        params = {
            "api_key": "sk-local",
            "base_url": self._url,
            "model": "gpt-4o-transcribe",
            "turn_detection": {"type": "server_vad"},
        }
        config, _ = load_config({"params": params})
        self._call = await Call.create(
            config, self, ExtensionLog(Redactor()).error, None
        )
        await self._call.start()
        await self._ready.wait()

    def push(self, frame: bytes) -> None:
        self._call.push(frame, RATE, 1, 2)

    async def stop(self) -> None:
        await self._call.stop()

    async def on_asr_start(self, session: Any) -> None:
        self._ready.set()

    async def on_asr_delta(self, turn: Any) -> None:
        self.interims += 1

    async def on_asr_completed(self, turn: Any) -> None:
        self.finals += 1

    async def on_asr_late(self, late: Any) -> None:
        pass

    async def on_asr_committed(self, item_id: str) -> None:
        pass

    async def on_asr_finalized(self, end: Any) -> None:
        pass

    async def on_asr_server_error(self, problem: Any) -> None:
        raise RuntimeError(problem)

    on_asr_client_error = on_asr_server_error


_SESSION = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "gpt-4o-transcribe"},
            "turn_detection": {"type": "server_vad"},
        }
    },
}


class _Bare(Client):
    """Resamples and packs; what a bare client has in common."""

    def __init__(self, url: str) -> None:
        import soxr  # type: ignore[import-untyped]

        super().__init__(url)
        self._resampler = soxr.ResampleStream(RATE, 24_000, 1, dtype="int16")
        self._packet = bytearray()
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    async def _begin(self, *jobs: Coroutine[Any, Any, None]) -> None:
        """Read and write until `stop`; return when audio may come."""
        self._tasks = [asyncio.create_task(job) for job in jobs]
        await self._ready.wait()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def push(self, frame: bytes) -> None:
        samples = np.frombuffer(frame, "<i2")
        self._packet += self._resampler.resample_chunk(samples).tobytes()
        if len(self._packet) >= 48 * _PACKET_MS:
            self._queue.put_nowait(base64.b64encode(self._packet).decode())
            self._packet.clear()

    def _count(self, kind: str) -> None:
        if kind == "session.updated":
            self._ready.set()
        elif kind.endswith("input_audio_transcription.delta"):
            self.interims += 1
        elif kind.endswith("input_audio_transcription.completed"):
            self.finals += 1


class Raw(_Bare):
    """websockets and soxr: audio out, events in, and nothing else."""

    async def start(self) -> None:
        from websockets.asyncio.client import connect

        url = self._url.replace("http", "ws", 1) + "/realtime"
        self._socket = await connect(
            url + "?intent=transcription", compression=None, proxy=None
        )
        update = {"type": "session.update", "session": _SESSION}
        await self._socket.send(json.dumps(update))
        await self._begin(self._read(), self._write())

    async def _read(self) -> None:
        async for message in self._socket:
            self._count(json.loads(message)["type"])

    async def _write(self) -> None:
        while True:
            audio = await self._queue.get()
            event = {"type": "input_audio_buffer.append", "audio": audio}
            await self._socket.send(json.dumps(event))

    async def stop(self) -> None:
        await super().stop()
        await self._socket.close()


class Sdk(_Bare):
    """The realtime client of the openai package, and soxr."""

    async def start(self) -> None:
        from openai import AsyncOpenAI

        client = AsyncOpenAI(api_key="sk-local", base_url=self._url)
        self._manager = client.realtime.connect(
            extra_query={"intent": "transcription"}
        )
        self._connection = await self._manager.enter()
        session: Any = _SESSION
        await self._connection.session.update(session=session)
        await self._begin(self._read(), self._write())

    async def _read(self) -> None:
        async for event in self._connection:
            self._count(event.type)

    async def _write(self) -> None:
        while True:
            audio = await self._queue.get()
            await self._connection.input_audio_buffer.append(audio=audio)

    async def stop(self) -> None:
        await super().stop()
        await self._connection.close()


class LiveKit(Client):
    """The STT of livekit-plugins-openai, where that is installed."""

    def __init__(self, url: str) -> None:
        from livekit import rtc  # type: ignore[import-not-found]
        from livekit.agents import stt  # type: ignore[import-not-found]
        from livekit.plugins import openai  # type: ignore[import-not-found]

        super().__init__(url)
        self._frame = rtc.AudioFrame
        self._final = stt.SpeechEventType.FINAL_TRANSCRIPT
        self._interim = stt.SpeechEventType.INTERIM_TRANSCRIPT
        self._stack = contextlib.AsyncExitStack()
        self._stt = openai.STT(
            model="gpt-4o-transcribe",
            use_realtime=True,
            base_url=url,
            api_key="sk-local",
            turn_detection={"type": "server_vad"},
        )

    async def start(self) -> None:
        from livekit.agents.utils import (  # type: ignore[import-not-found]
            http_context,
        )

        await self._stack.enter_async_context(http_context.open())
        self._stream = self._stt.stream()
        self._task = asyncio.create_task(self._read())
        # It has no sign of being ready, and keeps audio meanwhile.
        await asyncio.sleep(1)

    def push(self, frame: bytes) -> None:
        size = len(frame) // 2
        self._stream.push_frame(self._frame(frame, RATE, 1, size))

    async def _read(self) -> None:
        async for event in self._stream:
            self.finals += event.type == self._final
            self.interims += event.type == self._interim

    async def stop(self) -> None:
        await self._stream.aclose()
        self._task.cancel()
        await self._stack.aclose()


CLIENTS: dict[str, Callable[[str], Client]] = {
    "feed": Client,
    "ours": Ours,
    "websockets": Raw,
    "openai": Sdk,
    "livekit": LiveKit,
}


async def measure(
    name: str, url: str, streams: int, seconds: int
) -> dict[str, float]:
    """Feed so many streams for so long."""
    rng = np.random.default_rng(1)
    second = rng.normal(0, 2000, RATE).astype("<i2").tobytes()
    size = RATE * FRAME_MS // 1000 * 2
    frames = [second[k : k + size] for k in range(0, len(second), size)]
    clients = [CLIENTS[name](url) for _ in range(streams)]
    await asyncio.gather(*(client.start() for client in clients))
    loop = asyncio.get_running_loop()
    begin, cpu = loop.time(), time.process_time()
    for k in range(seconds * 1000 // FRAME_MS):
        await asyncio.sleep(begin + k * FRAME_MS / 1000 - loop.time())
        frame = frames[k % len(frames)]
        for client in clients:
            client.push(frame)
    late_ms = (loop.time() - begin - seconds) * 1000 + FRAME_MS
    # The last turn may be open: what is resampled comes a little late.
    due = 0 if name == "feed" else streams * (seconds // 2 - 1)
    until = loop.time() + _DRAIN_S
    # The clients have no event in common.
    while (  # noqa: ASYNC110
        sum(client.finals for client in clients) < due and loop.time() < until
    ):
        await asyncio.sleep(0.05)
    cpu = time.process_time() - cpu
    finals = sum(client.finals for client in clients)
    interims = sum(client.interims for client in clients)
    for client in clients:
        await client.stop()
    return {
        "cpu_s": cpu,
        "late_ms": late_ms,
        "finals": finals,
        "due": due,
        "interims": interims,
    }


if __name__ == "__main__":
    name, url, streams, seconds = sys.argv[1:]
    result = asyncio.run(measure(name, url, int(streams), int(seconds)))
    print(json.dumps(result), flush=True)

"""The floor: what every client of the service pays, and nothing else.

Frames are resampled by soxr and sent by websockets in messages of 40 ms, as
long as the extension's; events are read.  No reconnect, no replay, no times,
no order, no detector: its turns are the server's.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

from .plan import RATE

WIRE_RATE = 24_000
_PACKET = WIRE_RATE * 2 * 40 // 1000
SESSION = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": WIRE_RATE},
            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": {"type": "server_vad"},
        }
    },
}

#: Text, and whether it is final.
OnResult = Callable[[str, bool], None]


class Packer:
    """Frames in, the base64 of messages out."""

    def __init__(self) -> None:
        import soxr  # type: ignore[import-untyped]

        self._resampler = soxr.ResampleStream(RATE, WIRE_RATE, 1, "int16")
        self._packet = bytearray()
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        #: The next message's audio.
        self.next = self._queue.get

    def push(self, frame: bytes) -> None:
        """Take 10 ms."""
        import numpy as np

        samples = np.frombuffer(frame, "<i2")
        self._packet += self._resampler.resample_chunk(samples).tobytes()
        if len(self._packet) >= _PACKET:
            audio = base64.b64encode(self._packet[:_PACKET]).decode()
            del self._packet[:_PACKET]
            self._queue.put_nowait(audio)


class Texts:
    """What is said so far in the turn that is open."""

    def __init__(self, on_result: OnResult) -> None:
        self._on_result = on_result
        self._text = ""

    def event(self, kind: str, text: str) -> None:
        if kind.endswith("input_audio_transcription.delta"):
            self._text += text
            self._on_result(self._text, False)
        elif kind.endswith("input_audio_transcription.completed"):
            self._text = ""
            self._on_result(text, True)


class Floor:
    """One call."""

    def __init__(self, url: str, on_result: OnResult) -> None:
        self._url = url
        self._texts = Texts(on_result)
        self._packer = Packer()

    async def start(self) -> None:
        await self._open()
        jobs = (self._read(), self._write())
        self.tasks = [asyncio.create_task(job) for job in jobs]

    async def push(self, frame: bytes) -> None:
        self._packer.push(frame)

    async def _open(self) -> None:
        from websockets.asyncio.client import connect

        url = self._url.replace("http", "ws", 1)
        self._socket = await connect(
            f"{url}/realtime?intent=transcription", compression=None, proxy=None
        )
        update = {"type": "session.update", "session": SESSION}
        await self._socket.send(json.dumps(update))

    async def _read(self) -> None:
        async for message in self._socket:
            event: dict[str, Any] = json.loads(message)
            text = event.get("delta") or event.get("transcript") or ""
            self._texts.event(event["type"], text)

    async def _write(self) -> None:
        while True:
            audio = await self._packer.next()
            event = {"type": "input_audio_buffer.append", "audio": audio}
            await self._socket.send(json.dumps(event))

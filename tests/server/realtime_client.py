"""A small protocol client: sends any event, collects what comes back."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from devkit.script_audio import encode_words
from devkit.server import LocalServer

HANG_S = 20  # only a guard: nothing here is expected to take long
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
COMMITTED = "input_audio_buffer.committed"


class Client:
    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.events: list[dict[str, Any]] = []

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.ws.send(json.dumps({"type": event_type, **fields}))

    async def receive(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.ws.recv(), HANG_S)
        event: dict[str, Any] = json.loads(message)
        self.events.append(event)
        return event

    async def until(self, event_type: str, count: int = 1) -> dict[str, Any]:
        """The ``count``-th coming event of this type."""
        while True:
            event = await self.receive()
            if event["type"] == event_type:
                count -= 1
                if count == 0:
                    return event

    async def closed(self) -> tuple[int, str]:
        """Close code (1006 after a reset) and reason."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as error:
            if error.rcvd is None:
                return 1006, ""
            return error.rcvd.code, error.rcvd.reason

    async def update(
        self,
        model: str | None = "gpt-4o-transcribe",
        *,
        vad: dict[str, Any] | None = None,
        format_type: str | None = None,
        include: list[str] | None = None,
        **transcription: Any,
    ) -> dict[str, Any]:
        """session.update with explicit turn_detection; the answer."""
        audio_input: dict[str, Any] = {"turn_detection": vad}
        if model is not None:
            audio_input["transcription"] = {"model": model, **transcription}
        if format_type is not None:
            audio_input["format"] = {"type": format_type}
        session: dict[str, Any] = {
            "type": "transcription",
            "audio": {"input": audio_input},
        }
        if include is not None:
            session["include"] = include
        await self.send("session.update", session=session)
        return await self.receive()

    async def append(self, data: bytes) -> None:
        audio = base64.b64encode(data).decode()
        await self.send("input_audio_buffer.append", audio=audio)

    async def speak(
        self, samples: npt.NDArray[np.int16], chunk_ms: int = 100
    ) -> None:
        """Append int16 samples at 24 kHz."""
        step = 24 * chunk_ms
        for start in range(0, len(samples), step):
            await self.append(samples[start : start + step].tobytes())

    async def say(self, *ids: int) -> None:
        """Append words of `devkit.script_audio` and commit."""
        await self.speak(encode_words(ids, 24_000))
        await self.send("input_audio_buffer.commit")

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["type"] == event_type]


@asynccontextmanager
async def connected(
    server: LocalServer,
    query: str = "intent=transcription",
    *,
    path: str | None = None,
    key: str | None = "sk-test",
    headers: dict[str, str] | None = None,
    subprotocols: list[str] | None = None,
) -> AsyncIterator[Client]:
    """A connection after HTTP 101; nothing received yet."""
    all_headers = dict(headers or {})
    if key is not None:
        all_headers["Authorization"] = f"Bearer {key}"
    url = server.url + "/realtime"
    if path is not None:
        url = f"ws://{server.host}:{server.port}{path}"
    async with connect(
        f"{url}?{query}",
        additional_headers=all_headers,
        subprotocols=subprotocols,  # type: ignore[arg-type]
        open_timeout=HANG_S,
        max_size=None,
        proxy=None,
    ) as ws:
        yield Client(ws)


@asynccontextmanager
async def session(
    server: LocalServer, model: str | None = "gpt-4o-transcribe", **update: Any
) -> AsyncIterator[Client]:
    """A configured session; session.created/.updated already received."""
    async with connected(server) as client:
        assert (await client.receive())["type"] == "session.created"
        answer = await client.update(model, **update)
        assert answer["type"] == "session.updated", answer
        client.events.clear()
        yield client

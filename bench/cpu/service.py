"""A scripted transcription service: as cheap as it can be, and the same for
every client.

Every two seconds of audio are a turn with four deltas while they are spoken
and two more, and the final, after their commit.  Nothing is decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

TURN_S = 2
#: Bytes of base64 in a second of PCM16 at 24 kHz.
_PER_S = 24_000 * 2 * 4 // 3
_DELTAS = 4
_TRANSCRIPTION = "conversation.item.input_audio_transcription."


class _Session:
    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._heard = 0
        self._count = 0
        self._said = _DELTAS

    async def _say(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": "event_bench", **fields}
        await self._socket.send(json.dumps(event))

    async def run(self) -> None:
        await self._say("session.created", session={"id": "sess_bench"})
        async for message in self._socket:
            text = message if isinstance(message, str) else message.decode()
            if "input_audio_buffer.append" in text[:200]:
                # What stands around the audio is a few per mille.
                await self._hear(len(text))
            elif "session.update" in text[:200]:
                await self._say("session.updated", session={})

    async def _hear(self, size: int) -> None:
        self._heard += size
        turn = int(self._heard / _PER_S) // TURN_S
        part = self._heard / _PER_S % TURN_S / TURN_S
        if turn > self._count - (self._said < _DELTAS):
            if self._said < _DELTAS:
                await self._end_turn()
            self._count += 1
            self._said = 0
            await self._say(
                "input_audio_buffer.speech_started",
                item_id=f"item_{self._count}",
                audio_start_ms=(turn * TURN_S) * 1000 + 100,
            )
        while self._said < _DELTAS and part > (self._said + 1) / _DELTAS - 0.1:
            self._said += 1
            await self._delta()
            if self._said == _DELTAS:
                await self._end_turn()

    async def _delta(self) -> None:
        await self._say(
            _TRANSCRIPTION + "delta",
            item_id=f"item_{self._count}",
            content_index=0,
            delta="word ",
        )

    async def _end_turn(self) -> None:
        item = f"item_{self._count}"
        before = f"item_{self._count - 1}" if self._count > 1 else None
        end_ms = int(self._heard * 1000 / _PER_S)
        await self._say(
            "input_audio_buffer.speech_stopped",
            item_id=item,
            audio_end_ms=end_ms,
        )
        await self._say(
            "input_audio_buffer.committed",
            item_id=item,
            previous_item_id=before,
        )
        await self._say(
            "conversation.item.added",
            item={"id": item, "type": "message"},
            previous_item_id=before,
        )
        await self._delta()
        await self._delta()
        await self._say(
            _TRANSCRIPTION + "completed",
            item_id=item,
            content_index=0,
            transcript="word " * (_DELTAS + 2),
        )
        self._said = _DELTAS


async def _serve() -> None:
    async def handle(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await _Session(socket).run()

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(port, flush=True)
        # The parent closes our standard input to end us.
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())

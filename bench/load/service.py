"""A scripted transcription service: as cheap as it can be, the same for every
client, and with notes of what came and went when.

``python -m bench.load.service PLAN`` prints its port, then ``ready`` when all
calls of the plan have a session.  A line on standard input ends it; it prints
its notes as JSON.  Words come by the position in the audio, one each 300 ms of
speech, two more and the final after the commit, which is the client's or, for
a session with ``server_vad``, its own.  Nothing is decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from .plan import SILENCE_MS, Plan, now_us

_WORD_MS = 300
#: Words that come after the commit.
_REST = 2
#: PCM16 at 24 kHz.
_BYTES_PER_MS = 48
_TRANSCRIPTION = "conversation.item.input_audio_transcription."


class Session:
    """``appends``: when, and bytes of audio so far; ``commits``: when;
    ``words``: when the word of this number went out, and 1 in a final.  All
    times in µs."""

    def __init__(self, said: list[tuple[int, int]]) -> None:
        self.appends: list[tuple[int, int]] = []
        self.commits: list[int] = []
        self.words: list[tuple[int, int, int]] = []
        self._heard = 0
        self._items = 0
        self._word = self._first_word = 0
        self._server_turns = False
        script = [
            (at, "word")
            for start, end in said
            for at in range(start + _WORD_MS, end, _WORD_MS)
        ]
        script += [(start, "start") for start, _ in said]
        script += [(end + SILENCE_MS, "stop") for _, end in said]
        self._script = sorted(script, reverse=True)

    async def run(self, socket: ServerConnection, ready: asyncio.Event) -> None:
        self._socket = socket
        await self._say("session.created", session={"id": "sess_bench"})
        while True:
            message = await socket.recv(decode=False)
            edges = message[:100] + message[-100:]
            if b"input_audio_buffer.append" in edges:
                await self._hear(_audio_size(message))
            elif b"input_audio_buffer.commit" in edges:
                self.commits.append(now_us())
                await self._commit()
            elif b"session.update" in edges:
                self._server_turns = b"server_vad" in message
                await self._say("session.updated", session={})
                ready.set()

    async def _say(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": "event_bench", **fields}
        await self._socket.send(json.dumps(event))

    async def _hear(self, size: int) -> None:
        self._heard += size
        self.appends.append((now_us(), self._heard))
        position = self._heard // _BYTES_PER_MS
        while self._script and self._script[-1][0] <= position:
            at, what = self._script.pop()
            if what == "word":
                await self._delta()
            elif self._server_turns and what == "start":
                await self._say(
                    "input_audio_buffer.speech_started",
                    item_id=f"item_{self._items}",
                    audio_start_ms=at,
                )
            elif self._server_turns:
                await self._say(
                    "input_audio_buffer.speech_stopped",
                    item_id=f"item_{self._items}",
                    audio_end_ms=at,
                )
                await self._commit()

    async def _delta(self) -> None:
        self._word += 1
        self.words.append((now_us(), self._word, 0))
        await self._say(
            _TRANSCRIPTION + "delta",
            item_id=f"item_{self._items}",
            content_index=0,
            delta=f"w{self._word} ",
        )

    async def _commit(self) -> None:
        item = f"item_{self._items}"
        before = f"item_{self._items - 1}" if self._items else None
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
        for _ in range(_REST):
            await self._delta()
        said = range(self._first_word + 1, self._word + 1)
        self.words.append((now_us(), self._word, 1))
        await self._say(
            _TRANSCRIPTION + "completed",
            item_id=item,
            content_index=0,
            transcript=" ".join(f"w{word}" for word in said),
        )
        self._first_word = self._word
        self._items += 1


def _audio_size(message: bytes) -> int:
    """Bytes of the audio in an append message, from its base64."""
    start = message.index(b'"', message.index(b'"audio"') + 7) + 1
    end = message.index(b'"', start)
    padding = message.count(b"=", end - 2, end)
    return (end - start) * 3 // 4 - padding


async def main(plan: Plan) -> None:
    sessions = [Session(plan.said(call)) for call in range(len(plan.starts))]
    ready = [asyncio.Event() for _ in sessions]

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        call = int(socket.request.path.split("/")[1])
        with contextlib.suppress(ConnectionClosed):
            await sessions[call].run(socket, ready[call])

    async with serve(
        handle, "127.0.0.1", 0, compression=None, ping_interval=None
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        ending = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        for event in ready:
            await event.wait()
        cpu = time.process_time()
        print("ready", flush=True)
        await ending
        notes = [
            {"appends": s.appends, "commits": s.commits, "words": s.words}
            for s in sessions
        ]
        cpu = time.process_time() - cpu
        print(json.dumps({"cpu_s": cpu, "sessions": notes}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Plan.read(Path(sys.argv[1]))))

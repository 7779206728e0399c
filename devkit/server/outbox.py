"""Everything that goes out on one connection, in order."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import struct
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from .context import ServerContext
from .errors import ApiError
from .records import SessionRecord

# Events that tell what became of audio begin like this.
_ABOUT_AUDIO = ("input_audio_buffer.", "conversation.item")
_COMMIT_EMPTY = "input_audio_buffer_commit_empty"
# (code, reason) of a CLOSE; None resets the TCP connection.
_Ending = tuple[int, str] | None


def reset_connection(ws: ServerConnection | asyncio.StreamWriter) -> None:
    """Drop the TCP connection with RST: no CLOSE, the peer sees 1006."""
    sock = ws.transport.get_extra_info("socket")
    # A transport that is closing may have closed its socket already.
    if sock is not None and sock.fileno() >= 0:
        # Linger 0 makes the kernel send RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    ws.transport.abort()


class Outbox:
    """Sends never block the sender; one task writes. Freezing stops it."""

    def __init__(
        self,
        ws: ServerConnection,
        record: SessionRecord,
        context: ServerContext,
    ) -> None:
        self._ws = ws
        self._record = record
        self._journal = context.journal
        self._queue: asyncio.Queue[dict[str, Any] | _Ending] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self._ended = False
        self._numb = False
        self._numb_after = ""
        self.running = asyncio.Event()  # cleared while frozen
        self.running.set()

    def say_no_more(self, after: str = "") -> None:
        """Say nothing about audio any more, or not beyond the next event of
        the type ``after``."""
        self._numb, self._numb_after = not after, after

    def send(self, event_type: str, **fields: Any) -> None:
        if self._numb and event_type.startswith(_ABOUT_AUDIO):
            return
        self._numb |= event_type == self._numb_after
        self.send_raw(
            {
                "type": event_type,
                "event_id": f"event_{self._record.number}_"
                f"{next(self._numbers)}",
                **fields,
            }
        )

    def send_raw(self, event: dict[str, Any]) -> None:
        if not self._ended:
            self._queue.put_nowait(event)

    def send_error(
        self, error: ApiError, client_event_id: str | None = None
    ) -> None:
        """The ``error`` event, and CLOSE if the error asks for it."""
        if self._numb and error.code == _COMMIT_EMPTY:
            return
        self.send("error", error=error.body(client_event_id))
        if error.close is not None:
            self.close(error.close, error.close_reason)

    def close(self, code: int, reason: str) -> None:
        """CLOSE after everything sent so far; later sends are dropped."""
        self._end((code, reason))

    def reset(self) -> None:
        """Reset the TCP connection after everything sent so far."""
        self._end(None)

    async def write(self) -> None:
        """The writer task; returns when the connection has ended."""
        try:
            while True:
                entry = await self._queue.get()
                await self.running.wait()
                if isinstance(entry, dict):
                    await self._ws.send(json.dumps(entry))
                    with self._journal.change():
                        self._record.log(self._record.sent, entry)
                elif entry is None:
                    reset_connection(self._ws)
                    return
                else:
                    await self._ws.close(entry[0], entry[1][:120])
                    return
        except ConnectionClosed:
            return

    def _end(self, ending: _Ending) -> None:
        if not self._ended:
            self._ended = True
            self._queue.put_nowait(ending)

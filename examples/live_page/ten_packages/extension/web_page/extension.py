"""Connects a graph with a page: audio and wishes in, captions out.

Whoever has the page listens on a loopback WebSocket (`devkit.captions`); the
extension connects to it and ends the app when it is gone. Binary messages from
there are audio, 16-bit mono; texts are JSON objects with a `type`:

- `update` with `params`: becomes the command `update_configs`;
- `finalize`: becomes `asr_finalize`;
- `stop`: finalizes, waits for the answer, and closes the app.

Back go `message` (a message of the graph: `name`, `body`; with `first_ms` how
long after its start a turn got its first words, with `end_ms` how long after
its end the last ones, with `answer_ms` how long a finalize took) and
`answer` (to `update`: `accepted`, `text`, `applies`, `answer_ms`).
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from pydantic import BaseModel, Field
from ten_runtime import (
    AsyncExtension,
    AsyncTenEnv,
    AudioFrame,
    Cmd,
    Data,
    Loc,
    StatusCode,
)
from ten_runtime import AudioFrameDataFmt as Format
from typing_extensions import override
from websockets.asyncio.client import ClientConnection, connect

from .arrivals import Arrivals

#: Messages that wait for the page's server, which reads all the time.
_MOST_WAITING = 10_000
#: A finalize is answered earlier than this, in seconds.
_STOP_S = 20


class Settings(BaseModel):
    """The node's properties; numbers may be strings, as from `${env:…}`."""

    url: str = Field(pattern="^ws://")
    token: str = ""
    sample_rate: int = Field(16000, ge=8000, le=192_000)
    session_id: str = ""


class WebPageExtension(AsyncExtension):
    """Sends what a page sends into the graph, and the answers to the page."""

    @override
    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._waiting: asyncio.Queue[str] = asyncio.Queue(_MOST_WAITING)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._begun: set[str] = set()
        self._finalizes: dict[str, tuple[float, asyncio.Event]] = {}
        self._ids = itertools.count(1)
        self._spawn(self._run(ten_env))

    @override
    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @override
    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        # No await in here: so messages are handled in arrival order.
        try:
            text, _ = data.get_property_to_json("")
            self._pass_on(data.get_name(), json.loads(text or "{}"))
        except Exception as error:
            ten_env.log_error(f"web_page: {data.get_name()}: {error!r}")

    def _pass_on(self, name: str, body: dict[str, Any]) -> None:
        now = monotonic()
        message: dict[str, Any] = {
            "type": "message",
            "name": name,
            "body": body,
        }
        if name == "asr_result":
            start_ms = body["start_ms"]
            if body["id"] not in self._begun:
                self._begun.add(body["id"])
                message["first_ms"] = self._arrivals.since_ms(start_ms, now)
            if body["final"]:
                self._begun.discard(body["id"])
                end_ms = start_ms + body["duration_ms"]
                message["end_ms"] = self._arrivals.since_ms(end_ms, now)
        elif name == "asr_finalize_end":
            asked = self._finalizes.pop(body["finalize_id"], None)
            if asked is not None:
                message["answer_ms"] = round((now - asked[0]) * 1000)
                asked[1].set()
        self._tell(message)

    def _tell(self, message: dict[str, Any]) -> None:
        self._waiting.put_nowait(json.dumps(message))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task: asyncio.Task[Any] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, ten_env: AsyncTenEnv) -> None:
        try:
            text, _ = await ten_env.get_property_to_json("")
            self._settings = Settings(**json.loads(text or "{}"))
            self._arrivals = Arrivals(self._settings.sample_rate)
            headers = {"Authorization": f"Bearer {self._settings.token}"}
            async with connect(
                self._settings.url,
                additional_headers=headers,
                compression=None,
                proxy=None,
            ) as link:
                self._spawn(self._write(link))
                async for message in link:
                    if isinstance(message, bytes):
                        await self._hear(ten_env, message)
                    else:
                        self._obey(ten_env, json.loads(message))
        except Exception as error:
            ten_env.log_error(f"web_page: {error!r}")
        await _close_app(ten_env)

    async def _write(self, link: ClientConnection) -> None:
        while True:
            await link.send(await self._waiting.get())
            self._waiting.task_done()

    async def _hear(self, ten_env: AsyncTenEnv, pcm: bytes) -> None:
        frame = _audio_frame(pcm, self._settings.sample_rate)
        frame.set_timestamp(round(self._arrivals.position_ms))
        frame.set_property_from_json("metadata", json.dumps(self._metadata()))
        self._arrivals.add(len(pcm), monotonic())
        await ten_env.send_audio_frame(frame)

    def _obey(self, ten_env: AsyncTenEnv, wish: dict[str, Any]) -> None:
        # Not waited for: audio is to flow while a command is carried out.
        if wish["type"] == "update":
            self._spawn(self._update(ten_env, wish["params"]))
        elif wish["type"] == "finalize":
            self._spawn(self._finalize(ten_env))
        elif wish["type"] == "stop":
            self._spawn(self._stop(ten_env))

    async def _update(
        self, ten_env: AsyncTenEnv, params: dict[str, Any]
    ) -> None:
        asked = monotonic()
        cmd = Cmd.create("update_configs")
        cmd.set_property_from_json("", json.dumps({"params": params}))
        result, error = await ten_env.send_cmd(cmd)
        answer: dict[str, Any] = {
            "type": "answer",
            "accepted": False,
            "text": "no answer",
        }
        if result is not None:
            answer["accepted"] = result.get_status_code() == StatusCode.OK
            answer["text"] = result.get_property_string("message")[0]
            if answer["accepted"]:
                answer["applies"] = result.get_property_string("applies")[0]
        elif error is not None:
            answer["text"] = error.error_message()
        self._tell({**answer, "answer_ms": _ms_since(asked)})

    async def _finalize(self, ten_env: AsyncTenEnv) -> asyncio.Event:
        finalize_id = f"page-{next(self._ids)}"
        answered = asyncio.Event()
        self._finalizes[finalize_id] = monotonic(), answered
        data = Data.create("asr_finalize")
        body = {"finalize_id": finalize_id, "metadata": self._metadata()}
        data.set_property_from_json("", json.dumps(body))
        await ten_env.send_data(data)
        return answered

    async def _stop(self, ten_env: AsyncTenEnv) -> None:
        answered = await self._finalize(ten_env)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(answered.wait(), _STOP_S)
            await asyncio.wait_for(self._waiting.join(), _STOP_S)
        await _close_app(ten_env)

    def _metadata(self) -> dict[str, str]:
        return {"session_id": self._settings.session_id}


async def _close_app(ten_env: AsyncTenEnv) -> None:
    close = Cmd.create("ten:close_app")
    close.set_dests([Loc("")])
    await ten_env.send_cmd(close)


def _ms_since(moment: float) -> int:
    return round((monotonic() - moment) * 1000)


def _audio_frame(pcm: bytes, rate: int) -> AudioFrame:
    frame = AudioFrame.create("pcm_frame")
    frame.set_sample_rate(rate)
    frame.set_number_of_channels(1)
    frame.set_bytes_per_sample(2)
    frame.set_samples_per_channel(len(pcm) // 2)
    frame.set_data_fmt(Format.INTERLEAVE)
    frame.alloc_buf(len(pcm))
    buffer = frame.lock_buf()
    buffer[:] = pcm
    frame.unlock_buf(buffer)
    return frame

"""A service over HTTP that does what a test wants, whatever that is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import wave
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from asr_call import properties
from proxy_servers import listening

from devkit.script_audio import decode_words


class Asked(NamedTuple):
    """A request; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def field(self, name: str) -> str:
        """The value of a field of the form."""
        found = re.search(
            rb'name="' + name.encode() + rb'"\r\n\r\n(.*?)\r\n--',
            self.body,
            re.S,
        )
        assert found is not None, name
        return found[1].decode()


Answer = bytes | Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


def answer(
    body: Any = b"",
    status: str = "200 OK",
    kind: str = "application/json",
    **more: str,
) -> bytes:
    """A whole answer; headers of ``more`` have _ for -."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {
        "content-type": kind,
        "content-length": str(len(data)),
        **{name.replace("_", "-"): text for name, text in more.items()},
    }
    lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in head.items())]
    return "\r\n".join([*lines, "", ""]).encode() + data


def error(status: str, message: str = "so", **fields: str) -> bytes:
    """OpenAI's ``error`` object."""
    return answer({"error": {"message": message, **fields}}, status)


def text(words: str, **more: Any) -> bytes:
    return answer({"text": words, **more})


def words_in(asked: Asked, rate: int = 24000) -> list[int | None]:
    """What is said in the file of a request."""
    with wave.open(BytesIO(asked.body[asked.body.index(b"RIFF") :])) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert file.getframerate() == rate
        data = file.readframes(file.getnframes())
    words = decode_words(np.frombuffer(data, np.int16), rate)
    return [word.word_id for word in words]


class HttpService:
    """``answers``: to one file after the other, the last one to all that
    follow; ``asks`` the same for what has none."""

    def __init__(
        self, answers: tuple[Answer, ...], asks: tuple[Answer, ...]
    ) -> None:
        self._answers, self._asks = list(answers), list(asks)
        #: Files, and questions whether anybody is there.
        self.files: list[Asked] = []
        self.asks: list[Asked] = []
        self.url = ""
        self.port = 0

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            asked = await self._read(reader)
            empty = not asked.body
            (self.asks if empty else self.files).append(asked)
            answers = self._asks if empty else self._answers
            reply = answers.pop(0) if len(answers) > 1 else answers[0]
            if callable(reply):
                with contextlib.suppress(asyncio.CancelledError):
                    # One that hangs ends with the test.
                    await reply(asked, writer)
            else:
                writer.write(reply)
            await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> Asked:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        size = int(headers.get("content-length", 0))
        return Asked(method, target, headers, await reader.readexactly(size))


@contextmanager
def serving(
    *answers: Answer,
    asks: tuple[Answer, ...] = (answer(status="400 No"),),
    port: int = 0,
) -> Iterator[HttpService]:
    service = HttpService(answers, asks)
    with listening(service, port=port) as found:
        service.port = port = found
        service.url = f"http://127.0.0.1:{port}/v1"
        yield service


def over_http(
    url: str, model: str = "gpt-4o-transcribe", **params: Any
) -> dict[str, Any]:
    """The node property: turns end with finalizes only."""
    request = {"model": model, **params.pop("request", {})}
    own = {
        "transport": "http",
        "turn_detection": {"type": "none"},
        "input_audio_transcription": request,
    }
    return properties(url, **{**own, **params})

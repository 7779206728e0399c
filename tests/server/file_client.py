"""Requests of transcriptions, made by hand and by the vendor's client."""

from __future__ import annotations

import io
import json
import socket
from contextlib import closing
from typing import Any, NamedTuple

import h11
import numpy as np
import soundfile
from realtime_client import HANG_S

from devkit.script_audio import speak
from devkit.server import LocalServer

KEY = "sk-files"
RATE = 16_000
PATH = "/v1/audio/transcriptions"
BOUNDARY = "a-boundary"
SAMPLES, TIMES = speak([[1, 2], [3]], RATE, 800)
TEXT = "w000001 w000002 w000003"
#: Start and end of the two turns, seconds.
TURNS = [
    (TIMES[0][1] / RATE, TIMES[1][2] / RATE),
    (TIMES[2][1] / RATE, TIMES[2][2] / RATE),
]


def audio_file(
    samples: Any = SAMPLES, rate: int = RATE, form: str = "WAV", **how: Any
) -> bytes:
    """An audio file's bytes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, **how)
    return file.getvalue()


WAV = audio_file()


def http_url(server: LocalServer) -> str:
    """What a client takes for `base_url`."""
    return server.url.replace("ws", "http", 1)


def part(name: str, value: bytes | str, file_name: str | None = None) -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    named = "" if file_name is None else f'; filename="{file_name}"'
    head = f'Content-Disposition: form-data; name="{name}"{named}'
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


MODEL = part("model", "whisper-1")
FILE = part("file", WAV, "a.wav")
FORM = form(MODEL, FILE)


def request(
    body: bytes = FORM,
    *extra: str,
    method: str = "POST",
    path: str = PATH,
    version: str = "1.1",
    **headers: str,
) -> bytes:
    """A request; a header's name has _ for -, and "" leaves it out."""
    given = {
        "Host": "localhost",
        "Authorization": f"Bearer {KEY}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}" for name, value in given.items() if value]
    head = [f"{method} {path} HTTP/{version}", *lines, *extra, "", ""]
    return "\r\n".join(head).encode() + body


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        return error


def connect(server: LocalServer) -> socket.socket:
    place = ("127.0.0.1", server.port)
    return socket.create_connection(place, timeout=HANG_S)


def answers(sock: socket.socket, count: int = 1) -> list[Answer]:
    """The next answers, by h11's reading of them."""
    found: list[Answer] = []
    http = h11.Connection(h11.CLIENT)
    head, body = None, b""
    _next_request(http)
    while len(found) < count:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(sock.recv(65536))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            headers = {n.decode(): v.decode() for n, v in head.headers}
            found.append(Answer(head.status_code, headers, body))
            body = b""
            if len(found) < count:
                http.start_next_cycle()
                _next_request(http)
        else:
            assert isinstance(event, h11.InformationalResponse), event
    return found


def _next_request(http: h11.Connection) -> None:
    http.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
    http.send(h11.EndOfMessage())


def asked(server: LocalServer, data: bytes) -> Answer:
    """The answer to these bytes, on a connection of their own."""
    with closing(connect(server)) as sock:
        sock.sendall(data)
        return answers(sock)[0]


def silence(seconds: float) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.zeros(int(RATE * seconds), np.int16)

"""The server's end of a recogniser process."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from .recogniser_worker import RATE_HZ, REPLY, REQUEST
from .wire_audio import Int16Array

__all__ = ["RATE_HZ", "Recogniser", "RecogniserDied"]


class RecogniserDied(RuntimeError):
    """The process ended; its stream or item is lost."""


class Recogniser:
    """One decoder. Calls block; one at a time, from any thread.

    Samples are int16 mono at `RATE_HZ`. All calls raise RecogniserDied.
    """

    def __init__(self) -> None:
        """Starts the process, which loads its model in 0.3 s meanwhile."""
        script = Path(__file__).with_name("recogniser_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decode(self, samples: Int16Array) -> str:
        """The text of a whole item, lower case."""
        return self._ask(b"D", samples.tobytes())

    def begin(self) -> None:
        """Begin a stream of audio."""
        self._ask(b"B", b"")

    def feed(self, samples: Int16Array) -> str:
        """More of the stream; returns the hypothesis so far."""
        return self._ask(b"P", samples.tobytes())

    def end(self) -> None:
        self._ask(b"E", b"")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # unsent bytes of a request that was cut off

    def _ask(self, command: bytes, audio: bytes) -> str:
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            requests.write(REQUEST.pack(command, len(audio)) + audio)
            requests.flush()
            header = replies.read(REPLY.size)
            (length,) = REPLY.unpack(header)
            return replies.read(length).decode()
        # struct.error: a short read at the end of the pipe; ValueError: closed
        except (OSError, ValueError, struct.error) as error:
            raise RecogniserDied("the recogniser process ended") from error

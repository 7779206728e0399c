"""The server's end of the recogniser process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import struct
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

from .moonshine import Model
from .recogniser_worker import LENGTH, RATE_HZ
from .wire_audio import Int16Array

__all__ = ["RATE_HZ", "Recogniser", "RecogniserDied"]

# (is it less urgent, its number, samples at 16 kHz, the text to come); a
# request without samples ends the thread.
_Request = tuple[bool, int, "Int16Array | None", "Future[str]"]


class RecogniserDied(RuntimeError):
    """The process ended; what it was asked is lost. The next request starts
    another one."""


class Recogniser:
    """One model for all sessions, in a process; a thread waits for it.

    Requests are answered one at a time, the urgent ones first.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._requests: queue.PriorityQueue[_Request] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the model, 0.4 s; does not block."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="recogniser", daemon=True
            )
            self._thread.start()

    async def decode(self, samples: Int16Array, *, urgent: bool) -> str:
        """The text of int16 mono samples at `RATE_HZ`.

        Raises RecogniserDied. Who no longer waits is passed over.
        """
        if self._closed:
            raise RecogniserDied("the engine is closed")
        self.start()
        text: Future[str] = Future()
        self._requests.put((not urgent, next(self._numbers), samples, text))
        return await asyncio.wrap_future(text)

    @property
    def pid(self) -> int | None:
        """Of the process, None before it was started."""
        process = self._process
        return None if process is None else process.pid

    def close(self) -> None:
        """End the process, also in the middle of a request."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        if self._thread is not None:
            self._requests.put((False, -1, None, Future()))
            self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # the first request will tell
            self._running()
        while True:
            _, _, samples, text = self._requests.get()
            if samples is None:
                break
            if text.set_running_or_notify_cancel():
                try:
                    text.set_result(self._ask(samples))
                except Exception as error:
                    text.set_exception(error)
        self._release()
        while not self._requests.empty():
            text = self._requests.get()[3]
            if text.set_running_or_notify_cancel():
                text.set_exception(RecogniserDied("the engine is closed"))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._release()
        script = Path(__file__).with_name("recogniser_worker.py")
        with self._lock:
            if self._closed:
                raise RecogniserDied("the engine is closed")
            self._process = subprocess.Popen(
                [sys.executable, str(script), *self._model.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            return self._process

    def _ask(self, samples: Int16Array) -> str:
        process = self._running()
        requests, replies = process.stdin, process.stdout
        assert requests is not None
        assert replies is not None
        audio = samples.tobytes()
        try:
            requests.write(LENGTH.pack(len(audio)) + audio)
            requests.flush()
            (length,) = LENGTH.unpack(replies.read(LENGTH.size))
            return replies.read(length).decode()
        # struct.error: a short read at the end of the pipe.
        except (OSError, struct.error) as error:
            process.kill()
            process.wait()
            raise RecogniserDied("the recogniser process ended") from error

    def _release(self) -> None:
        """What is left of a process that ended."""
        process = self._process
        if process is None:
            return
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # unsent bytes of a request that was cut off

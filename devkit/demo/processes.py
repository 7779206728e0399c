"""The demo's two child processes: the local server and the app's host.

Both are started in sessions of their own, so that Ctrl-C on the terminal
reaches only the demo, which then ends them in the right order: first the
app (it gives the terminal back and writes its file), then the server. Where
the demo is killed, both end by themselves: their standard input is a pipe.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

from devkit.parent import END_WITH_INPUT
from devkit.usage import UsageError

from .service import LOCAL_KEY, ROOT

# Loading the speech model on a slow, busy machine.
# A model that is not here yet is downloaded first.
_READY_TIMEOUT_S = 600.0
_STOP_TIMEOUT_S = 10.0
_READY_PREFIX = "listening on "
_RUNTIME = "DEVKIT_RUNTIME"


class DemoError(Exception):
    """The work failed: one line, status 1."""


class LocalServer:
    """`python -m devkit.server` with the `options` of a job.

    Attributes:
        url: its base URL.
        pid: its process id.

    Raises:
        UsageError: if it refuses to start (port in use).
        DemoError: if it ends or does not become ready.
    """

    def __init__(
        self,
        port: int,
        environment: Mapping[str, str],
        options: Sequence[str],
    ) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - see stop()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "devkit.server"),
                *("--port", str(port), END_WITH_INPUT, *options),
            ],
            cwd=ROOT,
            env={**environment, "OPENAI_API_KEY": LOCAL_KEY},
            # It ends with us, also where we are killed.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            self.url = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "LocalServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rsplit(":", 1)[1].split("/", 1)[0])

    def ended(self) -> str | None:
        """How it ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit status {code}"

    def stop(self) -> None:
        """End it; harmless if it has ended."""
        end_process(self._process, signal.SIGTERM)
        self._stderr.close()

    def _wait_until_ready(self) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(
            target=_read_lines, args=(stdout, lines), daemon=True
        ).start()
        line = _soon(lines, _READY_TIMEOUT_S)
        if line is None:
            raise DemoError("the local server did not become ready")
        if line.startswith(_READY_PREFIX):
            return line[len(_READY_PREFIX) :]
        status = self._process.wait()
        self._stderr.seek(0)
        said = self._stderr.read().decode("utf-8", "replace").splitlines()
        reason = next(
            (text.strip() for text in reversed(said) if text.strip()),
            f"exit status {status}",
        )
        if status == 2:
            raise UsageError(f"the local server: {reason}")
        raise DemoError(f"the local server did not start: {reason}")


def _soon(lines: "queue.Queue[bytes]", seconds: float) -> str | None:
    """The first line; None if none comes for so long."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        # In pieces: a signal that another thread gets ends no wait.
        with contextlib.suppress(queue.Empty):
            return lines.get(timeout=0.2).decode().strip()
    return None


def _read_lines(stream: IO[bytes], lines: "queue.Queue[bytes]") -> None:
    """Read to the end: a full pipe would block the server."""
    with stream:
        for line in stream:
            if lines.qsize() == 0:
                lines.put(line)
    lines.put(b"")


class Signals:
    """Passes Ctrl-C and termination on to the app while it runs.

    The first signal asks the app to end, the second insists. Without an
    app, `KeyboardInterrupt` is raised as usual. TEN takes the signals of a
    process for itself as it is imported, so from now on it is not: here texts
    are shown, with the stand-in's help.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.stopped = False
        self.child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Signals":
        self._runtime = os.environ.get(_RUNTIME)
        if "ten_runtime" not in sys.modules:
            os.environ[_RUNTIME] = "standin"
        self._before = {
            number: signal.signal(number, self._handle)
            for number in self._SIGNALS
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.environ.pop(_RUNTIME, None)
        if self._runtime is not None:
            os.environ[_RUNTIME] = self._runtime

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self.child is None:
            raise KeyboardInterrupt
        with contextlib.suppress(ProcessLookupError):
            self.child.send_signal(signal.SIGINT)


_RUNNERS = {"ten": "devkit.demo.on_ten", "standin": "devkit.host"}


def start_app(
    directory: Path,
    environment: Mapping[str, str],
    log: IO[bytes],
    stdout: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a TEN app on the runtime that DEVKIT_RUNTIME names.

    `end_process` is to follow, also where it has ended by itself.

    Its standard output is ours, unless `stdout` is given. Its standard error
    goes to `log`, unless the environment has `TEN_LOG_LEVEL`.
    """
    runner = _RUNNERS[environment.get(_RUNTIME, "standin")]
    return subprocess.Popen(
        [sys.executable, "-m", runner, str(directory), END_WITH_INPUT],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=None if "TEN_LOG_LEVEL" in environment else log,
        start_new_session=True,
    )


def run_app(
    directory: Path, environment: Mapping[str, str], signals: Signals
) -> tuple[int, str]:
    """Run a TEN app to its end: (exit status, its log).

    The app writes to our standard output. Its log (standard error) would
    tear the captions apart, so it is kept back; `TEN_LOG_LEVEL` in the
    environment lets it through.
    """
    with tempfile.TemporaryFile() as log:
        signals.child = process = start_app(directory, environment, log)
        try:
            while process.poll() is None:
                limit = _STOP_TIMEOUT_S if signals.stopped else 0.5
                try:
                    process.wait(limit)
                except subprocess.TimeoutExpired:
                    if signals.stopped and limit == _STOP_TIMEOUT_S:
                        process.kill()
        finally:
            signals.child = None
            end_process(process, signal.SIGINT)
        log.seek(0)
        return process.returncode, log.read().decode("utf-8", "replace")


def end_process(process: "subprocess.Popen[bytes]", how: int) -> None:
    """Send `how`, wait, then kill; harmless if it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin is not None:
        process.stdin.close()

"""The processes of one measurement."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from .plan import Plan

#: Seconds that all calls of a run may take to get their sessions, and a run
#: longer than it is to be.
START_S = 120
_OVERTIME_S = 60
#: Of the error output of a process that failed.
_LAST_LINES = 5


class RunError(Exception):
    """A run gave no figures; the text says why."""


def measure(
    command: Sequence[str],
    path: str,
    plan: Plan,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run ``command PATH URL PLAN NOTES`` against a service of its own.

    ``path``: who is measured; ``feed`` opens no sessions.  Returns the notes
    of `feed.Feed` and of the service.  Raises `RunError`.
    """
    plan_file = folder / "plan.json"
    plan.write(plan_file)
    with ExitStack() as stack:
        service = started(
            stack, [sys.executable, "-m", "bench.load.service", str(plan_file)]
        )
        assert service.stdout is not None
        port = line(service.stdout, START_S)
        url = f"http://127.0.0.1:{port}/{{call}}/v1"
        client = Client(stack, command, (path, url), plan, folder, environment)
        if path != "feed":
            client.wait_ready(service)
        notes = client.feed()
        heard: dict[str, Any] = {"cpu_s": 0.0, "sessions": []}
        if path != "feed":
            text, _ = service.communicate("end\n", _OVERTIME_S)
            heard = json.loads(text.splitlines()[-1])
    return notes, heard


def started(stack: ExitStack, command: Sequence[str]) -> subprocess.Popen[str]:
    """A process with pipes for lines, which ends with the stack."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stack.callback(end, process)
    return process


class Client:
    """``command PATH URL PLAN NOTES``, a process that ends with the stack."""

    def __init__(
        self,
        stack: ExitStack,
        command: Sequence[str],
        which: tuple[str, str],
        plan: Plan,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``which``: the path and the URL; the plan is written already."""
        self._path, url = which
        self._plan = plan
        self._notes = folder / "notes.json"
        self._notes.unlink(missing_ok=True)
        self._said = stack.enter_context((folder / "client.log").open("w+"))
        files = str(folder / "plan.json"), str(self._notes)
        self._process = subprocess.Popen(
            [*command, self._path, url, *files],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        stack.callback(end, self._process)

    def wait_ready(self, service: subprocess.Popen[str]) -> None:
        """Until the service says that there are sessions; raises `RunError`.

        Returns early where the client ended: `feed` says how.
        """
        assert service.stdout is not None
        until = time.monotonic() + START_S
        while self._process.poll() is None:
            if line(service.stdout, 0.2) == "ready":
                break
            if time.monotonic() > until:
                raise RunError(f"{self._path}: no session{self._last_said()}")

    def feed(self, meanwhile: Callable[[], None] | None = None) -> Any:
        """Let the call begin, do ``meanwhile``, and wait for the end.

        Returns the notes of `feed.Feed`; raises `RunError`.
        """
        path, process = self._path, self._process
        assert process.stdin is not None
        try:
            process.stdin.write("go\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise RunError(f"{path}: ended{self._last_said()}") from None
        if meanwhile is not None:
            meanwhile()
        try:
            process.wait(self._plan.seconds * 2 + _OVERTIME_S)
        except subprocess.TimeoutExpired:
            raise RunError(f"{path}: no end{self._last_said()}") from None
        if process.returncode or not self._notes.exists():
            status = process.returncode
            raise RunError(f"{path}: exit status {status}{self._last_said()}")
        return json.loads(self._notes.read_text())

    def _last_said(self) -> str:
        """The last lines of what it said."""
        self._said.seek(0)
        lines = self._said.read().strip().splitlines()[-_LAST_LINES:]
        return " | ".join(["", *lines])


def line(stream: IO[str], seconds: float) -> str:
    """A line that comes in time, else an empty text."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline().strip() if ready else ""


def end(process: subprocess.Popen[str]) -> None:
    """Kill it."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()

"""The processes of one measurement."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from .plan import Plan

#: Seconds that all calls of a run may take to get their sessions, and a run
#: longer than it is to be.
_START_S = 120
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
    plan_file, notes = folder / "plan.json", folder / "notes.json"
    plan.write(plan_file)
    notes.unlink(missing_ok=True)
    service = subprocess.Popen(
        [sys.executable, "-m", "bench.load.service", str(plan_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with ExitStack() as stack:
        stack.callback(_end, service)
        assert service.stdout is not None
        port = _line(service.stdout, _START_S)
        said = stack.enter_context((folder / "client.log").open("w+"))
        client = subprocess.Popen(
            [
                *command,
                *(path, f"http://127.0.0.1:{port}"),
                *(str(plan_file), str(notes)),
            ],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        stack.callback(_end, client)
        until = time.monotonic() + _START_S
        while path != "feed" and client.poll() is None:
            if _line(service.stdout, 0.2) == "ready":
                break
            if time.monotonic() > until:
                raise RunError(f"{path}: no session{_end_of(said)}")
        try:
            client.communicate("go\n", plan.seconds * 2 + _OVERTIME_S)
        except subprocess.TimeoutExpired:
            raise RunError(f"{path}: no end{_end_of(said)}") from None
        if client.returncode or not notes.exists():
            status = client.returncode
            raise RunError(f"{path}: exit status {status}{_end_of(said)}")
        heard: dict[str, Any] = {"cpu_s": 0.0, "sessions": []}
        if path != "feed":
            text, _ = service.communicate("end\n", _OVERTIME_S)
            heard = json.loads(text.splitlines()[-1])
    return json.loads(notes.read_text()), heard


def _line(stream: IO[str], seconds: float) -> str:
    """A line that comes in time, else an empty text."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline().strip() if ready else ""


def _end_of(log: IO[str]) -> str:
    """The last lines of what a client said."""
    log.seek(0)
    return " | ".join(["", *log.read().strip().splitlines()[-_LAST_LINES:]])


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()

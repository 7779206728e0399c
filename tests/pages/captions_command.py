"""`python -m devkit.captions` in a process, against a server in this one."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


_HANG_GUARD_S = 60


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it does."""
    limit = time.monotonic() + _HANG_GUARD_S
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def has_ended(log: Path) -> bool:
    """Has a call written all of its session log?"""
    return '"kind": "counters"' in log.read_text("utf-8")


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    # Words in samples are no speech to a local detector.
    model = ("--model", "gpt-4o-transcribe")
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "devkit.captions", "--no-browser"),
            *(*model, *map(str, arguments)),
        ],
        cwd=ROOT,
        env={**os.environ, "OPENAI_API_KEY": "sk-local"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def address_of(process: subprocess.Popen[str]) -> str:
    """Of the page, when it is there."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"page\s+(\S+)", line):
            return found[1]
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


@contextlib.contextmanager
def captions(
    *arguments: str | Path,
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The page's address, and the process; it must end as it should."""
    with start(*arguments) as process:
        try:
            yield address_of(process), process
            process.terminate()
            _, errors = process.communicate(timeout=_HANG_GUARD_S)
            assert (process.returncode, errors) == (0, ""), errors
        finally:
            process.kill()

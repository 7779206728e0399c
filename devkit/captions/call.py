"""One call: the app of `examples/live_page` in a process of its own.

Its recordings are complete when the process has ended, and nothing of it, be
it a setting or a fault, is left for the next call.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from devkit.demo.processes import end_process, start_app
from devkit.demo.service import ROOT

APP = ROOT / "examples" / "live_page"
#: Longer than a call takes to say its last words and to stop, in seconds.
_END_S = 45
_REPORT_S = 120

Tell = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """What a call has left: what went wrong ("": nothing), its session log,
    if there is one, and all its files."""

    problem: str
    log: Path | None
    files: tuple[Path, ...]


class Call:
    """A call that begins at once, recorded into ``directory``.

    What the app says goes to ``tell`` as it is. `token` is what it shows at
    the door.
    """

    def __init__(
        self, directory: Path, environment: Mapping[str, str], tell: Tell
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self._tell = tell
        self._recording = directory / "call.pcm"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - see `outcome`
        self._link: ServerConnection | None = None
        self._stopped = False
        self._process = start_app(
            APP,
            {
                **environment,
                "LIVE_PAGE_TOKEN": self.token,
                "LIVE_PAGE_DUMP": "true",
                "LIVE_PAGE_DUMP_PATH": str(self._recording),
            },
            self._log,
            stdout=self._log,
        )

    async def serve(self, link: ServerConnection) -> None:
        """Hand on what the app says, until it ends."""
        self._link = link
        if self._stopped:
            await self._send({"type": "stop"})
        await self._tell(json.dumps({"type": "ready"}))
        async for message in link:
            assert isinstance(message, str)
            await self._tell(message)

    async def hear(self, pcm: bytes) -> None:
        """Audio of the page. Before the app is there it is let go: pages send
        none until they are told `ready`."""
        if self._link is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._link.send(pcm)

    async def ask(self, wish: dict[str, Any]) -> None:
        """A message for the app; harmless if it is not there."""
        if wish["type"] == "stop":
            self._stopped = True
        await self._send(wish)

    async def _send(self, wish: dict[str, Any]) -> None:
        if self._link is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._link.send(json.dumps(wish))

    async def outcome(self) -> Outcome:
        """Wait for the end."""
        status = await asyncio.to_thread(self._process.wait)
        end_process(self._process, signal.SIGINT)
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace").split("\n")
        self._log.close()
        problem = ""
        if status and not self._stopped:
            last = next((line for line in reversed(said) if line.strip()), "")
            problem = f"the app ended with status {status}: {last.strip()}"
        log = self._recording.with_suffix(".jsonl")
        files = tuple(path for path in (log, self._recording) if path.exists())
        return Outcome(problem, log if log in files else None, files)

    async def end(self) -> None:
        """Stop it as a page does, and where that does not help, at once."""
        if self._link is not None:
            await self.ask({"type": "stop"})
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, _END_S)
        await self.kill()

    async def kill(self) -> None:
        """End the process: what was said has a few seconds to be delivered."""
        self._stopped = True
        await asyncio.to_thread(end_process, self._process, signal.SIGINT)


async def report_of(log: Path) -> tuple[Path | None, str]:
    """The page that `devkit.report` makes of a session log; or None and why
    there is none."""
    if importlib.util.find_spec("devkit.report") is None:
        return None, ""
    page = log.with_name("report.html")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "devkit.report", str(log), "-o", str(page)),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), _REPORT_S)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        return None, f"no report within {_REPORT_S} s"
    if process.returncode == 0 and page.exists():
        return page, ""
    last = said.decode("utf-8", "replace").strip().split("\n")[-1]
    return None, last or f"devkit.report ended with {process.returncode}"

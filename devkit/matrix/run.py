"""Runs cells against local servers, one call each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.call import Call
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.config_loading import load_config
from ten_packages.extension.openai_asr_python.extension_log import ExtensionLog
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    FinalizeEnd,
    ServerProblem,
    SessionLost,
    SessionReady,
    TurnFailed,
    TurnResult,
)

from devkit.server.local import LocalServer

from .cells import UNKNOWN_MODEL, Cell, Input
from .known_speech import KnownSpeechEngine, call_audio, call_words

_HANG_GUARD_S = 60
_FRAME_MS = 20


@dataclass
class Outcome:
    """What a cell did: finals, interims before each final, and errors."""

    texts: list[str] = field(default_factory=list)
    interims: list[list[str]] = field(default_factory=lambda: [[]])
    errors: list[str] = field(default_factory=list)

    def complaint(self, cell: Cell) -> str:
        """ "" if the cell did what is expected of it."""
        expected = cell.expected_error
        if expected is not None:
            if len(self.errors) == 1 and expected[1] in self.errors[0]:
                return ""
            return f"expected the error {expected[1]!r}, got {self.errors}"
        if self.errors:
            return f"errors {self.errors}"
        words = " ".join(self.texts).split()
        if words != call_words():
            return f"heard {words}"
        for text, grown in zip(self.texts, self.interims, strict=False):
            if not all(
                short and long.startswith(short)
                for short, long in zip(grown, [*grown[1:], text], strict=True)
            ):
                return f"interims {grown} before {text}"
        return ""


class _Listener:
    """Collects what the client tells."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self.done = asyncio.Event()

    async def on_asr_start(self, session: SessionReady) -> None:
        pass

    async def on_asr_delta(self, turn: TurnResult) -> None:
        self.outcome.interims[-1].append(turn.text)

    async def on_asr_completed(self, turn: TurnResult) -> None:
        if turn.text:
            self.outcome.texts.append(turn.text)
            self.outcome.interims.append([])

    async def on_asr_committed(self, item_id: str) -> None:
        pass

    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        if end.timed_out:
            self.outcome.errors.append("finalize timed out")
        self.done.set()

    async def on_asr_server_error(
        self, problem: ServerProblem | TurnFailed
    ) -> None:
        self.outcome.errors.append(problem.fault.message)

    async def on_asr_client_error(
        self, problem: SessionLost | AudioDropped
    ) -> None:
        if isinstance(problem, SessionLost):
            self.outcome.errors.append(problem.fault.message)
            self.done.set()


class Servers:
    """A local server for each dialect; others for unknown model names."""

    def __init__(self, urls: dict[tuple[str, bool], str]) -> None:
        self._urls = urls

    def url(self, cell: Cell) -> str:
        return self._urls[cell.server, cell.model == UNKNOWN_MODEL]


@asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    """The servers, on free ports of this machine."""
    urls = {}
    async with AsyncExitStack() as stack:
        for dialect in ("ga", "beta"):
            for azure in (False, True):
                server = await stack.enter_async_context(
                    LocalServer(
                        KnownSpeechEngine(),
                        dialect=dialect,
                        azure=azure,
                        event_limit=10,
                    )
                )
                urls[dialect, azure] = server.url
        yield Servers(urls)


def frames(given: Input) -> Iterable[bytes]:
    """The call as the frames of an input."""
    samples = call_audio(max(given.rate, 8000))
    width = 1 if given.law else 2
    if given.law:
        data = encode(samples, given.law).tobytes()
    else:
        data = np.repeat(samples, given.channels).tobytes()
    size = given.rate * _FRAME_MS // 1000 * given.channels * width
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def run_cell(cell: Cell, url: str) -> Outcome:
    """One call from the configuration to the last word."""
    try:
        config, _ = load_config(cell.properties(url))
    except ConfigError as error:
        return Outcome(errors=[str(error)])
    listener = _Listener()
    call = await Call.create(config, listener, ExtensionLog(), None)
    await call.start()
    given = cell.input
    width = 1 if given.law else 2
    for count, frame in enumerate(frames(given)):
        call.push(frame, given.rate, given.channels, width)
        if count % 50 == 0:
            await asyncio.sleep(0)
    call.finalize("end")
    try:
        await asyncio.wait_for(listener.done.wait(), _HANG_GUARD_S)
    except asyncio.TimeoutError:
        listener.outcome.errors.append("no end")
    await call.stop()
    return listener.outcome


async def run_cells(cells: Iterable[Cell], at_once: int = 4) -> dict[Cell, str]:
    """Run cells; the complaint about each, "" where there is none."""
    found: dict[Cell, str] = {}
    waiting = iter(list(cells))
    async with servers() as running:

        async def worker() -> None:
            for cell in waiting:
                outcome = await run_cell(cell, running.url(cell))
                found[cell] = outcome.complaint(cell)

        await asyncio.gather(*(worker() for _ in range(at_once)))
    return found

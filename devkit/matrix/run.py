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
from devkit.server.records import SessionRecord

from .cells import UNKNOWN_MODEL, Cell, Input
from .known_speech import KnownSpeechEngine, call_audio, call_words

_HANG_GUARD_S = 60
_FRAME_MS = 20
_FORMATS = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
}


@dataclass
class Outcome:
    """What a cell did: finals, interims before each final, and errors."""

    texts: list[str] = field(default_factory=list)
    interims: list[list[str]] = field(default_factory=lambda: [[]])
    errors: list[str] = field(default_factory=list)
    record: SessionRecord | None = None

    def complaint(self, cell: Cell) -> str:
        """ "" if the cell did what is expected of it."""
        expected = cell.expected_error
        if expected is not None:
            if len(self.errors) == 1 and expected[1] in self.errors[0]:
                return ""
            return f"expected the error {expected[1]!r}, got {self.errors}"
        if self.errors:
            return f"errors {self.errors}"
        if self.record is not None and (wrong := _wrong_in(self.record, cell)):
            return wrong
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


def _wrong_in(record: SessionRecord, cell: Cell) -> str:
    """What the server was told otherwise than the cell says, or ""."""
    if record.config is None:
        return "no settings reached the server"
    told = record.config["audio"]["input"]
    turns = (told["turn_detection"] or {}).get("type")
    seen = (told["format"]["type"], told["transcription"]["model"], turns)
    expected = (_FORMATS[cell.wire], cell.model, cell.server_turns)
    if seen != expected:
        return f"the server was told {seen} instead of {expected}"
    length = len(call_audio(8000)) / 8
    if cell.turns == "local, skip":
        # The pauses at both ends and between the sentences are left out.
        fits = record.audio_ms < length - 700
    else:
        fits = abs(record.audio_ms - length) < 30
    if fits:
        return ""
    return f"{record.audio_ms:.0f} ms of {length:.0f} ms were sent"


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


@asynccontextmanager
async def servers() -> AsyncIterator[dict[tuple[str, bool], LocalServer]]:
    """A local server for each dialect, and others for unknown model names
    (True), on free ports of this machine."""
    running = {}
    async with AsyncExitStack() as stack:
        for dialect in ("ga", "beta"):
            for azure in (False, True):
                running[dialect, azure] = await stack.enter_async_context(
                    LocalServer(
                        KnownSpeechEngine(),
                        dialect=dialect,
                        azure=azure,
                        event_limit=10,
                    )
                )
        yield running


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


async def run_cell(cell: Cell, server: LocalServer) -> Outcome:
    """One call from the configuration to the last word."""
    name = f"{hash(cell):x}"
    try:
        config, _ = load_config(cell.properties(server.url, name))
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
    listener.outcome.record = next(
        (r for r in reversed(server.sessions) if r.query.get("cell") == name),
        None,
    )
    if listener.outcome.record is None and not listener.outcome.errors:
        listener.outcome.errors.append("the server has no record of it")
    return listener.outcome


async def run_cells(cells: Iterable[Cell], at_once: int = 4) -> dict[Cell, str]:
    """Run cells; the complaint about each, "" where there is none."""
    found: dict[Cell, str] = {}
    waiting = iter(list(cells))
    async with servers() as running:

        async def worker() -> None:
            for cell in waiting:
                unknown = cell.model == UNKNOWN_MODEL
                outcome = await run_cell(cell, running[cell.server, unknown])
                found[cell] = outcome.complaint(cell)

        await asyncio.gather(*(worker() for _ in range(at_once)))
    return found

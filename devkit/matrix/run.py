"""Runs cells against local servers, one call each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.call.call import Call, Refused
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.contract.reports import (
    ExtensionLog,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    FinalizeEnd,
    InternalFault,
    LateFinal,
    ServerProblem,
    SessionLost,
    SessionReady,
    TurnFailed,
    TurnResult,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

from devkit.server.local import LocalServer

from .cells import UNKNOWN_MODEL, Cell, Input
from .judge import AnyCell, Outcome, complaint
from .known_speech import KnownSpeechEngine, call_audio, middle
from .updates import UpdateCell

_HANG_GUARD_S = 60
_FRAME_MS = 20
_CHEAPEST = Input(8000)


class _Listener:
    """Collects what the client tells."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self.connected = asyncio.Event()
        self.done = asyncio.Event()

    async def on_asr_start(self, session: SessionReady) -> None:
        self.connected.set()

    async def on_asr_delta(self, turn: TurnResult) -> None:
        self.outcome.interims[-1].append(turn.text)

    async def on_asr_completed(self, turn: TurnResult) -> None:
        if turn.text:
            self.outcome.texts.append(turn.text)
            self.outcome.interims.append([])

    async def on_asr_late(self, late: LateFinal) -> None:
        pass

    async def on_asr_committed(self, item_id: str) -> None:
        pass

    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        if end.timed_out:
            self.outcome.errors.append("finalize timed out")
        if end.token == "end":
            self.done.set()

    async def on_asr_server_error(
        self, problem: ServerProblem | TurnFailed
    ) -> None:
        self.outcome.errors.append(problem.fault.message)

    async def on_asr_client_error(
        self, problem: SessionLost | InternalFault | AudioDropped
    ) -> None:
        if isinstance(problem, (SessionLost, InternalFault)):
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


def frames(
    given: Input, begin: int = 0, end: int | None = None
) -> Iterable[bytes]:
    """The call, or a part of it in samples, as the frames of an input."""
    samples = call_audio(max(given.rate, 8000))[begin:end]
    width = 1 if given.law else 2
    if given.law:
        data = encode(samples, given.law).tobytes()
    else:
        data = np.repeat(samples, given.channels).tobytes()
    size = given.rate * _FRAME_MS // 1000 * given.channels * width
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _speak(
    call: Call, given: Input, begin: int = 0, end: int | None = None
) -> None:
    width = 1 if given.law else 2
    for count, frame in enumerate(frames(given, begin, end)):
        call.push(frame, given.rate, given.channels, width)
        if count % 50 == 0:
            await asyncio.sleep(0)


async def _first_sentence(
    cell: UpdateCell,
    call: Call,
    connected: asyncio.Event,
    after: dict[str, Any],
) -> str:
    """Speak it, and change the settings in the pause; why not, or ""."""
    # Before there is a session, none can be updated.
    await asyncio.wait_for(connected.wait(), _HANG_GUARD_S)
    config, _ = load_config(after)
    await _speak(call, _CHEAPEST, 0, middle(_CHEAPEST.rate))
    if cell.owner == "none":
        call.finalize("middle")
    try:
        applies = await asyncio.wait_for(call.change(config), _HANG_GUARD_S)
    except Refused as refusal:
        return f"the change was refused: {refusal}"
    if (applies == "new session") != (cell.sessions == 2):
        return f"{cell.sessions} sessions, and it applies {applies!r}"
    return ""


async def run_cell(cell: AnyCell, server: LocalServer) -> Outcome:
    """One call from the configuration to the last word."""
    name = f"{hash(cell):x}"
    try:
        config, warnings = load_config(cell.properties(server.url, name))
    except ConfigError as error:
        return Outcome(errors=[str(error)])
    listener = _Listener()
    outcome = listener.outcome
    outcome.warnings = warnings
    call = await Call.create(
        config, listener, ExtensionLog(Redactor()).error, None
    )
    await call.start()
    if isinstance(cell, UpdateCell):
        after = cell.changed_properties(server.url, name)
        refused = await _first_sentence(cell, call, listener.connected, after)
        outcome.errors += [refused] * bool(refused)
        await _speak(call, _CHEAPEST, middle(_CHEAPEST.rate))
    else:
        given = cell.input if isinstance(cell, Cell) else _CHEAPEST
        await _speak(call, given)
    call.finalize("end")
    try:
        await asyncio.wait_for(listener.done.wait(), _HANG_GUARD_S)
    except asyncio.TimeoutError:
        outcome.errors.append("no end")
    await call.stop()
    outcome.records = [
        r for r in server.sessions if r.query.get("cell") == name
    ]
    if not (outcome.records or outcome.errors):
        outcome.errors.append("the server has no record of it")
    return outcome


async def run_cells(
    cells: Iterable[AnyCell], at_once: int = 4
) -> dict[AnyCell, str]:
    """Run cells; the complaint about each, "" where there is none."""
    found: dict[AnyCell, str] = {}
    waiting = iter(list(cells))
    async with servers() as running:

        async def worker() -> None:
            for cell in waiting:
                unknown = cell.model == UNKNOWN_MODEL
                outcome = await run_cell(cell, running[cell.server, unknown])
                found[cell] = complaint(cell, outcome)

        await asyncio.gather(*(worker() for _ in range(at_once)))
    return found

"""TEN's ``error`` messages, and what becomes of an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from ten_ai_base.message import (
    ModuleError,
    ModuleErrorCode,
    ModuleErrorVendorInfo,
    ModuleType,
)

from ..connection.faults import kind_of, place_of
from ..realtime.faults import Fault
from ..realtime.results import DropCause
from ..safety.redaction import Redactor
from .log import ExtensionLog
from .pace import DropReport, Repeats

VENDOR = "openai"
FATAL = int(ModuleErrorCode.FATAL_ERROR.value)
NON_FATAL = int(ModuleErrorCode.NON_FATAL_ERROR.value)

#: TEN's base has it.
SendError = Callable[
    [ModuleError, "ModuleErrorVendorInfo | None"], Awaitable[None]
]
#: Writes a line of a kind with its fields into the session log.
Note = Callable[..., None]


class ErrorMessages:
    """Sends errors, without secrets and not without end."""

    def __init__(
        self,
        send_asr_error: SendError,
        redactor: Redactor,
        log: ExtensionLog,
        note: Note,
    ) -> None:
        self._send_asr_error = send_asr_error
        self._redactor = redactor
        self._log = log
        self._note = note
        self._repeats = Repeats()
        self._drops = DropReport()
        self._on_their_way: set[asyncio.Future[None]] = set()

    async def send(self, fault: Fault | None) -> None:
        """Send one message; None is what need not be told."""
        if fault is None:
            return
        code = severity(fault)
        message = self._redactor.text(fault.message)
        await self._send_asr_error(
            ModuleError(
                module=ModuleType.ASR.value, code=code, message=message
            ),
            self.vendor_info(fault) if fault.code else None,
        )
        self._note("error", code=code, message=message)

    def send_soon(self, fault: Fault) -> None:
        """Send one from where nobody can wait."""
        work = self.guard("report", self.send(fault))
        task = asyncio.ensure_future(work)
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)

    async def flush(self, within_s: float) -> None:
        """Wait for what `send_soon` still has to send."""
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=within_s)

    def paced(self, fault: Fault) -> Fault | None:
        """What to send of something that may come without an end."""
        now = asyncio.get_running_loop().time()
        count = self._repeats.count(f"{fault.code} {fault.message}", now)
        if count <= 1:
            return fault if count else None
        text = f"{fault.message} ({count} times by now)"
        return replace(fault, message=text)

    def vendor_info(self, fault: Fault) -> ModuleErrorVendorInfo:
        shown = self._redactor.text
        return ModuleErrorVendorInfo(
            vendor=VENDOR, code=shown(fault.code), message=shown(fault.message)
        )

    # -- dropped audio ----------------------------------------------------

    async def audio_dropped(
        self, start_ms: int, duration_ms: int, cause: DropCause
    ) -> None:
        """Positions in all the audio of the node."""
        await self.send(self._drops.add(start_ms, duration_ms, cause))

    async def rest_of_drops(self) -> None:
        """Tell what `audio_dropped` has kept for a later report."""
        await self.send(self._drops.rest())

    # -- faults of our own ------------------------------------------------

    async def guard(self, where: str, work: Awaitable[Any]) -> None:
        """Await ``work``; whatever it raises ends here, and is told."""
        try:
            await work
        except asyncio.CancelledError:
            self._log.warn(f"{where} was cancelled")
        except Exception as error:
            await self.internal(where, error)

    async def internal(self, where: str, error: Exception) -> None:
        """Tell about an exception: its kind and its place, not its text."""
        self._log.error(f"{where} failed: {place_of(error)}")
        text = f"internal error: {where}: {kind_of(error)}"
        try:
            await self.send(self.paced(Fault("report", "internal", text)))
        except Exception as another:
            # Perhaps it is telling that fails.
            self._log.error(f"report failed: {place_of(another)}")


def severity(fault: Fault) -> int:
    """TEN's code: -1000 when nothing more is tried, else 1000."""
    return FATAL if fault.fatal else NON_FATAL

"""What TEN is told beside results: lines of its log and ``error`` messages, how
often they come, and what becomes of an exception."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ten_ai_base.asr import AsyncASRBaseExtension
from ten_ai_base.message import (
    ModuleError,
    ModuleErrorCode,
    ModuleErrorVendorInfo,
    ModuleType,
)
from ten_runtime import AsyncTenEnv

from ..connection.driver import now
from ..connection.faults import kind_of, place_of
from ..realtime.faults import INTERNAL, Fault
from ..realtime.results import DropCause
from ..realtime.shown import harmless
from ..safety.redaction import Redactor
from .dump import CallDump

VENDOR = "openai"
FATAL = int(ModuleErrorCode.FATAL_ERROR.value)
NON_FATAL = int(ModuleErrorCode.NON_FATAL_ERROR.value)

#: The second report comes after so many more ms, the next after twice that.
_FIRST_STEP_MS = 1000
#: So many stretches that do not adjoin wait for a report.
_MOST_STRETCHES = 8
#: What stays away for so long is over, in seconds.
_FORGET_S = 60.0
#: So many kinds are told apart.
_MOST_KINDS = 32
_CAUSES: Mapping[DropCause, str] = {
    "overflow": "the buffer is full",
    "given_up": "the call was given up",
    "unheard": "the service said nothing about it",
    "stopped": "the call was stopped before it was transcribed",
}
_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
#: Of a line, and of a part of a configuration, in characters: to look for
#: secrets in half a million of them would hold the loop for seconds.
_LONGEST_LINE = 65_536
_LONGEST_PART = 4096


@dataclass(eq=False, repr=False)
class ExtensionLog:
    """Passes lines at ``level`` or above to ``ten_env``, once there is one;
    made harmless, since not every reader of a log is a program."""

    _redactor: Redactor
    ten_env: AsyncTenEnv | None = None
    level: str = "INFO"

    def debug(self, text: str, category: str | None = None) -> None:
        self._line("DEBUG", text, category)

    def info(self, text: str, category: str | None = None) -> None:
        self._line("INFO", text, category)

    def warn(self, text: str, category: str | None = None) -> None:
        self._line("WARN", text, category)

    def error(self, text: str, category: str | None = None) -> None:
        self._line("ERROR", text, category)

    def _line(self, level: str, text: str, category: str | None) -> None:
        env = self.ten_env
        if env is None or _LEVELS.index(level) < _LEVELS.index(self.level):
            return
        # Of all that can fail, this is what nobody can be told about.
        with contextlib.suppress(Exception):
            # In this order: an escape inside a secret would hide it.
            shown = harmless(self._redactor.text(text[:_LONGEST_LINE]))
            log = getattr(env, f"log_{level.lower()}")
            log(shown, category=category)


def brief(fields: Mapping[str, Any], nested: bool = False) -> dict[str, Any]:
    """A configuration for one line: of its longest parts only the length."""
    shown = dict(fields)
    for name, value in fields.items():
        size = len(json.dumps(value, ensure_ascii=False))
        if size <= _LONGEST_PART:
            continue
        shown[name] = f"({size} characters)"
        if isinstance(value, Mapping) and not nested:
            inner = brief(value, nested=True)
            if len(json.dumps(inner)) <= 2 * _LONGEST_PART:
                shown[name] = inner
    return shown


@dataclass(eq=False, repr=False)
class ErrorMessages:
    """Sends errors, without secrets and not without end."""

    _base: AsyncASRBaseExtension
    _redactor: Redactor
    _log: ExtensionLog
    _dump: CallDump

    def __post_init__(self) -> None:
        self.drops = DropReport(self, self._dump)
        self._repeats = Repeats()
        self._on_their_way: set[asyncio.Future[None]] = set()

    async def send(self, fault: Fault | None) -> None:
        """Send one message; None is what need not be told."""
        if fault is None:
            return
        code = severity(fault)
        vendor = self.vendor_info(fault)
        message = vendor.message
        await self._base.send_asr_error(
            ModuleError(
                module=ModuleType.ASR.value, code=code, message=message
            ),
            vendor if fault.code else None,
        )
        line = {"code": code, "vendor_code": vendor.code, "message": message}
        self._dump.note("error", line)

    def send_soon(self, fault: Fault) -> None:
        """Send one from where nobody can wait."""
        task = asyncio.ensure_future(self._send_guarded(fault))
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)

    async def _send_guarded(self, fault: Fault) -> None:
        async with self.guard("report"):
            await self.send(fault)

    async def flush(self, within_s: float) -> None:
        """Wait for what `send_soon` still has to send."""
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=within_s)

    def paced(self, fault: Fault, kind: str = "") -> Fault | None:
        """What to send of something that may come without an end; of the same
        ``kind`` is what says the same, unless told otherwise."""
        kind = kind or f"{fault.code} {fault.message}"
        count = self._repeats.count(kind, now())
        if count <= 1:
            return fault if count else None
        text = f"{fault.message} ({count} times by now)"
        return replace(fault, message=text)

    def vendor_info(self, fault: Fault) -> ModuleErrorVendorInfo:
        shown = self._redactor.text
        return ModuleErrorVendorInfo(
            vendor=VENDOR, code=shown(fault.code), message=shown(fault.message)
        )

    def guard(self, where: str) -> Guard:
        """``async with`` it: whatever is raised in there is told."""
        return Guard(self, where)

    def cancelled(self, where: str) -> None:
        """Somebody cancelled a callback of ours."""
        self._log.warn(f"{where} was cancelled")

    async def internal(self, where: str, error: Exception) -> None:
        """Tell about an exception: its kind and its place, not its text."""
        self._log.error(f"{where} failed: {place_of(error)}")
        text = f"internal error: {where}: {kind_of(error)}"
        try:
            await self.send(self.paced(Fault("report", INTERNAL, text)))
        except Exception as another:
            # Perhaps it is telling that fails.
            self._log.error(f"report failed: {place_of(another)}")


@dataclass(eq=False, repr=False, slots=True)
class Guard:
    """Around what TEN calls; a class, since a frame of 10 ms passes one, and
    a generator costs several times as much."""

    _errors: ErrorMessages
    _where: str

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self,
        kind: object,
        error: BaseException | None,
        trace: object,
    ) -> bool:
        if isinstance(error, asyncio.CancelledError):
            self._errors.cancelled(self._where)
            return True
        if isinstance(error, Exception):
            await self._errors.internal(self._where, error)
            return True
        return False


def severity(fault: Fault) -> int:
    """TEN's code: -1000 when nothing more is tried, else 1000."""
    return FATAL if fault.fatal else NON_FATAL


class _Stretch(NamedTuple):
    """Dropped audio, in ms of all the audio of the node."""

    start_ms: int
    end_ms: int
    cause: DropCause

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


@dataclass(eq=False, repr=False)
class DropReport:
    """Tells about dropped audio ever more rarely; each ms is in one report."""

    _errors: ErrorMessages
    _dump: CallDump
    #: What is in no report yet.
    _untold: list[_Stretch] = field(default_factory=list)
    _step_ms: int = 0

    async def add(
        self, start_ms: int, duration_ms: int, cause: DropCause
    ) -> None:
        """A stretch was dropped, in all the audio of the node."""
        fields = {"start_ms": start_ms, "duration_ms": duration_ms}
        self._dump.note("dropped", {**fields, "cause": cause})
        end_ms, untold = start_ms + duration_ms, self._untold
        if untold and untold[-1][1:] == (start_ms, cause):
            start_ms = untold.pop().start_ms
        untold.append(_Stretch(start_ms, end_ms, cause))
        much = sum(s.duration_ms for s in untold) >= self._step_ms
        if much or len(untold) >= _MOST_STRETCHES:
            self._step_ms = max(2 * self._step_ms, _FIRST_STEP_MS)
            await self._report()

    async def rest(self) -> None:
        """Tell what is left, if any; the next drop is a first."""
        self._step_ms = 0
        await self._report()

    async def _report(self) -> None:
        untold, self._untold = self._untold, []
        for stretch in untold:
            text = (
                f"audio dropped: {stretch.duration_ms} ms from"
                f" {stretch.start_ms} ms on; {_CAUSES[stretch.cause]}"
            )
            await self._errors.send(Fault("report", "audio_dropped", text))


class Repeats:
    """Of what comes again and again the 1st, 2nd, 4th, 8th … is told."""

    def __init__(self) -> None:
        #: By kind: how often, and when last.
        self._seen: dict[str, tuple[int, float]] = {}

    def count(self, kind: str, now: float) -> int:
        """How often that has come, with this time, if it is to be told; else
        0.  ``now`` in seconds; a kind that stayed away begins anew."""
        if kind not in self._seen and len(self._seen) >= _MOST_KINDS:
            self._seen = {
                kind: (count, last)
                for kind, (count, last) in self._seen.items()
                if now - last <= _FORGET_S
            }
            if len(self._seen) >= _MOST_KINDS:
                # They differ each time: a flood, too.
                kind = ""
        count, last = self._seen.get(kind, (0, now))
        count = 1 if now - last > _FORGET_S else count + 1
        self._seen[kind] = count, now
        return count if is_told(count) else 0


def is_told(count: int) -> bool:
    """Is this the 1st, 2nd, 4th, 8th … time?"""
    return count & (count - 1) == 0

"""From what the client tells to the messages of TEN's ASR contract."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from ten_ai_base.asr import ASRResult, AsyncASRBaseExtension
from ten_ai_base.const import LOG_CATEGORY_VENDOR
from ten_ai_base.message import (
    ModuleError,
    ModuleErrorCode,
    ModuleErrorVendorInfo,
    ModuleType,
)

from ..audio_dumper import AudioDumper
from ..call.call import Call
from ..connection.faults import kind_of, place_of
from ..realtime.faults import Fault
from ..realtime.results import (
    AudioDropped,
    FinalizeEnd,
    InternalFault,
    ServerProblem,
    SessionLost,
    SessionReady,
    TurnFailed,
    TurnResult,
)
from ..safety.redaction import Redactor
from .confidence import confidence
from .language_tags import result_tag
from .log import ExtensionLog
from .pace import DropReport, Repeats, is_told

VENDOR = "openai"
#: A session that lived this long ends an outage, in seconds; one that is lost
#: sooner without having given a text is part of it.
_STEADY_S = 10.0


class AsrMessages(AsyncASRBaseExtension):
    """The ``on_asr_*`` handlers, and what they send."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        #: Whatever leaves goes through it.
        self._redactor = Redactor()
        self._log = ExtensionLog(self._redactor)
        self._call: Call | None = None
        self._dumper: AudioDumper | None = None
        #: Audio of this node before the present `Call`, in ms.
        self._offset_ms = 0
        self._drops = DropReport()
        self._repeats = Repeats()
        self._outage_reports = 0
        self._ready_at: float | None = None
        #: What becomes of a call that begins anew: "" or why it was given up.
        self._outcome: asyncio.Future[str] | None = None
        self._finalizes_open = 0
        #: The language of the interims of a turn that has no final yet.
        self._shown_language = ""
        self._reports: set[asyncio.Future[None]] = set()

    # -- what the client tells --------------------------------------------

    async def on_asr_start(self, session: SessionReady) -> None:
        """A session is ready: the first one, or one after an outage."""
        what = "reconnected" if session.recovered else "connected"
        self._log.info(
            f"vendor_status_changed: {what}, session {session.session_id}, "
            f"{session.connect_ms} ms, replayed {session.replayed_ms} ms",
            LOG_CATEGORY_VENDOR,
        )
        self._ready_at = asyncio.get_running_loop().time()
        self._settle_outcome("")
        await self._report_drops(self._drops.rest())
        await self.send_connect_delay_metrics(session.connect_ms)
        if session.recovered:
            await self._send_call_metrics()
        await self._tell_base("on_connected")

    async def on_asr_delta(self, turn: TurnResult) -> None:
        """The text of a turn so far."""
        if self._language_is_open(turn):
            # It would be tagged otherwise than the final, which comes as soon
            # as all is said with such a model.
            return
        self._shown_language = self._language(turn)
        await self._send_result(turn, final=False)

    async def on_asr_completed(self, turn: TurnResult) -> None:
        """The final text of a turn."""
        self._log.debug(
            f"vendor_result: on_completed: {turn.item_id},"
            f" {len(turn.text)} characters",
            LOG_CATEGORY_VENDOR,
        )
        self._outage_reports = 0
        if turn.text:
            await self._send_result(turn, final=True)
            self._shown_language = ""
        else:
            self._end_silently()
        if turn.usage:
            usage = self._redactor.value(dict(turn.usage))
            await self.send_vendor_metrics({"usage": usage})

    async def on_asr_committed(self, item_id: str) -> None:
        """The audio of a turn is complete."""
        self._log.debug(
            f"vendor_result: on_committed: {item_id}", LOG_CATEGORY_VENDOR
        )

    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        """A finalize is answered, or its time is up."""
        if end.timed_out:
            told = self._told(
                Fault(
                    "report",
                    "finalize_timeout",
                    f"no final result within {end.waited_ms} ms of a finalize;"
                    " it follows when the service answers",
                )
            )
            if told is not None:
                await self._report(told)
        await self.send_vendor_metrics({"finalize_ms": end.waited_ms})
        self._finalizes_open -= 1
        if self._finalizes_open <= 0 and not end.timed_out:
            # A word of later turns is not what was asked for: the base would
            # report the time to it as the time to the last word.
            self.last_finalize_time = None
        token = end.token
        await self._end_finalize(token if isinstance(token, str) else None)

    async def on_asr_server_error(
        self, problem: ServerProblem | TurnFailed
    ) -> None:
        """The service reported an error; the session goes on."""
        if isinstance(problem, TurnFailed):
            self._end_silently()
            fault = problem.fault
            await self._report(
                Fault(
                    "report",
                    fault.code,
                    f"{fault.message}; given up: {problem.duration_ms} ms of"
                    f" audio from {self._offset_ms + problem.start_ms} ms on",
                )
            )
        else:
            told = self._told(problem.fault)
            if told is not None:
                self._log_vendor_error(told)
                await self._report(told)

    async def on_asr_client_error(
        self, problem: SessionLost | InternalFault | AudioDropped
    ) -> None:
        """The connection is lost or refused, something of ours failed, or
        audio was dropped."""
        if isinstance(problem, InternalFault):
            await self._report_internal(problem.fault)
            return
        if isinstance(problem, AudioDropped):
            await self._report_drops(
                self._drops.add(
                    self._offset_ms + problem.start_ms,
                    problem.duration_ms,
                    problem.cause,
                )
            )
            return
        fault = problem.fault
        if self._call is not None:
            fault = self._call.config.explained(fault)
        self._log_vendor_error(fault)
        if fault.fatal:
            self._settle_outcome(fault.message)
        await self._tell_base(
            "on_disconnected",
            # 0 is a regular end, as after the session's hour.
            code=0 if fault.verdict == "at_once" else _severity(fault),
            message=self._redactor.text(fault.message),
            vendor_info=self._info(fault),
        )
        now = asyncio.get_running_loop().time()
        if self._ready_at is not None and now - self._ready_at >= _STEADY_S:
            self._outage_reports = 0
        self._ready_at = None
        if not fault.fatal:
            # Newer bases report "connecting" whenever this is entered; the
            # client is at it already.
            await self.start_connection()
        self._outage_reports += 1
        if fault.fatal or is_told(self._outage_reports):
            await self._report(fault)

    def _settle_outcome(self, problem: str) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(problem)

    def _log_vendor_error(self, fault: Fault) -> None:
        self._log.warn(
            f"vendor_error: code: {fault.code}, reason: {fault.message}",
            LOG_CATEGORY_VENDOR,
        )

    # -- to TEN -----------------------------------------------------------

    async def _send_result(self, turn: TurnResult, *, final: bool) -> None:
        result = ASRResult(
            text=turn.text,
            final=final,
            start_ms=self._offset_ms + turn.start_ms,
            duration_ms=turn.duration_ms,
            language=self._language(turn),
            # A null would make the runtime drop the whole message.
            words=[],
            metadata={"asr_info": self._redactor.value(_asr_info(turn))},
        )
        await self.send_asr_result(result)
        self._note("result", result=result.model_dump())

    def _language(self, turn: TurnResult) -> str:
        """All results of a turn have the language of its first one."""
        if self._shown_language:
            return self._shown_language
        assert self._call is not None
        configured = self._call.config.languages
        tag = result_tag(turn.languages, turn.hints, configured)
        return self._redactor.text(tag)

    def _language_is_open(self, turn: TurnResult) -> bool:
        """Will only the last word of the turn tell its language?"""
        assert self._call is not None
        reports = self._call.config.profile.reports_language
        return reports and len(turn.hints) != 1

    def _end_silently(self) -> None:
        """A turn ended without text: its interims must not share their id
        with the next turn."""
        if self._shown_language:
            self._shown_language = ""
            self.uuid = uuid.uuid4().hex

    async def _end_finalize(self, token: str | None) -> None:
        # The base has one slot for the id, and a later finalize may have
        # filled it.
        self.finalize_id = token
        await self.send_asr_finalize_end()
        self._note("finalize_end", finalize_id=token)

    async def _send_call_metrics(self) -> None:
        """What reconnects have cost so far, in the whole call."""
        if self._call is not None:
            await self.send_vendor_metrics(self._call.counters)

    async def _report_drops(self, text: str) -> None:
        if text:
            await self._report(Fault("report", "audio_dropped", text))

    def _told(self, fault: Fault) -> Fault | None:
        """What to tell of something that may come without an end."""
        now = asyncio.get_running_loop().time()
        count = self._repeats.count(f"{fault.code} {fault.message}", now)
        if count <= 1:
            return fault if count else None
        text = f"{fault.message} ({count} times by now)"
        return replace(fault, message=text)

    async def _report_internal(self, fault: Fault) -> None:
        """Tell about a fault of our own, which is in the log already."""
        told = self._told(fault)
        if told is not None:
            await self._report(told)

    async def _report(self, fault: Fault) -> None:
        """Send one ``error`` message."""
        code = _severity(fault)
        message = self._redactor.text(fault.message)
        await self.send_asr_error(
            ModuleError(
                module=ModuleType.ASR.value, code=code, message=message
            ),
            self._info(fault) if fault.code else None,
        )
        self._note("error", code=code, message=message)

    def _info(self, fault: Fault) -> ModuleErrorVendorInfo:
        shown = self._redactor.text
        return ModuleErrorVendorInfo(
            vendor=VENDOR, code=shown(fault.code), message=shown(fault.message)
        )

    def _report_later(self, fault: Fault) -> None:
        """Send an ``error`` message from where one cannot wait."""
        task = asyncio.ensure_future(
            self._guarded("report", self._report(fault))
        )
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    def _note(self, kind: str, **fields: Any) -> None:
        """A line for the session log, if there is one."""
        if self._dumper is not None:
            self._dumper.note(kind, fields)

    async def _tell_base(self, name: str, **details: Any) -> None:
        """Call a method that only newer bases have."""
        method: Callable[..., Awaitable[None]] | None = getattr(
            self, name, None
        )
        if callable(method):
            await method(**details)

    async def _guarded(self, where: str, work: Awaitable[None]) -> None:
        """Await ``work``; whatever it raises ends here, and is told."""
        try:
            await work
        except asyncio.CancelledError:
            self._log.warn(f"{where} was cancelled")
        except Exception as error:
            await self._tell_internal(where, error)

    async def _tell_internal(self, where: str, error: Exception) -> None:
        self._log.error(f"{where} failed: {place_of(error)}")
        text = f"internal error: {where}: {kind_of(error)}"
        try:
            await self._report_internal(Fault("report", "internal", text))
        except Exception as another:
            # Perhaps it is telling that fails.
            self._log.error(f"report failed: {place_of(another)}")


def _severity(fault: Fault) -> int:
    """TEN's code: -1000 when nothing more is tried, else 1000."""
    code = (
        ModuleErrorCode.FATAL_ERROR
        if fault.fatal
        else ModuleErrorCode.NON_FATAL_ERROR
    )
    return int(code.value)


def _asr_info(turn: TurnResult) -> dict[str, Any]:
    info = {"vendor": VENDOR, "model": turn.model, "item_id": turn.item_id}
    certainty = confidence(turn.logprobs)
    return info if certainty is None else {**info, "confidence": certainty}

"""What the client tells, as messages of TEN's ASR contract."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ten_ai_base.asr import ASRResult, AsyncASRBaseExtension
from ten_ai_base.const import LOG_CATEGORY_KEY_POINT, LOG_CATEGORY_VENDOR
from ten_ai_base.struct import ASRWord
from typing_extensions import assert_never, override

from ..call.languages import Expected
from ..call.slot import CallSlot
from ..connection.driver import now
from ..connection.interface import AsrListener
from ..realtime.failover import SWITCHED
from ..realtime.faults import INTERNAL, Fault
from ..realtime.results import (
    AudioDropped,
    FinalizeEnd,
    InternalFault,
    LateFinal,
    ServerProblem,
    SessionLost,
    SessionReady,
    TimedText,
    TurnFailed,
    TurnResult,
)
from ..realtime.text_allowance import TextAllowance, written_size
from ..safety.redaction import Redactor
from .dump import CallDump
from .owners import AudioOwners
from .reports import (
    VENDOR,
    ErrorMessages,
    ExtensionLog,
    is_told,
    severity,
)
from .result_fields import confidence, result_tag

#: What the last counters of a call are sent for.
_WORTH_TELLING = ("reconnects", "saved_ms", "endpoint_switches")
#: A session that lived this long ends an outage, in seconds; one that is lost
#: sooner without having given a text is part of it.
_STEADY_S = 10.0


class AskedFinalize(NamedTuple):
    """By which id, and up to where in all the audio of the node, in ms."""

    finalize_id: str | None
    end_ms: int


@dataclass(eq=False, repr=False)
class AsrHandlers(AsrListener):
    """The ``on_asr_*`` handlers, as `AsrListener` has them, and what they
    send."""

    _base: AsyncASRBaseExtension
    _slot: CallSlot
    _errors: ErrorMessages
    _redactor: Redactor
    _log: ExtensionLog
    _dump: CallDump
    _owners: AudioOwners
    _outage_reports: int = 0
    _ready_at: float | None = None
    _finalizes_open: int = 0
    #: Those that came as the call was being stopped.
    _late_finalizes: list[str | None] = field(default_factory=list)
    #: The language of the interims of a turn that has no final yet, and up to
    #: where the last of them was, in ms.
    _shown_language: str = ""
    _shown_to_ms: int = 0
    #: Each interim has all the text of its turn so far; what is left out is
    #: in the next one, or in the final.
    _interims: TextAllowance = field(default_factory=TextAllowance)

    # -- what the client tells --------------------------------------------

    @override
    async def on_asr_start(self, session: SessionReady) -> None:
        """A session is ready: the first one, or one after an outage."""
        what = "reconnected" if session.recovered else "connected"
        self._log.info(
            f"vendor_status_changed: {what}, session {session.session_id}, "
            f"{session.connect_ms} ms, replayed {session.replayed_ms} ms",
            LOG_CATEGORY_VENDOR,
        )
        self._dump.note("ready", asdict(session))
        self._ready_at = now()
        self._slot.settle("")
        await self._errors.drops.rest()
        await self._base.send_connect_delay_metrics(session.connect_ms)
        if session.recovered:
            await self._send_counters()
        await call_newer_base(self._base, "on_connected")

    @override
    async def on_asr_delta(self, turn: TurnResult) -> None:
        if not self._shown_language and self._language_is_open(turn):
            # It would be tagged otherwise than the final, which comes as soon
            # as all is said with such a model.
            return
        if not self._interims.takes(written_size(turn.text), now()):
            return
        self._shown_language = self._language(turn)
        self._shown_to_ms = turn.start_ms + turn.duration_ms
        await self._send_result(turn, final=False)

    @override
    async def on_asr_completed(self, turn: TurnResult) -> None:
        self._log.debug(
            f"vendor_result: on_completed: {turn.item_id},"
            f" {len(turn.text)} characters",
            LOG_CATEGORY_VENDOR,
        )
        if turn.text:
            await self._send_result(turn, final=True)
            self._shown_language = ""
        else:
            self._end_without_text()
            self._note_place("empty", turn)
        if turn.usage:
            # What others have said at the same moment comes first.
            await asyncio.sleep(0)
            await self._send_usage(turn.usage)

    async def _send_usage(self, usage: Mapping[str, Any]) -> None:
        if usage:
            told = self._redactor.value(dict(usage))
            await self._base.send_vendor_metrics({"usage": told})

    @override
    async def on_asr_late(self, late: LateFinal) -> None:
        """The last word of a turn whose final was early."""
        self._log.debug(
            f"vendor_result: on_late: {late.item_id}, {late.changed_words}"
            " words are others",
            LOG_CATEGORY_VENDOR,
        )
        await self._send_usage(late.usage)
        if late.changed_words is not None:
            await self._send_counters()

    @override
    async def on_asr_committed(self, item_id: str) -> None:
        self._log.debug(
            f"vendor_result: on_committed: {item_id}", LOG_CATEGORY_VENDOR
        )

    @override
    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        """A finalize is answered, or its time is up."""
        if end.timed_out:
            late = Fault(
                "report",
                "finalize_timeout",
                f"no final result within {end.waited_ms} ms of a finalize;"
                " it follows when the service answers",
            )
            # How long each waited differs by a few ms.
            await self._errors.send(self._errors.paced(late, late.code))
        await self._base.send_vendor_metrics({"finalize_ms": end.waited_ms})
        self._finalizes_open -= 1
        if self._finalizes_open <= 0 and not end.timed_out:
            # A word of later turns is not what was asked for: the base would
            # report the time to it as the time to the last word.
            self._base.last_finalize_time = None
        asked = end.token
        assert isinstance(asked, AskedFinalize)
        with self._owners.of(asked.end_ms - 1):
            await self.end_finalize(asked.finalize_id)

    @override
    async def on_asr_server_error(
        self, problem: ServerProblem | TurnFailed
    ) -> None:
        match problem:
            case TurnFailed(fault=fault):
                self._note_place("failed", problem)
                start_ms = self._slot.audio.position_ms(problem.start_ms)
                told: Fault | None = Fault(
                    "report",
                    fault.code,
                    f"{fault.message}; given up: {problem.duration_ms} ms of"
                    f" audio from {start_ms} ms on",
                )
                with self._owners.of(start_ms + problem.duration_ms // 2):
                    await self._errors.send(told)
                # So the error has the id of its interims.
                self._end_without_text()
                return
            case ServerProblem(fault=fault):
                # Each change of the endpoint is told.
                each = fault.code == SWITCHED
                told = fault if each else self._errors.paced(fault)
                if told is not None:
                    self._log_vendor_error(told)
            case _:
                assert_never(problem)
        await self._errors.send(told)

    @override
    async def on_asr_client_error(
        self, problem: SessionLost | InternalFault | AudioDropped
    ) -> None:
        match problem:
            case SessionLost(fault=fault):
                await self._on_session_lost(fault)
            case InternalFault(fault=fault):
                # It is in the log already.
                await self._errors.send(self._errors.paced(fault))
            case AudioDropped(start_ms=start, duration_ms=length):
                await self._errors.drops.add(
                    self._slot.audio.position_ms(problem.start_ms),
                    problem.duration_ms,
                    problem.cause,
                )
                if start < self._shown_to_ms <= start + length:
                    # What follows is another turn.
                    self._end_without_text()
            case _:
                assert_never(problem)

    async def _on_session_lost(self, fault: Fault) -> None:
        if self._slot.config is not None:
            fault = self._slot.config.explained(fault)
        self._log_vendor_error(fault)
        if fault.fatal:
            self._slot.settle(fault.message)
        await call_newer_base(
            self._base,
            "on_disconnected",
            # 0 is a regular end, as after the session's hour.
            code=0 if fault.verdict == "at_once" else severity(fault),
            message=self._redactor.text(fault.message),
            vendor_info=self._errors.vendor_info(fault),
        )
        if self._ready_at is not None and now() - self._ready_at >= _STEADY_S:
            self._outage_reports = 0
        self._ready_at = None
        if not fault.fatal and self._slot.running:
            # Newer bases report "connecting" whenever this is entered; the
            # client is at it already.  One that is being stopped would wait
            # for an update, which waits for it.
            await self._base.start_connection()
        self._outage_reports += 1
        if fault.code == INTERNAL:
            # Whatever outage there was before.
            await self._errors.send(self._errors.paced(fault))
        elif fault.fatal or is_told(self._outage_reports):
            await self._errors.send(fault)

    def _log_vendor_error(self, fault: Fault) -> None:
        self._log.warn(
            f"vendor_error: code: {fault.code}, reason: {fault.message}",
            LOG_CATEGORY_VENDOR,
        )

    # -- finalizes, and the end -------------------------------------------

    def asked(self, finalize_id: str | None) -> AskedFinalize:
        """What a finalize that comes now is to be known by."""
        end_ms = self._slot.audio.end_ms(self._slot.call)
        return AskedFinalize(finalize_id, end_ms)

    def expect_finalized(self) -> None:
        """The client was asked; `on_asr_finalized` will follow."""
        self._finalizes_open += 1

    async def end_finalize(self, token: str | None) -> None:
        """Answer a finalize."""
        # The base has one slot for the id, and a later finalize may have
        # filled it.
        self._base.finalize_id = token
        await self._base.send_asr_finalize_end()
        self._dump.note("finalize_end", {"finalize_id": token})

    def end_finalize_late(self, token: str | None) -> None:
        """Answer a finalize when the call has delivered its last words."""
        self._late_finalizes.append(token)

    async def end_late_finalizes(self) -> None:
        """It has."""
        tokens, self._late_finalizes = self._late_finalizes, []
        for token in tokens:
            await self.end_finalize(token)

    async def sum_up(self) -> None:
        """Tell at the end of a call what is not told yet."""
        call = self._slot.call
        if call is None:
            return
        if call.ignored:
            self._log.info(
                f"server messages ignored: {call.ignored}",
                LOG_CATEGORY_KEY_POINT,
            )
        await self._errors.drops.rest()
        counters = self._slot.counters
        self._dump.note("counters", {"counters": counters})
        if any(map(counters.get, _WORTH_TELLING)):
            await self._send_counters()

    async def _send_counters(self) -> None:
        """What reconnects and early finals have cost so far, in the whole
        call."""
        await self._base.send_vendor_metrics(self._slot.counters)

    # -- results ----------------------------------------------------------

    async def _send_result(self, turn: TurnResult, *, final: bool) -> None:
        result = ASRResult(
            text=turn.text,
            final=final,
            start_ms=self._slot.audio.position_ms(turn.start_ms),
            duration_ms=turn.duration_ms,
            language=self._language(turn),
            # A null would make the runtime drop the whole message.
            words=[
                ASRWord(**self._timed(word, "word"), stable=True)
                for word in turn.words
            ],
            metadata={"asr_info": self._asr_info(turn)},
        )
        with self._owners.of(result.start_ms + result.duration_ms // 2):
            await self._base.send_asr_result(result)
        if self._dump.dumper is not None:
            self._dump.note("result", {"result": result.model_dump()})

    def _asr_info(self, turn: TurnResult) -> dict[str, Any]:
        redactor = self._redactor
        info: dict[str, Any] = {
            "vendor": VENDOR,
            "model": redactor.text(turn.model),
            "item_id": redactor.identifier(turn.item_id),
        }
        certainty = confidence(turn.logprobs)
        if certainty is not None:
            info["confidence"] = redactor.value(certainty)
        if turn.early:
            info["early"] = True
        if turn.endpoint:
            info["endpoint"] = turn.endpoint
        if turn.speakers:
            info["speakers"] = [
                {
                    "speaker": redactor.text(said.speaker),
                    **self._timed(said, "text"),
                }
                for said in turn.speakers
            ]
        return info

    def _timed(self, timed: TimedText, name: str) -> dict[str, Any]:
        """What was said when, in ms of the call; the text as ``name``."""
        return {
            name: timed.text,
            "start_ms": self._slot.audio.position_ms(timed.start_ms),
            "duration_ms": timed.duration_ms,
        }

    def _language(self, turn: TurnResult) -> str:
        """All results of a turn have the language of its first one."""
        if self._shown_language:
            return self._shown_language
        tag = result_tag(turn.languages, turn.hints, self._expected(turn).tags)
        return self._redactor.text(tag)

    def _language_is_open(self, turn: TurnResult) -> bool:
        """Will only the last word of the turn tell its language?"""
        return self._expected(turn).reported and len(turn.hints) != 1

    def _expected(self, turn: TurnResult) -> Expected:
        assert self._slot.call is not None
        return self._slot.call.languages.of(turn)

    def heard_speech(self, start_ms: int, end_ms: int) -> None:
        """What the local detector took for speech, in the present call."""
        place = self._slot.audio.position_ms
        fields = {"start_ms": place(start_ms), "end_ms": place(end_ms)}
        self._dump.note("speech", fields)

    def _note_place(self, kind: str, turn: TurnResult | TurnFailed) -> None:
        """For the log: a turn ended without a result."""
        fields = {
            "item_id": turn.item_id,
            "start_ms": self._slot.audio.position_ms(turn.start_ms),
            "duration_ms": turn.duration_ms,
        }
        self._dump.note(kind, fields)

    def _end_without_text(self) -> None:
        """The turn's interims must not share their id with the next one."""
        if self._shown_language:
            self._shown_language = ""
            self._base.uuid = uuid.uuid4().hex


async def call_newer_base(base: object, name: str, **details: Any) -> None:
    """Call a method that only newer bases have."""
    method: Callable[..., Awaitable[None]] | None = getattr(base, name, None)
    if callable(method):
        await method(**details)

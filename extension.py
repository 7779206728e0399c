"""The TEN side: frames and finalizes in, results and reports out.

What is sent to the service and when is decided in `realtime`; this module
translates between its results and the messages of TEN's ASR contract.  No
exception may leave a callback: the runtime would end the process.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from ten_ai_base.asr import (
    ASRBufferConfig,
    ASRBufferConfigModeDiscard,
    ASRBufferConfigModeKeep,
    ASRResult,
    AsyncASRBaseExtension,
)
from ten_ai_base.const import LOG_CATEGORY_KEY_POINT, LOG_CATEGORY_VENDOR
from ten_ai_base.message import (
    ModuleError,
    ModuleErrorCode,
    ModuleErrorVendorInfo,
    ModuleType,
)
from ten_runtime import (
    AsyncTenEnv,
    AudioFrame,
    Cmd,
    CmdResult,
    Data,
    StatusCode,
)

from .assembly import MissingDetector, client_settings, make_detector
from .audio.converter import FrameConverter
from .audio.intake import Intake
from .audio.levels import loud_span_finder
from .audio.turns import Event, LocalTurnDetector, TurnStarted
from .audio_dumper import AudioDumper
from .confidence import confidence
from .config import FIXED_FIELDS, ConfigError, OpenAIASRConfig
from .config_loading import load_config, updated_properties
from .drop_report import DropReport
from .extension_log import ExtensionLog
from .languages import language_tag
from .openai_asr_client import OpenAIASRClient
from .realtime.endpoint import redacted_url
from .realtime.faults import Fault
from .realtime.results import (
    AudioDropped,
    FinalizeEnd,
    ServerProblem,
    SessionLost,
    SessionReady,
    TurnFailed,
    TurnResult,
)
from .session_log import config_secrets, log_config

VENDOR = "openai"

#: How often a finalize looks whether the base class has handed over the
#: frames that came before it; each look lets every other task run once.
_DRAIN_LOOKS = 1000


class OpenAIASRExtension(AsyncASRBaseExtension):
    """Speech to text for one call."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.config: OpenAIASRConfig | None = None
        self._log = ExtensionLog()
        self._client: OpenAIASRClient | None = None
        self._intake: Intake | None = None
        self._dumper: AudioDumper | None = None
        self._accounted_ms = 0
        self._outage_reports = 0
        self._drops = DropReport()
        self._frame_errors = 0
        self._interim_open = False
        self._properties: dict[str, Any] = {}
        self._updating = asyncio.Lock()
        self._offset_ms = 0
        self._reports: set[asyncio.Future[None]] = set()

    # -- life -------------------------------------------------------------

    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        """Read the properties; a wrong one leaves the extension inert."""
        await self._guarded("on_init", self._init(ten_env))

    async def _init(self, ten_env: AsyncTenEnv) -> None:
        await super().on_init(ten_env)
        self._log.ten_env = ten_env
        text, error = await ten_env.get_property_to_json("")
        try:
            if error is not None:
                raise ConfigError("properties", error.error_message())
            self._properties = json.loads(text or "{}")
            self.config, warnings = load_config(self._properties)
        except (ConfigError, ValueError, RecursionError) as problem:
            await self._on_bad_config(str(problem))
            return
        self._log.level = self.config.log_level
        self._log.info(
            f"config: {self.config.describe()}", LOG_CATEGORY_KEY_POINT
        )
        for warning in warnings:
            self._log.warn(f"config: {warning}", LOG_CATEGORY_KEY_POINT)
        if self.config.dump:
            self._start_dump(self.config)
        try:
            await self._build(self.config)
        except MissingDetector as missing:
            self.config = None
            await self._on_bad_config(str(missing))

    async def _on_bad_config(self, problem: str) -> None:
        self._log.error(f"invalid property: {problem}", LOG_CATEGORY_KEY_POINT)
        await self._report(Fault("fatal", "", f"invalid property: {problem}"))

    async def _build(self, config: OpenAIASRConfig) -> None:
        if config.dump and self._dumper is None:
            self._start_dump(config)
        """Make the parts of a call; raises `MissingDetector`."""
        detector = await make_detector(config)
        settings = client_settings(config)
        wire, rate = settings.session.wire_format, settings.session.rate
        client = OpenAIASRClient(
            settings,
            self,
            loud_span_finder(wire, rate),
            self._log.error,
            trace=self._dumper,
        )
        intake = Intake(
            FrameConverter(
                wire,
                config.sample_rate,
                config.channels,
                g711_input=config.g711_input,
            ),
            wire,
            client.send_audio,
            self._on_turn,
        )
        self._client, self._intake = client, intake
        self._accounted_ms = 0
        self._listen(detector, config)

    def _listen(
        self, detector: LocalTurnDetector | None, config: OpenAIASRConfig
    ) -> None:
        if self._client is not None and self._intake is not None:
            self._intake.listen(detector)
            self._client.detect_locally(
                detector is not None, config.skip_before_ms
            )

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        await self._guarded("on_start", super().on_start(ten_env))

    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        await self._guarded("on_stop", self._drain_frames())
        await self._guarded("on_stop", super().on_stop(ten_env))
        await self._guarded("on_stop", self._stop_dump())

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        await self._guarded("on_data", super().on_data(ten_env, data))

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        await self._guarded("on_cmd", self._on_cmd(ten_env, cmd))

    async def _on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        if cmd.get_name() != "update_configs":
            await super().on_cmd(ten_env, cmd)
            return
        refusal = await self._update(cmd)
        status = StatusCode.ERROR if refusal else StatusCode.OK
        result = CmdResult.create(status, cmd)
        result.set_property_int("code", -1 if refusal else 0)
        result.set_property_string("message", refusal or "applied")
        await ten_env.return_result(result)

    async def _update(self, cmd: Cmd) -> str:
        """Apply an ``update_configs``; "" or why nothing was changed."""
        text, error = cmd.get_property_to_json("")
        if error is not None:
            return f"unreadable: {error.error_message()}"
        async with self._updating:
            try:
                payload = json.loads(text or "{}")
                properties = updated_properties(self._properties, payload)
                config, warnings = load_config(properties)
                if self._dumper is not None:
                    self._dumper.hide(config_secrets(config))
                refusal = await self._reconfigure(config)
            except (ConfigError, MissingDetector, ValueError) as problem:
                refusal = str(problem)
            except Exception as problem:
                refusal = f"internal error: {type(problem).__name__}"
                self._log.error(f"update_configs failed: {problem!r}")
            if refusal:
                self._log.warn(f"update_configs refused: {refusal}")
                return refusal
            self._properties = properties
        self._note("config", config=log_config(config))
        self._log.info(f"config: {config.describe()}", LOG_CATEGORY_KEY_POINT)
        for warning in warnings:
            self._log.warn(f"config: {warning}", LOG_CATEGORY_KEY_POINT)
        return ""

    async def _reconfigure(self, config: OpenAIASRConfig) -> str:
        old, client = self.config, self._client
        if self.stopped:
            return "the call is over"
        if old is None or client is None or not client.running:
            await self._begin_anew(config)
            return ""
        for name in FIXED_FIELDS:
            if getattr(config, name) != getattr(old, name):
                return f"{name}: cannot be changed during a call"
        detector = None
        if config.turn_detection_changed(old):
            detector = await make_detector(config)
        refused = await client.change(client_settings(config))
        if refused is not None:
            return refused.message
        self.config = config
        self._log.level = config.log_level
        if config.turn_detection_changed(old):
            self._listen(detector, config)
        return ""

    async def _begin_anew(self, config: OpenAIASRConfig) -> None:
        """A better configuration for a call that is not under way: none
        began, or a fatal error ended it."""
        gave_up = self._gave_up()
        inert = self.config is None
        if gave_up and self._client is not None and self._intake is not None:
            self._offset_ms += int(self._intake.received_ms)
            await self._client.stop()
        await self._build(config)
        self.config = config
        self._log.level = config.log_level
        if gave_up or (inert and self.auto_connect):
            await self.start_connection()

    async def on_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        if self._dumper is not None:
            # Here nothing has been dropped or put into another order yet.
            _dump_frame(self._dumper, audio_frame)
        await self._guarded(
            "on_audio_frame", self._on_audio_frame(ten_env, audio_frame)
        )

    async def _on_audio_frame(
        self, ten_env: AsyncTenEnv, frame: AudioFrame
    ) -> None:
        if self.metadata is None:
            # The base looks at a frame's metadata when it hands it over;
            # what is sent before shall carry the session's id as well.
            text, error = frame.get_property_to_json("metadata")
            metadata = json.loads(text) if error is None and text else None
            if isinstance(metadata, dict) and metadata:
                self.metadata = metadata
                session_id = metadata.get("session_id")
                if isinstance(session_id, str):
                    self.session_id = session_id
        await super().on_audio_frame(ten_env, frame)

    async def _guarded(self, where: str, work: Awaitable[None]) -> None:
        """Await ``work``; whatever it raises ends here, in the log."""
        try:
            await work
        except asyncio.CancelledError:
            self._log.warn(f"{where} was cancelled")
        except Exception as error:
            self._log.error(f"{where} failed: {error!r}")

    # -- the contract of the base class -----------------------------------

    def vendor(self) -> str:
        return VENDOR

    def vendor_metadata(self) -> dict[str, Any]:
        """What newer bases add to metrics and status; no secrets."""
        if self.config is None:
            return {}
        request = self.config.input_audio_transcription
        found = {
            "model": request.model,
            "url": redacted_url(self.config.url),
            "language": request.language,
        }
        return {key: value for key, value in found.items() if value}

    def input_audio_sample_rate(self) -> int:
        """Hz of frames that do not say it themselves."""
        return 16000 if self.config is None else self.config.sample_rate

    def input_audio_channels(self) -> int:
        return 1 if self.config is None else self.config.channels

    def buffer_strategy(self) -> ASRBufferConfig:
        """What the base does with frames before `start_connection`.

        From then on this extension takes every frame and keeps what is not
        delivered itself.
        """
        if self.config is None or self._gave_up():
            return ASRBufferConfigModeDiscard()
        samples = self.config.max_buffer_ms * self.config.sample_rate // 1000
        return ASRBufferConfigModeKeep(
            byte_limit=samples * 2 * self.config.channels
        )

    def _gave_up(self) -> bool:
        return self._client is not None and self._client.core.fatal is not None

    def is_connected(self) -> bool:
        """True while audio is taken, also during an outage: it is kept."""
        return self._client is not None and self._client.running

    async def start_connection(self) -> None:
        """Begin to connect; returns at once."""
        client = self._client
        if client is None or self.stopped or self._gave_up():
            return
        await client.start()
        await self._take_early_frames()

    async def _take_early_frames(self) -> None:
        """The base hands over what it kept only with the next frame; speech
        that ended before the connection must not wait for one."""
        frames = self.buffered_frames
        while not frames.empty():
            self._accept(frames.get_nowait())
        self.buffered_frames_size = 0

    async def stop_connection(self) -> None:
        """Deliver what was said, within a bound, and close."""
        if self._intake is not None:
            self._intake.finalize()
        if self._client is not None:
            await self._client.stop()
            await self._report_drops(self._drops.rest())
            if self._client.core.reconnects:
                await self._send_call_metrics()
        await self._tell_base("on_disconnected", message="stopped")

    async def send_audio(
        self, frame: AudioFrame, session_id: str | None
    ) -> bool:
        """Take one frame; False when it could not be used."""
        return self.is_connected() and self._accept(frame)

    def _accept(self, frame: AudioFrame) -> bool:
        client, intake = self._client, self._intake
        if intake is None:
            return False
        try:
            intake.push(
                frame.get_buf(),
                frame.get_sample_rate(),
                frame.get_number_of_channels(),
                frame.get_bytes_per_sample(),
            )
        except ValueError as error:
            self._on_bad_frame(str(error))
            return False
        total = int(intake.received_ms)
        if client is not None and total // 1000 > self._accounted_ms // 1000:
            client.passed_over(intake.quiet_to)
        self.audio_timeline.add_user_audio(total - self._accounted_ms)
        self._accounted_ms = total
        return True

    def _on_bad_frame(self, problem: str) -> None:
        # One bad frame is rarely alone: report the 1st, 10th, 100th …
        self._frame_errors += 1
        if str(self._frame_errors).strip("0") == "1":
            self._later(
                self._report(
                    Fault("report", "", f"audio frame refused: {problem}")
                )
            )

    def _on_turn(self, event: Event) -> None:
        client = self._client
        if client is None:
            return
        if isinstance(event, TurnStarted):
            client.speech_started(event.onset_sample)
            return
        boundary = event.at_sample
        if event.cut:
            boundary = event.end_of_speech_sample
        client.speech_ended(event.end_of_speech_sample, boundary)

    async def finalize(self, session_id: str | None) -> None:
        """Deliver all that was received so far, then send the end signal."""
        token = self.finalize_id
        self._note("finalize", finalize_id=token)
        client, intake = self._client, self._intake
        if client is None or intake is None or self.stopped:
            await self._end_finalize(token)
            return
        await self._drain_frames()
        if not client.running and not self.buffered_frames.empty():
            # A finalize may come before on_start, or with auto_connect off;
            # who finalizes wants the text.
            await self.start_connection()
        if not client.running:
            await self._end_finalize(token)
            return
        intake.finalize()
        client.finalize(token)

    async def _drain_frames(self) -> None:
        """Wait until the base has handed over the frames that came before.

        Its consumer takes a frame whenever the loop gets round to it.
        """
        for _ in range(_DRAIN_LOOKS):
            if self.audio_frames_queue.empty():
                break
            await asyncio.sleep(0)
        # The frame taken last may still be on its way through the base.
        await asyncio.sleep(0)

    async def _end_finalize(self, token: str | None) -> None:
        # The base has one slot for the id, and a later finalize may have
        # filled it.
        self.finalize_id = token
        await self.send_asr_finalize_end()
        self._note("finalize_end", finalize_id=token)

    # -- what the client tells --------------------------------------------

    async def on_asr_start(self, session: SessionReady) -> None:
        """A session is ready: the first one, or one after an outage."""
        what = "reconnected" if session.recovered else "connected"
        self._log.info(
            f"vendor_status_changed: {what}, session {session.session_id}, "
            f"{session.connect_ms} ms, replayed {session.replayed_ms} ms",
            LOG_CATEGORY_VENDOR,
        )
        self._outage_reports = 0
        await self._report_drops(self._drops.rest())
        await self.send_connect_delay_metrics(session.connect_ms)
        if session.recovered:
            await self._send_call_metrics()
        await self._tell_base("on_connected")

    async def _send_call_metrics(self) -> None:
        """What reconnects have cost so far, in the whole call."""
        if self._client is not None:
            await self.send_vendor_metrics(self._client.counters())

    async def on_asr_delta(self, turn: TurnResult) -> None:
        """The text of a turn so far."""
        self._interim_open = True
        await self._send_result(turn, final=False)

    async def on_asr_completed(self, turn: TurnResult) -> None:
        """The final text of a turn."""
        if turn.text:
            await self._send_result(turn, final=True)
            self._interim_open = False
        else:
            self._end_silently()
        if turn.usage:
            await self.send_vendor_metrics({"usage": dict(turn.usage)})

    async def on_asr_committed(self, item_id: str) -> None:
        """The audio of a turn is complete."""
        self._log.debug(
            f"vendor_result: on_committed: {item_id}", LOG_CATEGORY_VENDOR
        )

    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        """A finalize is answered, or its time is up."""
        if end.timed_out:
            await self._report(
                Fault(
                    "report",
                    "finalize_timeout",
                    f"no final result within {end.waited_ms} ms of a finalize;"
                    " it follows when the service answers",
                )
            )
        await self.send_vendor_metrics({"finalize_ms": end.waited_ms})
        await self._end_finalize(str(end.token))

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
                    f" audio from {problem.start_ms} ms on",
                )
            )
        else:
            await self._report(problem.fault)

    async def on_asr_client_error(
        self, problem: SessionLost | AudioDropped
    ) -> None:
        """The connection is lost or refused, or audio was dropped."""
        if isinstance(problem, AudioDropped):
            await self._report_drops(
                self._drops.add(problem.start_ms, problem.duration_ms)
            )
            return
        fault = problem.fault
        self._log.warn(
            f"vendor_error: code: {fault.code}, reason: {fault.message}",
            LOG_CATEGORY_VENDOR,
        )
        await self._tell_base(
            "on_disconnected", message=fault.message, vendor_info=_info(fault)
        )
        if not fault.fatal:
            # Newer bases report "connecting" whenever this is entered; the
            # client is at it already.
            await self.start_connection()
        self._outage_reports += 1
        # In a long outage: the 1st, 2nd, 4th, 8th … attempt is reported.
        count = self._outage_reports
        if fault.fatal or count & (count - 1) == 0:
            await self._report(fault)

    async def _report_drops(self, text: str) -> None:
        if text:
            await self._report(Fault("report", "audio_dropped", text))

    # -- to TEN -----------------------------------------------------------

    async def _send_result(self, turn: TurnResult, *, final: bool) -> None:
        assert self.config is not None
        request = self.config.input_audio_transcription
        result = ASRResult(
            text=turn.text,
            final=final,
            start_ms=turn.start_ms,
            duration_ms=turn.duration_ms,
            language=language_tag(
                (*turn.languages, request.language, *request.languages)
            ),
            # A null would make the runtime drop the whole message.
            words=[],
            metadata={"asr_info": _asr_info(turn)},
        )
        await self.send_asr_result(result)
        if self._dumper is not None:
            self._dumper.note("result", {"result": result.model_dump()})

    def _end_silently(self) -> None:
        """A turn ended without text: its interims must not share their id
        with the next turn."""
        if self._interim_open:
            self._interim_open = False
            self.uuid = uuid.uuid4().hex

    def _start_dump(self, config: OpenAIASRConfig) -> None:
        self._dumper = AudioDumper(
            config.dump_file(),
            log_config(config),
            config_secrets(config),
            self._on_dump_error,
        )

    def _note(self, kind: str, **fields: Any) -> None:
        """A line for the session log, if there is one."""
        if self._dumper is not None:
            self._dumper.note(kind, fields)

    async def _stop_dump(self) -> None:
        if self._dumper is not None:
            await self._dumper.stop()
            if self._reports:
                # What went wrong at the end is still to be told.
                await asyncio.wait(self._reports, timeout=1)

    def _on_dump_error(self, problem: str) -> None:
        self._log.warn(problem)
        self._later(self._report(Fault("report", "", problem)))

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._guarded("report", work))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _report(self, fault: Fault) -> None:
        """Send one ``error`` message."""
        code = (
            ModuleErrorCode.FATAL_ERROR
            if fault.fatal
            else ModuleErrorCode.NON_FATAL_ERROR
        )
        await self.send_asr_error(
            ModuleError(
                module=ModuleType.ASR.value,
                code=int(code.value),
                message=fault.message,
            ),
            _info(fault) if fault.code else None,
        )
        self._note("error", code=int(code.value), message=fault.message)

    async def _tell_base(self, name: str, **details: Any) -> None:
        """Call a method that only newer bases have."""
        method: Callable[..., Awaitable[None]] | None = getattr(
            self, name, None
        )
        if callable(method):
            await method(**details)


def _asr_info(turn: TurnResult) -> dict[str, Any]:
    info = {"vendor": VENDOR, "model": turn.model, "item_id": turn.item_id}
    certainty = confidence(turn.logprobs)
    return info if certainty is None else {**info, "confidence": certainty}


def _dump_frame(dumper: AudioDumper, frame: AudioFrame) -> None:
    try:
        data = frame.get_buf()
    except Exception:
        # A frame without a buffer; the base tells about it.
        return
    if data:
        dumper.frame(
            data,
            frame.get_sample_rate(),
            frame.get_number_of_channels(),
            frame.get_bytes_per_sample(),
        )


def _info(fault: Fault) -> ModuleErrorVendorInfo:
    return ModuleErrorVendorInfo(
        vendor=VENDOR, code=fault.code, message=fault.message
    )

"""The TEN side: frames, finalizes and commands in.

What is sent to the service and when is decided in `realtime`; `call` puts the
parts together and `contract` translates their results.  No exception may
leave a callback: the runtime would end the process.
"""

from __future__ import annotations

import asyncio
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

from ten_ai_base.asr import (
    ASRBufferConfig,
    ASRBufferConfigModeDiscard,
    ASRBufferConfigModeKeep,
)
from ten_ai_base.const import LOG_CATEGORY_KEY_POINT
from ten_ai_base.message import ModuleErrorCode
from ten_runtime import (
    AsyncTenEnv,
    AudioFrame,
    AudioFrameDataFmt,
    Cmd,
    CmdResult,
    Data,
    StatusCode,
)

from .audio_dumper import AudioDumper
from .call.call import Call, Refused
from .call.update_queue import UpdateQueue, reason
from .config import ConfigError, OpenAIASRConfig
from .connection.trace import OverheardTrace
from .contract.log import brief
from .contract.messages import VENDOR, AsrMessages
from .properties.updates import Version
from .realtime.faults import Fault
from .realtime.results import DropCause
from .safety.redaction import proxy_secrets, secrets_in
from .service.endpoint import redacted_url

#: How often a finalize looks whether the base class has handed over the
#: frames that came before it; each look lets every other task run once.
_DRAIN_LOOKS = 1000
#: A limit in bytes that the base's own buffer never reaches.
_NEVER_FULL = 1 << 40
#: Of a configuration, in characters; the keywords that the service takes may
#: fill half of it.
_MOST_CHARACTERS = 512 * 1024
#: HTTP servers take no more headers, and none that is longer; to make all
#: spellings of more than that in all, in characters, would hold the loop.
_MOST_SECRETS, _LONGEST_SECRET, _ALL_SECRETS = 200, 8192, 24_576
#: Whoever did so much wrong knows it by then.
_MOST_WARNINGS = 50
#: After the end of the call commands are answered within this, in seconds.
_LAST_ANSWERS_S = 1.0
_FATAL = int(ModuleErrorCode.FATAL_ERROR.value)


class OpenAIASRExtension(AsrMessages):
    """Speech to text for one call."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        #: Which call is there: held while that is decided, and while a change
        #: of its settings is under way.
        self._deciding = asyncio.Lock()
        self._updates = UpdateQueue(
            self._deciding, self._living, self._apply, self._show_update
        )
        self._commands: set[asyncio.Task[Any]] = set()
        self._frame_errors = 0
        self._metadata_text = ""
        self._warnings_shown: set[str] = set()
        #: Audio that gave way before there was a connection, or came while
        #: the call was given up, in ms.
        self._lost_ms = Fraction(0)

    @property
    def _config(self) -> OpenAIASRConfig | None:
        """The configuration in force, or None while there is no valid one."""
        return None if self._call is None else self._call.config

    # -- life -------------------------------------------------------------

    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        """Read the properties; a wrong one leaves the extension inert."""
        await self._guarded("on_init", self._init(ten_env))

    async def _init(self, ten_env: AsyncTenEnv) -> None:
        await super().on_init(ten_env)
        self._log.ten_env = ten_env
        self._redactor.learn(proxy_secrets(os.environ))
        text, error = await ten_env.get_property_to_json("")
        try:
            if error is not None:
                raise ConfigError("properties", "cannot be read")
            properties = self._read("properties", text)
            self._updates.start(properties)
            version = Version.load(properties)
            self._show_config(version)
            async with self._deciding:
                self._call = await self._make(version.config)
        except Exception as problem:
            # An inert extension must say so, whatever the reason is.
            await self._on_bad_config(reason(problem))

    def _read(self, name: str, text: str) -> dict[str, Any]:
        """Properties of TEN; what is secret in them is so from now on, valid
        or not.  Raises `ConfigError`."""
        if len(text) > _MOST_CHARACTERS:
            # To look for secrets in them would hold the loop.
            raise ConfigError(
                name,
                f"found {len(text)} characters; allowed: {_MOST_CHARACTERS}",
            )
        try:
            properties = json.loads(text or "{}")
            secrets = set(secrets_in(properties))
        except (ValueError, RecursionError):
            raise ConfigError(name, "found no JSON that can be read") from None
        if (
            len(secrets) > _MOST_SECRETS
            or max(map(len, secrets), default=0) > _LONGEST_SECRET
            or sum(map(len, secrets)) > _ALL_SECRETS
        ):
            raise ConfigError(
                name,
                f"found more than {_MOST_SECRETS} keys, headers and parameters,"
                f" one of more than {_LONGEST_SECRET} characters, or more"
                f" than {_ALL_SECRETS} in all",
            )
        self._redactor.learn(secrets)
        if not isinstance(properties, dict):
            raise ConfigError(name, "allowed: an object")
        return properties

    async def _on_bad_config(self, problem: str) -> None:
        text = f"invalid property: {problem}"
        self._log.error(text, LOG_CATEGORY_KEY_POINT)
        await self._report(Fault("fatal", "", text))

    def _show_config(self, version: Version) -> None:
        config = version.config
        self._log.level = config.log_level
        shown = json.dumps(self._shown(config), ensure_ascii=False)
        self._log.info(f"config: {shown}", LOG_CATEGORY_KEY_POINT)
        for warning in version.warnings[:_MOST_WARNINGS]:
            if warning in self._warnings_shown:
                # An update need not say it again.
                continue
            self._warnings_shown.add(warning)
            self._log.warn(f"config: {warning}", LOG_CATEGORY_KEY_POINT)

    def _shown(self, config: OpenAIASRConfig) -> Any:
        return self._redactor.value(brief(config.shown()))

    async def _make(self, config: OpenAIASRConfig) -> Call:
        """A call that works by ``config``; raises `MissingDetector` or
        `BadCaFile`."""
        path = config.dump_file() if config.dump else None
        if self._dumper is not None and self._dumper.path != path:
            # Of a call that was given up.
            await self._stop_dump()
            self._dumper = None
        if path is not None and self._dumper is None:
            self._dumper = AudioDumper(
                path,
                config.shown(),
                self._redactor,
                self._on_dump_error,
                self._on_dump_open,
            )
        trace = OverheardTrace(self._redactor, self._dumper)
        return await Call.create(config, self, self._log.error, trace)

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        await self._guarded("on_start", super().on_start(ten_env))

    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        await self._guarded("on_stop", self._drain_frames())
        await self._guarded("on_stop", super().on_stop(ten_env))
        await self._guarded("on_stop", self._end_commands())
        await self._guarded("on_stop", self._stop_dump())

    async def _end_commands(self) -> None:
        """The end of the call has answered them; the answers go out."""
        if self._commands:
            await asyncio.wait(self._commands, timeout=_LAST_ANSWERS_S)
        late = list(self._commands)
        for task in late:
            # It still loads a detector, say.
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_LAST_ANSWERS_S)

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        await self._guarded("on_data", super().on_data(ten_env, data))

    # -- the contract of the base class -----------------------------------

    def vendor(self) -> str:
        return VENDOR

    def vendor_metadata(self) -> dict[str, Any]:
        """What newer bases add to metrics and status; no secrets."""
        if self._config is None:
            return {}
        request = self._config.input_audio_transcription
        found = {
            "model": request.model,
            "url": redacted_url(self._config.url),
            "language": request.language,
        }
        shown = self._redactor.text
        return {key: shown(value) for key, value in found.items() if value}

    def input_audio_sample_rate(self) -> int:
        """Hz of frames that do not say it themselves."""
        return 16000 if self._config is None else self._config.sample_rate

    def input_audio_channels(self) -> int:
        return 1 if self._config is None else self._config.channels

    def buffer_strategy(self) -> ASRBufferConfig:
        """What the base does with frames before `start_connection`.

        From then on this extension takes every frame and keeps what is not
        delivered itself.
        """
        config = self._config
        if config is None or self._gave_up():
            return ASRBufferConfigModeDiscard()
        # Never full: what gives way in the base is not accounted for;
        # `_bound_kept_frames` bounds it.
        return ASRBufferConfigModeKeep(byte_limit=_NEVER_FULL)

    def _gave_up(self) -> bool:
        return self._call is not None and self._call.fatal is not None

    def is_connected(self) -> bool:
        """True while audio is taken, also during an outage: it is kept.

        Also after a fatal error, or the base would drop frames that nobody
        counts; they are a part of the call's time.
        """
        call = self._call
        return call is not None and (call.running or self._gave_up())

    async def start_connection(self) -> None:
        """Begin to connect; returns at once."""
        if self._call is not None and self._call.running:
            # Newer bases say "connecting" whenever this is entered.
            return
        async with self._deciding:
            await self._connect()

    async def _connect(self) -> None:
        if self._call is None or self.stopped or self._gave_up():
            # Newer bases reported "connecting" as this was entered.
            await self._tell_base(
                "on_disconnected",
                code=0 if self.stopped else _FATAL,
                message="stopped" if self.stopped else "nothing to connect to",
            )
            return
        # From here to the end of the loop nothing else runs: frames that came
        # or gave way in between would put the times out.
        self._bound_kept_frames()
        report = ""
        lost_ms = int(self._lost_ms)
        if lost_ms:
            self._lost_ms -= lost_ms
            report = self._drops.add(self._offset_ms, lost_ms)
            self._offset_ms += lost_ms
        await self._call.start()
        # The base hands over what it kept only with the next frame; speech
        # that ended before the connection must not wait for one.
        frames = self.buffered_frames
        while not frames.empty():
            taken = self._accept(frames.get_nowait())
            if taken and self.first_audio_time is None:
                self.first_audio_time = asyncio.get_running_loop().time()
        self.buffered_frames_size = 0
        await self._report_drops(report)

    async def stop_connection(self) -> None:
        """Deliver what was said, within a bound, and close."""
        self._settle_outcome("the call is over")
        if self._call is not None:
            await self._call.stop()
            if self._call.ignored:
                self._log.info(
                    f"server messages ignored: {self._call.ignored}",
                    LOG_CATEGORY_KEY_POINT,
                )
            await self._report_unheard()
            await self._report_drops(self._drops.rest())
            if self._call.counters["reconnects"]:
                await self._send_call_metrics()
        await self._tell_base("on_disconnected", message="stopped")

    # -- audio ------------------------------------------------------------

    async def on_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        await self._guarded(
            "on_audio_frame", self._on_audio_frame(ten_env, audio_frame)
        )

    async def _on_audio_frame(
        self, ten_env: AsyncTenEnv, frame: AudioFrame
    ) -> None:
        text, error = frame.get_property_to_json("metadata")
        if error is None and text and text != self._metadata_text:
            self._look_at_metadata(frame, text)
        try:
            data = frame.get_buf()
        except Exception:
            self._on_bad_frame("it has no buffer")
            return
        if self._dumper is not None and data:
            # Here nothing has been dropped or put into another order yet.
            self._dumper.frame(
                data,
                frame.get_sample_rate(),
                frame.get_number_of_channels(),
                frame.get_bytes_per_sample(),
            )
        if self._call is None and not self.stopped:
            # The base lets it go; an update may yet make a call of the rest.
            self._lost_ms += self._length_ms(frame)
        await super().on_audio_frame(ten_env, frame)
        self._bound_kept_frames()

    def _look_at_metadata(self, frame: AudioFrame, text: str) -> None:
        try:
            metadata = json.loads(text)
        except (ValueError, RecursionError):
            metadata = None
        if not isinstance(metadata, dict):
            # The base would lose the whole frame over it.
            known = json.dumps(self.metadata or {})
            frame.set_property_from_json("metadata", known)
            return
        if metadata.pop("asr_info", None) is not None:
            # It would replace the result's own, or make TEN refuse it.
            frame.set_property_from_json("metadata", json.dumps(metadata))
        else:
            self._metadata_text = text
        if metadata and not (self.metadata and self.is_connected()):
            # The base looks at it when it hands the frame over; what is sent
            # before shall carry the session's id as well.
            self.metadata = metadata
            session_id = metadata.get("session_id")
            if isinstance(session_id, str):
                self.session_id = session_id

    def _bound_kept_frames(self) -> None:
        """Before there is a connection, let the oldest frames give way; they
        are reported, and the times of the others stay true."""
        config = self._config
        if config is None or self.stopped:
            return
        while (
            self.buffered_frames_size > _kept_bytes(config)
            and not self.buffered_frames.empty()
        ):
            frame = self.buffered_frames.get_nowait()
            self.buffered_frames_size -= len(frame.get_buf())
            self._lost_ms += self._length_ms(frame)

    def _length_ms(self, frame: AudioFrame) -> Fraction:
        """How long the sound of a frame is; 0 where its fields are odd."""
        rate = frame.get_sample_rate() or self.input_audio_sample_rate()
        channels = frame.get_number_of_channels() or self.input_audio_channels()
        width = frame.get_bytes_per_sample() or 2
        size = len(frame.get_buf())
        if min(rate, channels, width) <= 0:
            return Fraction(0)
        return Fraction(size * 1000, rate * channels * width)

    async def _report_lost(self, cause: DropCause = "given_up") -> None:
        """Tell about frames that came while nothing was transcribed: once, as
        everybody knew it, when that is over.  They stay a part of the time."""
        lost_ms = int(self._lost_ms)
        if lost_ms:
            self._lost_ms -= lost_ms
            start_ms = self._offset_ms
            self._offset_ms += lost_ms
            await self._report_drops(self._drops.add(start_ms, lost_ms, cause))

    def _leave(self, call: Call) -> None:
        """It was given up: positions go on behind it."""
        self._offset_ms += call.taken_ms
        self._lost_ms += call.received_ms - call.taken_ms

    async def _report_unheard(self) -> None:
        """The call is over: tell about frames that it never got."""
        call = self._call
        assert call is not None
        if self._gave_up():
            self._leave(call)
            await self._report_lost()
            return
        frames = self.buffered_frames
        while not frames.empty():
            self._lost_ms += self._length_ms(frames.get_nowait())
        self.buffered_frames_size = 0
        if not call.received_ms:
            await self._report_lost("stopped")

    async def send_audio(
        self, frame: AudioFrame, session_id: str | None
    ) -> bool:
        """Take one frame; False when it could not be used."""
        if self._gave_up():
            self._lost_ms += self._length_ms(frame)
            return False
        try:
            return self.is_connected() and self._accept(frame)
        except Exception as error:
            # The base would print its text, whatever is in it.
            await self._tell_internal("send_audio", error)
            return False

    def _accept(self, frame: AudioFrame) -> bool:
        if self._call is None:
            return False
        try:
            added_ms = self._call.push(
                frame.get_buf(),
                frame.get_sample_rate(),
                frame.get_number_of_channels(),
                frame.get_bytes_per_sample(),
                frame.get_data_fmt() != AudioFrameDataFmt.NON_INTERLEAVE,
            )
        except ValueError as error:
            self._on_bad_frame(str(error))
            return False
        self.audio_timeline.add_user_audio(added_ms)
        return True

    def _on_bad_frame(self, problem: str) -> None:
        # One bad frame is rarely alone: report the 1st, 10th, 100th …
        self._frame_errors += 1
        if str(self._frame_errors).strip("0") == "1":
            self._report_later(
                Fault("report", "", f"audio frame refused: {problem}")
            )

    async def finalize(self, session_id: str | None) -> None:
        """Deliver all that was received so far, then send the end signal."""
        token = self.finalize_id
        asked = False
        try:
            asked = await self._ask_to_finalize(token)
        finally:
            if not asked:
                self.last_finalize_time = None
                await self._end_finalize(token)

    async def _ask_to_finalize(self, token: str | None) -> bool:
        """False: there is no call that will answer."""
        self._note("finalize", finalize_id=token)
        if self._call is None or self.stopped:
            return False
        await self._drain_frames()
        if not self._call.running and not self.buffered_frames.empty():
            # A finalize may come before on_start, or with auto_connect off;
            # who finalizes wants the text.
            await self.start_connection()
        if not self._call.running:
            return False
        self._call.finalize(token)
        self._finalizes_open += 1
        return True

    async def _drain_frames(self) -> None:
        """Take the frames that came before from the base's queue.

        Its consumer does that whenever the loop gets round to it; by then
        there may be frames that came later, and a finalize in between would
        cut a word of the next turn.
        """
        frames = self.audio_frames_queue
        handle = getattr(self, "_handle_audio_frame", None)
        if handle is None:
            # A base that does it otherwise: wait for it.
            for _ in range(_DRAIN_LOOKS):
                if frames.empty():
                    break
                await asyncio.sleep(0)
            return
        while not frames.empty():
            frame = frames.get_nowait()
            try:
                await handle(self.ten_env, frame)
            except Exception as error:
                await self._tell_internal("on_audio_frame", error)
            self._bound_kept_frames()

    # -- another configuration --------------------------------------------

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)
        await self._guarded("on_cmd", self._on_cmd(ten_env, cmd))

    async def _on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        if cmd.get_name() != "update_configs":
            await super().on_cmd(ten_env, cmd)
            return
        accepted, answer = await self._update(cmd)
        status = StatusCode.OK if accepted else StatusCode.ERROR
        result = CmdResult.create(status, cmd)
        result.set_property_int("code", 0 if accepted else -1)
        message = "applied" if accepted else self._redactor.text(answer)
        result.set_property_string("message", message)
        if accepted:
            result.set_property_string("applies", answer)
        await ten_env.return_result(result)

    async def _update(self, cmd: Cmd) -> tuple[bool, str]:
        """Carry out an ``update_configs``: True and from when on it applies,
        or False and why nothing was changed."""
        try:
            text, error = cmd.get_property_to_json("")
            if error is not None:
                raise ConfigError("update_configs", "cannot be read")
            payload = self._read("update_configs", text)
            return True, await self._updates.carry_out(payload)
        except asyncio.CancelledError:
            if not self.stopped:
                raise
            refusal = "the call is over"
        except Exception as problem:
            refusal = reason(problem)
        self._log.warn(f"update_configs refused: {refusal}")
        return False, refusal

    def _living(self) -> Call | None:
        """The call, unless it is over or was given up."""
        return None if self.stopped or self._gave_up() else self._call

    def _show_update(self, version: Version) -> None:
        assert self._call is not None
        self._call.adopt(version.config)
        self._note("config", config=version.config.shown())
        self._show_config(version)

    async def _apply(
        self, config: OpenAIASRConfig, within_s: float, hurried: bool
    ) -> str:
        """Put a configuration in force, as `UpdateQueue` wants it."""
        deadline = asyncio.get_running_loop().time() + within_s
        call = self._call
        if self.stopped:
            raise Refused("the call is over")
        if call is not None and call.running:
            return await call.change(config, within_s, hurried)
        # No call is under way: none began, or a fatal error ended it.
        gave_up = self._gave_up()
        if call is not None and gave_up:
            # Its last results still have its own place in time.
            await call.stop()
        made = await self._make(config)
        if call is None:
            # What the base has yet is counted as lost already.
            await self._drain_frames()
        if self.stopped:
            raise Refused("the call is over")
        if call is not None and gave_up:
            self._leave(call)
        self._call = made
        if call is None or gave_up:
            await self._report_lost()
        if not (gave_up or (call is None and self.auto_connect)):
            return "at once"
        self._outcome = asyncio.get_running_loop().create_future()
        await self._connect()
        return await self._first_session(deadline)

    async def _first_session(self, deadline: float) -> str:
        """Wait for a call that begins anew; raises `Refused` if it is given
        up again."""
        left = deadline - asyncio.get_running_loop().time()
        assert self._outcome is not None
        try:
            problem = await asyncio.wait_for(self._outcome, left)
        except asyncio.TimeoutError:
            return "when the service can be reached"
        finally:
            self._outcome = None
        if problem:
            raise Refused(problem)
        return "new session"

    # -- the dump ---------------------------------------------------------

    def _on_dump_error(self, problem: str) -> None:
        self._log.warn(problem)
        self._report_later(Fault("report", "", problem))

    def _on_dump_open(self, path: Path) -> None:
        self._log.info(f"dump: {path}", LOG_CATEGORY_KEY_POINT)

    async def _stop_dump(self) -> None:
        if self._dumper is not None:
            await self._dumper.stop()
            if self._reports:
                # What went wrong at the end is still to be told.
                await asyncio.wait(self._reports, timeout=1)


def _kept_bytes(config: OpenAIASRConfig) -> int:
    """`max_buffer_ms` of 16-bit frames at the configured rate, in bytes."""
    samples = config.max_buffer_ms * config.sample_rate // 1000
    return samples * 2 * config.channels

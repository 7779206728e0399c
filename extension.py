"""The TEN side: what the runtime calls, and what its base class asks for.

Frames go through `contract.frames` to the `Call`, finalizes and commands as
well; results come back to the ``on_asr_*`` handlers of `contract.handlers`.
Which call there is `call.slot` knows.  No exception may leave a callback: the
runtime would end the process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from typing import Any

from ten_ai_base.asr import (
    ASRBufferConfig,
    ASRBufferConfigModeDiscard,
    ASRBufferConfigModeKeep,
    AsyncASRBaseExtension,
)
from ten_ai_base.const import DATA_IN_ASR_FINALIZE, LOG_CATEGORY_KEY_POINT
from ten_runtime import AsyncTenEnv, AudioFrame, Cmd, Data
from typing_extensions import override

from .call.call import Call
from .call.slot import CallSlot, SlotState
from .call.update_queue import UpdateQueue, reason
from .config import OpenAIASRConfig
from .contract.dump import CallDump
from .contract.frames import IncomingFrames
from .contract.handlers import AsrHandlers, call_newer_base
from .contract.lifecycle import CallLifecycle, UpdateCommands, read_properties
from .contract.owners import AudioOwners
from .contract.reports import FATAL, VENDOR, ErrorMessages, ExtensionLog, brief
from .properties.updates import Version
from .realtime.faults import Fault
from .safety.redaction import Redactor, proxy_secrets
from .service.endpoint import redacted_url

#: A limit in bytes that the base's own buffer never reaches.
_NEVER_FULL = 1 << 40
#: At the end errors are sent within this, in seconds.
_LAST_ERRORS_S = 1.0
#: Of what is told with metrics, in characters.
_LONGEST_FACT = 1024
#: Of a configuration; whoever did so much wrong knows it by then.
_MOST_WARNINGS = 50
_NO_FINALIZE_ID = "asr_finalize ignored: it has no finalize_id, a string"


class OpenAIASRExtension(AsyncASRBaseExtension):
    """Speech to text for one call."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        #: Whatever leaves goes through it.
        self._redactor = redactor = Redactor()
        self._log = log = ExtensionLog(redactor)
        self._dump = dump = CallDump(
            redactor,
            self._on_dump_error,
            lambda path: log.info(f"dump: {path}", LOG_CATEGORY_KEY_POINT),
        )
        self._errors = errors = ErrorMessages(self, redactor, log, dump)
        self._slot = slot = CallSlot()
        owners = AudioOwners(self)
        self._frames = IncomingFrames(self, slot, errors, dump, owners)
        self._handlers = AsrHandlers(
            self, slot, errors, redactor, log, dump, owners
        )
        self._lifecycle = CallLifecycle(
            self, slot, self._frames, errors, dump, self._make_call
        )
        self._updates = UpdateQueue(
            self._lifecycle.deciding,
            lambda: slot.living,
            self._lifecycle.apply,
            self._adopt,
        )
        self._commands = UpdateCommands(self._updates, slot, redactor, log)
        self._warnings_shown: set[str] = set()

    # -- life -------------------------------------------------------------

    @override
    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        """Read the properties; a wrong one leaves the extension inert."""
        async with self._errors.guard("on_init"):
            await super().on_init(ten_env)
            self._log.ten_env = ten_env
            self._redactor.learn(proxy_secrets(os.environ))
            found = await ten_env.get_property_to_json("")
            try:
                given = read_properties("properties", found, self._redactor)
                self._updates.start(given)
                version = Version.load(given)
                self._show_config(version)
                await self._lifecycle.begin(version.config)
            except Exception as problem:
                # An inert extension must say so, whatever the reason is.
                text = f"invalid property: {reason(problem)}"
                self._log.error(text, LOG_CATEGORY_KEY_POINT)
                await self._errors.send(Fault("fatal", "", text))

    async def _make_call(
        self, config: OpenAIASRConfig, may_be_slow: Collection[str] | None
    ) -> Call:
        """As `Call.create` makes it."""
        return await Call.create(
            config,
            self._handlers,
            self._log.error,
            self._dump,
            self._handlers.heard_speech,
            may_be_slow,
        )

    def _on_dump_error(self, problem: str) -> None:
        self._log.warn(problem)
        self._errors.send_soon(Fault("report", "", problem))

    @override
    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        async with self._errors.guard("on_start"):
            await super().on_start(ten_env)

    @override
    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        for step in (
            self._frames.drain(),
            super().on_stop(ten_env),
            self._commands.finish(),
            self._dump.stop(),
            # What went wrong at the end is still to be told.
            self._errors.flush(_LAST_ERRORS_S),
        ):
            async with self._errors.guard("on_stop"):
                await step

    # -- the configuration ------------------------------------------------

    def _adopt(self, version: Version) -> None:
        """An ``update_configs`` is in force."""
        assert self._slot.call is not None
        self._slot.call.adopt(version.config)
        self._dump.note("config", {"config": version.config.shown()})
        self._show_config(version)

    def _show_config(self, version: Version) -> None:
        config = version.config
        self._log.level = config.log_level
        shown = json.dumps(
            self._redactor.value(brief(config.shown())), ensure_ascii=False
        )
        self._log.info(f"config: {shown}", LOG_CATEGORY_KEY_POINT)
        for warning in version.warnings[:_MOST_WARNINGS]:
            if warning in self._warnings_shown:
                # An update need not say it again.
                continue
            self._warnings_shown.add(warning)
            self._log.warn(f"config: {warning}", LOG_CATEGORY_KEY_POINT)

    @override
    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        async with self._errors.guard("on_cmd"):
            if cmd.get_name() == "update_configs":
                await self._commands.answer(ten_env, cmd)
            else:
                await super().on_cmd(ten_env, cmd)

    # -- what the base class asks for -------------------------------------

    @override
    def vendor(self) -> str:
        return VENDOR

    # Older bases have no such method, so it overrides nothing.
    def vendor_metadata(self) -> dict[str, Any]:
        """What newer bases add to metrics and status; no secrets."""
        config = self._slot.config
        if config is None:
            return {}
        request = config.input_audio_transcription
        found = {
            "model": request.model,
            "url": redacted_url(config.url),
            "language": request.language,
        }
        shown = self._redactor.text
        # Looked through for secrets each time, so not at any length.
        return {k: shown(v[:_LONGEST_FACT]) for k, v in found.items() if v}

    @override
    def input_audio_sample_rate(self) -> int:
        """Hz of frames that do not say it themselves."""
        config = self._slot.config
        return 16000 if config is None else config.sample_rate

    @override
    def input_audio_channels(self) -> int:
        config = self._slot.config
        return 1 if config is None else config.channels

    @override
    def buffer_strategy(self) -> ASRBufferConfig:
        """What the base does with frames before `start_connection`; from then
        on this extension keeps what is not delivered itself."""
        if self._slot.config is None:
            return ASRBufferConfigModeDiscard()
        # `IncomingFrames.evict` bounds it, and accounts for what gives way.
        return ASRBufferConfigModeKeep(byte_limit=_NEVER_FULL)

    @override
    def is_connected(self) -> bool:
        """True while audio is taken, also during an outage: it is kept.  Also
        after a fatal error, or the base would drop frames uncounted, which are
        a part of the call's time."""
        return self._slot.running or self._slot.refused

    @override
    async def start_connection(self) -> None:
        """Begin to connect; returns at once."""
        if not await self._lifecycle.connect():
            # Newer bases reported "connecting" as this was entered.
            over = self._slot.state is SlotState.OVER
            await call_newer_base(
                self,
                "on_disconnected",
                code=0 if over else FATAL,
                message="stopped" if over else "nothing to connect to",
            )

    @override
    async def stop_connection(self) -> None:
        """Deliver what was said, within a bound, and close."""
        try:
            await self._lifecycle.stop()
        finally:
            await self._handlers.end_late_finalizes()
        await self._handlers.sum_up()
        await call_newer_base(self, "on_disconnected", message="stopped")

    # -- audio ------------------------------------------------------------

    @override
    async def on_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        async with self._errors.guard("on_audio_frame"):
            if not self._frames.receive(audio_frame):
                await super().on_audio_frame(ten_env, audio_frame)
                self._frames.evict()

    @override
    async def send_audio(
        self, frame: AudioFrame, session_id: str | None
    ) -> bool:
        """Take one frame; False when it could not be used."""
        try:
            return self._frames.take(frame)
        except Exception as error:
            # The base would print its text, whatever is in it.
            await self._errors.internal("send_audio", error)
            return False

    # -- finalizes --------------------------------------------------------

    @override
    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        async with self._errors.guard("on_data"):
            await super().on_data(ten_env, data)
            if data.get_name() == DATA_IN_ASR_FINALIZE:
                await self._miss_id(data)

    async def _miss_id(self, data: Data) -> None:
        """Without one the base only logs it: no end signal could be told from
        another, and who waits for it would not know why it does not come."""
        _, problem = data.get_property_string("finalize_id")
        if problem is not None:
            fault = Fault("report", "", _NO_FINALIZE_ID)
            await self._errors.send(self._errors.paced(fault))

    @override
    async def finalize(self, session_id: str | None) -> None:
        """Deliver all that was received so far, then send the end signal."""
        token = self.finalize_id
        asked = False
        try:
            asked = await self._ask_to_finalize(token)
        finally:
            if not asked:
                self.last_finalize_time = None
                await self._handlers.end_finalize(token)

    async def _ask_to_finalize(self, token: str | None) -> bool:
        """False: there is no call that will answer."""
        self._dump.note("finalize", {"finalize_id": token})
        if self._slot.state is SlotState.OVER and self._slot.running:
            # The last words are under way.
            self._handlers.end_finalize_late(token)
            return True
        if self._slot.state in (SlotState.INERT, SlotState.OVER):
            return False
        await self._frames.drain()
        waits = self._frames.waiting or not self.auto_connect
        if waits and not self._slot.running:
            # A finalize may come before on_start, or with auto_connect off;
            # who finalizes wants the text.
            await self.start_connection()
        # An update may have put another one there meanwhile.
        call = self._slot.call
        if call is None or not call.running:
            return False
        call.finalize(self._handlers.asked(token))
        self._handlers.expect_finalized()
        return True

"""``AsyncASRBaseExtension`` as of 0.7.41, weaknesses included.

The weaknesses are the point: an extension has to be tested against the base
that it will meet. Do not repair them here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from abc import abstractmethod
from typing import Any, final

from ten_runtime import (
    AsyncExtension,
    AsyncTenEnv,
    AudioFrame,
    Cmd,
    CmdResult,
    Data,
    StatusCode,
)

from .const import (
    DATA_IN_ASR_FINALIZE,
    DATA_IN_TRIGGER_CONNECT,
    DATA_OUT_ASR_FINALIZE_END,
    DATA_OUT_METRICS,
    LOG_CATEGORY_KEY_POINT,
    PROPERTY_KEY_METADATA,
    PROPERTY_KEY_SESSION_ID,
)
from .message import (
    ModuleError,
    ModuleErrorVendorInfo,
    ModuleMetricKey,
    ModuleMetrics,
    ModuleType,
)
from .struct import ASRResult
from .timeline import AudioTimeline
from .types import (
    ASRBufferConfig,
    ASRBufferConfigModeDiscard,
    ASRBufferConfigModeKeep,
)


class AsyncASRBaseExtension(AsyncExtension):
    """What every speech recognition extension derives from."""

    ten_env: AsyncTenEnv

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.stopped = False
        self.ten_env = None  # type: ignore[assignment]  # set in on_init
        self.session_id: str | None = None
        self.metadata: dict[str, Any] | None = None
        self.finalize_id: str | None = None
        self.buffered_frames: asyncio.Queue[AudioFrame] = asyncio.Queue()
        self.buffered_frames_size = 0
        self.audio_frames_queue: asyncio.Queue[AudioFrame] = asyncio.Queue()
        self.audio_timeline = AudioTimeline(
            error_cb=self._handle_error_in_audio_timeline
        )
        self.audio_actual_send_metrics_task: asyncio.Task[None] | None = None
        self.uuid = self._get_uuid()
        self.last_reported_audio_duration = 0
        self.first_audio_time: float | None = None
        self.ttfw_sent = False
        self.last_finalize_time: float | None = None
        self.auto_connect = True
        self._connection_lock = asyncio.Lock()

    # For subclasses -------------------------------------------------------

    @abstractmethod
    def vendor(self) -> str:
        """Short name of the vendor."""
        raise NotImplementedError

    @abstractmethod
    async def start_connection(self) -> None:
        """Connect; may return before the connection is there."""
        raise NotImplementedError

    @abstractmethod
    async def stop_connection(self) -> None:
        """Disconnect."""
        raise NotImplementedError

    @abstractmethod
    def is_connected(self) -> bool:
        """Whether audio may be sent."""
        raise NotImplementedError

    @abstractmethod
    def input_audio_sample_rate(self) -> int:
        """Expected sample rate in Hz. Nobody checks it."""
        raise NotImplementedError

    @abstractmethod
    async def send_audio(
        self, frame: AudioFrame, session_id: str | None
    ) -> bool:
        """Send a frame and count it on the timeline; True if sent."""
        raise NotImplementedError

    @abstractmethod
    async def finalize(self, session_id: str | None) -> None:
        """Bring out all text; must lead to ``send_asr_finalize_end``."""
        raise NotImplementedError

    def input_audio_channels(self) -> int:
        """Expected number of channels."""
        return 1

    def input_audio_sample_width(self) -> int:
        """Expected bytes per sample."""
        return 2

    def buffer_strategy(self) -> ASRBufferConfig:
        """What happens to frames while not connected."""
        return ASRBufferConfigModeDiscard()

    def audio_actual_send_metrics_interval(self) -> int:
        """Seconds between ``actual_send`` metrics, at least 1."""
        return 5

    # Life cycle -----------------------------------------------------------

    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        """Start consuming frames. Call it first in your own."""
        self.ten_env = ten_env
        auto_connect, error = await ten_env.get_property_bool("auto_connect")
        self.auto_connect = True if error is not None else auto_connect
        # 0.7.41 keeps no reference and never ends this task.
        asyncio.create_task(  # noqa: RUF006
            self._audio_frame_consumer(), name="ten_ai_base:audio_consumer"
        )

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        """Start the periodic metrics, and connect."""
        ten_env.log_info("on_start")
        self.audio_actual_send_metrics_task = asyncio.create_task(
            self._send_audio_actual_send_metrics_task(),
            name="ten_ai_base:actual_send_metrics",
        )
        if self.auto_connect:
            await self._ensure_connection()

    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        """Disconnect and send the last metrics."""
        ten_env.log_info("on_stop")
        self.stopped = True
        await self.stop_connection()
        if self.audio_actual_send_metrics_task is not None:
            self.audio_actual_send_metrics_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.audio_actual_send_metrics_task
            self.audio_actual_send_metrics_task = None
        await self._send_audio_actual_send_metrics()

    async def on_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        """Queue the frame."""
        await self.audio_frames_queue.put(audio_frame)

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        """``asr_finalize`` and ``trigger_connect``."""
        name = data.get_name()
        if name == DATA_IN_ASR_FINALIZE:
            if not self._safe_is_connected():
                ten_env.log_warn(
                    "asr_finalize: service not connected.",
                    category=LOG_CATEGORY_KEY_POINT,
                )
            finalize_id, error = data.get_property_string("finalize_id")
            if error is not None:
                ten_env.log_error(
                    f"asr_finalize: failed to get finalize_id: {error}",
                    category=LOG_CATEGORY_KEY_POINT,
                )
                return
            self._key_point(f"asr_finalize: finalize_id: {finalize_id}")
            self.finalize_id = finalize_id
            self.last_finalize_time = asyncio.get_running_loop().time()
            await self.finalize(self.session_id)
        elif name == DATA_IN_TRIGGER_CONNECT:
            self._key_point("trigger_connect: initiating connection.")
            await self._ensure_connection()

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        """Acknowledge any command without doing anything."""
        await ten_env.return_result(CmdResult.create(StatusCode.OK, cmd))

    async def _ensure_connection(self) -> None:
        async with self._connection_lock:
            if not self._safe_is_connected():
                await self.start_connection()

    def _safe_is_connected(self) -> bool:
        try:
            return self.is_connected()
        except Exception as error:
            if self.ten_env is not None:
                self.ten_env.log_error(f"is_connected() failed: {error}")
            return False

    # Audio ----------------------------------------------------------------

    async def _audio_frame_consumer(self) -> None:
        while not self.stopped:
            try:
                frame = await self.audio_frames_queue.get()
                await self._handle_audio_frame(self.ten_env, frame)
            except asyncio.CancelledError:
                break
            except Exception as error:
                self.ten_env.log_error(f"Error consuming audio frame: {error}")

    async def _handle_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        buf = audio_frame.get_buf()
        if not buf:
            ten_env.log_warn("audio frame without samples dropped")
            return
        if not self._safe_is_connected():
            self._buffer(audio_frame, len(buf))
            return
        self._take_metadata(audio_frame)
        while not self.buffered_frames.empty():
            buffered = self.buffered_frames.get_nowait()
            await self.send_audio(buffered, self.session_id)
        self.buffered_frames_size = 0
        sent = await self.send_audio(audio_frame, self.session_id)
        if sent and self.first_audio_time is None:
            self.first_audio_time = asyncio.get_running_loop().time()

    def _buffer(self, audio_frame: AudioFrame, size: int) -> None:
        strategy = self.buffer_strategy()
        if isinstance(strategy, ASRBufferConfigModeKeep):
            limit = strategy.byte_limit
            while (
                self.buffered_frames_size + size > limit
                and not self.buffered_frames.empty()
            ):
                oldest = self.buffered_frames.get_nowait()
                self.buffered_frames_size -= len(oldest.get_buf())
            self.buffered_frames.put_nowait(audio_frame)
            self.buffered_frames_size += size
        else:
            # Bytes where milliseconds are wanted: 0.7.41 does that.
            self.audio_timeline.add_dropped_audio(size)

    def _take_metadata(self, audio_frame: AudioFrame) -> None:
        text, _ = audio_frame.get_property_to_json(PROPERTY_KEY_METADATA)
        if not text:
            return
        metadata = json.loads(text)
        session_id = metadata.get(PROPERTY_KEY_SESSION_ID, self.session_id)
        self.metadata = metadata
        self.session_id = session_id

    # Output ---------------------------------------------------------------

    @final
    async def send_asr_result(self, asr_result: ASRResult) -> None:
        """Send ``asr_result`` under the current utterance id."""
        asr_result.id = self.uuid
        if self.metadata is not None:
            if asr_result.metadata:
                asr_result.metadata.update(self.metadata)
            else:
                asr_result.metadata = self.metadata
        await self._send_metrics_ttfw()
        if asr_result.final:
            await self._send_metrics_ttlw()
        payload = asr_result.model_dump()
        await self._send("asr_result", payload)
        self._key_point(f"send_asr_result: {payload}")
        if asr_result.final:
            self.uuid = self._get_uuid()

    @final
    async def send_asr_error(
        self,
        error: ModuleError,
        vendor_info: ModuleErrorVendorInfo | None = None,
    ) -> None:
        """Send ``error``; its own id, module and metadata do not count."""
        info = vendor_info or error.vendor_info
        payload = {
            "id": self.uuid,
            "module": ModuleType.ASR.value,
            "code": error.code,
            "message": error.message,
            "vendor_info": {} if info is None else info.model_dump(),
            "metadata": self._shown_metadata(),
        }
        await self._send("error", payload)
        self._key_point(f"send asr_error: {json.dumps(payload)}")

    @final
    async def send_asr_finalize_end(self) -> None:
        """Send ``asr_finalize_end`` for the latest finalize id."""
        payload = {
            "finalize_id": self.finalize_id,
            "metadata": self.metadata or {},
        }
        await self._send(DATA_OUT_ASR_FINALIZE_END, payload)
        self._key_point(
            f"send asr_finalize_end, finalize_id: {self.finalize_id}"
        )

    @final
    async def send_connect_delay_metrics(self, connect_delay: int) -> None:
        """Send how long connecting took, in ms."""
        await self._send_asr_metrics(
            {ModuleMetricKey.ASR_CONNECT_DELAY.value: connect_delay}
        )

    @final
    async def send_vendor_metrics(self, vendor_metrics: dict[str, Any]) -> None:
        """Send the vendor's own figures."""
        await self._send_asr_metrics(
            {ModuleMetricKey.ASR_VENDOR_METRICS.value: vendor_metrics}
        )

    def _key_point(self, text: str) -> None:
        self.ten_env.log_info(text, category=LOG_CATEGORY_KEY_POINT)

    async def _send(self, name: str, payload: dict[str, Any]) -> None:
        data = Data.create(name)
        data.set_property_from_json(None, json.dumps(payload))
        await self.ten_env.send_data(data)

    async def _send_asr_metrics(self, metrics: dict[str, Any]) -> None:
        payload = {
            "id": self.uuid,
            "module": ModuleType.ASR.value,
            "vendor": self.vendor(),
            "metrics": metrics,
            "metadata": self._shown_metadata(),
        }
        await self._send(DATA_OUT_METRICS, payload)
        # 0.7.41 shows its model as it was before id and metadata came in.
        shown = ModuleMetrics(
            module=ModuleType.ASR.value, vendor=self.vendor(), metrics=metrics
        )
        self._key_point(f"send asr_metrics: {shown}")

    def _shown_metadata(self) -> dict[str, Any]:
        """Of errors and metrics."""
        return self.metadata or {}

    async def _send_metrics_ttfw(self) -> None:
        if self.ttfw_sent or self.first_audio_time is None:
            return
        self.ttfw_sent = True
        ttfw = _ms_since(self.first_audio_time)
        await self._send_asr_metrics({ModuleMetricKey.ASR_TTFW.value: ttfw})

    async def _send_metrics_ttlw(self) -> None:
        if self.last_finalize_time is None:
            return
        ttlw = _ms_since(self.last_finalize_time)
        self.last_finalize_time = None
        await self._send_asr_metrics({ModuleMetricKey.ASR_TTLW.value: ttlw})

    async def _send_audio_actual_send_metrics_task(self) -> None:
        while not self.stopped:
            await asyncio.sleep(
                max(1, self.audio_actual_send_metrics_interval())
            )
            await self._send_audio_actual_send_metrics()

    async def _send_audio_actual_send_metrics(self) -> None:
        # Of the current timeline only: goes back when it is reset.
        total = (
            self.audio_timeline.total_user_audio_duration
            + self.audio_timeline.total_silence_audio_duration
        )
        delta = total - self.last_reported_audio_duration
        self.last_reported_audio_duration = total
        await self._send_asr_metrics(
            {
                ModuleMetricKey.ASR_ACTUAL_SEND.value: total,
                ModuleMetricKey.ASR_ACTUAL_SEND_DELTA.value: delta,
            }
        )

    def _handle_error_in_audio_timeline(self, message: str) -> None:
        if self.ten_env is not None:
            self.ten_env.log_error(f"audio timeline: {message}")

    def _get_uuid(self) -> str:
        return uuid.uuid4().hex


def _ms_since(start: float) -> int:
    return int((asyncio.get_running_loop().time() - start) * 1000)

"""A recognizer without a vendor, to watch the base class at work."""

from __future__ import annotations

from typing import Any

from ten_ai_base.asr import (
    ASRBufferConfig,
    ASRBufferConfigModeKeep,
    ASRResult,
    AsyncASRBaseExtension,
)
from ten_ai_base.message import ModuleError, ModuleErrorCode
from ten_runtime import AsyncTenEnv, AudioFrame, Cmd, CmdResult, StatusCode


class ProbeAsr(AsyncASRBaseExtension):
    """Connects when told to (cmd ``connect``); each frame is 10 ms.

    Other commands: ``result`` (with properties of an ``ASRResult``),
    ``error``; they are answered when done, with ``answer`` = what was sent
    to the vendor so far.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.up = False
        self.sent: list[str] = []
        self.started = 0

    def vendor(self) -> str:
        return "probe"

    async def start_connection(self) -> None:
        self.started += 1

    async def stop_connection(self) -> None:
        self.up = False

    def is_connected(self) -> bool:
        return self.up

    def input_audio_sample_rate(self) -> int:
        return 16000

    async def send_audio(
        self, frame: AudioFrame, session_id: str | None
    ) -> bool:
        label = bytes(frame.get_buf()[:1]).decode()
        if label == "!":
            raise ValueError("bad frame")
        self.sent.append(f"{label}:{session_id}")
        self.audio_timeline.add_user_audio(10)
        return True

    async def finalize(self, session_id: str | None) -> None:
        await self.send_asr_finalize_end()

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        await self.obey(cmd)
        result = CmdResult.create(StatusCode.OK, cmd)
        for key, value in self.facts().items():
            result.set_property_from_json(f"answer.{key}", value)
        await ten_env.return_result(result)

    def facts(self) -> dict[str, str]:
        import json

        return {
            "sent": json.dumps(self.sent),
            "dropped_ms": str(self.audio_timeline.total_dropped_audio_duration),
            "buffered": str(self.buffered_frames_size),
            "queued": str(self.audio_frames_queue.qsize()),
            "started": str(self.started),
        }

    async def obey(self, cmd: Cmd) -> None:
        name = cmd.get_name()
        if name == "connect":
            self.up = True
        elif name == "result":
            text, _ = cmd.get_property_to_json()
            await self.send_asr_result(ASRResult.model_validate_json(text))
        elif name == "error":
            code: Any = ModuleErrorCode.FATAL_ERROR.value
            error = ModuleError(id="own", module="own", code=code, message="m")
            await self.send_asr_error(error)


class KeepingAsr(ProbeAsr):
    """Keeps up to 700 bytes while not connected."""

    def buffer_strategy(self) -> ASRBufferConfig:
        return ASRBufferConfigModeKeep(byte_limit=700)

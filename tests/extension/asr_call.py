"""A call through the extension, driven by a script; public TEN API only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from ten_runtime import (
    AsyncExtensionTester,
    AsyncTenEnvTester,
    Cmd,
    CmdResult,
    Data,
    TenError,
    TenErrorCode,
)

from devkit.calls import finalize_request, pcm_frame
from devkit.script_audio import speak, word_text

ADDON = "openai_asr_python"
_HANG_GUARD_S = 60


def properties(url: str, **params: Any) -> dict[str, Any]:
    """The node property for a local server; ``top`` goes to the top level."""
    top = params.pop("top", {})
    base = {
        "api_key": "sk-test-0123456789",
        "base_url": url,
        "input_audio_transcription": {"model": "gpt-4o-transcribe"},
    }
    return {**top, "params": {**base, **params}}


def spoken(
    turns: list[list[int]], rate: int = 16000, pause_ms: int = 1200
) -> tuple[npt.NDArray[np.int16], list[tuple[int, int]]]:
    """Audio of turns of words, and (start, end) of each turn in ms."""
    audio, words = speak(turns, rate, pause_ms)
    times = []
    index = 0
    for turn in turns:
        first, last = words[index], words[index + len(turn) - 1]
        times.append((first[1] * 1000 // rate, last[2] * 1000 // rate))
        index += len(turn)
    return audio, times


def text_of(*turns: list[int]) -> list[str]:
    """What the script engine makes of turns of words."""
    return [" ".join(word_text(word) for word in turn) for turn in turns]


class Call:
    """The tester's side of one call, for scripts."""

    def __init__(self, env: AsyncTenEnvTester) -> None:
        self.env = env
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._changed = asyncio.Condition()
        self.session_id: str | None = "7"

    # -- what the script does ----------------------------------------------

    async def send(
        self,
        audio: npt.NDArray[np.int16] | bytes,
        rate: int = 16000,
        channels: int = 1,
        frame_ms: int = 10,
        width: int = 2,
        fields: bool = True,
    ) -> None:
        """Send audio as frames, as fast as the runtime takes them."""
        data = audio if isinstance(audio, bytes) else audio.tobytes()
        size = rate * frame_ms // 1000 * channels * width
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            frame = pcm_frame(piece, rate, channels, width, fields=fields)
            if self.session_id is not None:
                frame.set_property_from_json(
                    "metadata", json.dumps({"session_id": self.session_id})
                )
            await self.env.send_audio_frame(frame)
            await asyncio.sleep(0)

    async def finalize(self, finalize_id: str) -> None:
        await self.env.send_data(finalize_request(finalize_id))

    async def send_data(self, name: str, text: str = "{}") -> None:
        data = Data.create(name)
        data.set_property_from_json(None, text)
        await self.env.send_data(data)

    async def command(
        self, name: str, text: str = "{}"
    ) -> tuple[CmdResult | None, TenError | None]:
        cmd = Cmd.create(name)
        cmd.set_property_from_json(None, text)
        return await self.env.send_cmd(cmd)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until messages make ``condition`` true."""
        async with self._changed:
            await asyncio.wait_for(
                self._changed.wait_for(condition), _HANG_GUARD_S
            )

    async def until_finalized(self, finalize_id: str) -> None:
        """Finalize and wait for the end signal."""
        await self.finalize(finalize_id)
        await self.until(lambda: finalize_id in self.ends)

    async def until_finals(self, count: int) -> None:
        await self.until(lambda: len(self.finals) >= count)

    # -- what came back -----------------------------------------------------

    async def received(self, name: str, content: dict[str, Any]) -> None:
        async with self._changed:
            self.messages.append((name, content))
            self._changed.notify_all()

    def of(self, name: str) -> list[dict[str, Any]]:
        return [content for kind, content in self.messages if kind == name]

    @property
    def results(self) -> list[dict[str, Any]]:
        return self.of("asr_result")

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [r for r in self.results if r["final"]]

    @property
    def texts(self) -> list[str]:
        return [r["text"] for r in self.finals]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return self.of("error")

    @property
    def codes(self) -> list[int]:
        """Of the errors, but for what is told at the end of a call about
        audio that came while it was given up."""
        return [
            error["code"]
            for error in self.errors
            if "the call was given up" not in error["message"]
        ]

    @property
    def ends(self) -> list[str]:
        return [end["finalize_id"] for end in self.of("asr_finalize_end")]

    def metric(self, key: str) -> list[Any]:
        return [
            m["metrics"][key] for m in self.of("metrics") if key in m["metrics"]
        ]


Script = Callable[[Call], Awaitable[None]]


class CallTester(AsyncExtensionTester):
    """Runs a script against the extension, then stops the test."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script
        self.failure: Exception | None = None
        self.call: Call | None = None

    def _get(self, env: AsyncTenEnvTester) -> Call:
        if self.call is None:
            self.call = Call(env)
        return self.call

    async def on_start(self, ten_env_tester: AsyncTenEnvTester) -> None:
        error = None
        try:
            await self._script(self._get(ten_env_tester))
        except (Exception, asyncio.CancelledError) as failure:
            self.failure = (
                failure
                if isinstance(failure, Exception)
                else RuntimeError("cancelled")
            )
            error = TenError.create(
                TenErrorCode.ErrorCodeGeneric, repr(failure)
            )
        ten_env_tester.stop_test(error)

    async def on_data(
        self, ten_env_tester: AsyncTenEnvTester, data: Data
    ) -> None:
        text, _ = data.get_property_to_json()
        call = self._get(ten_env_tester)
        await call.received(data.get_name(), json.loads(text))


def run_call(config: dict[str, Any], script: Script) -> Call:
    """Run ``script`` in a call with this node property."""
    tester = CallTester(script)
    tester.set_test_mode_single(ADDON, json.dumps(config))
    tester.set_timeout(2 * _HANG_GUARD_S * 1_000_000)
    error = tester.run()
    if tester.failure is not None:
        raise tester.failure
    assert error is None, error
    assert tester.call is not None
    return tester.call

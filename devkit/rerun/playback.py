"""Plays a recorded call into the real extension."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from ten_packages.extension.openai_asr_python.config import (
    LEAST_TURN_MS,
    ConfigError,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_runtime import AsyncExtensionTester, AsyncTenEnvTester, Data

from devkit.calls import finalize_request, pcm_frame
from devkit.session_app import keep_app
from devkit.sessions.recording import Finalize, Recording

from .changes import Wishes, change

ADDON = "openai_asr_python"
#: A server that has not let us in by then does not exist, in s.
_CONNECT_S = 20.0
#: The extension answers each finalize within its bound; this is beyond it.
_FINALIZE_MS = 120_000
_ANSWER_S = _FINALIZE_MS / 1000 + 10
#: Nothing may be dropped when an hour is fed in a minute.
_BUFFER_MS = 3_600_000
_WEEK_US = 7 * 24 * 3600 * 1_000_000
#: The finalize at the end, when the call had none there.
_LAST = "rerun-end"
_PLAIN = Wishes()


@dataclass
class Outcome:
    """What the extension sent: final texts and errors, in order.

    ``problem`` is why the run is not complete, one line; else empty.
    """

    finals: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    problem: str = ""


#: What decides on the texts.  Nothing that decides where the key goes, and
#: how: the log may be somebody else's.
_TAKEN_OVER = (
    "channels",
    "g711_input",
    "include",
    "input_audio_format",
    "input_audio_noise_reduction",
    "input_audio_transcription",
    "max_buffer_ms",
    "max_turn_ms",
    "peer_timeout_ms",
    "protocol",
    "sample_rate",
    "session",
    "turn_detection",
)


def node_property(
    recording: Recording, url: str, key: str, wishes: Wishes = _PLAIN
) -> dict[str, Any]:
    """The node's property: the recorded one with what a re-run needs, and
    what it shall have otherwise."""
    params = {
        name: value
        for name, value in recording.config.items()
        if name in _TAKEN_OVER
    }
    buffer_ms = params.get("max_buffer_ms", 120_000)
    turn_ms = params.get("max_turn_ms", 30_000)
    if isinstance(buffer_ms, int) and isinstance(turn_ms, int):
        # The bound that it had.
        params["max_turn_ms"] = min(turn_ms, max(buffer_ms // 2, LEAST_TURN_MS))
    change(params, wishes.changes)
    params |= {
        "api_key": key,
        "websocket_base_url": url,
        "max_buffer_ms": _BUFFER_MS,
        "finalize_timeout_ms": _FINALIZE_MS,
    }
    if wishes.dump is not None:
        params |= {"dump": True, "dump_path": str(wishes.dump)}
    return {"params": params}


def problem_of(recording: Recording, wishes: Wishes) -> str:
    """Why the extension would refuse the changes; "" where it takes them."""
    url = "ws://127.0.0.1:1/v1"
    try:
        load_config(node_property(recording, url, "sk-rerun", wishes))
    except ConfigError as error:
        return str(error)
    return ""


def play(
    recording: Recording, audio: bytes, url: str, key: str, wishes: Wishes
) -> Outcome:
    """Run the call against the server at ``url``."""
    player = _Player(recording, audio, wishes.speed)
    config = node_property(recording, url, key, wishes)
    player.set_test_mode_single(ADDON, json.dumps(config))
    player.set_timeout(_WEEK_US)
    keep_app()
    error = player.run()
    outcome = player.outcome
    if error is not None and not outcome.problem:
        outcome.problem = f"the run failed: {error.error_message()}"
    return outcome


class _Player(AsyncExtensionTester):
    def __init__(
        self, recording: Recording, audio: bytes, speed: float | None
    ) -> None:
        super().__init__()
        self.outcome = Outcome()
        self._recording = recording
        self._audio = memoryview(audio)
        self._speed = speed
        self._changed = asyncio.Condition()
        self._connected = False
        self._gave_up = False
        self._ends: list[str] = []

    async def on_start(self, ten_env: AsyncTenEnvTester) -> None:
        try:
            self.outcome.problem = await self._play(ten_env)
        except Exception as error:
            self.outcome.problem = f"the run failed: {error!r}"
        finally:
            ten_env.stop_test()

    async def on_data(self, ten_env: AsyncTenEnvTester, data: Data) -> None:
        text, _ = data.get_property_to_json()
        content = json.loads(text)
        name = data.get_name()
        async with self._changed:
            if name == "asr_result" and content["final"]:
                self.outcome.finals.append(content["text"])
            elif name == "error":
                self.outcome.errors.append(content["message"])
                self._gave_up = self._gave_up or content["code"] == -1000
            elif name == "asr_finalize_end":
                self._ends.append(content["finalize_id"])
            elif name == "metrics" and "connect_delay" in content["metrics"]:
                self._connected = True
            self._changed.notify_all()

    async def _play(self, env: AsyncTenEnvTester) -> str:
        async with self._changed:
            await self._until(
                lambda: self._connected or self._gave_up, _CONNECT_S
            )
        if not self._connected:
            return "no session with the server"
        loop = asyncio.get_running_loop()
        begin = loop.time()
        at = asked = 0
        open_audio = False
        for step in self._recording.steps:
            if isinstance(step, Finalize):
                await self._wait(begin, step.start)
                asked += 1
                open_audio = False
                problem = await self._finalize(
                    env, f"rerun-{asked}", wait=self._speed is None
                )
                if problem:
                    return problem
                continue
            open_audio = True
            for time in step.times():
                await self._wait(begin, time)
                piece = self._audio[at : at + step.size]
                at += step.size
                await env.send_audio_frame(
                    pcm_frame(piece, step.rate, step.channels, step.width)
                )
        if open_audio:
            return await self._finalize(env, _LAST, wait=True)
        async with self._changed:
            answered = await self._until(
                lambda: len(self._ends) >= asked or self._gave_up, _ANSWER_S
            )
        return "" if answered else "a finalize was not answered"

    async def _finalize(
        self, env: AsyncTenEnvTester, name: str, *, wait: bool
    ) -> str:
        await env.send_data(finalize_request(name))
        if not wait:
            return ""
        async with self._changed:
            answered = await self._until(
                lambda: name in self._ends or self._gave_up, _ANSWER_S
            )
        if self._gave_up:
            return "the extension gave up"
        return "" if answered else "a finalize was not answered"

    async def _wait(self, begin: float, time: float) -> None:
        """Until ``time``, ms of the recording, is reached."""
        if self._speed is None:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        due = begin + time / 1000 / self._speed
        await asyncio.sleep(max(due - loop.time(), 0))

    async def _until(self, condition: Any, timeout: float) -> bool:
        try:
            await asyncio.wait_for(self._changed.wait_for(condition), timeout)
        except asyncio.TimeoutError:
            return False
        return True

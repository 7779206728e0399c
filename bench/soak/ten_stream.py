"""The soak's call through the whole extension, on the stand-in host."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
from ten_runtime import (
    AsyncExtensionTester,
    AsyncTenEnvTester,
    AudioFrame,
    Data,
)

from devkit.script_audio import WORD_MS, encode_words, word_ids
from devkit.server import Faults, ServerThread
from devkit.session_app import keep_app

from .stream import CHANCES, HANG_S, SCHEDULED, Count, Stream

ADDON = "openai_asr_python"
_RATE = 16_000
_FRAME = _RATE // 50
_PAUSE_MS = 900
#: The feed waits while so many words are not heard yet.
_AHEAD = 60
#: Errors that report audio as given up say how many ms, and from where on.
_GIVEN_UP = re.compile(r"(\d+) ms (?:of audio )?from (\d+) ms on")
#: These take the extension's own bounds, many seconds each.
_TOO_SLOW = ("never_completed", "wrong_item_id", "missing_committed")


class TenStream(Stream):
    """`Stream` with the extension in the place of the client."""

    def __init__(
        self,
        words: int,
        seed: int,
        words_per_fault: float,
        faults: tuple[str, ...] = SCHEDULED,
    ) -> None:
        super().__init__(words, seed, words_per_fault, faults)
        self._server_turns = seed % 2 == 0

    def run_ten(self) -> Count:
        """Blocks until the call is over; returns the account."""
        chances: dict[str, Any] = dict(CHANCES) if self._chance else {}
        for name in _TOO_SLOW:
            chances.pop(name, None)
        faults = replace(
            Faults(
                seed=self._seed,
                slow_completed_ms=300,
                slow_handshake_ms=300,
                slow_session_updated_ms=20,
            ),
            **chances,
        )
        with ServerThread("script", faults=faults) as server:
            tester = _Tester(self, server)
            params: dict[str, Any] = {
                "api_key": "sk-local-soak",
                "base_url": server.url,
                "finalize_timeout_ms": 60_000,
                "input_audio_transcription": {"model": "gpt-4o-transcribe"},
            }
            if not self._server_turns:
                params["turn_detection"] = {"type": "none"}
            config = json.dumps({"params": params})
            tester.set_test_mode_single(ADDON, config)
            tester.set_timeout(3_600 * 1_000_000)
            keep_app()
            problem = tester.run()
        if problem is not None:
            self.listener.count.errors.append(problem.error_message())
        count = self.listener.verdict()
        count.sessions = len(server.sessions)
        return count

    async def talk(self, env: AsyncTenEnvTester, server: ServerThread) -> None:
        """Speak, disturb, and wait for the last word."""
        rng, listener = self._rng, self.listener
        starts = listener.starts
        position = 0
        while len(starts) < self._words:
            many = min(rng.randint(1, 8), self._words - len(starts))
            ids = range(len(starts), len(starts) + many)
            samples = np.concatenate(
                (
                    encode_words(ids, _RATE),
                    np.zeros(_PAUSE_MS * _RATE // 1000, np.int16),
                )
            )
            # The account counts in samples of 8 kHz.
            step = (WORD_MS + 80) * 8
            starts.extend(position // 2 + step * k for k in range(many))
            position += len(samples)
            strike = rng.random() < self._chance * many
            place = rng.randrange(0, len(samples), _FRAME) if strike else -1
            for at in range(0, len(samples), _FRAME):
                await _send(env, samples[at : at + _FRAME].tobytes())
                if at == place:
                    # One that strikes nothing would prove nothing.
                    await server.until(
                        lambda: any(s.open for s in server.sessions)
                    )
                    self._strike(server, rng.choice(self._faults))
            if self._seed % 2 or rng.random() < 0.1:
                await self._finalize(env, f"f{len(listener.asked)}")
            await self._wait(lambda: len(starts) - len(listener.heard) < _AHEAD)
        self._calm(server)
        await self._finalize(env, "end")
        await self._wait(lambda: "end" in listener.ends)

    async def _finalize(self, env: AsyncTenEnvTester, token: str) -> None:
        self.listener.asked.append(token)
        data = Data.create("asr_finalize")
        data.set_property_string("finalize_id", token)
        await env.send_data(data)

    async def _wait(self, condition: Any) -> None:
        """Until messages make ``condition`` true."""

        async def until() -> None:
            while not condition():
                self.listener.changed.clear()
                await self.listener.changed.wait()

        await asyncio.wait_for(until(), HANG_S)

    def heard(self, name: str, content: dict[str, Any]) -> None:
        """Take a message of the extension."""
        listener = self.listener
        if name == "asr_result" and content["final"]:
            for word in word_ids(content["text"]):
                if word is None:
                    listener.count.broken += 1
                else:
                    listener.heard.append(word)
        elif name == "asr_finalize_end":
            listener.ends.append(content["finalize_id"])
        elif name == "error":
            given_up = _GIVEN_UP.search(content["message"])
            if given_up is not None:
                listener.add_gone(int(given_up[2]), int(given_up[1]))
        listener.changed.set()


class _Tester(AsyncExtensionTester):
    def __init__(self, stream: TenStream, server: ServerThread) -> None:
        super().__init__()
        self._stream = stream
        self._server = server

    async def on_start(self, ten_env_tester: AsyncTenEnvTester) -> None:
        try:
            await self._stream.talk(ten_env_tester, self._server)
        except Exception as error:
            problem = f"the call broke off: {error!r}"
            self._stream.listener.count.errors.append(problem)
        ten_env_tester.stop_test()

    async def on_data(
        self, ten_env_tester: AsyncTenEnvTester, data: Data
    ) -> None:
        text, _ = data.get_property_to_json()
        self._stream.heard(data.get_name(), json.loads(text))


async def _send(env: AsyncTenEnvTester, piece: bytes) -> None:
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(len(piece))
    view = frame.lock_buf()
    view[:] = piece
    frame.unlock_buf(view)
    frame.set_sample_rate(_RATE)
    frame.set_number_of_channels(1)
    frame.set_bytes_per_sample(2)
    frame.set_samples_per_channel(len(piece) // 2)
    await env.send_audio_frame(frame)
    await asyncio.sleep(0)

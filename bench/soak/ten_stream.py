"""The soak's call through the whole extension, on the stand-in host."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

from ten_runtime import AsyncExtensionTester, AsyncTenEnvTester, Data

from devkit.calls import finalize_request, pcm_frame
from devkit.server import ServerThread
from devkit.session_app import keep_app

from .schedule import AWAY, BY_CALLER
from .stream import Count, Int16Array, Line, Listener, Stream

ADDON = "openai_asr_python"
_RATE = 16_000
#: The feed waits while so many words are not heard yet.
_AHEAD = 60
#: Errors that report audio as given up say how many ms, and from where on.
GIVEN_UP = re.compile(r"(\d+) ms (?:of audio )?from (\d+) ms on")
#: These take the extension's own bounds, many seconds each.
_TOO_SLOW = ("never_completed", "wrong_item_id", "missing_committed")


@dataclass
class _TenLine(Line):
    """A line to the extension."""

    env: AsyncTenEnvTester
    server: ServerThread
    rate: int = _RATE
    frame: int = _RATE // 50
    #: Its call ends with the host's; gaps are its own matter; and it takes
    #: the extension's bounds until a frozen detector is noticed.
    left_out: tuple[str, ...] = (
        *BY_CALLER,
        AWAY,
        "frozen_detector",
        "frozen_in_turn",
        "frozen_after_commit",
    )

    async def begin(self) -> None:
        raise NotImplementedError("the call is the host's")

    gap = stop = begin

    async def send(self, samples: Int16Array) -> None:
        frame = pcm_frame(samples.tobytes(), self.rate)
        await self.env.send_audio_frame(frame)
        await asyncio.sleep(0)

    async def finalize(self, token: str) -> None:
        await self.env.send_data(finalize_request(token))

    async def before_fault(self) -> None:
        # One that strikes nothing would prove nothing.
        server = self.server
        await server.until(lambda: any(s.open for s in server.sessions))

    async def catch_up(self, listener: Listener) -> None:
        await listener.until(
            lambda: len(listener.starts) - len(listener.heard) < _AHEAD
        )


class TenStream(Stream):
    """`Stream` with the extension in the place of the client."""

    def run_ten(self) -> Count:
        """Blocks until the call is over; returns the account."""
        faults = self.chances(left_out=_TOO_SLOW)
        with ServerThread("script", faults=faults) as server:
            tester = _Tester(self, server)
            params: dict[str, Any] = {
                "api_key": "sk-local-soak",
                "base_url": server.url,
                "finalize_timeout_ms": 60_000,
                # The talker waits in the middle of a word while much is held.
                "gap_timeout_ms": 0,
                "input_audio_transcription": {"model": "gpt-4o-transcribe"},
            }
            if not self.server_turns:
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

    def heard(self, name: str, content: dict[str, Any]) -> None:
        """Take a message of the extension."""
        listener = self.listener
        if name == "asr_result" and content["final"]:
            listener.hear(content["text"])
        elif name == "asr_finalize_end":
            listener.ends.append(content["finalize_id"])
        elif name == "error":
            given_up = GIVEN_UP.search(content["message"])
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
            line = _TenLine(ten_env_tester, self._server)
            await self._stream.talk(line, self._server)
        except Exception as error:
            problem = f"the call broke off: {error!r}"
            self._stream.listener.count.errors.append(problem)
        ten_env_tester.stop_test()

    async def on_data(
        self, ten_env_tester: AsyncTenEnvTester, data: Data
    ) -> None:
        text, _ = data.get_property_to_json()
        self._stream.heard(data.get_name(), json.loads(text))

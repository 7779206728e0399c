"""One call of the real client against a local server that misbehaves."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.audio.speech import (
    loud_span_finder,
)
from ten_packages.extension.openai_asr_python.connection.interface import (
    ClientSettings,
)
from ten_packages.extension.openai_asr_python.openai_asr_client import (
    OpenAIASRClient,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    FinalizeEnd,
    InternalFault,
    LateFinal,
    ServerProblem,
    SessionLost,
    SessionReady,
    TurnFailed,
    TurnResult,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.service.endpoint import (
    realtime_url,
)

from devkit.script_audio import WORD_MS, encode_words, word_ids
from devkit.server import Faults, LocalServer

Int16Array = npt.NDArray[np.int16]
RATE = 8000
#: Silence that ends a turn here, in ms of audio.
_PAUSE_MS = 900
#: The feed waits while so much is not delivered yet, in samples.
_AHEAD = 40 * RATE
#: A call whose last words do not come in so many seconds hangs.
HANG_S = 120
#: Small times, so that a run meets many half-open connections.
LIMITS = Limits(
    turn_timeout_ms=5000,
    ping_ms=300,
    idle_ping_ms=1000,
    pong_timeout_ms=1500,
    quiet_after_ms=1000,
    session_timeout_ms=3000,
    finalize_timeout_ms=60_000,
)
#: What happens to items and handshakes by chance, all through a call.
CHANCES = {
    "duplicate_completed": "p:0.05",
    "swapped_completed": "p:0.05",
    "failed": "p:0.01",
    "never_completed": "p:0.002",
    "slow_completed": "p:0.02",
    "missing_committed": "p:0.01",
    "late_delta": "p:0.05",
    "wrong_item_id": "p:0.002",
    "repeated_speech_stopped": "p:0.05",
    "drop_after_commit": "p:0.02",
    "server_error": "p:0.02",
    "unknown_events": "p:0.1",
    "slow_handshake": "p:0.1",
}
#: How the schedule refuses connections for a moment, by name.
_REFUSALS: dict[str, dict[str, Any]] = {
    "refuse_503": {"http_status": 503},
    "refuse_429": {"http_status": 429},
    "reset_handshake": {"http_status": None},
    "rate_limit_error": {"error": "rate_limit_exceeded"},
}
#: What the schedule does to the server, by name.
SCHEDULED = (
    "drop",
    "close",
    "expire",
    "refuse_503",
    "refuse_429",
    "unreachable",
    "freeze",
    "reset_handshake",
    "rate_limit_error",
)


@dataclass
class Count:
    """What became of the words; ``faults``: the scheduled ones."""

    words: int = 0
    delivered: int = 0
    reported: int = 0
    lost: int = 0
    doubled: int = 0
    disorder: int = 0
    broken: int = 0
    unanswered: int = 0
    faults: int = 0
    sessions: int = 0
    longest_recovery_s: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Was every promise kept?"""
        wrong = self.lost + self.doubled + self.disorder + self.broken
        return not (wrong or self.unanswered or self.errors)

    def add(self, other: Count) -> None:
        """Count another stream in."""
        for name, value in vars(other).items():
            if name == "longest_recovery_s":
                self.longest_recovery_s = max(self.longest_recovery_s, value)
            else:
                setattr(self, name, getattr(self, name) + value)


class Listener:
    """Keeps the account of one call."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.count = Count()
        self.ends: list[object] = []
        self.asked: list[object] = []
        self.heard: list[int] = []
        self.texts: list[str] = []
        self._gone: list[tuple[int, int]] = []
        self._lost_at: float | None = None
        self.changed = asyncio.Event()

    async def on_asr_start(self, session: SessionReady) -> None:
        self.count.sessions += 1
        if self._lost_at is not None:
            recovery = time.monotonic() - self._lost_at
            count = self.count
            count.longest_recovery_s = max(count.longest_recovery_s, recovery)
            self._lost_at = None

    async def on_asr_delta(self, turn: TurnResult) -> None:
        pass

    async def on_asr_late(self, late: LateFinal) -> None:
        pass

    async def on_asr_committed(self, item_id: str) -> None:
        pass

    async def on_asr_completed(self, turn: TurnResult) -> None:
        self.hear(turn.text)
        self.texts.append(turn.text)
        self.changed.set()

    async def on_asr_finalized(self, end: FinalizeEnd) -> None:
        self.ends.append(end.token)
        self.changed.set()

    async def on_asr_server_error(
        self, problem: ServerProblem | TurnFailed
    ) -> None:
        if isinstance(problem, TurnFailed):
            self.add_gone(problem.start_ms, problem.duration_ms)

    async def on_asr_client_error(
        self, problem: SessionLost | InternalFault | AudioDropped
    ) -> None:
        if isinstance(problem, AudioDropped):
            self.add_gone(problem.start_ms, problem.duration_ms)
            return
        if isinstance(problem, InternalFault):
            # It is among the errors already.
            return
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        if problem.fault.fatal:
            self.count.errors.append(problem.fault.message)

    def hear(self, text: str) -> None:
        """Count the words of a final text."""
        for word in word_ids(text):
            if word is None:
                self.count.broken += 1
            else:
                self.heard.append(word)

    async def until(
        self, condition: Callable[[], bool], seconds: float = HANG_S
    ) -> None:
        """Wait until what comes makes ``condition`` true.

        Raises `asyncio.TimeoutError` after so many seconds.
        """

        async def look() -> None:
            while not condition():
                self.changed.clear()
                await self.changed.wait()

        await asyncio.wait_for(look(), seconds)

    def add_gone(self, start_ms: int, duration_ms: int) -> None:
        """This stretch was reported as given up."""
        self._gone.append((start_ms, start_ms + duration_ms))

    def verdict(self) -> Count:
        """Every word once, in order, or reported."""
        count, heard = self.count, self.heard
        count.words = len(self.starts)
        said = set(heard)
        count.delivered = len(said)
        count.doubled = len(heard) - len(said)
        count.disorder = sum(b < a for a, b in pairwise(heard))
        for word, start in enumerate(self.starts):
            if word in said:
                continue
            begin = start * 1000 // RATE
            gone = any(
                begin + WORD_MS > low and begin < high
                for low, high in self._gone
            )
            count.reported += gone
            count.lost += not gone
            if not gone:
                count.errors.append(f"lost: word {word} at {begin} ms")
        count.unanswered = len(self.asked) - len(self.ends)
        if self.ends != self.asked[: len(self.ends)]:
            count.errors.append("finalizes are answered out of order")
        return count


def client_for(
    url: str,
    listener: Listener,
    seed: int,
    *,
    server_turns: bool,
    limits: Limits = LIMITS,
    log_error: Callable[[str], None],
) -> OpenAIASRClient:
    """The real client, with G.711 on the wire."""
    detector = {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    }
    session = SessionSettings(
        model="gpt-4o-transcribe",
        wire_format="g711_ulaw",
        turn_detection=detector if server_turns else None,
    )
    settings = ClientSettings(
        realtime_url(url, {}),
        session,
        headers={"Authorization": "Bearer sk-local-soak"},
        limits=limits,
        connect_timeout_ms=2000,
    )
    return OpenAIASRClient(
        settings,
        listener,
        loud_span_finder("g711_ulaw", RATE),
        log_error,
        rng=random.Random(seed),
    )


class Line(Protocol):
    """How the audio of a call gets to the extension or its client.

    ``rate`` in Hz; ``frame``: samples of one.
    """

    rate: int
    frame: int

    async def send(self, samples: Int16Array) -> None:
        """Send one frame."""

    async def finalize(self, token: str) -> None:
        """Ask for the end of what was said."""

    async def before_fault(self) -> None:
        """Wait until a fault has something to strike."""
        return

    async def catch_up(self, listener: Listener) -> None:
        """Wait while too much is not heard yet."""


@dataclass
class ClientLine(Line):
    """A line to the client itself."""

    client: OpenAIASRClient
    rate: int = RATE
    frame: int = RATE // 10

    async def send(self, samples: Int16Array) -> None:
        self.client.send_audio(encode(samples, "ulaw").tobytes())
        await asyncio.sleep(0)

    async def finalize(self, token: str) -> None:
        self.client.finalize(token)

    async def catch_up(self, listener: Listener) -> None:
        core = self.client.core
        # There is no event for the watermark: a look now and then will do.
        while core.received - core.watermark > _AHEAD:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Stream:
    """A call of so many words, with a fault every ``words_per_fault``."""

    def __init__(
        self,
        words: int,
        seed: int,
        words_per_fault: float,
        faults: tuple[str, ...] = SCHEDULED,
    ) -> None:
        self._words = words
        self._rng = random.Random(seed)
        self._seed = seed
        self._chance = 1 / words_per_fault if words_per_fault > 0 else 0.0
        self._faults = faults
        self._later: list[asyncio.TimerHandle] = []
        self.listener = Listener()

    @property
    def server_turns(self) -> bool:
        """Half of the calls let the server end the turns."""
        return self._seed % 2 == 0

    def chances(self, left_out: Collection[str] = ()) -> Faults:
        """What the server does by chance in this call."""
        names = CHANCES.keys() - left_out if self._chance else ()
        chances: dict[str, Any] = {name: CHANCES[name] for name in names}
        return Faults(
            seed=self._seed,
            slow_completed_ms=300,
            slow_handshake_ms=300,
            slow_session_updated_ms=20,
            **chances,
        )

    async def run(self) -> Count:
        """Speak, disturb, wait for the last word; returns the account."""
        listener = self.listener
        async with LocalServer("script", faults=self.chances()) as server:
            client = client_for(
                server.url,
                listener,
                self._seed,
                server_turns=self.server_turns,
                log_error=listener.count.errors.append,
            )
            await client.start()
            try:
                await self.talk(ClientLine(client), server)
            except asyncio.TimeoutError:
                listener.count.errors.append("the last words never came")
            finally:
                self._calm(server)
                await client.stop()
        driver = client._driver
        left = [t for t in (driver.tasks, driver.wires) if t]
        if left:
            listener.count.errors.append(f"left after stop: {left}")
        return listener.verdict()

    async def talk(self, line: Line, server: LocalServer) -> None:
        """Speak, disturb, and wait until nothing is left to come.

        Raises `asyncio.TimeoutError` if something stays away.
        """
        rng, listener = self._rng, self.listener
        starts = listener.starts
        position = 0
        while len(starts) < self._words:
            many = min(rng.randint(1, 8), self._words - len(starts))
            ids = range(len(starts), len(starts) + many)
            pause = np.zeros(_PAUSE_MS * line.rate // 1000, np.int16)
            samples = np.concatenate((encode_words(ids, line.rate), pause))
            begin = position * RATE // line.rate
            step = (WORD_MS + 80) * RATE // 1000
            starts.extend(begin + step * k for k in range(many))
            position += len(samples)
            frames = range(0, len(samples), line.frame)
            strike = rng.random() < self._chance * many
            place = rng.choice(frames) if strike else -1
            for at in frames:
                await line.send(samples[at : at + line.frame])
                if at == place:
                    await line.before_fault()
                    self._strike(server, rng.choice(self._faults))
            if not self.server_turns or rng.random() < 0.1:
                await self._finalize(line, f"f{len(listener.asked)}")
            await line.catch_up(listener)
        self._calm(server)
        await self._finalize(line, "end")
        await listener.until(lambda: "end" in listener.ends)

    async def _finalize(self, line: Line, token: str) -> None:
        self.listener.asked.append(token)
        await line.finalize(token)

    def _strike(self, server: LocalServer, name: str) -> None:
        """Let one fault happen; what lasts ends a little later."""
        self.listener.count.faults += 1
        short = self._rng.uniform(0.02, 0.4)
        if name == "expire":
            server.expire_sessions()
            return
        if name == "freeze":
            server.freeze()
            self._after(2.5, server.thaw)
            return
        if name in _REFUSALS:
            server.refuse(**_REFUSALS[name])
            self._after(short, lambda: server.refuse(False))
        elif name == "unreachable":
            server.stop_listening()
            self._after(short, server.start_listening)
        server.drop_connections(abort=name != "close")

    def _after(self, seconds: float, work: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._later.append(loop.call_later(seconds, work))

    def _calm(self, server: LocalServer) -> None:
        """All is well from now on."""
        for timer in self._later:
            timer.cancel()
        self._later.clear()
        server.thaw()
        server.refuse(False)
        server.start_listening()
        server.inject(**dict.fromkeys(CHANCES, "never"))

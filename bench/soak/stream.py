"""One call of the real client against a local server that misbehaves."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.audio.speech import (
    loud_span_finder,
    pause_finder,
    sound_finder,
)
from ten_packages.extension.openai_asr_python.config import FALLBACK, PRIMARY
from ten_packages.extension.openai_asr_python.connection.interface import (
    ClientSettings,
)
from ten_packages.extension.openai_asr_python.openai_asr_client import (
    OpenAIASRClient,
)
from ten_packages.extension.openai_asr_python.realtime.failover import SWITCHED
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
    endpoint,
)
from ten_packages.extension.openai_asr_python.service.files import FileRequest

from devkit.script_audio import WORD_MS, encode_words, word_ids
from devkit.server import Faults, LocalServer

from .schedule import AWAY, BY_CALLER, CHANCES, SCHEDULED, Strikes, by_chance

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
    file_timeout_ms=5000,
    ping_ms=300,
    idle_ping_ms=1000,
    pong_timeout_ms=1500,
    quiet_after_ms=1000,
    session_timeout_ms=3000,
    finalize_timeout_ms=60_000,
)
#: Where there is a second server: it is used, and left, within seconds.
_FALLBACK_LIMITS = replace(
    LIMITS, fallback_after_ms=500, fallback_retry_ms=1500
)
#: How loud a hum is that is no speech for the server, as a sample.
_HUM = 146
#: Silence and hum that come at once, in s.
_LONG_S = 30


@dataclass
class Count:
    """What became of the words; ``faults``: the scheduled ones, ``kinds``:
    the same by name; ``switches``: how often another server was used,
    ``elsewhere``: turns that the second one heard."""

    words: int = 0
    delivered: int = 0
    reported: int = 0
    lost: int = 0
    doubled: int = 0
    disorder: int = 0
    broken: int = 0
    unanswered: int = 0
    faults: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    switches: int = 0
    elsewhere: int = 0
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
        #: Words before which the caller was silent, so that a turn ended.
        self.gaps: list[int] = []
        #: Where this call began, of those that follow one another, in ms.
        self.offset_ms = 0
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
        self.count.elsewhere += turn.endpoint == FALLBACK.format(0)
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
        self.count.switches += problem.fault.code == SWITCHED

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
        start_ms += self.offset_ms
        self._gone.append((start_ms, start_ms + duration_ms))

    def is_gone(self, word: int) -> bool:
        """Was a word, or some of it, reported as given up?"""
        begin = self.starts[word] * 1000 // RATE
        return any(
            begin + WORD_MS > low and begin < high for low, high in self._gone
        )

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
            gone = self.is_gone(word)
            count.reported += gone
            count.lost += not gone
            if not gone:
                begin = start * 1000 // RATE
                count.errors.append(f"lost: word {word} at {begin} ms")
        for text in self.texts:
            words = [word for word in word_ids(text) if word is not None]
            for gap in self.gaps:
                if words and words[0] < gap <= words[-1]:
                    count.errors.append(f"one turn over a gap: {text}")
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
    live: bool = False,
    http: bool = False,
    limits: Limits = LIMITS,
    fallback: str = "",
    log_error: Callable[[str], None],
) -> OpenAIASRClient:
    """The real client, with G.711 on the wire.

    ``live``: by a model that tells words before the end of their turn.
    ``http``: each turn is a file.  ``fallback``: the URL of a second server, if
    there is one.
    """
    detector = {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    }
    session = SessionSettings(
        model="gpt-live-transcribe" if live else "gpt-4o-transcribe",
        live=live,
        as_files=http,
        wire_format="g711_ulaw",
        turn_detection=detector if server_turns else None,
        endpoint=PRIMARY if fallback else "",
    )
    settings = ClientSettings(
        endpoint(url, {}, files=http).url,
        session,
        headers={"Authorization": "Bearer sk-local-soak"},
        limits=limits,
        connect_timeout_ms=2000,
        files=FileRequest(stream=True) if http else None,
    )
    if fallback:
        other = replace(session, model="whisper-1", endpoint=FALLBACK.format(0))
        place = endpoint(fallback, {}, files=http).url
        # That model streams none of its text.
        files = FileRequest() if http else None
        second = replace(settings, url=place, session=other, files=files)
        settings = replace(settings, fallbacks=(second,))
    return OpenAIASRClient(
        settings,
        listener,
        loud_span_finder("g711_ulaw", RATE),
        log_error,
        rng=random.Random(seed),
        find_sound=sound_finder("g711_ulaw", RATE),
        find_pause=pause_finder("g711_ulaw", RATE),
    )


class Line(Protocol):
    """How the audio of a call gets to the extension or its client.

    ``rate`` in Hz; ``frame``: samples of one; ``left_out``: faults that it
    cannot have.
    """

    rate: int
    frame: int
    left_out: tuple[str, ...] = ()

    async def send(self, samples: Int16Array) -> None:
        """Send one frame."""

    async def finalize(self, token: str) -> None:
        """Ask for the end of what was said."""

    async def before_fault(self) -> None:
        """Wait until a fault has something to strike."""
        return

    async def gap(self) -> None:
        """No frame comes for a while: a turn that is open ends."""

    async def stop(self) -> None:
        """The call is over, whatever is still open."""

    async def begin(self) -> None:
        """A call begins."""

    async def catch_up(self, listener: Listener) -> None:
        """Wait while too much is not heard yet."""


@dataclass
class ClientLine(Line):
    """A line to the client itself, and to those that follow when it stops."""

    start_client: Callable[[], Awaitable[OpenAIASRClient]]
    listener: Listener
    rate: int = RATE
    frame: int = RATE // 10

    async def begin(self) -> None:
        """A call begins."""
        self.client = await self.start_client()

    async def send(self, samples: Int16Array) -> None:
        self.client.send_audio(encode(samples, "ulaw").tobytes())
        await asyncio.sleep(0)

    async def finalize(self, token: str) -> None:
        self.client.finalize(token)

    async def gap(self) -> None:
        self.client.end_turn()

    async def stop(self) -> None:
        await self.client.stop()
        driver = self.client._driver
        left = [t for t in (driver.tasks, driver.wires) if t]
        if left:
            self.listener.count.errors.append(f"left after stop: {left}")

    async def catch_up(self, listener: Listener) -> None:
        core = self.client.core

        async def look() -> None:
            # There is no event for the watermark: now and then will do.
            while core.received - core.watermark > _AHEAD:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

        await asyncio.wait_for(look(), HANG_S)


class Stream:
    """A call of so many words, with a fault every ``words_per_fault``; each
    turn is a file with ``http``."""

    def __init__(
        self,
        words: int,
        seed: int,
        words_per_fault: float,
        faults: tuple[str, ...] = SCHEDULED,
        http: bool = False,
    ) -> None:
        self._words = words
        self._http = http
        self._rng = random.Random(seed)
        self._seed = seed
        self._chance = 1 / words_per_fault if words_per_fault > 0 else 0.0
        self._faults = faults
        self.listener = Listener()

    @property
    def server_turns(self) -> bool:
        """Half of the calls let the server end the turns, where it can."""
        return self._seed % 2 == 0 and not self._http

    @property
    def live(self) -> bool:
        """Half of the others have text before the end of a turn."""
        return self._seed % 4 == 3 and not self._http

    @property
    def has_fallback(self) -> bool:
        """Half of those have a second server, where the first may be away."""
        return AWAY in self._faults and self._seed // 2 % 2 == 0

    def chances(self, left_out: Collection[str] = ()) -> Faults:
        """What the server does by chance in this call."""
        names = CHANCES.keys() - left_out if self._chance else ()
        return by_chance(self._seed, names)

    async def run(self) -> Count:
        """Speak, disturb, wait for the last word; returns the account."""
        listener = self.listener
        async with (
            LocalServer("script", faults=self.chances()) as server,
            LocalServer("script", faults=self.chances()) as other,
        ):

            async def start() -> OpenAIASRClient:
                client = client_for(
                    server.url,
                    listener,
                    self._seed,
                    server_turns=self.server_turns,
                    live=self.live,
                    http=self._http,
                    limits=_FALLBACK_LIMITS if self.has_fallback else LIMITS,
                    fallback=other.url if self.has_fallback else "",
                    log_error=listener.count.errors.append,
                )
                await client.start()
                return client

            line = ClientLine(start, listener)
            await line.begin()
            try:
                await self.talk(line, server)
            except asyncio.TimeoutError:
                listener.count.errors.append("the last words never came")
            finally:
                await line.stop()
        return listener.verdict()

    async def talk(self, line: Line, server: LocalServer) -> None:
        """Speak, disturb, and wait until nothing is left to come.

        Raises `asyncio.TimeoutError` if something stays away.
        """
        rng, listener = self._rng, self.listener
        starts = listener.starts
        strikes = Strikes(server, rng)
        faults = [f for f in self._faults if f not in line.left_out]
        if not self.has_fallback:
            faults = [f for f in faults if f != AWAY]
        if not self.server_turns:
            # Nothing but a commit ends a turn, and a hum is part of it.
            faults = [f for f in faults if f not in ("gap", "steady_sound")]
        position = 0
        while len(starts) < self._words:
            many = min(rng.randint(1, 8), self._words - len(starts))
            first = len(starts)
            pause = np.zeros(_PAUSE_MS * line.rate // 1000, np.int16)
            words = encode_words(range(first, first + many), line.rate)
            samples = np.concatenate((words, pause))
            begin = position * RATE // line.rate
            step = (WORD_MS + 80) * RATE // 1000
            starts.extend(begin + step * k for k in range(many))
            name = ""
            if faults and rng.random() < self._chance * many:
                name = rng.choice(faults)
            # Where a word ends, or anywhere; the rest of what is said comes
            # later, or in another call.
            word = rng.randrange(many)
            place = (step * word + WORD_MS * RATE // 1000) * line.rate // RATE
            if name == "steady_sound":
                # In a pause, for the engine takes it for a broken word.
                place = len(samples)
            elif name and name not in BY_CALLER:
                place = rng.randrange(0, len(samples), line.frame)
            if name == "death_by_word" and strikes.deadly is not None:
                name = "drop"
            sent = await self._send(line, samples[: place if name else None])
            if name:
                listener.count.faults += 1
                listener.count.kinds[name] += 1
                await line.before_fault()
                if name not in BY_CALLER:
                    strikes.strike(name, first + rng.randrange(many))
                elif name == "stop":
                    del starts[first + word + 1 :]
                    await line.stop()
                    position += sent
                    listener.offset_ms = position * 1000 // line.rate
                    await line.begin()
                    continue
                elif name == "gap":
                    await line.gap()
                    listener.gaps.append(first + word + 1)
                else:
                    extra = await self._no_speech(line, name)
                    position += extra
                    for later in range(first, len(starts)):
                        if starts[later] - begin >= place * RATE // line.rate:
                            starts[later] += extra * RATE // line.rate
                sent += await self._send(line, samples[place:])
            position += sent
            if not self.server_turns or rng.random() < 0.1:
                await self._finalize(line, f"f{len(listener.asked)}")
            await line.catch_up(listener)
            deadly = strikes.deadly
            if deadly is not None and (
                # The second server may have heard it.
                listener.is_gone(deadly) or deadly in listener.heard[-1000:]
            ):
                strikes.spare()
        self._calm(strikes)
        await self._finalize(line, "end")
        await listener.until(lambda: "end" in listener.ends)

    async def _send(self, line: Line, samples: Int16Array) -> int:
        for at in range(0, len(samples), line.frame):
            await line.send(samples[at : at + line.frame])
        return len(samples)

    async def _no_speech(self, line: Line, name: str) -> int:
        """Long silence, or a hum; returns its samples."""
        samples = np.zeros(_LONG_S * line.rate, np.int16)
        if name == "steady_sound":
            # All but the last second, which is a pause again.
            phase = np.arange(len(samples)) * (2 * np.pi * 200 / line.rate)
            hum = np.round(_HUM * np.sin(phase[: -line.rate]))
            samples[: len(hum)] = hum
        return await self._send(line, samples)

    async def _finalize(self, line: Line, token: str) -> None:
        self.listener.asked.append(token)
        await line.finalize(token)

    def _calm(self, strikes: Strikes) -> None:
        """All is well from now on."""
        strikes.calm()

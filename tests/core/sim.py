"""A simulated service and clock for tests of the core: no sockets, no time.

Words are byte patterns in 8 kHz G.711 audio; silence is the byte 0xFF.  The
simulated server hears exactly what it was sent, so a test can say which word
was lost, doubled or out of order.
"""

from __future__ import annotations

import base64
import heapq
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    Result,
    TurnFailed,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

RATE = 8000
SILENCE = b"\xff"
WORD_SAMPLES = 240
_START, _FILL, _END = 0x01, 0x02, 0x03


def ms(count: float) -> int:
    """Samples of a time in ms."""
    return int(count * RATE) // 1000


def word_audio(word: int) -> bytes:
    """30 ms of audio that says ``word`` (0 to 2**28 - 1)."""
    digits = bytes(0x20 + (word >> shift & 0x7F) for shift in (21, 14, 7, 0))
    fill = bytes([_FILL]) * (WORD_SAMPLES - 6)
    return bytes([_START]) + digits + fill + bytes([_END])


def words_in(audio: bytes) -> list[str]:
    """The words of a stretch of audio; a cut one is ``broken``."""
    found = []
    at = 0
    while True:
        rest = audio[at:].lstrip(SILENCE)
        at = len(audio) - len(rest)
        if not rest:
            return found
        piece = audio[at : at + WORD_SAMPLES]
        if (
            len(piece) == WORD_SAMPLES
            and piece[0] == _START
            and piece[-1] == _END
        ):
            word = 0
            for digit in piece[1:5]:
                word = word << 7 | (digit - 0x20)
            found.append(f"w{word}")
            at += WORD_SAMPLES
        else:
            found.append("broken")
            cut = audio.find(SILENCE, at)
            if cut < 0:
                return found
            at = cut


def find_speech(audio: bytes) -> tuple[int, int] | None:
    first = len(audio) - len(audio.lstrip(SILENCE))
    if first == len(audio):
        return None
    return first, len(audio.rstrip(SILENCE))


@dataclass
class Faults:
    """Chances (0 to 1) of what a server may do to an item or event."""

    fail: float = 0.0
    duplicate: float = 0.0
    late_delta: float = 0.0
    no_committed: float = 0.0
    no_completed: float = 0.0
    wrong_id: float = 0.0
    empty: float = 0.0
    delay_s: float = 2.0


@dataclass
class _Item:
    item_id: str
    audio: bytes
    previous: str | None


class SimConnection:
    """The server's side of one session."""

    def __init__(self, server: SimServer, link: Link, now: float) -> None:
        self.server = server
        self.link = link
        self.open = True
        self.frozen = False
        self._queue: list[tuple[float, int, dict[str, Any]]] = []
        self._serial = 0
        self._last = now
        self._buffer = bytearray()
        self._buffer_start = 0
        self._heard = 0
        self._speaking = ""
        self._quiet_from = 0
        self._previous: str | None = None
        self._owner = "server"
        self._silence = ms(500)
        self._padding = ms(300)
        expires = 0 if server.life is None else server.wall(now) + server.life
        self.expires_at = None if server.life is None else now + server.life
        self._say(
            now,
            type="session.created",
            session={"id": f"sess_{server.count}", "expires_at": expires},
        )

    # events in order of the connection; transcription events have their own
    def _say(self, now: float, **event: Any) -> None:
        self._last = max(self._last, now + self.server.latency())
        self._push(self._last, event)

    def _push(self, at: float, event: dict[str, Any]) -> None:
        self._serial += 1
        heapq.heappush(self._queue, (at, self._serial, event))

    def next_at(self) -> float | None:
        if not self.open or self.frozen or not self._queue:
            return None
        return self._queue[0][0]

    def pop_due(self, now: float) -> str | None:
        at = self.next_at()
        if at is None or at > now:
            return None
        return json.dumps(heapq.heappop(self._queue)[2])

    def receive(self, message: bytes, now: float) -> None:
        event = json.loads(message)
        kind = event["type"]
        if kind == "session.update":
            detector = event["session"]["audio"]["input"]["turn_detection"]
            self._owner = "client" if detector is None else "server"
            if detector:
                self._silence = ms(detector["silence_duration_ms"])
                self._padding = ms(detector["prefix_padding_ms"])
            self._say(now, type="session.updated", session={})
        elif kind == "input_audio_buffer.append":
            self._hear(base64.b64decode(event["audio"]), now)
        elif kind == "input_audio_buffer.clear":
            self._buffer.clear()
            self._buffer_start = self._heard
            self._say(now, type="input_audio_buffer.cleared")
        elif kind == "input_audio_buffer.commit":
            if len(self._buffer) < ms(100):
                code = "input_audio_buffer_commit_empty"
                error = {"type": "invalid_request_error", "code": code}
                error["event_id"] = event.get("event_id")
                self._say(now, type="error", error=error)
            else:
                self._commit(self._heard, now)

    def _hear(self, audio: bytes, now: float) -> None:
        self._buffer += audio
        start = self._heard
        self._heard += len(audio)
        if self._owner == "client":
            return
        # Walk over the runs of sound and silence in what came.
        at = 0
        while at < len(audio):
            if not self._speaking:
                at = len(audio) - len(audio[at:].lstrip(SILENCE))
                if at >= len(audio):
                    return
                self._speaking = self.server.new_id()
                onset = start + at
                begin = max(onset - self._padding, self._buffer_start)
                self._say(
                    now,
                    type="input_audio_buffer.speech_started",
                    item_id=self._speaking,
                    audio_start_ms=begin * 1000 // RATE,
                )
                self._quiet_from = onset
            if audio[at] != SILENCE[0]:
                gap = audio.find(SILENCE, at)
                at = len(audio) if gap < 0 else gap
                self._quiet_from = start + at
                continue
            rest = audio[at:].lstrip(SILENCE)
            sound = len(audio) - len(rest)
            end = self._quiet_from + self._silence
            if start + sound < end:
                at = sound
                continue
            at = end - start
            self._say(
                now,
                type="input_audio_buffer.speech_stopped",
                item_id=self._speaking,
                audio_end_ms=end * 1000 // RATE,
            )
            self._commit(end, now)

    def _commit(self, end: int, now: float) -> None:
        size = end - self._buffer_start
        audio = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._buffer_start = end
        item = _Item(
            self._speaking or self.server.new_id(), audio, self._previous
        )
        self._speaking = ""
        self._previous = item.item_id
        if not self.server.chance(self.server.faults.no_committed):
            for kind in (
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
            ):
                self._say(
                    now,
                    type=kind,
                    item_id=item.item_id,
                    item={"id": item.item_id},
                    previous_item_id=item.previous,
                )
        self._transcribe(item)

    def _transcribe(self, item: _Item) -> None:
        faults, chance = self.server.faults, self.server.chance
        words = words_in(item.audio)
        at = self._last + self.server.rng.uniform(0, faults.delay_s)
        kind = "conversation.item.input_audio_transcription."
        name = item.item_id
        if chance(faults.wrong_id):
            name = self.server.new_id()
        for word in words:
            delta = {"type": kind + "delta", "delta": word + " "}
            self._push(at, {**delta, "item_id": name, "content_index": 0})
        if chance(faults.no_completed):
            return
        if chance(faults.fail):
            error = {"type": "server_error", "code": None, "message": "no"}
            self._push(
                at, {"type": kind + "failed", "item_id": name, "error": error}
            )
            return
        completed = {
            "type": kind + "completed",
            "item_id": name,
            "transcript": " ".join(words),
        }
        self._push(at, completed)
        if chance(faults.duplicate):
            self._push(at + self.server.rng.uniform(0, 3), completed)
        if chance(faults.late_delta):
            late = {"type": kind + "delta", "item_id": name, "delta": "late"}
            self._push(at + self.server.rng.uniform(0, 3), late)


class SimServer:
    """Accepts sessions; shared randomness, ids and faults."""

    def __init__(
        self,
        rng: random.Random,
        faults: Faults | None = None,
        life: float | None = None,
    ) -> None:
        self.rng = rng
        self.faults = faults or Faults()
        self.life = life
        self.count = 0
        self._ids = 0

    @staticmethod
    def wall(now: float) -> float:
        return 1_700_000_000.0 + now

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def latency(self) -> float:
        return self.rng.uniform(0.001, 0.2)

    def new_id(self) -> str:
        self._ids += 1
        return f"item_{self._ids}"


@dataclass
class Spoken:
    word: int
    start: int


@dataclass
class Call:
    """One call: a talker, the core, the server, and a virtual clock."""

    rng: random.Random
    server: SimServer
    owner: str = "server"
    limits: Limits = field(
        default_factory=lambda: Limits(packet_ms=100, replay_packet_ms=1000)
    )
    now: float = 1000.0
    reachable: bool = True

    def __post_init__(self) -> None:
        detector = {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        }
        settings = SessionSettings(
            model="gpt-4o-transcribe",
            wire_format="g711_ulaw",
            turn_detection=detector if self.owner == "server" else None,
        )
        self.core = Transcription(
            settings,
            self.limits,
            protocol="auto",
            find_speech=find_speech,
            rng=self.rng,
        )
        self.connections: list[SimConnection] = []
        self.spoken: list[Spoken] = []
        self.asked: list[str] = []
        self.results: list[Result] = []
        self.pongs: list[tuple[float, SimConnection]] = []
        self.next_word = 1
        self.opened = 0
        self.faults_done = 0
        self.peak_held = 0
        self.core.start(self.now)
        self.settle()

    # -- the talker --------------------------------------------------------

    def hear(self, audio: bytes) -> None:
        """Audio in real time, in pieces of 100 ms."""
        for at in range(0, len(audio), 800):
            piece = audio[at : at + 800]
            self.core.audio(piece)
            self.wait(len(piece) / RATE)

    def pause(self, length_ms: float) -> None:
        self.hear(SILENCE * ms(length_ms))

    def say(self, words: int, gap_ms: float = 60) -> None:
        """A turn of so many words; ends with the last word."""
        audio = bytearray()
        for index in range(words):
            if index:
                audio += SILENCE * ms(gap_ms)
            at = self.core.received + len(audio)
            self.spoken.append(Spoken(self.next_word, at))
            audio += word_audio(self.next_word)
            self.next_word += 1
        self.hear(bytes(audio))

    def finalize(self) -> None:
        token = f"f{len(self.asked)}"
        self.asked.append(token)
        self.core.finalize(token, self.now)
        self.settle()

    def commit(self) -> None:
        self.core.commit()
        self.settle()

    # -- the network -------------------------------------------------------

    def drop(self, code: int = 1006, reason: str = "reset") -> None:
        """Every open connection dies."""
        for connection in self.connections:
            if connection.open:
                self.faults_done += 1
                self._close(connection, code, reason)
        self.settle()

    def freeze(self) -> None:
        """Half-open: the server neither reads nor answers any more."""
        for connection in self.connections:
            self.faults_done += not connection.frozen
            connection.frozen = True

    def _close(self, connection: SimConnection, code: int, reason: str) -> None:
        connection.open = False
        self.core.closed(connection.link, code, reason, self.now)

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        until = self.now + seconds
        while True:
            self.settle()
            times = [t for t in self._times() if t <= until]
            if not times:
                break
            self.now = max(self.now, min(times))
        self.now = until
        self.settle()

    def _times(self) -> Iterator[float]:
        due = self.core.deadline()
        if due is not None:
            yield max(due, self.now)
        for at, _ in self.pongs:
            yield at
        for connection in self.connections:
            at = connection.next_at()
            if at is not None:
                yield at
            if connection.open and connection.expires_at is not None:
                yield connection.expires_at

    def settle(self) -> None:
        """Do everything that is due now."""
        busy = True
        while busy:
            busy = self._round()
        self.peak_held = max(
            self.peak_held, self.core.received - self.core.watermark
        )

    def _round(self) -> bool:
        busy = False
        self.core.tick(self.now)
        while self.core.take_connect(self.now):
            busy = True
            self._connect()
        for connection in list(self.connections):
            busy |= self._serve(connection)
        for entry in [e for e in self.pongs if e[0] <= self.now]:
            self.pongs.remove(entry)
            if entry[1].open and not entry[1].frozen:
                self.core.pong(entry[1].link, self.now)
                busy = True
        self.connections = [c for c in self.connections if c.open]
        while self.core.results:
            self.results.append(self.core.results.popleft())
        return busy

    def _connect(self) -> None:
        from ten_packages.extension.openai_asr_python.realtime.faults import (
            Fault,
        )

        if not self.reachable:
            self.core.failed(Fault("retry", "refused", "no"), self.now)
            return
        self.opened += 1
        self.server.count += 1
        link = self.core.opened(self.now, SimServer.wall(self.now))
        self.connections.append(SimConnection(self.server, link, self.now))

    def _serve(self, connection: SimConnection) -> bool:
        busy = False
        link = connection.link
        if not connection.open:
            return False
        if link.closing:
            self._close(connection, 1000, "")
            return True
        if link.want_ping:
            link.want_ping = False
            delay = self.server.latency()
            self.pongs.append((self.now + delay, connection))
        if not connection.frozen:
            while True:
                message = self.core.next_message(link, self.now)
                if message is None:
                    break
                busy = True
                connection.receive(message, self.now)
        while (event := connection.pop_due(self.now)) is not None:
            busy = True
            self.core.receive(link, event, self.now)
        expired = connection.expires_at
        if expired is not None and self.now >= expired and connection.open:
            busy = True
            self._close(connection, 1001, "session over")
        return busy

    # -- the verdict -------------------------------------------------------

    def finish(self, seconds: float = 300) -> None:
        """All is well from now on; wait for everything to be delivered."""
        self.reachable = True
        self.server.faults = Faults(delay_s=0.5)
        self.pause(1000)
        self.finalize()
        self.wait(seconds)

    @property
    def heard(self) -> list[str]:
        """The words of all finals, as they came."""
        return [
            word
            for result in self.results
            if isinstance(result, Final)
            for word in result.turn.text.split()
        ]

    def reported(self) -> set[str]:
        """Words in audio that was reported as given up."""
        gone = [
            (r.start_ms, r.start_ms + r.duration_ms)
            for r in self.results
            if isinstance(r, (AudioDropped, TurnFailed))
        ]
        return {
            f"w{spoken.word}"
            for spoken in self.spoken
            for start, stop in gone
            if spoken.start + WORD_SAMPLES > ms(start)
            and spoken.start < ms(stop)
        }

    def check(self) -> None:
        """Every word once, in order; every finalize answered, in order."""
        expected = [f"w{spoken.word}" for spoken in self.spoken]
        heard = self.heard
        doubled = [w for w, n in Counter(heard).items() if n > 1]
        assert not doubled, f"doubled: {doubled[:10]}"
        reported = self.reported()
        lost = [
            w for w in expected if w not in set(heard) and w not in reported
        ]
        assert not lost, f"lost: {lost[:10]} of {len(expected)}"
        allowed = set(expected)
        strange = [w for w in heard if w not in allowed and w != "broken"]
        assert not strange, f"never said: {strange[:10]}"
        if not reported:
            assert heard == expected, "out of order"
        order = [int(w[1:]) for w in heard if w != "broken"]
        assert order == sorted(order), "out of order"
        ends = [
            str(r.token) for r in self.results if isinstance(r, FinalizeEnd)
        ]
        assert ends == self.asked, f"finalize ends {ends} for {self.asked}"
        self._check_times()

    def _check_times(self) -> None:
        last_end = 0
        for result in self.results:
            if isinstance(result, Final) and result.turn.text:
                turn = result.turn
                assert turn.start_ms >= last_end, f"overlap at {turn}"
                assert turn.duration_ms > 0
                last_end = turn.start_ms + turn.duration_ms
            elif isinstance(result, Interim):
                assert result.turn.text.strip()

"""One simulated call: a talker, the core, the service and a virtual clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from ten_packages.extension.openai_asr_python.realtime.change import Attempt
from ten_packages.extension.openai_asr_python.realtime.endpoints import (
    Endpoint,
)
from ten_packages.extension.openai_asr_python.realtime.faults import (
    Fault,
    fault_of_http,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    Result,
    SettingsChanged,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

from .detector import SimDetector
from .endpoints import CONNECT_S, FOR_GOOD, SimEndpoint
from .server import Faults, SimConnection, SimServer, audio_in
from .state import CallState, Spoken, demand
from .watch import Watch
from .words import (
    NOISE,
    RATE,
    SILENCE,
    WORD_SAMPLES,
    find_sound,
    find_speech,
    ms,
)
from .words import word_audio as audio_of

Owner = Literal["server", "semantic", "client", "local", "local_skip"]
OWNERS: tuple[Owner, ...] = ("server", "semantic", "client", "local")
#: A core that wants to be called again at once, so often, is spinning.
_SPINS = 200
_PIECE_MS = 100
#: Without a frame for so long an open turn is over: the extension's
#: gap_timeout_ms, which is silence_duration_ms + 1000 unless it is set.
GAP_S = 1.5
_DETECTORS: dict[str, dict[str, Any]] = {
    "server": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    },
    "semantic": {"type": "semantic_vad", "eagerness": "auto"},
}


class Call(CallState):
    """One call.  ``owner``: who ends turns; ``semantic`` is a server whose
    turns differ with every replay, ``local`` the client's own detector,
    ``local_skip`` the same where silence is not sent.

    Every step is watched: `state.Violation` is raised where a promise is
    broken.  ``connect_s``: the longest time that a connection takes;
    ``kinds``: the faults that it may have (`troubles.KINDS`), of which one
    alone is judged more strictly.  ``endpoints``: the services, where there are
    several, of which ``server`` is the first.  ``door``: asked at each attempt
    that reaches the service, with the time: why is it refused, if it is?
    """

    def __init__(
        self,
        rng: random.Random,
        server: SimServer,
        owner: str = "server",
        limits: Limits | None = None,
        *,
        connect_s: float = 0.0,
        wall_error_s: float = 0.0,
        kinds: frozenset[str] = frozenset({"old"}),
        door: Callable[[float], Fault | None] | None = None,
        endpoints: Sequence[SimEndpoint] = (),
        live: bool = False,
    ) -> None:
        limits = limits or Limits(packet_ms=100, replay_packet_ms=1000)
        endpoints = endpoints or [SimEndpoint(server)]
        settings = SessionSettings(
            model="gpt-4o-transcribe",
            wire_format="g711_ulaw",
            turn_detection=_DETECTORS.get(owner),
            endpoint=endpoints[0].name,
            live=live,
        )
        for endpoint in endpoints:
            endpoint.server.live = live
        core = Transcription(
            settings,
            limits,
            protocol="auto",
            find_speech=find_speech,
            find_sound=find_sound,
            rng=rng,
            address=endpoints[0],
            fallbacks=_fallbacks(endpoints, settings),
        )
        super().__init__(
            core, server, limits, settings, endpoints, owner, kinds, connect_s
        )
        self.rng = rng
        self.wall_error_s = wall_error_s
        self.piece_ms = _PIECE_MS
        self.reachable = True
        self.door = door
        self.detector: SimDetector | None = None
        self.next_owner: str | None = None
        self.attempts: list[tuple[float, Attempt]] = []
        self.refusals: list[Fault] = []
        self.refuses_spare = False
        self.changes = 0
        self.results: list[Result] = []
        self.keep_results = True
        self.pongs: list[tuple[float, SimConnection]] = []
        self.opened = 0
        self.faults_done = 0
        self.peak_held = 0
        self.stalled = False
        if self.detects_locally:
            self.listen()
        #: When it is stopped, wherever it is then; None: not by itself.
        self.over_at: float | None = None
        self.watch = Watch(self)
        self.core.start(self.now)
        self.settle()

    # -- the talker --------------------------------------------------------

    def hear(self, audio: bytes) -> None:
        """Audio in real time, in pieces of ``piece_ms``; or, while the host is
        stalled, all at once."""
        size = ms(self.piece_ms)
        for at in range(0, len(audio), size):
            if self.stopped:
                return
            piece = audio[at : at + size]
            self.core.audio(piece)
            if self.detector is not None:
                self.detector.hear(piece)
            if not self.stalled:
                self.wait(len(piece) / RATE)

    def stall(self) -> None:
        """Whatever held the host up: what is heard until `catch_up` comes at
        once, before anything is sent."""
        self.stalled = True

    def catch_up(self) -> None:
        self.stalled = False
        self.settle()

    def pause(self, length_ms: float) -> None:
        self.hear(SILENCE * ms(length_ms))

    def noise(self, length_ms: float) -> None:
        """Sound that is no speech: no detector takes it for words."""
        self.noisy = True
        self.hear(NOISE * ms(length_ms))

    def say(
        self, words: int, gap_ms: float = 60, stop_at: int | None = None
    ) -> None:
        """A turn of so many words; ends with the last word.

        ``stop_at``: so many samples before its end, leave the rest of the
        last word unsaid for the moment and return.  Say it with `resume`.
        """
        audio = bytearray()
        for index in range(words):
            if index:
                audio += SILENCE * ms(gap_ms)
            word = len(self.spoken) + 1
            if self.stopped:
                break
            self.spoken.append(Spoken(word, self.core.received + len(audio)))
            audio += audio_of(word)
        rest = stop_at or 0
        self._unsaid = bytes(audio[len(audio) - rest :])
        self.hear(bytes(audio[: len(audio) - rest]))

    def gap(self, seconds: float) -> None:
        """Nothing comes for so long; the extension ends an open turn."""
        self.server.troubles.came["gap"] += 1
        self.wait(min(seconds, GAP_S))
        if seconds <= GAP_S or self.stopped:
            return
        if self.detector is not None:
            self.detector.finalize()
        if self.owner != "client":
            self.core.commit()
            self._note_commit()
            self.watch.demands.gap()
        self.settle()
        self.wait(seconds - GAP_S)
        self.watch.demands.gap_is_over(seconds - GAP_S)

    def music(self, seconds: float) -> None:
        """Sound with short breaks; steady where these are left out."""
        self.server.troubles.came["steady_sound"] += 1
        dice = self.server.troubles.rng
        steady = dice.random() < 0.5
        until = self.core.received + ms(seconds * 1000)
        while self.core.received < until and not self.stopped:
            self.noise(dice.uniform(100, 2000))
            if not steady:
                self.pause(dice.uniform(20, 400))

    def resume(self) -> None:
        """Say the rest of the word that `say` left."""
        rest, self._unsaid = self._unsaid, b""
        self.hear(rest)

    def finalize(self) -> None:
        if self.stopped:
            return
        token = f"f{len(self.asked)}"
        self.asked.append(token)
        self.asked_at.append(self.core.received)
        if self.detector is not None:
            self.detector.finalize()
        self.core.finalize(token, self.now)
        self._note_commit()
        self.settle()

    def commit(self) -> None:
        if self.stopped:
            return
        if self.detector is not None:
            self.detector.finalize()
        self.core.commit()
        self._note_commit()
        self.settle()

    def change(self, by_session: bool, **settings: Any) -> None:
        """Ask for other settings, unless the last change is under way."""
        if self.changing is not None:
            return
        self.changes += 1
        self.changing = replace(
            self.settings, prompt=f"change {self.changes}", **settings
        )
        self.change_at = self.now
        self.core.change(
            self.changing,
            self.now,
            by_session=by_session,
            address=self.endpoints[0],
            fallbacks=_fallbacks(self.endpoints, self.changing),
        )
        self.settle()

    def change_owner(self, owner: str) -> None:
        """From the next pause on somebody else ends the turns."""
        if self.changing is None and self.owner != owner:
            self.next_owner = owner
            self.change(False, turn_detection=_DETECTORS.get(owner))

    def change_nothing(self) -> None:
        """A change of what the service is not told: there, at once."""
        if self.changing is not None:
            return
        self.changing, self.change_at = self.settings, self.now

        def updates() -> list[int]:
            return [
                sum(b"session.update" in m for m in c.link.session.outbox)
                for c in self.connections
            ]

        before = updates()
        self.core.change(
            self.settings,
            self.now,
            address=self.endpoints[0],
            fallbacks=_fallbacks(self.endpoints, self.settings),
        )
        demand(
            updates() == before,
            "a change that changes nothing goes to the service",
        )
        self.settle()
        demand(self.changing is None, "a local change waits for the service")

    def listen(self) -> None:
        """A new local detector where there is to be one, as `Call.change`
        does it after the answer."""
        self.owner = self.next_owner or self.owner
        self.next_owner = None
        local = self.detects_locally
        if self.detector is not None:
            self.detector.finalize()
        skip = self.owner == "local_skip"
        self.core.detect_locally(local, 100 if skip else None)
        self.core.listened(False, None)
        self.detector = None
        if local:
            self.detector = SimDetector(self.core, self.limits, skip)
        self._note_commit()

    def _note_commit(self) -> None:
        if self.commits[-1] != self.core.received:
            self.commits.append(self.core.received)
            self.boundaries.append(self.core.received)

    def stop(self) -> None:
        """The call is over, whatever is still open."""
        if self.stopped:
            return
        self.stopped = True
        self.over_at = None
        self.core.stop(self.now)
        self.settle()

    # -- the network -------------------------------------------------------

    def drop(self, code: int = 1006, reason: str = "reset") -> None:
        """Every open connection dies."""
        for connection in self.connections:
            if connection.open:
                self.faults_done += 1
                # Whoever killed it, for the core it died of what it heard.
                self.watch.demands.died(connection, code)
                self._close(connection, code, reason)
        self.settle()

    def drop_one(self, code: int = 1006, reason: str = "reset") -> None:
        """One open connection dies, of two perhaps."""
        alive = [c for c in self.connections if c.open]
        if alive:
            self.faults_done += 1
            self._close(self.rng.choice(alive), code, reason)
        self.settle()

    def freeze(self) -> None:
        """Half-open: the server neither reads nor answers any more."""
        for connection in self.connections:
            self.faults_done += not connection.frozen
            connection.frozen_at = min(connection.frozen_at, self.now)

    def deafen(self) -> None:
        """The server reads no more, but still sends."""
        for connection in self.connections:
            self.faults_done += not connection.deaf
            connection.deaf = True

    def numb(self, kind: str) -> None:
        """From the next point of this kind on, one of `troubles.FREEZES`, the
        server says nothing about the audio."""
        for connection in self.connections:
            connection.ears.plan(kind)

    def slow_down(self, pace: float, reads_ahead: bool = False) -> None:
        """The servers look at ``pace`` seconds of audio in a second."""
        self.faults_done += pace < self.server.pace
        for endpoint in self.endpoints:
            endpoint.server.pace = pace
            endpoint.server.reads_ahead = reads_ahead

    def fail(self, endpoint: SimEndpoint, outage: str, seconds: float) -> None:
        """An endpoint fails like this for so long, `endpoints.OUTAGES`; what
        becomes of the connections that it has?"""
        self.server.troubles.came["endpoints"] += 1
        endpoint.fail(outage, self.now + seconds)
        for connection in self.connections:
            if connection.server is not endpoint.server or not connection.open:
                continue
            if outage == "hangs":
                connection.frozen_at = min(connection.frozen_at, self.now)
            elif outage in ("refused", "busy", "dies") or (
                # A key that is revoked may end what lives, or not.
                outage in FOR_GOOD and self.rng.random() < 0.5
            ):
                self.watch.demands.died(connection, 1006)
                self._close(connection, 1006, "reset")
        self.settle()

    def refuse(self, status: int = 503, retry_after: str = "") -> None:
        """Answer the next attempt with an HTTP status."""
        self.faults_done += 1
        self.refusals.append(fault_of_http(status, b"", retry_after))

    def leap(self, seconds: float) -> None:
        """The machine sleeps: the clock goes on, nothing happens."""
        self.faults_done += 1
        self.now += seconds
        self.slack_ms = max(self.slack_ms, round(seconds * 1000) + 1)
        self.settle()

    def _close(self, connection: SimConnection, code: int, reason: str) -> None:
        connection.open = False
        self.watch.demands.closed(connection)
        self.core.exchange.closed(connection.link, code, reason, self.now)

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        until = self.now + seconds
        if self.over_at is not None and until >= self.over_at:
            over_at, self.over_at = self.over_at, None
            self.wait(max(0.0, over_at - self.now))
            self.server.troubles.came["stop"] += 1
            self.stop()
        spins = 0
        self.settle()
        while True:
            at = min(self._times(), default=until + 1)
            if at > until:
                break
            # A real clock moves on a little between two looks at it.
            spins = spins + 1 if at <= self.now else 0
            demand(spins < _SPINS, "the core spins: its deadline is past")
            self.now = max(self.now + 1e-6, at)
            self.settle()
        self.now = max(until, self.now)
        self.settle()

    def _times(self) -> Iterator[float]:
        due = self.core.exchange.deadline()
        if due is not None and not self.stopped:
            yield due
        yield from (at for at, _ in self.attempts)
        for endpoint in self.endpoints:
            over_at = endpoint.over_at()
            if over_at is not None:
                yield over_at
        for at, _ in self.pongs:
            yield at
        for connection in self.connections:
            arrives = connection.next_at()
            if arrives is not None:
                yield arrives
            if connection.open and connection.close_at is not None:
                yield connection.close_at[0]

    def settle(self) -> None:
        """Do everything that is due now."""
        if self.stalled:
            return
        while self._round():
            continue
        self.peak_held = max(
            self.peak_held, self.core.received - self.core._buffer.start
        )
        self.watch.step()

    def _round(self) -> bool:
        busy = False
        for endpoint in self.endpoints:
            endpoint.look(self.now)
        due = self.core.exchange.deadline()
        if due is not None and due <= self.now and not self.stopped:
            # As the client does it: at the deadline, and not before.
            self.core.exchange.tick(self.now)
        while attempt := self.core.exchange.next_attempt(self.now):
            self.watch.attempt(self.now)
            seconds = self.rng.random() * self.connect_s
            if _place(attempt).outage == "hangs":
                seconds = CONNECT_S
            self.attempts.append((self.now + seconds, attempt))
        # Nobody waits for these any more.
        self.attempts = [e for e in self.attempts if not e[1].over]
        for due_attempt in [e for e in self.attempts if e[0] <= self.now]:
            self.attempts.remove(due_attempt)
            busy = True
            self._connect(due_attempt[1])
        for connection in list(self.connections):
            busy |= self._serve(connection)
        for entry in [e for e in self.pongs if e[0] <= self.now]:
            self.pongs.remove(entry)
            if entry[1].open and not (entry[1].frozen or entry[1].deaf):
                self.core.exchange.pong(entry[1].link, self.now)
                self.watch.pong(self.now)
                busy = True
        if busy:
            self.connections = [c for c in self.connections if c.open]
        while self.core.results:
            result = self.core.results.popleft()
            self.watch.result(result)
            if isinstance(result, SettingsChanged):
                if result.refused is None and self.next_owner is not None:
                    self.listen()
                self.next_owner = None
            if self.keep_results:
                self.results.append(result)
        if self.core.fatal is not None and len(self.endpoints) > 1:
            # There is nobody left who would serve.
            self.stop()
        return busy

    def _refusal(self, attempt: Attempt) -> Fault | None:
        """Why an attempt fails now."""
        core, place = self.core, _place(attempt)
        if (fault := place.refusal(self.rng)) is not None:
            return fault
        if self.now > attempt.at + CONNECT_S - 1:
            return Fault("retry", "timeout", "no connection came about")
        if self.door is not None and (fault := self.door(self.now)):
            self.faults_done += 1
            return fault
        if not self.reachable:
            self.faults_done += 1
            return Fault("retry", "refused", "no")
        if self.refuses_spare and core.active is not None:
            # The key is revoked while a session lives.
            self.faults_done += 1
            return Fault("fatal", "invalid_api_key", "no")
        return self.refusals.pop(0) if self.refusals else None

    def _connect(self, attempt: Attempt) -> None:
        if attempt.over:
            return  # the client closes such a socket
        assert not self.core._in_force.is_stale(attempt), "it is of no use"
        place, fault = _place(attempt), self._refusal(attempt)
        if fault is not None:
            if fault.fatal:
                place.server.refused_at = self.now
                self._note_refused_spare(attempt)
            self.watch.refused(fault, place.name)
            self.core.exchange.failed(fault, self.now)
            return
        self.opened += 1
        server = place.server
        server.count += 1
        wall = SimServer.wall(self.now) + self.wall_error_s
        link = self.core.exchange.opened(self.now, wall)
        self.connections.append(SimConnection(server, link, self.now))

    def _note_refused_spare(self, attempt: Attempt) -> None:
        """Refused for good: the session that was to follow the active one?"""
        core = self.core
        wanted = attempt.change is None
        wanted &= not attempt.endpoint.is_like(core.in_use.returning)
        if wanted and core.active is not None:
            self.watch.refused_spare(core.active)

    def _serve(self, connection: SimConnection) -> bool:
        busy = False
        link = connection.link
        if not connection.open:
            return False
        if link.must_close:
            self._close(connection, 1000, "")
            return True
        message: bytes | None = b""
        while message is not None or link.wants_ping:
            if link.wants_ping:
                link.take_ping()
                self.pongs.append((connection.pong_at(self.now), connection))
            counted = link.session.audio.samples
            message = self.core.exchange.next_message(link, self.now)
            busy |= message is not None
            counted = link.session.audio.samples - counted
            # The times of the server's turns are read by this clock.
            demand(
                counted == len(audio_in(message or b"")),
                f"{counted} samples are counted that were not sent",
            )
            # What a peer does not read lies in the buffers on the way.
            if message and not (connection.frozen or connection.deaf):
                connection.receive(message, self.now)
        while (event := connection.pop_due(self.now)) is not None:
            busy = True
            self.core.exchange.receive(link, event, self.now)
        close = connection.close_at
        if close is not None and self.now >= close[0]:
            busy = True
            self.faults_done += close == connection.expiry
            if connection.died_of:
                self.server.troubles.came[connection.died_of] += 1
                self.watch.demands.died(connection, close[1])
            self._close(connection, *close[1:])
        return busy

    # -- the verdict -------------------------------------------------------

    def finish(self, seconds: float = 300) -> None:
        """All is well from now on, but for sessions that are frozen and what
        sessions die of; wait for everything to be delivered or reported."""
        self.reachable = True
        self.refusals.clear()
        for endpoint in self.endpoints:
            endpoint.recover(self.now)
            endpoint.server.faults = Faults(delay_s=0.5)
        self.server.troubles.stop()
        self.slow_down(math.inf)
        self.pause(1000)
        self.finalize()
        until = self.now + seconds
        while self.now < until:
            self.wait(5)
            last = self.spoken[-1].start + WORD_SAMPLES if self.spoken else 0
            answered = self.watch.answered == len(self.asked)
            if self.core.watermark >= last and answered and not self.changing:
                break

    @property
    def detects_locally(self) -> bool:
        """Does a local detector end the turns, with one of the endpoints?"""
        others = [e.settings(self.settings) for e in self.endpoints]
        if self.settings.turn_owner == "server":
            return any(other.turn_owner == "client" for other in others)
        return self.owner.startswith("local")

    @property
    def heard(self) -> list[str]:
        """The words of all finals, as they came."""
        return [
            word
            for result in self.results
            if isinstance(result, Final)
            for word in result.turn.text.split()
        ]

    def check(self) -> None:
        """Every word once, in order; every finalize answered, in order."""
        if self.stopped:
            self.watch.after_stop()
        else:
            self.watch.finish()


def _place(attempt: Attempt) -> SimEndpoint:
    """Where the client connects to."""
    assert isinstance(attempt.address, SimEndpoint)
    return attempt.address


def _fallbacks(
    endpoints: Sequence[SimEndpoint], first: SessionSettings
) -> list[Endpoint]:
    """All but the first, where that has these settings."""
    return [Endpoint(e.settings(first), e) for e in endpoints[1:]]

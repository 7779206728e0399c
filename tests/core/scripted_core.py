"""The core on a virtual clock, with a server whose every word a test says.

The core is looked after at its own `deadline` only, as the client does it.
"""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from typing import Any

from sim import SILENCE, find_speech, ms
from ten_packages.extension.openai_asr_python.realtime.audio_buffer import (
    FindPause,
    FindSound,
    FindSpeech,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    Result,
    ServerProblem,
    SessionLost,
    TurnFailed,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

CREATED = {"type": "session.created", "session": {"id": "s", "audio": {}}}
UPDATED = {"type": "session.updated", "session": {}}
TRANSCRIPTION = "conversation.item.input_audio_transcription."
APPEND = "input_audio_buffer.append"
CLEAR = "input_audio_buffer.clear"
COMMIT = "input_audio_buffer.commit"
UPDATE = "session.update"
#: A model whose turns the client ends; one with turns of the server.
SETTINGS = SessionSettings(model="gpt-transcribe", wire_format="g711_ulaw")
VAD = {"type": "server_vad", "silence_duration_ms": 500}
SERVER = replace(SETTINGS, model="gpt-4o-transcribe", turn_detection=VAD)
OTHER = replace(SETTINGS, prompt="other")
RETRY = Fault("retry", "gone", "not reachable")
WALL = 1.7e9


def created(life: float) -> dict[str, Any]:
    """A session that expires so many seconds after the connection."""
    session = {"id": "s", "audio": {}, "expires_at": WALL + life}
    return {"type": "session.created", "session": session}


class ScriptedCore:
    """One call; ``settings`` whose turns the client ends, unless told."""

    def __init__(
        self,
        settings: SessionSettings = SETTINGS,
        protocol: Any = "auto",
        find_sound: FindSound | None = None,
        find_speech: FindSpeech = find_speech,
        find_pause: FindPause | None = None,
        **limits: int,
    ) -> None:
        self.core = Transcription(
            settings,
            Limits(**limits),
            protocol=protocol,
            find_speech=find_speech,
            find_sound=find_sound,
            find_pause=find_pause,
            rng=random.Random(1),
        )
        self.now = 100.0
        self.answers_pings = True
        self.results: list[Result] = []
        self.link: Link = None  # type: ignore[assignment]
        self.sent: list[dict[str, Any]] = []
        self.core.start(self.now)

    def connect(self) -> None:
        """The attempt that is due succeeds; ``sent`` begins anew."""
        assert self.core.exchange.next_attempt(self.now)
        self.link = self.core.exchange.opened(self.now, WALL)
        self.sent = []
        self.look()

    def say(self, *events: Any) -> None:
        """The server's words."""
        for event in events:
            text = event if isinstance(event, str) else json.dumps(event)
            self.core.exchange.receive(self.link, text, self.now)
            self.look()

    def committed(self, item: str, previous: str | None) -> None:
        kind = "input_audio_buffer.committed"
        self.say({"type": kind, "item_id": item, "previous_item_id": previous})

    def started(self, item: str, at_ms: int) -> None:
        """The server's detector hears speech begin, in its own time."""
        kind = "input_audio_buffer.speech_started"
        self.say({"type": kind, "item_id": item, "audio_start_ms": at_ms})

    def stopped(self, item: str, at_ms: int) -> None:
        kind = "input_audio_buffer.speech_stopped"
        self.say({"type": kind, "item_id": item, "audio_end_ms": at_ms})

    def turn(
        self, item: str, start_ms: int, end_ms: int, previous: str | None = None
    ) -> None:
        """The server found a turn, of which the text follows."""
        self.started(item, start_ms)
        self.stopped(item, end_ms)
        self.committed(item, previous)

    def transcribed(self, kind: str, item: str, **fields: Any) -> None:
        self.say({"type": TRANSCRIPTION + kind, "item_id": item, **fields})

    def session(self) -> None:
        """A connection with a session as OpenAI opens it."""
        self.connect()
        self.say(CREATED, UPDATED)

    def hear(self, audio: bytes, commit: bool = False) -> None:
        self.core.audio(audio)
        if commit:
            self.core.commit()
        self.look()

    def live(self, audio: bytes) -> None:
        """Audio as a caller sends it, in real time."""
        for at in range(0, len(audio), ms(100)):
            self.hear(audio[at : at + ms(100)])
            self.wait(0.1)

    def quiet(self, seconds: float) -> None:
        """Nobody says anything for so long, and the frames go on."""
        self.live(SILENCE * ms(seconds * 1000))

    def look(self) -> None:
        """Do what the client does after every input."""
        link, exchange = self.link, self.core.exchange
        while link is not None and not link.must_close:
            while message := exchange.next_message(link, self.now):
                self.sent.append(json.loads(message))
            if not (self.answers_pings and link.take_ping()):
                break
            exchange.pong(link, self.now)
        while self.core.results:
            self.results.append(self.core.results.popleft())

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        spins = 0
        while (
            due := self.core.exchange.deadline()
        ) is not None and due <= until:
            spins = spins + 1 if due <= self.now else 0
            assert spins < 20, "its deadline does not move on"
            self.now = max(self.now, due)
            self.core.exchange.tick(self.now)
            self.look()
            due_at = self.core.sessions.due_at()
            if due_at is not None and due_at <= self.now:
                # Whoever tests it connects by himself.
                break
        self.now = until

    def of(self, kind: type) -> list[Any]:
        return [result for result in self.results if isinstance(result, kind)]

    @property
    def troubles(self) -> list[str]:
        """The codes of all that was told to be wrong, in order."""
        return [
            result.fault.code
            for result in self.results
            if isinstance(result, (ServerProblem, SessionLost, TurnFailed))
        ]

    @property
    def finals(self) -> list[str]:
        return [final.turn.text for final in self.of(Final)]

    @property
    def audio(self) -> bytes:
        """What this connection was sent."""
        return b"".join(
            base64.b64decode(event["audio"])
            for event in self.sent
            if event["type"] == APPEND
        )

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.sent]

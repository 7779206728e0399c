"""A commit of ours that crosses the server's own."""

from __future__ import annotations

import base64
import json
import random

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.audio.speech import (
    loud_span_finder,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    FinalizeEnd,
    Interim,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

RATE = 24000
TRANSCRIPTION = "conversation.item.input_audio_transcription."


def tone(ms: int, level_db: float) -> bytes:
    count = RATE * ms // 1000
    wave = np.sin(2 * np.pi * 220 * np.arange(count) / RATE)
    peak = 32767 * 10 ** (level_db / 20)
    return (wave * peak).astype("<i2").tobytes()


def noise(ms: int, level_db: float) -> bytes:
    rng = np.random.default_rng(1)
    count = RATE * ms // 1000
    scale = 32767 * 10 ** (level_db / 20)
    return (rng.normal(0, scale, count)).astype("<i2").tobytes()


class Wire:
    """A server that says what the test tells it to say."""

    def __init__(self, by_server: bool = True) -> None:
        detector = {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        }
        self.core = Transcription(
            SessionSettings(
                "gpt-4o-transcribe",
                turn_detection=detector if by_server else None,
            ),
            Limits(),
            protocol="ga",
            find_speech=loud_span_finder("pcm16", RATE),
            rng=random.Random(1),
        )
        self.core.start(0.0)
        assert self.core.exchange.next_attempt(0.0)
        self.link = self.core.exchange.opened(0.0, 1e9)
        self.drain()
        self.say(type="session.created", session={"id": "s"})
        self.say(type="session.updated", session={})

    def say(self, **event: object) -> None:
        self.core.exchange.receive(self.link, json.dumps(event), 0.1)

    def drain(self) -> list[str]:
        """The types of what the client has to send now."""
        types = []
        while (
            message := self.core.exchange.next_message(self.link, 0.1)
        ) is not None:
            event = json.loads(message)
            types.append(event["type"].rpartition(".")[2])
            if "audio" in event:
                base64.b64decode(event["audio"])
        return types

    def item(self, item_id: str, previous: str | None, text: str) -> None:
        for part in ("committed",):
            self.say(
                type=f"input_audio_buffer.{part}",
                item_id=item_id,
                previous_item_id=previous,
            )
        self.say(type=TRANSCRIPTION + "delta", item_id=item_id, delta=text)
        self.say(
            type=TRANSCRIPTION + "completed", item_id=item_id, transcript=text
        )

    def texts(self) -> list[str]:
        return [
            r.turn.text
            for r in self.core.results
            if isinstance(r, (Final, Interim)) and r.turn.text
        ]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (noise(300, -58), False),
        (noise(300, -48), False),
        (tone(300, -20), True),
    ],
)
def test_only_what_stands_out_behind_a_turn_is_a_turn_of_its_own(
    tail, expected
):
    wire = Wire()
    quiet = noise(1000, -48)
    wire.core.audio(quiet[: RATE * 2] + tone(800, -12) + quiet[:24000])
    wire.drain()
    wire.say(
        type="input_audio_buffer.speech_started",
        item_id="A",
        audio_start_ms=700,
    )
    wire.core.audio(tail)
    # The server has ended the turn by now, but we have not heard of it.
    wire.core.finalize("f", 0.1)
    assert wire.drain()[-1] == "commit"
    wire.say(
        type="input_audio_buffer.speech_stopped",
        item_id="A",
        audio_end_ms=2300,
    )
    wire.item("A", None, "good morning")
    wire.item("B", "A", "thank you")
    finals = [r for r in wire.core.results if isinstance(r, Final)]
    assert [f.turn.text for f in finals][:1] == ["good morning"]
    assert ("thank you" in wire.texts()) is expected
    ends = [r for r in wire.core.results if isinstance(r, FinalizeEnd)]
    assert [(e.token, e.timed_out) for e in ends] == [("f", False)]


def test_a_commit_that_the_server_finds_empty_is_nobodys_trouble():
    wire = Wire()
    wire.core.audio(tone(800, -12))
    wire.drain()
    wire.say(
        type="input_audio_buffer.speech_started", item_id="A", audio_start_ms=0
    )
    wire.core.finalize("f", 0.1)
    assert wire.drain()[-1] == "commit"
    wire.say(
        type="input_audio_buffer.speech_stopped",
        item_id="A",
        audio_end_ms=800,
    )
    wire.item("A", None, "good morning")
    wire.say(
        type="error",
        error={
            "type": "invalid_request_error",
            "code": "input_audio_buffer_commit_empty",
            "message": "buffer only has 0.00ms of audio",
        },
    )
    kinds = [type(r).__name__ for r in wire.core.results]
    assert "ServerProblem" not in kinds
    assert kinds[-1] == "FinalizeEnd"


@pytest.mark.parametrize(
    ("seconds", "code", "fatal"),
    [(0.01, 4000, False), (20.0, 4000, False), (20.0, 1006, False)],
)
def test_a_rate_limit_stays_one_when_the_machine_sleeps_before_its_close(
    seconds, code, fatal
):
    wire = Wire()
    wire.say(
        type="error",
        error={"type": "rate_limit_error", "code": "rate_limit_exceeded"},
    )
    wire.core.exchange.tick(0.1 + seconds)
    wire.core.exchange.closed(wire.link, code, "", 0.1 + seconds)
    assert (wire.core.fatal is not None) is fatal


def test_silence_during_an_outage_is_let_go_by_the_local_detector():
    wire = Wire(by_server=False)
    wire.core.detect_locally(True)
    wire.core.exchange.closed(wire.link, 1006, "", 0.2)
    for second in range(300):
        wire.core.audio(bytes(2 * RATE))
        wire.core.quiet_to((second + 1) * RATE)
    assert wire.core.dropped == 0
    held = wire.core.received - wire.core.watermark
    assert held <= 3 * RATE

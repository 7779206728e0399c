"""The types of the `openai` package check every event that we can send.

TypedDicts ignore what they do not know, so what comes out of the check is
compared with what went in.
"""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from openai.types.beta.realtime import TranscriptionSessionUpdateParam
from openai.types.realtime import (
    InputAudioBufferAppendEventParam,
    InputAudioBufferClearEventParam,
    InputAudioBufferCommitEventParam,
    RealtimeTranscriptionSessionCreateRequestParam,
)
from pydantic import TypeAdapter
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.settings import (
    session_update,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)
from ten_packages.extension.openai_asr_python.service.models import (
    MODEL_NAMES,
    profile_of,
)

KEY = "sk-test-0123456789"
TURNS: list[dict[str, Any]] = [
    {},
    {"type": "server_vad", "threshold": "0.4", "prefix_padding_ms": 100},
    {"type": "semantic_vad", "eagerness": "high"},
    {"type": "local"},
    {"type": "none"},
    {"enabled": False},
]
NOISE: list[dict[str, Any] | None] = [
    None,
    {"type": "near_field"},
    {"type": "far_field", "strength": 0.3},
]
REQUESTS: list[dict[str, Any]] = [
    {},
    {"language": "en-US", "prompt": "A call.", "delay": "low"},
    {"languages": ["de", "en"], "keywords": ["a|2", "<b>"]},
]
FORMATS = ("pcm16", "g711_ulaw", "audio/pcma")
GA = TypeAdapter(RealtimeTranscriptionSessionCreateRequestParam)
BETA = TypeAdapter(TranscriptionSessionUpdateParam)


def checked(adapter: TypeAdapter[Any], value: Any) -> Any:
    """``value`` as the SDK's type understands it, back as JSON."""
    python = adapter.validate_python(value)
    return json.loads(json.dumps(python, default=list))


def without_nulls(value: Any) -> Any:
    """The SDK's types leave out that null is allowed for these two, their
    own descriptions say it; a null must be one of them."""
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        if inner is None:
            assert key in (
                "turn_detection",
                "noise_reduction",
                "input_audio_noise_reduction",
            )
        else:
            kept[key] = without_nulls(inner)
    return kept


@pytest.mark.parametrize("model", [*MODEL_NAMES, "my-deployment"])
def test_every_session_update_is_what_the_sdk_describes(model):
    count = 0
    for turns, noise, request, wire, include in itertools.product(
        TURNS, NOISE, REQUESTS, FORMATS, ([], ["logprobs"])
    ):
        vad = turns.get("type") in ("server_vad", "semantic_vad")
        if vad and profile_of(model).server_turns == "no":
            continue
        params: dict[str, Any] = {
            "api_key": KEY,
            "model": model,
            "turn_detection": turns,
            "input_audio_format": wire,
            "include": include,
            **request,
        }
        if noise is not None:
            params["input_audio_noise_reduction"] = noise
        config, _ = load_config({"params": params})
        settings = config.session_settings()
        ga = without_nulls(session_update(settings, "ga"))
        assert ga.keys() == {"type", "session"}
        assert checked(GA, ga["session"]) == ga["session"]
        beta = without_nulls(session_update(settings, "beta"))
        # The beta types list OpenAI's models of that time only; servers that
        # speak the dialect have models of their own.
        beta["session"]["input_audio_transcription"]["model"] = "whisper-1"
        assert checked(BETA, beta) == beta
        count += 1
    assert count >= 200


def test_the_check_can_fail():
    config, _ = load_config({"params": {"api_key": KEY}})
    session = without_nulls(session_update(config.session_settings(), "ga"))
    session["session"]["audio"]["input"]["colour"] = "red"
    assert checked(GA, session["session"]) != session["session"]


def test_the_other_events_are_what_the_sdk_describes():
    """Appends, a commit and a clear, as the core makes them."""
    settings = load_config({"params": {"api_key": KEY, "language": "en"}})[
        0
    ].session_settings()
    limits = Limits(max_turn_ms=2000)
    core = Transcription(
        settings,
        limits,
        protocol="ga",
        find_speech=lambda audio: (0, 10) if any(audio) else None,
        rng=random.Random(1),
    )
    core.start(0)
    core.exchange.next_attempt(0)
    link = core.exchange.opened(0, 0)
    sent: list[dict[str, Any]] = []

    def drain() -> None:
        while (message := core.exchange.next_message(link, 1)) is not None:
            sent.append(json.loads(message))

    for kind in ("session.created", "session.updated"):
        drain()
        core.exchange.receive(
            link, json.dumps({"type": kind, "session": {}}), 0.5
        )
    core.audio(bytes(48 * 3000))
    drain()
    core.audio(b"\1\1" * 24 * 500)
    core.commit()
    drain()
    types = {
        "input_audio_buffer.append": InputAudioBufferAppendEventParam,
        "input_audio_buffer.commit": InputAudioBufferCommitEventParam,
        "input_audio_buffer.clear": InputAudioBufferClearEventParam,
    }
    assert {event["type"] for event in sent} == {*types, "session.update"}
    for event in sent[1:]:
        assert checked(TypeAdapter(types[event["type"]]), event) == event

"""session.update: whole or not at all, with the service's own errors."""

from __future__ import annotations

from typing import Any

import pytest
from realtime_client import connected, session

from devkit.script_audio import speak
from devkit.server import LocalServer

LIVE = ["gpt-live-transcribe", "gpt-realtime-whisper"]
TRANSCRIPTION = "session.audio.input.transcription"
TURNS = "session.audio.input.turn_detection"
VAD = {"type": "server_vad"}


def changed(**audio_input: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": audio_input}}


def model(name: str, **more: Any) -> dict[str, Any]:
    return changed(transcription={"model": name, **more})


@pytest.mark.parametrize(
    ("update", "code", "param", "text"),
    [
        ({}, "missing_required_parameter", "session.type", "session.type"),
        (
            {"type": "realtime"},
            "invalid_parameter",
            "session.type",
            "Passing a realtime session update to a transcription session "
            "is not allowed.",
        ),
        ({"type": "other"}, "invalid_value", "session.type", "'other'"),
        ({"type": 1}, "invalid_type", "session.type", "an integer"),
        (
            {"type": "transcription", "voice": "x"},
            "unknown_parameter",
            "session.voice",
            "Unknown parameter: 'session.voice'.",
        ),
        (
            {"type": "transcription", "audio": {"output": {}}},
            "unknown_parameter",
            "session.audio.output",
            "session.audio.output",
        ),
        (
            changed(format={"type": "audio/pcm", "rate": 16000}),
            "integer_below_min_value",
            "session.audio.input.format.rate",
            "Expected a value >= 24000",
        ),
        (
            changed(format={"type": "audio/opus"}),
            "invalid_value",
            "session.audio.input.format.type",
            "'audio/pcmu'",
        ),
        (
            changed(transcription={"language": "en"}),
            "missing_required_parameter",
            f"{TRANSCRIPTION}.model",
            f"Missing required parameter: '{TRANSCRIPTION}.model'",
        ),
        (
            changed(transcription={"model": "whisper-1", "temperature": 0}),
            "unknown_parameter",
            f"{TRANSCRIPTION}.temperature",
            "temperature",
        ),
        (
            model("whisper-1", language="english"),
            "invalid_value",
            f"{TRANSCRIPTION}.language",
            "ISO-639-1",
        ),
        (
            model("gpt-transcribe", language="en", languages=["de"]),
            "invalid_value",
            f"{TRANSCRIPTION}.languages",
            "language",
        ),
        (
            model("gpt-transcribe", languages=[]),
            "invalid_value",
            f"{TRANSCRIPTION}.languages",
            "languages",
        ),
        (
            model("gpt-transcribe", languages=None),
            "invalid_type",
            f"{TRANSCRIPTION}.languages",
            "null",
        ),
        (
            model("gpt-4o-transcribe", languages=["de"]),
            "invalid_value",
            f"{TRANSCRIPTION}.languages",
            "languages",
        ),
        (
            model("whisper-1", keywords=["TEN"]),
            "invalid_value",
            f"{TRANSCRIPTION}.keywords",
            "keywords",
        ),
        (
            model("gpt-live-transcribe", language="de"),
            "invalid_value",
            f"{TRANSCRIPTION}.language",
            "'language' parameter is not supported",
        ),
        (
            model("gpt-transcribe", prompt="x" * 1025),
            "string_above_max_length",
            f"{TRANSCRIPTION}.prompt",
            f"Invalid '{TRANSCRIPTION}.prompt': string too long. Expected a "
            "string with maximum length 1024, but got a string with length "
            "1025 instead.",
        ),
        (
            model("whisper-1", language=""),
            "invalid_value",
            f"{TRANSCRIPTION}.language",
            "ISO-639-1",
        ),
        (
            changed(noise_reduction={"strength": 0.5}),
            "missing_required_parameter",
            "session.audio.input.noise_reduction.type",
            "type",
        ),
        (
            model("gpt-realtime-whisper", prompt="names"),
            "invalid_value",
            f"{TRANSCRIPTION}.prompt",
            "prompt",
        ),
        (
            model("whisper-1", delay="low"),
            "invalid_value",
            f"{TRANSCRIPTION}.delay",
            "delay",
        ),
        (
            changed(turn_detection={**VAD, "threshold": 1.5}),
            "decimal_above_max_value",
            f"{TURNS}.threshold",
            "<= 1",
        ),
        (
            changed(turn_detection={**VAD, "silence_duration_ms": "500"}),
            "invalid_type",
            f"{TURNS}.silence_duration_ms",
            "an integer",
        ),
        (
            changed(turn_detection={**VAD, "eagerness": "low"}),
            "unknown_parameter",
            f"{TURNS}.eagerness",
            "eagerness",
        ),
        (
            changed(turn_detection={"threshold": 0.5}),
            "missing_required_parameter",
            f"{TURNS}.type",
            "type",
        ),
        (
            changed(turn_detection={**VAD, "idle_timeout_ms": 100}),
            "integer_below_min_value",
            f"{TURNS}.idle_timeout_ms",
            ">= 5000",
        ),
        (
            changed(noise_reduction={"type": "loud"}),
            "invalid_value",
            "session.audio.input.noise_reduction.type",
            "'near_field'",
        ),
        (
            {"type": "transcription", "include": ["everything"]},
            "invalid_value",
            "session.include[0]",
            "logprobs",
        ),
    ],
)
async def test_refused_update(
    update: dict[str, Any], code: str, param: str, text: str
) -> None:
    async with LocalServer() as server, session(server) as client:
        before = server.sessions[0].config
        # A good field beside the bad one: nothing of it may be applied.
        update = dict(update)
        update.setdefault("include", None)
        await client.send("session.update", session=update, event_id="evt_1")
        event = await client.receive()
        assert event["type"] == "error"
        error = event["error"]
        assert (error["code"], error["param"]) == (code, param)
        assert text in error["message"]
        assert error["type"] == "invalid_request_error"
        assert error["event_id"] == "evt_1"
        assert server.sessions[0].config == before
        # The connection stays open and the next update works.
        assert (await client.update())["type"] == "session.updated"


@pytest.mark.parametrize("name", LIVE)
async def test_live_models_refuse_turn_detection(name: str) -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        error = (await client.update(name, vad=VAD))["error"]
        assert error["code"] == "invalid_value"
        assert error["param"] == TURNS
        assert error["message"] == (
            "Turn detection is not supported for this transcription model."
        )
        assert (await client.update(name, vad=None))["type"] == (
            "session.updated"
        )
        # Not in the same update: the model in force decides.
        await client.send("session.update", session=changed(turn_detection=VAD))
        assert (await client.receive())["error"]["param"] == TURNS


async def test_unknown_model_ends_the_connection() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        error = (await client.update("gpt-none"))["error"]
        assert error["code"] == "model_not_found"
        assert (await client.closed())[0] == 4004


async def test_update_changes_only_what_it_names_and_echoes_all() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        await client.send(
            "session.update",
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcmu"},
                        "transcription": {
                            "model": "gpt-4o-transcribe",
                            "language": "de",
                        },
                        "noise_reduction": {
                            "type": "far_field",
                            "strength": 0.5,
                        },
                        "turn_detection": {**VAD, "threshold": 0.7},
                    }
                },
                "include": ["item.input_audio_transcription.logprobs"],
            },
        )
        first = (await client.receive())["session"]
        assert first["id"] == server.sessions[0].session_id
        assert first["include"] == ["item.input_audio_transcription.logprobs"]
        assert first["audio"]["input"] == {
            "format": {"type": "audio/pcmu"},
            "transcription": {
                "model": "gpt-4o-transcribe",
                "language": "de",
                "prompt": None,
            },
            "noise_reduction": {"type": "far_field", "strength": 0.5},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.7,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
            },
        }
        await client.send(
            "session.update",
            session=changed(
                noise_reduction={"type": "near_field"},
                transcription={"model": "whisper-1"},
                turn_detection={"type": "semantic_vad"},
            ),
        )
        second = (await client.receive())["session"]["audio"]["input"]
        assert second["format"] == {"type": "audio/pcmu"}
        # Strength is kept, and a language cannot be cleared.
        assert second["noise_reduction"]["strength"] == 0.5
        assert second["transcription"]["language"] == "de"
        assert second["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": "auto",
        }
        await client.send(
            "session.update",
            session=changed(
                noise_reduction=None, transcription=None, turn_detection=None
            ),
        )
        third = (await client.receive())["session"]["audio"]["input"]
        assert third["noise_reduction"] is None
        assert third["transcription"] is None
        assert third["turn_detection"] is None
        assert server.sessions[0].config_updates == 3


@pytest.mark.parametrize("lenient", [[], ["partial-echo"]])
async def test_delay_and_keywords_are_not_echoed(lenient: list[str]) -> None:
    async with (
        LocalServer(lenient=lenient) as server,
        connected(server) as client,
    ):
        await client.receive()
        updated = await client.update(
            "gpt-live-transcribe",
            delay="low",
            languages=["de", "en"],
            keywords=["TEN"],
            prompt="a call",
        )
        echoed = updated["session"]["audio"]["input"]["transcription"]
        assert echoed["languages"] == ["de", "en"]
        hidden = {"delay": "low", "keywords": ["TEN"]}
        assert hidden.items() <= echoed.items() or not lenient
        assert lenient or not hidden.keys() & echoed.keys()
        # The record has all of it.
        config = server.sessions[0].config
        assert config is not None
        assert config["audio"]["input"]["transcription"] == {
            **echoed,
            **hidden,
        }


async def test_beta_dialect_is_flat() -> None:
    async with LocalServer(dialect="both") as server:
        async with connected(
            server,
            "intent=transcription&model=any",
            headers={"OpenAI-Beta": "realtime=v1"},
        ) as client:
            created = await client.receive()
            assert created["type"] == "transcription_session.created"
            flat = created["session"]
            assert flat["input_audio_format"] == "pcm16"
            assert flat["input_audio_transcription"] is None
            assert flat["client_secret"] is None
            await client.update()
            error = client.events[-1]["error"]
            assert (error["code"], error["param"]) == ("invalid_value", "type")
            await client.send(
                "transcription_session.update",
                session={
                    "input_audio_format": "g711_ulaw",
                    "input_audio_transcription": {"model": "gpt-4o-transcribe"},
                    "turn_detection": None,
                    "input_audio_noise_reduction": {"type": "near_field"},
                },
            )
            updated = await client.receive()
            assert updated["type"] == "transcription_session.updated"
            assert updated["session"]["input_audio_format"] == "g711_ulaw"
            await client.append(bytes([0xFF]) * 1600)
            await client.send("input_audio_buffer.commit")
            item = (await client.until("conversation.item.created"))["item"]
            assert item["object"] == "realtime.item"
            await client.send(
                "transcription_session.update",
                session={
                    "input_audio_transcription": {
                        "model": "gpt-realtime-whisper",
                        "prompt": "x",
                    }
                },
            )
            error = (await client.until("error"))["error"]
            assert error["param"] == "session.input_audio_transcription.prompt"
        async with connected(server) as client:
            assert (await client.receive())["type"] == "session.created"


async def test_beta_update_in_ga_is_an_unknown_type() -> None:
    async with LocalServer() as server, session(server) as client:
        await client.send("transcription_session.update", session={})
        error = (await client.receive())["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "type")
        assert "'session.update', 'session.close'" in error["message"]
        assert (await client.update())["type"] == "session.updated"


async def test_audio_before_the_update_is_heard_under_the_defaults() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        samples, _ = speak([[1]], 24_000, 500)
        await client.speak(samples)
        await client.until("conversation.item.done")
        record = server.sessions[0]
        await server.until(lambda: record.items[0].state != "pending")
        # Turns, as VAD is on; no transcript, as there is no model.
        assert record.items[0].state == "never"
        assert (await client.update())["type"] == "session.updated"
        assert not record.transcripts

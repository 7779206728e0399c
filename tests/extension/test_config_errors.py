"""Wrong properties: one FATAL error that helps, and a process that lives."""

from __future__ import annotations

import json
import os

import pytest
from asr_call import Call, properties, run_call, spoken, text_of

FATAL = -1000
URL = "ws://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"api_key": ""}, ["api_key", "missing"]),
        ({"api_key": 5}, ["params.api_key", "allowed"]),
        ({"sample_rate": "fast"}, ["params.sample_rate", '"fast"', "8000"]),
        ({"sample_rate": True}, ["params.sample_rate", "true"]),
        (
            {"input_audio_fromat": "pcm16"},
            ["params.input_audio_fromat", 'mean "input_audio_format"'],
        ),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 2.5}},
            ["params.turn_detection.threshold", "2.5", "from 0 to 1"],
        ),
        (
            {"turn_detection": {"typ": "server_vad"}},
            ["params.turn_detection.typ", 'did you mean "type"'],
        ),
        (
            {"turn_detection": {"type": "magic"}},
            ["params.turn_detection.type", '"magic"', '"semantic_vad"'],
        ),
        (
            {"turn_detection": {"xyz": 1}},
            ["params.turn_detection.xyz", "allowed: ", "silence_duration_ms"],
        ),
        (
            {"odd": 1, "channels": 9, "turn_detection": {"typ": 1}},
            [
                "params.odd: unknown field",
                " | params.channels: found 9",
                " | params.turn_detection.typ: unknown field",
            ],
        ),
        (
            {f"odd{number}": 1 for number in range(9)},
            ["params.odd0", "params.odd5", " | 3 more"],
        ),
        (
            {"fallbacks": [{"modle": "x"}], "channels": 9},
            ["params.fallbacks[0].modle", "params.channels: found 9"],
        ),
        ({"odd": 1}, ["params.odd", "unknown field", "README"]),
        ({"turn_detection": 7}, ["params.turn_detection", "found 7"]),
        (
            {"input_audio_transcription": {"modell": "x"}},
            ["params.input_audio_transcription.modell", '"model"'],
        ),
        (
            {"input_audio_transcription": "whisper-1"},
            ["params.input_audio_transcription", '"whisper-1"', "object"],
        ),
        ({"input_audio_format": "mp3"}, ["input_audio_format", '"g711_ulaw"']),
        ({"base_url": "ftp://x/v1"}, ["params.base_url", "wss://"]),
        ({"base_url": "ws://example.org/v1"}, ["params.base_url", "TLS"]),
        ({"base_url": "wss://me:hush@gw/v1"}, ["params.base_url", "user name"]),
        ({"base_url": "wss://gw..example/v1"}, ["params.base_url", "dialed"]),
        (
            {
                "input_audio_transcription": {"model": "gpt-live-transcribe"},
                "turn_detection": {"type": "server_vad"},
            },
            ["turn_detection.type", "gpt-live-transcribe", '"local"'],
        ),
        ({"log_level": "LOUD"}, ["params.log_level", '"LOUD"', '"DEBUG"']),
        (
            {"input_audio_noise_reduction": {"type": "mid_field"}},
            ["params.input_audio_noise_reduction.type", '"near_field"'],
        ),
    ],
)
def test_a_wrong_property_is_one_fatal_error_that_names_it(
    change, parts, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        audio, _ = spoken([[1]])
        await call.send(audio)
        await call.until_finalized("still answered")

    call = run_call(properties(URL, **change), script)
    assert [error["code"] for error in call.errors] == [FATAL]
    error = call.errors[0]
    assert error["module"] == "asr"
    for part in parts:
        assert part in error["message"]
    assert call.results == []


def test_a_misspelt_params_is_named_beside_the_missing_key(monkeypatch):
    """What is in there is not read, so the key is missing."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    call = run_call({"parms": {"api_key": "sk-test"}}, script)
    [error] = call.errors
    assert "api_key: missing" in error["message"]
    assert (
        'parms: unknown property, ignored; did you mean "params"?'
        in (error["message"])
    )


def test_a_placeholder_in_a_command_is_refused_and_named(server):
    answers = []

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        for params in (
            {"api_key": "${env:OPENAI_API_KEY}"},
            {"headers": {"X-Key": "${env:KEY|}"}},
        ):
            update = json.dumps({"params": params})
            result, _ = await call.command("update_configs", update)
            assert result is not None
            assert result.get_property_int("code") == (-1, None)
            answers.append(result.get_property_string("message")[0])
        audio, _ = spoken([[1]])
        await call.send(audio)
        await call.until_finalized("still there")

    call = run_call(properties(server.url), script)
    assert [
        answer.partition(": found a placeholder")[0] for answer in answers
    ] == [
        "params.api_key",
        "params.headers.X-Key",
    ]
    assert call.texts == text_of([1])


def test_a_key_in_the_wrong_place_is_not_shown_either(server):
    secret = "a-key-0123456789-in-the-wrong-place"

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    config = properties(server.url, api_key=secret, log_level=secret)
    call = run_call(config, script)
    assert secret not in str(call.messages).lower()
    assert "found a text of 35 characters" in call.errors[0]["message"]


def test_the_key_of_a_wrong_configuration_is_not_shown(server):
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    secret = "sk-secret with-blank-0123456789"
    call = run_call(properties(server.url, api_key=secret), script)
    assert "0123456789" not in str(call.messages)
    assert "params.api_key" in call.errors[0]["message"]


@pytest.mark.parametrize(
    "config",
    [
        {"api_key": "sk-top-0123456789", "websocket_base_url": "{url}"},
        {"params": {"key": "sk-top-0123456789", "url": "{url}"}},
        {
            "api_key": "sk-top-0123456789",
            "params": {"api_key": " ", "base_url": "{http}/realtime"},
        },
        {
            "api_key": "sk-top-0123456789",
            "websocket_base_url": "{url}/",
            "log_level": "warning",
            "sample_rate": "16000",
            "params": {
                "dump": "false",
                "model": "gpt-4o-transcribe",
                "language": "",
                "turn_detection": {"enabled": "true"},
                "input_audio_noise_reduction": {"enabled": False},
            },
        },
    ],
)
def test_both_spellings_and_placeholder_texts_are_understood(server, config):
    def filled(value):
        if isinstance(value, dict):
            return {k: filled(v) for k, v in value.items()}
        if isinstance(value, str):
            return value.replace("{url}", server.url).replace(
                "{http}", server.url.replace("ws://", "http://")
            )
        return value

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))

    call = run_call(filled(config), script)
    assert call.errors == []
    assert server.sessions[0].key_ok


def test_a_wrong_value_at_the_top_level_is_named_as_such(server):
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    config = properties(server.url, top={"max_buffer_ms": 5})
    call = run_call(config, script)
    message = call.errors[0]["message"]
    assert message.startswith("invalid property: max_buffer_ms: found 5;")


@pytest.mark.parametrize("make", [None, os.mkfifo, os.mkdir])
def test_a_ca_file_that_cannot_be_read_is_one_fatal_error(tmp_path, make):
    path = tmp_path / "ca.pem"
    if make is not None:
        make(path)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.until_finalized("end")

    call = run_call(properties("wss://asr.test/v1", ca_file=str(path)), script)
    (error,) = call.errors
    assert error["code"] == FATAL
    assert f'ca_file: "{path}" cannot be read' in error["message"]

"""``transport`` and ``timestamps``: what a configuration may say with them."""

from __future__ import annotations

import pytest
from ten_packages.extension.openai_asr_python.call.call import client_settings
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.service.files import FileRequest
from ten_packages.extension.openai_asr_python.service.models import FILE_MODELS

KEY = "sk-test-0123456789"
PATH = "/v1/audio/transcriptions"


def load(model: str = "gpt-transcribe", **given):
    own = {"api_key": KEY, "transport": "http", "model": model}
    return load_config({"params": {**own, **given}})


def problem(*args, **given) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*args, **given)
    return str(caught.value)


def test_a_websocket_is_the_default():
    config, _ = load_config({"api_key": KEY})
    assert (config.transport, config.timestamps) == ("websocket", False)
    settings = client_settings(config)
    assert settings.files is None
    assert settings.url.startswith("wss://")
    assert not settings.session.as_files
    assert settings.limits.answer_s(False) == 15


@pytest.mark.parametrize("value", ["sse", "HTTP", 1])
def test_other_transports_are_refused(value):
    text = problem(transport=value)
    assert 'allowed: "websocket", "http"' in text
    assert "transport" in text


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, f"https://api.openai.com{PATH}"),
        ("wss://eu.api.openai.com/v1", f"https://eu.api.openai.com{PATH}"),
        (
            "https://api.openai.com/v1/realtime?intent=transcription",
            f"https://api.openai.com{PATH}",
        ),
        (f"https://api.openai.com{PATH}/", f"https://api.openai.com{PATH}"),
        (
            "https://speech.openai.azure.com",
            "https://speech.openai.azure.com/openai/v1/audio/transcriptions",
        ),
        (
            "https://speech.openai.azure.com/openai/v1?api-version=preview",
            "https://speech.openai.azure.com/openai/v1/audio/transcriptions",
        ),
        (
            "https://speech.openai.azure.com/openai/deployments/w"
            "?api-version=2024-10-21",
            "https://speech.openai.azure.com/openai/deployments/w"
            "/audio/transcriptions?api-version=2024-10-21",
        ),
        (
            "https://api.groq.com/openai/v1",
            "https://api.groq.com/openai/v1/audio/transcriptions",
        ),
        ("http://127.0.0.1:8000/v1", f"http://127.0.0.1:8000{PATH}"),
        ("ws://localhost:8080", f"http://localhost:8080{PATH}"),
    ],
)
def test_where_files_go(base, url):
    given = {} if base is None else {"base_url": base}
    assert load(**given)[0].url == url


def test_a_key_does_not_go_out_in_the_clear():
    text = problem(base_url="http://asr.example/v1")
    assert text.startswith("params.base_url: found a URL without TLS")
    config, _ = load(base_url="http://asr.example/v1", allow_insecure=True)
    assert config.url == f"http://asr.example{PATH}"


def test_azure_gets_its_own_header_and_nobody_a_dialect():
    azure, _ = load(base_url="https://speech.openai.azure.com")
    assert azure.headers_sent == {"api-key": KEY}
    beta, warnings = load(base_url="https://gw.example", protocol="beta")
    assert beta.headers_sent == {"Authorization": f"Bearer {KEY}"}
    assert beta.dialect == "ga"
    assert 'params.protocol: without effect with transport "http"' in warnings
    assert client_settings(beta).protocol == "auto"


# -- turns ------------------------------------------------------------------


def test_turns_are_local():
    assert load("whisper-1")[0].turn_owner == "local"
    none, _ = load(turn_detection={"type": "none"})
    assert none.turn_owner == "none"
    assert none.session_settings().turn_detection is None


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
@pytest.mark.parametrize("model", ["whisper-1", "whisper-large-v3"])
def test_nobody_else_ends_them(kind, model):
    text = problem(model, turn_detection={"type": kind})
    assert text.startswith("params.turn_detection.type: found ")
    assert 'allowed: "local", "none"' in text


def test_a_turn_must_fit_into_a_file():
    text = problem(max_turn_ms=600_000, max_buffer_ms=3_600_000)
    assert text.startswith("params.max_turn_ms: found 600000")
    assert "allowed: up to 546000" in text
    load(max_turn_ms=546_000, max_buffer_ms=3_600_000)
    # With 8000 samples a second there is room for more.
    load(
        max_turn_ms=600_000,
        max_buffer_ms=3_600_000,
        input_audio_format="g711_ulaw",
    )
    # What the buffer allows is what counts.
    load(max_turn_ms=600_000)


def test_a_long_turn_has_a_long_time():
    def answer_s(**given: int) -> float:
        return load(**given)[0].limits.answer_s(True)

    assert answer_s() == 30
    assert answer_s(max_turn_ms=2000) == 15
    # What the buffer allows is what counts.
    assert answer_s(max_turn_ms=600_000) == 60


def test_only_a_turn_that_is_a_file_has_it():
    fallback = {"transport": "http", "base_url": "http://127.0.0.1:9/v1"}
    config, _ = load(transport="websocket", fallbacks=[fallback])
    settings = client_settings(config)
    assert not settings.session.as_files
    (other,) = settings.fallbacks
    assert other.session.as_files
    assert settings.limits.answer_s(False) == 15
    assert settings.limits.answer_s(True) == 30


# -- models -----------------------------------------------------------------


@pytest.mark.parametrize("given", [{}, {"model": "gpt-realtime-whisper"}])
def test_a_live_model_is_to_be_had_over_the_websocket_only(given):
    with pytest.raises(ConfigError) as caught:
        load_config({"api_key": KEY, "transport": "http", **given})
    text = str(caught.value)
    assert text.startswith(("input_audio_transcription.model: ", "model: "))
    assert f"allowed: {', '.join(FILE_MODELS)}" in text


@pytest.mark.parametrize(
    ("model", "timestamps", "request_"),
    [
        ("gpt-transcribe", False, FileRequest(stream=True)),
        ("gpt-4o-transcribe", True, FileRequest(stream=True)),
        ("gpt-4o-mini-transcribe-2025-12-15", False, FileRequest(stream=True)),
        ("whisper-1", False, FileRequest()),
        ("whisper-1", True, FileRequest("verbose_json", words=True)),
        ("whisper-large-v3", True, FileRequest("verbose_json", words=True)),
        ("Systran/faster-Whisper-small", False, FileRequest()),
        ("distil-medium", True, FileRequest()),
        (
            "gpt-4o-transcribe-diarize",
            True,
            FileRequest("diarized_json", True, chunks=True),
        ),
    ],
)
def test_what_is_asked_of_a_model(model, timestamps, request_):
    config, warnings = load(model, timestamps=timestamps)
    assert config.file_request == request_
    assert client_settings(config).files == request_
    told = [w for w in warnings if w.startswith("params.timestamps: ")]
    assert bool(told) is (timestamps and not request_.words)


def test_a_family_can_be_named():
    config, _ = load("my-deployment", family="gpt-4o-transcribe")
    assert config.file_request == FileRequest(stream=True)
    whisper, _ = load("my-deployment", family="whisper-1", timestamps=True)
    assert whisper.file_request == FileRequest("verbose_json", words=True)


def test_words_go_as_the_model_wants_them():
    assert (
        load("whisper-large", keywords=["A", "B"])[0].session_settings().prompt
        == "A, B"
    )
    assert load(keywords=["A"])[0].session_settings().keywords == ("A",)


# -- what has no effect -----------------------------------------------------


def test_what_is_of_a_session_has_no_effect():
    config, warnings = load(
        "whisper-1",
        session={
            "audio": {"input": {"turn_detection": {"type": "server_vad"}}}
        },
        protocol="ga",
        model_in_url=True,
        peer_timeout_ms=5000,
        input_audio_noise_reduction={"type": "far_field"},
        delay="low",
    )
    for name in (
        "session",
        "protocol",
        "model_in_url",
        "peer_timeout_ms",
        "input_audio_noise_reduction",
    ):
        assert (
            f'params.{name}: without effect with transport "http"' in warnings
        )
    assert any(w.startswith("params.delay: ") for w in warnings)
    settings = config.session_settings()
    assert settings.extra == {}
    assert settings.noise_reduction is None
    assert config.turn_owner == "local"
    assert "model=" not in config.url


def test_headers_that_a_file_has_of_its_own_have_no_effect():
    headers = {"Content-Type": "application/json", "ACCEPT-encoding": "gzip"}
    _, warnings = load("whisper-1", headers=headers)
    for name in headers:
        told = f'params.headers.{name}: without effect with transport "http"'
        assert told in warnings


def test_the_replacement_is_one_that_takes_files():
    _, warnings = load("whisper-1")
    assert any("replacement: gpt-transcribe" in warning for warning in warnings)


def test_a_websocket_tells_no_times():
    _, warnings = load_config({"api_key": KEY, "timestamps": True})
    assert any(w.startswith("timestamps: the WebSocket") for w in warnings)


def test_the_log_shows_the_url_of_a_known_endpoint():
    from ten_packages.extension.openai_asr_python.service.endpoint import (
        redacted_url,
    )

    url = load(query={"zone": "hush-0123456789"})[0].url
    assert redacted_url(url) == f"https://api.openai.com{PATH}?zone=***"

"""Configuration errors and redacted URLs show nothing that is secret."""

from __future__ import annotations

import json
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.connection.faults import (
    fault_of_exception,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
    updated_properties,
)
from ten_packages.extension.openai_asr_python.service.endpoint import (
    endpoint,
    redacted_url,
)
from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

HUSH = "hush-hush-1234"
KEY = "sk-test-0123456789"


def refusal(**params: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config({"params": {"api_key": KEY, **params}})
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("params", "field", "what"),
    [
        ({"api_key": 7}, "api_key", "found a number"),
        ({"api_key": True}, "api_key", "found a switch"),
        ({"api_key": {"a": HUSH}}, "api_key", "found an object"),
        ({"api_key": [HUSH]}, "api_key", "found a list"),
        ({"headers": [HUSH]}, "headers", "found a list"),
        ({"headers": HUSH}, "headers", "found a text"),
        ({"headers": {"X-A": {"a": HUSH}}}, "headers.X-A", "found an object"),
        ({"headers": {f"A: {HUSH}": "x"}}, "headers", "header names"),
        ({"headers": {f"A: {HUSH}": ["x"]}}, "headers", "found a list"),
        ({"headers": {"X-A": f"{HUSH}\r\n"}}, "headers.X-A", "printable"),
        ({"headers": {f"Sec-WebSocket-{HUSH * 3}": "x"}}, "headers", "belongs"),
        ({"headers": {"X-A": "1", "x-a": HUSH}}, "headers.x-a", "twice"),
        ({"headers": {"Trailer": HUSH}}, "headers.Trailer", "belongs"),
        ({"headers": {"te": HUSH}}, "headers.te", "belongs"),
        ({"headers": {f"A: {HUSH}": "\ud800"}}, "headers", "Unicode"),
        ({"headers": {f"A: {HUSH}": "${env:X}"}}, "headers", "placeholder"),
        ({"query": {HUSH * 3: "${env:X}"}}, "query", "placeholder"),
        ({"query": [HUSH]}, "query", "found a list"),
        ({"query": {"sig": [HUSH]}}, "query.sig", "found a list"),
        ({"url": 7}, "url", "found a number"),
        ({"url": [f"wss://u:{HUSH}@gw"]}, "url", "found a list"),
        ({"base_url": f"{HUSH}://gw"}, "base_url", "must begin"),
        ({"url": f"wss://u:{HUSH}@gw/v1"}, "url", "user name or password"),
        ({"url": f"wss://{HUSH}@gw/v1"}, "url", "user name or password"),
        ({"url": f"wss://u:{HUSH}@[gw/v1"}, "url", "user name or password"),
        ({"url": "wss://@gw/v1"}, "url", "user name or password"),
        ({"url": "wss://:@gw/v1"}, "url", "user name or password"),
        ({"url": f"wss://gw:{HUSH}/v1"}, "url", "is not a URL"),
        ({"url": f"wss://[{HUSH}/v1"}, "url", "is not a URL"),
        ({"url": f"wss://gw..{HUSH}/v1"}, "url", "is not a URL"),
        ({"url": f"wss://{HUSH * 5}.org/v1"}, "url", "is not a URL"),
        ({"url": f"wss://gw:0/{HUSH}"}, "url", "is not a URL"),
        ({"url": f"wss://gw/{HUSH} v1"}, "url", "blanks"),
        ({"url": f"ws://gw.example/{HUSH}"}, "url", "without TLS"),
        ({"session": HUSH}, "session", "found a text"),
        ({"session": [HUSH]}, "session", "found a list"),
        ({"organization": f"é{HUSH}"}, "organization", "ASCII"),
    ],
)
def test_secret_fields_are_described_and_not_shown(params, field, what):
    text = refusal(**params)
    assert text.startswith(f"params.{field}: ")
    assert what in text
    assert HUSH not in text
    # Nothing of pydantic, urllib, ssl or a socket.
    for foreign in ("Input should", "netloc", "Port could", "label", "null"):
        assert foreign not in text


@pytest.mark.parametrize("params", [HUSH, [HUSH], 7])
def test_params_that_are_no_object_are_described(params):
    for load in (load_config, lambda p: updated_properties({}, p)):
        with pytest.raises(ConfigError) as caught:
            load({"params": params})
        assert HUSH not in str(caught.value)
        assert str(caught.value).startswith("params: found a ")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"api_key": "${env:OPENAI_API_KEY}"}, "api_key"),
        ({"key": "${env:OPENAI_API_KEY|}"}, "key"),
        ({"headers": {"X-A": "Bearer ${env:TOKEN}"}}, "headers.X-A"),
        ({"headers": {"X-Key": "<your key>"}}, "headers.X-Key"),
        (
            {"headers": {"Authorization": "Bearer {{ secrets.KEY }}"}},
            "headers.Authorization",
        ),
        (
            {"headers": {"Authorization": "<%= ENV['KEY'] %>"}},
            "headers.Authorization",
        ),
        ({"query": {"sig": "${env:SIG}"}}, "query.sig"),
        ({"query": {"${env:SIG}": "1"}}, "query"),
        ({"headers": {"${env:NAME}": "1"}}, "headers"),
        ({"session": {"a": [{"${env:T}": 1}]}}, "session.a"),
        ({"url": "wss://${env:HOST}/v1"}, "url"),
        ({"language": "${env:LANGUAGE|en}"}, "language"),
        ({"keywords": ["${env:A}"]}, "keywords"),
        ({"turn_detection": {"threshold": "${env:T}"}}, "turn_detection"),
        ({"session": {"a": [{"b": "${env:T}"}]}}, "session.a.b"),
    ],
)
def test_a_placeholder_that_nobody_filled_in_is_refused(params, field):
    text = refusal(**params)
    assert text.startswith(f"params.{field}")
    assert "placeholder" in text
    before = {"params": {"api_key": KEY}}
    with pytest.raises(ConfigError, match="placeholder"):
        load_config(updated_properties(before, {"params": params}))


@pytest.mark.parametrize(
    "key",
    [
        *("$NAME", "${NAME}", "${{NAME}}", "%NAME%", "{{NAME}}", "{NAME}"),
        *("$(NAME)", "#{NAME}", "#{NAME}#", "<YOUR_KEY>", "[NAME]"),
        *("@@NAME@@", "((NAME))"),
    ],
)
def test_no_placeholder_is_taken_for_a_key(key):
    text = refusal(api_key=key)
    assert "api_key: found a placeholder" in text
    other = {"api_key": key, "base_url": "wss://b.example/v1"}
    assert "found a placeholder" in refusal(api_key=KEY, fallbacks=[other])
    text = refusal(headers={"Authorization": f"Bearer {key}"})
    assert "headers.Authorization: found a placeholder" in text


@pytest.mark.parametrize("field", ["dump_path", "ca_file"])
def test_no_url_is_taken_for_a_path(field):
    text = refusal(**{field: f"s3://user:{HUSH}@bucket/x"})
    assert f"{field}: found a URL" in text
    assert HUSH not in text


def test_what_only_looks_like_a_placeholder():
    prompt = "The price is $5 {sic}, env: test"
    config, _ = load_config({"params": {"api_key": KEY, "prompt": prompt}})
    assert config.input_audio_transcription.prompt == prompt


@given(st.text(max_size=60))
def test_a_url_that_is_taken_can_be_dialed(rest):
    """Otherwise it would be tried for ever."""
    try:
        url = endpoint(f"wss://{rest}", {}).url
    except ValueError:
        return
    parse_uri(url).host.encode("idna")


@pytest.mark.parametrize(
    "error",
    [
        InvalidURI(f"wss://gw/{HUSH}", "odd"),
        UnicodeError(f"label of {HUSH} empty or too long"),
    ],
)
def test_a_url_that_cannot_be_dialed_after_all_is_fatal(error):
    fault = fault_of_exception(error)
    assert fault.fatal
    assert fault.message.startswith("websocket_base_url: ")
    assert HUSH not in fault.message


LETTERS = string.ascii_letters + string.digits + "-_.~!$&'()*+,=:%é"


@given(
    st.integers(0, 2**32),
    st.integers(8, 60),
    st.sampled_from(
        [
            "wss://gw.example:8443/{}/v1/realtime",
            "wss://gw.example:8443/v1/{}",
            "wss://gw.example:8443/v1;t={}/realtime?intent=transcription",
            "wss://gw.example:8443/v1/realtime;{}",
            "wss://gw.example:8443/v1?{}",
            "wss://gw.example:8443/v1?sig={}",
            "wss://gw.example:8443/v1?sig={}&intent=transcription#{}",
            "wss://gw.example:8443/v1#{}",
            "wss://{}@gw.example:8443/v1",
            "wss://me:{}@gw.example:8443/v1",
        ]
    ),
)
def test_a_redacted_url_has_no_secret_in_any_place(seed, size, place):
    secret = "".join(random.Random(seed).choices(LETTERS, k=size))
    shown = redacted_url(place.replace("{}", secret))
    assert shown.startswith("wss://gw.example:8443/")
    for piece in range(len(secret) - 7):
        assert secret[piece : piece + 8] not in shown
    assert ";" not in shown
    assert "#" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "wss://api.openai.com/v1/realtime?intent=transcription",
        "wss://me.openai.azure.com/openai/v1/realtime?intent=transcription",
        "wss://[::1]:80/openai/deployments/realtime"
        "?api-version=2025-04-01-preview&deployment=my-deployment",
        "wss://gw/v1?model=gpt-4o-transcribe",
    ],
)
def test_a_redacted_url_stays_readable(url):
    assert redacted_url(url) == url


def test_the_described_configuration_has_no_secret_of_its_url():
    config, _ = load_config(
        {"params": {"api_key": KEY, "url": f"wss://gw/{HUSH}/v1#{HUSH}"}}
    )
    shown = json.dumps(config.shown())
    assert HUSH not in shown
    assert '"wss://gw/***/v1"' in shown
    assert HUSH not in repr(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("language", {"token": "Qx7hunterTwo"}),
        ("keywords", {"api_key": "Qx7hunterTwo"}),
        ("auth", "Qx7hunterTwo.Lang_9Zz-end"),
        ("auth", ["bearer", "Qx7hunterTwo"]),
        ("organization", {"key": "Qx7hunterTwo"}),
    ],
)
def test_what_is_in_the_wrong_field_may_be_a_secret(field, value):
    with pytest.raises(ConfigError) as caught:
        load_config({"params": {"api_key": "sk-test-1", field: value}})
    assert field in str(caught.value)
    assert "hunterTwo" not in str(caught.value)

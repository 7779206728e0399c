"""``fallbacks``: what is not given is the first endpoint's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ten_packages.extension.openai_asr_python.call.call import client_settings
from ten_packages.extension.openai_asr_python.config import (
    ConfigError,
    OpenAIASRConfig,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
    updated_properties,
)
from ten_packages.extension.openai_asr_python.safety.redaction import (
    secrets_in,
)

KEY = "sk-test-0123456789"
OTHER = "gsk-other-9876543210"


def load(*fallbacks: Any, **properties: Any) -> OpenAIASRConfig:
    return load_config(
        {"api_key": KEY, "fallbacks": list(fallbacks), **properties}
    )[0]


def test_where_the_key_goes_is_warned_of_first():
    """Of many warnings the last ones are not shown."""
    unknown = {f"odd_{n}": 1 for n in range(60)}
    other = {"base_url": "https://other.test/v1"}
    properties = {"api_key": KEY, "fallbacks": [other], **unknown}
    _, warnings = load_config(properties)
    assert len(warnings) > 60
    assert "other.test is sent that for api.openai.com" in warnings[0]


def refusal(*fallbacks: Any, **properties: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        load(*fallbacks, **properties)
    return str(refused.value)


def warnings(*fallbacks: Any, **properties: Any) -> list[str]:
    given = {"api_key": KEY, "fallbacks": list(fallbacks), **properties}
    return load_config(given)[1]


def test_what_is_not_given_is_the_first_one_s():
    config = load(
        {"model": "whisper-1", "base_url": "https://other.example/v1"},
        language="de",
        prompt="names",
        organization="org-1",
        headers={"x-team": "a"},
    )
    first, other = config.endpoint_configs()
    assert first is config
    assert other.url.startswith("wss://other.example/v1/realtime")
    assert other.headers_sent == first.headers_sent
    assert other.session_settings().model == "whisper-1"
    assert other.session_settings().language == "de"
    assert other.session_settings().prompt == "names"
    assert other.fallbacks == []


def test_a_key_of_its_own_takes_the_place_of_one_in_a_header():
    config = load(
        {"api_key": OTHER, "base_url": "wss://other.example/v1"},
        headers={"api-key": KEY},
    )
    assert config.endpoint_configs()[1].headers_sent == {
        "Authorization": f"Bearer {OTHER}"
    }


CREDENTIALS = [
    {"api-key": OTHER},
    {"X-Api-Key": OTHER},
    {"Ocp-Apim-Subscription-Key": OTHER},
    {"cf-aig-authorization": OTHER},
    {"Authorization": OTHER},
]


@pytest.mark.parametrize("headers", CREDENTIALS)
def test_who_has_credentials_of_his_own_is_sent_no_other(headers):
    given = {"base_url": "wss://other.example/v1", "headers": headers}
    first = {
        "headers": {"x-team": "a", "x-secret": KEY},
        "query": {"api-version": "1", "subscription-key": KEY},
    }
    other = load(given, **first).endpoint_configs()[1]
    assert KEY not in str(other.headers_sent) + other.url
    assert other.headers_sent == headers
    assert "api-version=1" in other.url
    assert warnings(given, **first) == []


@pytest.mark.parametrize("name", ["X-Api-Key", "X-Auth", "X-JWT", "X-Tenant"])
def test_whatever_header_there_is_goes_to_no_other_credentials(name):
    """Nobody knows the names of all that may be secret."""
    given = {"base_url": "wss://other.example/v1", "api_key": OTHER}
    first = {
        "headers": {name: KEY},
        "query": {"code": KEY, "api-version": "v1"},
        "organization": "org-first",
        "project": "proj-first",
    }
    other = load(given, **first).endpoint_configs()[1]
    assert other.headers_sent == {"Authorization": f"Bearer {OTHER}"}
    assert KEY not in other.url
    assert "api-version=v1" in other.url
    assert warnings(given, **first) == []


@pytest.mark.parametrize(
    ("given", "first", "fields"),
    [
        ({}, {}, ["api_key"]),
        ({"headers": {}}, {}, ["api_key"]),
        ({"headers": {"x-team": "b"}}, {}, ["api_key"]),
        ({"headers": {"x-jwt": OTHER}}, {}, []),
        ({}, {"headers": {"api-key": KEY}}, ["api_key", "headers"]),
        ({}, {"query": {"sig": KEY}}, ["api_key", "query"]),
        ({}, {"headers": {"X-Tenant": "a"}}, ["api_key", "headers"]),
        ({"base_url": "wss://api.openai.com/v2"}, {}, []),
    ],
)
def test_whatever_credentials_go_elsewhere_is_told(given, first, fields):
    given = {"base_url": "wss://other.example/v1", **given}
    told = warnings(given, **first)
    names = [text.partition(": ")[0] for text in told]
    assert names == [f"fallbacks[0].{field}" for field in fields]
    assert KEY not in str(told)


def test_one_language_takes_the_place_of_several():
    config = load({"language": "fr"}, languages=["de", "en"])
    assert config.endpoint_configs()[1].session_settings().hints == ("fr",)


@pytest.mark.parametrize(
    ("model", "turns", "other", "expected"),
    [
        ("gpt-live-transcribe", {}, "gpt-4o-transcribe", "local"),
        ("gpt-4o-transcribe", {}, "whisper-1", "server_vad"),
        ("gpt-4o-transcribe", {}, "gpt-live-transcribe", "local"),
        (
            "gpt-4o-transcribe",
            {"type": "semantic_vad"},
            "gpt-4o-mini-transcribe",
            "semantic_vad",
        ),
        ("gpt-4o-transcribe", {"type": "none"}, "whisper-1", "none"),
        ("gpt-4o-transcribe", {"enabled": False}, "whisper-1", "none"),
    ],
)
def test_who_ends_the_turns_stays_where_that_is_possible(
    model, turns, other, expected
):
    config = load({"model": other}, model=model, turn_detection=turns)
    assert config.endpoint_configs()[1].turn_owner == expected
    owners = {config.turn_owner, expected}
    assert config.detects_locally == ("local" in owners)


def test_the_client_is_told_of_each_by_name():
    settings = client_settings(load({"model": "whisper-1"}, {"api_key": OTHER}))
    names = [settings.session.endpoint]
    names += [other.session.endpoint for other in settings.fallbacks]
    assert names == ["primary", "fallbacks[0]", "fallbacks[1]"]
    alone = client_settings(load_config({"api_key": KEY})[0])
    assert (alone.session.endpoint, alone.fallbacks) == ("", ())


@pytest.mark.parametrize(
    ("fallback", "field"),
    [
        ({"model": 3}, "fallbacks[0].model"),
        ({"modle": "x"}, "fallbacks[0].modle"),
        ({"api_key": "a b"}, "fallbacks[0].api_key"),
        ({"base_url": "ftp://x"}, "fallbacks[0].base_url"),
        ({"url": "ws://other.example"}, "fallbacks[0].url"),
        ({"headers": {"a b": "c"}}, "fallbacks[0].headers"),
        ({"auth": "none"}, "fallbacks[0].auth"),
        ({"family": "x"}, "fallbacks[0].family"),
        ({"prompt": "${env:PROMPT}"}, "fallbacks"),
        ("wss://other.example", "fallbacks[0]: found a text; allowed: an o"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(fallback, field):
    text = refusal(fallback)
    assert text.startswith(field), text
    for secret in ("a b:", "other.example", "ftp", "${env:PROMPT}"):
        assert secret not in text.partition("allowed")[0]


def test_no_more_than_eight():
    assert refusal(*[{}] * 9).startswith("fallbacks: ")
    assert refusal(fallbacks="x").startswith("fallbacks: ")


def test_a_key_that_goes_elsewhere_is_told():
    [told] = warnings({"base_url": "wss://other.example/v1"})
    assert told.startswith("fallbacks[0].api_key: ")
    assert "other.example" in told
    given = {"base_url": "wss://other.example/v1", "api_key": OTHER}
    assert warnings(given) == []


def test_their_secrets_are_known_and_never_shown():
    properties = {
        "api_key": KEY,
        "params": {
            "fallbacks": [
                {
                    "key": OTHER,
                    "headers": {"x-secret": "header-secret-1"},
                    "base_url": "wss://other.example/path-secret-12/v1",
                }
            ]
        },
    }
    secrets = secrets_in(properties)
    assert {OTHER, "header-secret-1", "path-secret-12"} <= set(secrets)
    config, _ = load_config(properties)
    shown = json.dumps(config.shown()) + repr(config) + str(config)
    for secret in (KEY, OTHER, "header-secret-1", "path-secret-12"):
        assert secret not in shown


def test_an_update_replaces_the_list():
    old = {"api_key": KEY, "fallbacks": [{"model": "whisper-1"}]}
    new = updated_properties(old, {"fallbacks": [{"model": "gpt-transcribe"}]})
    config, _ = load_config(new)
    assert [f.model for f in config.fallbacks] == ["gpt-transcribe"]
    config, _ = load_config(updated_properties(old, {"fallbacks": []}))
    assert config.fallbacks == []


def test_one_of_blanks_alone_is_none():
    """As variables leave it that are not set."""
    blank = {"base_url": "", "api_key": " "}
    assert load(blank).fallbacks == []
    config = load(blank, {"model": "whisper-1", "api_key": ""})
    assert [other.model for other in config.fallbacks] == ["whisper-1"]
    assert load({}).fallbacks != []
    assert "fallbacks[1].model" in refusal(blank, {"model": 3})

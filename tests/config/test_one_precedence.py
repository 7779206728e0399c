"""What loading makes of properties is what an update begins with, and makes
of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.config import (
    ConfigError,
    OpenAIASRConfig,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
    updated_properties,
)

KEY = {"api_key": "sk-test-0123456789"}
SECTION = "input_audio_transcription"


def config_of(properties: dict[str, Any]) -> OpenAIASRConfig | None:
    try:
        return load_config(properties)[0]
    except ConfigError:
        return None


def spelled(top: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    return {**top, "params": params}


#: At the top level and in `params`, and what is told of it.
TWICE: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # `params` wins,
    ({"prompt": "top"}, {"prompt": "params"}, {"prompt": "params"}),
    ({"hotwords": "a"}, {"keywords": "b"}, {"keywords": ["b"]}),
    # an object of it as a whole.
    (
        {SECTION: {"prompt": "top", "language": "de"}},
        {SECTION: {"prompt": "params"}},
        {"prompt": "params"},
    ),
    # The section wins over flat keys, wherever each of them stands,
    ({}, {SECTION: {"prompt": "in"}, "prompt": "flat"}, {"prompt": "in"}),
    ({}, {"prompt": "flat", SECTION: {"prompt": "in"}}, {"prompt": "in"}),
    ({SECTION: {"prompt": "in"}}, {"prompt": "flat"}, {"prompt": "in"}),
    ({"prompt": "flat"}, {SECTION: {"prompt": "in"}}, {"prompt": "in"}),
    ({}, {"hotwords": "a", SECTION: {"keywords": "b"}}, {"keywords": ["b"]}),
    (
        {"prompt": "flat"},
        {SECTION: {"language": "de"}},
        {"prompt": "flat", "language": "de"},
    ),
    # and a blank is no value, so it wins over none.
    ({"prompt": "top"}, {"prompt": " "}, {"prompt": "top"}),
    ({"prompt": "top"}, {SECTION: {"prompt": ""}}, {"prompt": "top"}),
    ({"prompt": "top"}, {SECTION: ""}, {"prompt": "top"}),
    ({SECTION: {"prompt": "top"}}, {SECTION: ""}, {"prompt": "top"}),
]


@pytest.mark.parametrize(("top", "params", "told"), TWICE)
def test_which_of_two_values_counts_as_properties_and_as_an_update(
    top, params, told
):
    for properties in (
        spelled(top, {**KEY, **params}),
        updated_properties(spelled(top, {**KEY, **params}), {}),
        updated_properties(spelled({}, KEY), spelled(top, params)),
    ):
        config, _ = load_config(properties)
        request = config.input_audio_transcription
        assert request.model_dump(exclude_defaults=True) == told


@pytest.mark.parametrize(
    ("top", "params"),
    [
        (
            {"turn_detection": {"type": "none", "threshold": 0.1}},
            {"turn_detection": {"silence_duration_ms": 900}},
        ),
        ({"headers": {"X-A": "1"}}, {"headers": {"X-B": "2"}}),
        ({"query": {"a": "1"}}, {"query": {}}),
        ({"session": {"a": 1}}, {"session": {"b": 1}}),
        (
            {"turn_detection": {"enabled": False}},
            {"turn_detection": {"type": "local"}},
        ),
        ({"turn_detection": {"enabled": False, "type": "local"}}, {}),
        ({"url": "wss://a.example"}, {"base_url": "wss://b.example"}),
        ({"nobody": 1, "ten": {}, "auto_connect": False}, {}),
    ],
)
def test_an_empty_update_changes_nothing(top, params):
    properties = spelled(top, {**KEY, **params})
    config, _ = load_config(properties)
    updated = updated_properties(properties, {})
    assert load_config(updated)[0] == config
    assert updated_properties(updated, {}) == updated
    # Nor does one that tells what is so already.
    assert load_config(updated_properties(properties, updated))[0] == config


@pytest.mark.parametrize("name", ["headers", "query"])
def test_only_where_both_are_switches_one_undoes_the_other(name):
    old = {**KEY, name: {"enabled": "1", "type": "none"}}
    for new in ({"type": "a"}, {"enabled": "2"}):
        config, _ = load_config(updated_properties(old, {name: new}))
        found = getattr(config, name).items()
        revealed = {key: value.get_secret_value() for key, value in found}
        assert revealed == {"enabled": "1", "type": "none", **new}


TEXTS = st.sampled_from(["", " ", "a", "b"])
OWNERS = st.sampled_from(["", "local", "none"])
DETECTOR = st.fixed_dictionaries(
    {},
    optional={
        "type": OWNERS,
        "enabled": st.booleans() | st.just(""),
        "threshold": st.sampled_from([0.1, 0.2, "", 7]),
    },
)
REQUEST = {
    "prompt": TEXTS,
    "language": st.sampled_from(["", "de", "fr"]),
    "keywords": TEXTS,
    "hotwords": TEXTS,
}
SCOPE = st.fixed_dictionaries(
    {},
    optional={
        **REQUEST,
        SECTION: st.fixed_dictionaries({}, optional=REQUEST)
        | st.sampled_from(["", 7]),
        "turn_detection": DETECTOR | st.sampled_from(["", 7]),
        "headers": st.dictionaries(st.sampled_from(["X-A", "X-B"]), TEXTS),
        "log_level": st.sampled_from(["", "DEBUG", "WARN", "LOUD"]),
        "nobody": TEXTS,
    },
)
PROPERTIES = st.builds(spelled, SCOPE, SCOPE)


@given(PROPERTIES)
def test_whatever_there_is_an_empty_update_changes_nothing(properties):
    properties = {**KEY, **properties}
    updated = updated_properties(properties, {})
    assert config_of(updated) == config_of(properties)


@given(PROPERTIES)
def test_an_update_alone_is_as_if_it_had_been_loaded(properties):
    # An unknown key in an update is wrong, wherever it stands.
    properties.pop("nobody", None)
    updated = updated_properties(KEY, properties)
    assert config_of(updated) == config_of({**KEY, **properties})

"""Commands that overtake others, and what is in force in the end."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ten_packages.extension.openai_asr_python.properties.loading import (
    ConfigError,
)
from ten_packages.extension.openai_asr_python.properties.updates import (
    ConfigUpdates,
    Request,
    Version,
)

KEY = "sk-test-0123456789abcdef"
NEVER = math.inf


@pytest.fixture
def updates() -> ConfigUpdates:
    found = ConfigUpdates()
    found.start({"params": {"api_key": KEY}})
    return found


def begin(updates: ConfigUpdates, payload: dict[str, Any]) -> Request:
    updates.add(payload, NEVER)
    request = updates.begin(0.0)
    assert request is not None
    return request


def in_force(updates: ConfigUpdates) -> Version:
    return Version.load(updates.properties)


def prompt_of(version: Version) -> str:
    return version.config.input_audio_transcription.prompt


def test_a_local_command_is_in_force_before_the_one_that_waits(updates):
    config = in_force(updates).config
    begin(updates, {"prompt": "x", "log_level": "WARN"})
    found = updates.overtake({"log_level": "DEBUG"}, config)
    assert found is not None
    assert (prompt_of(found), found.config.log_level) == ("", "DEBUG")
    both = updates.accept("next turn")
    assert (prompt_of(both), both.config.log_level) == ("x", "DEBUG")
    assert in_force(updates).config == both.config


def test_it_holds_where_the_one_that_waits_is_refused(updates):
    config = in_force(updates).config
    begin(updates, {"prompt": "x"})
    updates.overtake({"log_level": "DEBUG"}, config)
    updates.refuse("no")
    now = in_force(updates)
    assert (prompt_of(now), now.config.log_level) == ("", "DEBUG")


def test_a_call_that_begins_anew_works_by_what_is_asked_for(updates):
    asked = begin(updates, {"api_key": "sk-better"})
    found = updates.overtake({"log_level": "DEBUG"}, asked.config)
    assert found is not None
    assert found.config.api_key.get_secret_value() == "sk-better"
    assert updates.accept("next turn").config == found.config


def test_one_in_the_queue_does_not_undo_what_was_asked_for_after_it(updates):
    config = in_force(updates).config
    begin(updates, {"prompt": "x"})
    updates.add({"log_level": "WARN", "prompt": "y"}, NEVER)
    updates.overtake({"log_level": "DEBUG"}, config)
    updates.accept("next turn")
    assert updates.begin(0.0) is not None
    later = updates.accept("next turn")
    assert (prompt_of(later), later.config.log_level) == ("y", "DEBUG")


@pytest.mark.parametrize(
    "payload",
    [
        {"prompt": "y"},
        {"prompt": ""},
        {"api_key": "sk-other"},
        {"sample_rate": 8000},
        {"turn_detection": {"type": "none"}},
        {"log_level": "WARN", "params": {"prompt": ""}},
    ],
)
def test_what_the_service_must_know_overtakes_nothing(updates, payload):
    config = in_force(updates).config
    begin(updates, {"prompt": "x"})
    assert updates.overtake(payload, config) is None
    assert prompt_of(updates.accept("next turn")) == "x"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"log_level": "WARN"},
        {"params": {"connect_timeout_ms": 2000}, "stop_timeout_ms": 100},
    ],
)
def test_what_is_no_matter_of_the_service_overtakes(updates, payload):
    config = in_force(updates).config
    begin(updates, {"prompt": "x"})
    assert updates.overtake(payload, config) is not None


def test_a_wrong_one_changes_nothing(updates):
    config = in_force(updates).config
    with pytest.raises(ConfigError, match="log_level"):
        updates.overtake({"log_level": "LOUD"}, config)
    assert in_force(updates).config == config

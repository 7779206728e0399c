"""From settings to the core's bounds."""

from __future__ import annotations

import pytest
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits


def limits(**params: object) -> Limits:
    config, _ = load_config({"params": {"api_key": "k", **params}})
    return config.limits


def test_the_documented_defaults_are_those_of_the_core():
    assert limits() == Limits()


@pytest.mark.parametrize("peer_ms", [2000, 5000, 9000, 20_000, 120_000])
def test_a_dead_peer_is_noticed_within_the_set_time(peer_ms):
    found = limits(peer_timeout_ms=peer_ms)
    assert found.ping_ms + found.pong_timeout_ms == peer_ms
    # A PONG waits for half a window at the most, in real time.
    assert found.window_ms // 2 < found.pong_timeout_ms
    assert found.window_ms > found.ping_ms


@pytest.mark.parametrize("peer_ms", [1999, 120_001, "soon"])
def test_other_times_are_refused_by_name(peer_ms):
    with pytest.raises(ConfigError, match="peer_timeout_ms"):
        limits(peer_timeout_ms=peer_ms)


def test_a_turn_that_the_buffer_has_no_room_for_is_said():
    params = {"api_key": "sk-test-0123456789", "max_buffer_ms": 20_000}
    config, warnings = load_config({"params": {**params, "max_turn_ms": 15000}})
    assert config.limits.max_turn_ms == 10_000
    [told] = [w for w in warnings if "max_turn_ms" in w]
    assert told.startswith("params.max_turn_ms: 10000 is used")
    # The default needs no warning.
    _, warnings = load_config({"params": params})
    assert not any("max_turn_ms" in w for w in warnings)


@pytest.mark.parametrize("dump", [True, False])
def test_a_tilde_is_no_home(dump):
    params = {"api_key": "sk-test-0123456789", "dump_path": "~/x.pcm"}
    _, warnings = load_config({"params": {**params, "dump": dump}})
    told = [w for w in warnings if w.startswith("params.dump_path: ~ is a")]
    assert len(told) == dump


@pytest.mark.parametrize("name", ["x.pcm", "x.PCM", "x/openai_asr_in.pcm"])
def test_a_dump_path_is_a_file_or_a_directory(name):
    given = "x" if name.startswith("x/") else name
    config, _ = load_config({"api_key": "k", "dump_path": given})
    assert config.dump_file().as_posix() == name

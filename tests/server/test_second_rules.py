"""Two strict readings of one sheet agree, and the product pleases both."""

from __future__ import annotations

import json
from typing import Any

import pytest
from random_updates import raw_updates, user_configs
from second_rules import TAKES, Rules
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    session_update,
)

from devkit.server.errors import ApiError
from devkit.server.models import PROFILES
from devkit.server.settings import SessionSettings

TRANSCRIPTION = "session.audio.input.transcription"
#: What only the second refuses, and why ours does not: (code, param).
SETTLED = {
    # Silent: null is not said to be an error, and the echo shows it.
    ("invalid_type", f"{TRANSCRIPTION}.prompt"),
    ("invalid_type", f"{TRANSCRIPTION}.language"),
    # 2.3: conversation sessions only, not that it is refused elsewhere.
    ("unknown_parameter", "session.audio.input.turn_detection.create_response"),
    # 2.4: no logprobs come; not that asking for them is refused.
    ("invalid_value", "session.include"),
    # 2.4: turn detection left out with a live model was accepted (M2, LK).
    ("invalid_value", "session.audio.input.turn_detection"),
    # Section 12: only fields that are present change, `type` like others.
    (
        "missing_required_parameter",
        "session.audio.input.noise_reduction.type",
    ),
}


def compared(state: Any) -> Any:
    """A state without what says "nothing", for both spellings."""
    if isinstance(state, dict):
        kept = {name: compared(value) for name, value in state.items()}
        return {n: v for n, v in kept.items() if v not in (None, "", [])}
    return state


@pytest.mark.parametrize("seed", [1, 2026])
def test_both_accept_and_refuse_the_same_updates(seed):
    accepted = refused = settled = 0
    for sequence in raw_updates(seed):
        second, ours = Rules(), SessionSettings()
        for session in sequence:
            state, error = second.update(session)
            try:
                ours = ours.updated(session)
                fault = None
            except ApiError as found:
                fault = found
            if (error is None) != (fault is None):
                assert error is not None, f"only ours refuses: {fault}"
                assert (error["code"], error["param"]) in SETTLED, error
                settled += 1
                break
            if error is not None:
                refused += 1
                assert error["message"]
                continue
            accepted += 1
            told = compared({**ours.full(), "type": "transcription"})
            # `include` cannot be taken back by the issue of November 2026.
            told.pop("include", None)
            expected = compared(state)
            expected.pop("include", None)
            if ours.profile is not None and not ours.profile.vad:
                # Whether the default goes off by itself, reports differ (2.4).
                told["audio"]["input"].pop("turn_detection", None)
                expected["audio"]["input"].pop("turn_detection", None)
            assert told == expected
    assert accepted > 150
    assert refused > 150
    assert settled < 20


@pytest.mark.parametrize("seed", [1, 2026])
def test_both_take_what_the_product_makes_of_any_configuration(seed):
    taken, wrong = 0, set()
    for params in user_configs(seed):
        properties = {"params": {"api_key": "sk-test-0123456789", **params}}
        try:
            config, _ = load_config(properties)
        except ConfigError as error:
            path = str(error).partition(":")[0]
            wrong.add(path.removesuffix(".0").rpartition(".")[2])
            continue
        update = session_update(config.session_settings(), "ga")
        session = json.loads(json.dumps(update))["session"]
        _, error = Rules().update(session)
        if error is not None:
            # A model that nobody has; Azure takes such names.
            assert error["code"] == "model_not_found"
            session["audio"]["input"]["transcription"]["model"] = (
                config.profile.family
            )
            _, error = Rules().update(session)
        assert error is None, (error, params)
        SessionSettings().updated(session)
        taken += 1
    assert taken > 150
    # Never for a language, a prompt or a keyword.
    assert wrong <= {
        "delay",
        "family",
        "include",
        "input_audio_format",
        "input_audio_noise_reduction",
        "strength",
        "threshold",
        "type",
    }


def test_both_know_the_same_models():
    assert set(TAKES) == set(PROFILES)

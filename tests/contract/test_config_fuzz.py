"""Whatever the properties hold: a configuration or one `ConfigError`."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from asr_call import Call, properties, run_call
from hypothesis import given
from hypothesis import strategies as st
from odd_values import TEXTS, VALUES, quick
from ten_packages.extension.openai_asr_python.config import (
    ConfigError,
    NoiseReductionConfig,
    OpenAIASRConfig,
    TranscriptionConfig,
    TurnDetectionConfig,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
    updated_properties,
)

FATAL = -1000
_SECTIONS = {
    "input_audio_transcription": TranscriptionConfig,
    "turn_detection": TurnDetectionConfig,
    "input_audio_noise_reduction": NoiseReductionConfig,
}
FIELDS = sorted(
    {
        *OpenAIASRConfig.model_fields,
        *TranscriptionConfig.model_fields,
        "key",
        "url",
        "base_url",
        "hotwords",
        "params",
        "ten",
        "auto_connect",
    }
)
GOOD: dict[str, Any] = {"api_key": "sk-test-0123456789"}


def _section(name: str) -> st.SearchStrategy[Any]:
    fields = sorted(_SECTIONS[name].model_fields)
    return st.dictionaries(st.sampled_from(fields), VALUES, max_size=3)


@st.composite
def odd_properties(draw: st.DrawFn) -> dict[str, Any]:
    """Properties with up to four fields that hold anything."""
    found: dict[str, Any] = {}
    scope: dict[str, Any] = dict(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.one_of(st.sampled_from(FIELDS), TEXTS))
        value = VALUES
        if name in _SECTIONS:
            value = st.one_of(VALUES, _section(name))
        place = draw(st.sampled_from([found, scope]))
        place[name] = copy.deepcopy(draw(value))
    found.setdefault("params", scope)
    return found


def check(values: Any) -> None:
    """Loading succeeds, and all that is derived does; or one clear line."""
    try:
        config, warnings = load_config(values)
    except ConfigError as error:
        # PT017: not every example is wrong.
        assert error.field  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        assert len(str(error)) < 5000  # noqa: PT017
        # It travels in a message of TEN.
        str(error).encode()
        return
    json.dumps(config.shown(), ensure_ascii=False).encode()
    assert all(isinstance(warning, str) for warning in warnings)
    " ".join(warnings).encode()
    assert config.url.startswith(("ws://", "wss://"))
    config.headers_sent  # noqa: B018
    config.limits  # noqa: B018
    config.dump_file()
    config.turn_owner  # noqa: B018
    config.session_settings()


@pytest.mark.parametrize("name", FIELDS)
@quick
@given(value=VALUES)
def test_any_value_of_a_property_is_taken_or_refused(name, value):
    check({"params": {**GOOD, name: value}})
    check({**GOOD, name: value})


@pytest.mark.parametrize("section", sorted(_SECTIONS))
@quick
@given(data=st.data())
def test_any_value_in_a_section_is_taken_or_refused(section, data):
    check({"params": {**GOOD, section: data.draw(_section(section))}})


@quick
@given(old=odd_properties(), new=odd_properties())
def test_any_update_is_merged_or_refused(old, new):
    try:
        merged = updated_properties(old, new)
    except ConfigError:
        return
    check(merged)


@pytest.mark.parametrize(
    "config",
    [
        {"params": {"session": {"a": [[[[]]]] * 3}}},
        {"params": []},
        {"params": {"api_key": {"a": 1}}},
        {"params": {"api_key": "sk-test-0123456789\x00"}},
        {"params": {"prompt": ["x"] * 1000, "api_key": "sk-test-0123456789"}},
        {"params": {"sample_rate": 2**63 - 1}},
        {"params": {"turn_detection": {"threshold": "1e400"}}},
        {"params": {"websocket_base_url": "ws://[::1"}},
        {"params": {"headers": {"a\nb": "c"}}},
        {"params": {"x" * 10000: 1}},
    ],
)
def test_the_whole_extension_survives_odd_properties(config, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")

    async def script(call: Call) -> None:
        if any(config["params"]) and "session" not in config["params"]:
            await call.until(lambda: call.errors)
        await call.until_finalized("still answered")

    call = run_call(
        {"websocket_base_url": "ws://127.0.0.1:9/v1", **config}, script
    )
    assert len([e for e in call.errors if e["code"] == FATAL]) <= 1


PAYLOADS = [
    "{}",
    '{"params": null}',
    '{"params": 7}',
    '{"params": {"language": null}}',
    '{"params": {"language": 5}}',
    '{"params": {"turn_detection": [1, [2, [3]]]}}',
    '{"params": {"session": {"audio": 1}}}',
    '{"url": ""}',
    '{"url": "not a url"}',
    '{"headers": {"a": {"b": 1}}}',
    '{"dump": true}',
    '{"params": {"keywords": [1, 2]}}',
    '{"unknown": {"deep": %s}}' % ("[" * 100 + "]" * 100),
    '{"params": {"%s": 1}}' % ("k" * 5000),
    '{"params": {"prompt": "\\ud800"}}',
    '{"params": {"sample_rate": 9223372036854775807}}',
]


def test_every_odd_update_is_answered(server):
    answers = []

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        for payload in PAYLOADS:
            result, error = await call.command("update_configs", payload)
            # The interface declares some fields; TEN then answers itself.
            if error is None and result is not None:
                code, _ = result.get_property_int("code")
                message, _ = result.get_property_string("message")
                answers.append((code, message))
        await call.until_finalized("still alive")

    call = run_call(properties(server.url), script)
    assert len(answers) >= len(PAYLOADS) - 4
    assert all(message for code, message in answers if code == -1)
    assert call.errors == []

"""Each option with each model: passed on, changed, dropped or rejected."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.config_loading import load_config
from ten_packages.extension.openai_asr_python.realtime.client_events import (
    session_update,
)
from ten_packages.extension.openai_asr_python.realtime.models import (
    MODEL_NAMES,
    profile_of,
)
from ten_packages.extension.openai_asr_python.realtime.options import (
    MAX_KEYWORD,
    OPTIONS,
    decide,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    MAX_PROMPT,
)

from devkit.server.errors import ApiError
from devkit.server.models import PROFILES
from devkit.server.settings import SessionSettings as ServerSettings

KEY = "sk-test-0123456789"
LOGPROBS = "item.input_audio_transcription.logprobs"


def load(**params):
    return load_config({"params": {"api_key": KEY, **params}})


def sent(config, dialect="ga"):
    """The transcription request that goes out."""
    update = session_update(config.session_settings(), dialect)["session"]
    if dialect == "beta":
        return update["input_audio_transcription"]
    return update["audio"]["input"]["transcription"]


#: For each option: how it is asked for, and where it shows when passed on.
ASKED = {
    "language": ({"language": "de"}, "language"),
    "languages": ({"languages": ["de", "en"]}, "languages"),
    "prompt": ({"prompt": "A call."}, "prompt"),
    "keywords": ({"keywords": ["TEN"]}, "keywords"),
    "delay": ({"delay": "low"}, "delay"),
}


@pytest.mark.parametrize("model", MODEL_NAMES)
@pytest.mark.parametrize("option", ASKED)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_the_table_is_what_happens(model, option, dialect):
    params, name = ASKED[option]
    if dialect == "beta":
        params = {**params, "protocol": "beta", "url": "wss://gw.example"}
    config, warnings = load(model=model, **params)
    told = [w for w in warnings if option in w]
    request = sent(config, dialect)
    fate = decide(option, profile_of(model), dialect)
    if fate == "passed":
        assert request[name] == params[option]
        assert told == []
    elif fate == "first":
        assert request["language"] == "de"
        assert "languages" not in request
        assert len(told) == 1
    elif fate == "prompt":
        assert "keywords" not in request
        assert "TEN" in request["prompt"]
    else:
        assert fate == "dropped"
        assert name not in request
        assert len(told) == 1
        assert "dropped" in told[0]


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_logprobs_only_where_the_model_gives_them(model):
    config, warnings = load(model=model, include="logprobs")
    taken = decide("logprobs", profile_of(model)) == "passed"
    assert config.session_settings().include == ((LOGPROBS,) if taken else ())
    assert any("include" in w for w in warnings) is not taken


@pytest.mark.parametrize("model", MODEL_NAMES)
@pytest.mark.parametrize("turns", ["server_vad", "semantic_vad"])
def test_turn_detection_of_the_server_is_passed_or_rejected(model, turns):
    if decide(turns, profile_of(model)) == "passed":
        config, _ = load(model=model, turn_detection={"type": turns})
        assert config.session_settings().turn_detection["type"] == turns
        return
    with pytest.raises(ConfigError) as caught:
        load(model=model, turn_detection={"type": turns})
    assert model in str(caught.value)
    assert '"local"' in str(caught.value)


def test_every_option_has_a_fate_with_every_model():
    for option in OPTIONS:
        for model in MODEL_NAMES:
            for dialect in ("ga", "beta"):
                assert decide(option, profile_of(model), dialect)


@pytest.mark.parametrize(
    ("given_words", "expected"),
    [
        (["Agora|10", "TEN | 2.5", "c|"], ["Agora", "TEN", "c"]),
        ("Agora|10, TEN,,\nRTC", ["Agora", "TEN", "RTC"]),
        (["<b>bold</b>", "a\r\nb"], ["b bold /b", "a b"]),
        (["x", " x ", "<>", "", "\x00"], ["x"]),
        (["either|or"], ["either|or"]),
        (["w" * (MAX_KEYWORD + 1), "ok"], ["ok"]),
    ],
)
@pytest.mark.parametrize("spelling", ["keywords", "hotwords"])
def test_words_are_cleaned(given_words, expected, spelling):
    config, _ = load(model="gpt-transcribe", **{spelling: given_words})
    assert sent(config)["keywords"] == expected


def test_words_go_into_the_prompt_in_the_models_own_way():
    words = {"hotwords": ["TEN|5", "Agora"], "prompt": "A call."}
    whisper, _ = load(model="whisper-1", **words)
    assert sent(whisper)["prompt"] == "A call. TEN, Agora"
    free, _ = load(model="gpt-4o-transcribe", **words)
    assert sent(free)["prompt"] == "A call. Keywords: TEN, Agora."


def test_a_prompt_that_is_too_long_is_cut_between_words():
    config, warnings = load(
        model="whisper-1", prompt="word " * MAX_PROMPT, keywords=["late"]
    )
    prompt = sent(config)["prompt"]
    assert MAX_PROMPT - 10 < len(prompt) <= MAX_PROMPT
    assert prompt.endswith("word")
    assert any("prompt: cut" in w for w in warnings)
    assert any("no room" in w for w in warnings)


@pytest.mark.parametrize(
    ("params", "language", "languages"),
    [
        ({"language": "en-US"}, "en", None),
        ({"language": "eng"}, "en", None),
        ({"language": "zh-Hant-TW"}, "zh", None),
        ({"language": "yue"}, "yue", None),
        ({"language": "de", "languages": "en, fr"}, None, ["de", "en", "fr"]),
        ({"language": "en", "languages": ["de", "en"]}, None, ["en", "de"]),
        ({"languages": ["en-GB", "en-US"]}, "en", None),
        ({"language": "de", "languages": ["de"]}, "de", None),
    ],
)
def test_one_of_language_and_languages_goes_out(params, language, languages):
    config, _ = load(model="gpt-live-transcribe", **params)
    request = sent(config)
    assert request.get("language") == language
    assert request.get("languages") == languages


@pytest.mark.parametrize("name", ["language", "languages"])
def test_what_is_no_language_is_rejected(name):
    with pytest.raises(ConfigError) as caught:
        load(**{name: "xx"})
    assert f"params.{name}" in str(caught.value)
    assert '"xx"' in str(caught.value)


# -- models -----------------------------------------------------------------


@pytest.mark.parametrize("model", sorted(PROFILES))
def test_the_local_server_has_the_same_table(model):
    ours, theirs = profile_of(model), PROFILES[model]
    assert ours.known
    assert ours.prompt == theirs.prompt
    assert ours.languages == ours.keywords == theirs.hints
    assert ours.delay == theirs.delay
    assert ours.logprobs == theirs.logprobs
    styles = {"WHOLE": "whole", "BURST": "burst", "STREAMING": "live"}
    assert ours.deltas == styles[theirs.deltas.name]
    # gpt-transcribe: the server takes the setting and then finds no turns.
    if model != "gpt-transcribe":
        assert ours.server_turns == theirs.vad


def test_both_tables_list_the_same_families():
    assert {profile_of(name).family for name in PROFILES} == set(MODEL_NAMES)


def test_a_dated_name_is_its_family():
    dated = profile_of("gpt-4o-mini-transcribe-2025-12-15")
    assert dated.known
    assert dated.family == "gpt-4o-mini-transcribe"
    assert dated.shutdown


@pytest.mark.parametrize(
    ("model", "family", "treated_as"),
    [
        ("gpt-live-transcribe-2", "", "gpt-live-transcribe"),
        ("gpt-4o-mini-transcribe-next", "", "gpt-4o-mini-transcribe"),
        ("our-deployment", "", "gpt-4o-transcribe"),
        ("our-deployment", "gpt-live-transcribe", "gpt-live-transcribe"),
    ],
)
def test_unknown_names_are_treated_by_family_and_said(
    model, family, treated_as
):
    config, warnings = load(
        input_audio_transcription={"model": model, "family": family}
    )
    told = [w for w in warnings if "not known here" in w]
    assert len(told) == 1
    assert model in told[0]
    assert treated_as in told[0]
    assert not any("shuts down" in w for w in warnings)
    expected = "server_vad" if "4o" in treated_as else "local"
    assert config.turn_owner == expected


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_a_shutdown_is_said_once(model):
    _, warnings = load(model=model)
    told = [w for w in warnings if "shuts down on 2027-02-26" in w]
    assert len(told) == (1 if profile_of(model).shutdown else 0)
    assert all("gpt-live-transcribe" in w for w in told)


def test_knobs_without_effect_are_said():
    _, warnings = load(
        model="whisper-1",
        turn_detection={
            "type": "semantic_vad",
            "eagerness": "low",
            "threshold": 0.4,
            "silence": "skip",
        },
    )
    told = [w for w in warnings if "without effect" in w]
    assert len(told) == 2
    assert any("turn_detection.threshold" in w for w in told)
    assert any("turn_detection.silence" in w for w in told)


# -- params.session ---------------------------------------------------------


def test_session_is_merged_last_and_word_for_word():
    extra = {
        "tracing": {"x": [1, {"y": None}]},
        "audio": {"input": {"transcription": {"tone": "formal"}}},
    }
    config, _ = load(model="whisper-1", language="en", session=extra)
    session = session_update(config.session_settings(), "ga")["session"]
    assert session["tracing"] == extra["tracing"]
    request = session["audio"]["input"]["transcription"]
    assert request == {"model": "whisper-1", "language": "en", "tone": "formal"}


def test_turn_detection_in_session_decides_who_ends_turns():
    future = {"type": "clever_vad", "depth": 3}
    config, _ = load(
        model="gpt-live-transcribe",
        session={"audio": {"input": {"turn_detection": future}}},
    )
    assert config.turn_owner == "server_vad"
    settings = config.session_settings()
    assert settings.turn_owner == "server"
    update = session_update(settings, "ga")["session"]
    assert update["audio"]["input"]["turn_detection"] == future


@pytest.mark.parametrize(
    ("session", "part"),
    [
        ({"audio": {"input": {"format": {"type": "x"}}}}, "input_audio_format"),
        ({"audio": {"input": {"transcription": {"model": "x"}}}}, ".model"),
        ({"audio": {"input": {"turn_detection": "off"}}}, "turn_detection"),
        ({"audio": {"input": {"turn_detection": {"depth": 1}}}}, "type"),
        ({"audio": 5}, "session.audio"),
        ({"type": "realtime"}, "session.type"),
        ({"x": float("nan")}, "JSON"),
        ({"x": "\ud800"}, "JSON"),
        ("text", "session"),
    ],
)
def test_what_session_cannot_decide_is_refused(session, part):
    with pytest.raises(ConfigError) as caught:
        load(session=session)
    assert "params.session" in str(caught.value)
    assert part in str(caught.value)


# -- nothing makes the server refuse the whole update -----------------------

ODD_TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"])
    | st.sampled_from("<>|,\r\n\x00"),
    max_size=40,
)
REQUESTS = st.fixed_dictionaries(
    {"model": st.sampled_from(MODEL_NAMES)},
    optional={
        "language": st.sampled_from(["en", "de-DE", "eng", "yue", "ZH-cn"]),
        "languages": st.lists(st.sampled_from(["en", "fr", "pt-BR", "deu"])),
        "prompt": ODD_TEXT,
        "keywords": st.lists(ODD_TEXT) | ODD_TEXT,
        "delay": st.sampled_from(["minimal", "low", "xhigh"]),
        "include": st.sampled_from(["logprobs", [LOGPROBS], []]),
        "input_audio_noise_reduction": st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["near_field", "far_field"]),
                "enabled": st.booleans(),
                "strength": st.floats(0, 1),
            },
        ),
        "turn_detection": st.fixed_dictionaries(
            {"type": st.sampled_from(["local", "none"])}
        )
        | st.fixed_dictionaries({"enabled": st.booleans()}),
        "input_audio_format": st.sampled_from(
            ["pcm16", "g711_ulaw", "audio/pcma"]
        ),
    },
)


@given(REQUESTS)
def test_whatever_is_asked_for_the_server_takes_the_update(params):
    config, _ = load(**params)
    update = session_update(config.session_settings(), "ga")
    encoded = str(update["session"]).encode("utf-8")
    assert encoded
    try:
        ServerSettings().updated(update["session"], any_model=False)
    except ApiError as error:
        pytest.fail(f"{error.message} for {update}")
    request = update["session"]["audio"]["input"]["transcription"]
    for word in request.get("keywords", []):
        assert not re.search(r"[<>\r\n]", word)

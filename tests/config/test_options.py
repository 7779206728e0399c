"""Each option with each model: passed on, changed, dropped or rejected."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
    updated_properties,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    MAX_PROMPT,
    session_update,
)
from ten_packages.extension.openai_asr_python.service.languages import (
    LANGUAGE_CODES,
    LANGUAGES_CODES,
)
from ten_packages.extension.openai_asr_python.service.models import (
    MODEL_NAMES,
    profile_of,
)
from ten_packages.extension.openai_asr_python.service.options import (
    MAX_KEYWORD,
    OPTIONS,
    clean_keywords,
    decide,
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
    elif fate == "list":
        given = params[option]
        expected = [given] if isinstance(given, str) else given
        assert request["languages"] == expected
        assert "language" not in request
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
    fate = decide(turns, profile_of(model))
    if fate in ("passed", "doubtful"):
        config, warnings = load(model=model, turn_detection={"type": turns})
        assert config.session_settings().turn_detection["type"] == turns
        told = [w for w in warnings if "never got a turn" in w]
        assert len(told) == (1 if fate == "doubtful" else 0)
        assert config.turn_owner == turns
        return
    assert fate == "rejected"
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
        ("声网，实时、通话; TEN；RTC", ["声网", "实时", "通话", "TEN", "RTC"]),
        (["a, b; c"], ["a, b; c"]),
        (["می\u200cخواهم", "👩\u200d🚀"], ["می\u200cخواهم", "👩\u200d🚀"]),
        (["a\u2028b\x85c"], ["a b c"]),
        (["<b>bold</b>", "a\r\nb"], ["b bold /b", "a b"]),
        (["x", " x ", "<>", "", "\x00"], ["x"]),
        (["either|or"], ["either|or"]),
        (["w" * (MAX_KEYWORD + 1), "ok"], ["ok"]),
    ],
)
@pytest.mark.parametrize("spelling", ["keywords", "hotwords"])
@pytest.mark.parametrize("flat", [True, False])
def test_words_are_cleaned(given_words, expected, spelling, flat):
    request = {"model": "gpt-transcribe", spelling: given_words}
    params = request if flat else {"input_audio_transcription": request}
    config, _ = load(**params)
    assert sent(config)["keywords"] == expected


@pytest.mark.parametrize("first", ["keywords", "hotwords"])
@pytest.mark.parametrize("then", ["keywords", "hotwords"])
def test_an_update_of_hotwords_counts_however_they_were_spelled(first, then):
    old = {"params": {"input_audio_transcription": {first: ["a"]}}}
    new = {"params": {"input_audio_transcription": {then: ["b"]}}}
    merged = updated_properties(old, new)["params"]
    assert merged == {"input_audio_transcription": {"keywords": ["b"]}}


@pytest.mark.parametrize(
    ("before", "update", "owner"),
    [
        ({"enabled": False}, {"type": "server_vad"}, "server_vad"),
        ({"enabled": False}, {"type": "local"}, "local"),
        ({"type": "none"}, {"enabled": True}, "server_vad"),
        ({"type": "none"}, {"type": "server_vad"}, "server_vad"),
        ({"type": "local"}, {"enabled": False}, "none"),
        ({"type": "local"}, {"type": "none"}, "none"),
        ({"enabled": False}, {"silence_duration_ms": 900}, "none"),
        ({"enabled": False}, {"type": "local", "enabled": False}, "none"),
        ({"enabled": False}, {"type": ""}, "none"),
        ({"type": "none"}, {"silence_duration_ms": 900}, "none"),
    ],
)
def test_the_last_word_on_a_detector_counts(before, update, owner):
    """Whether it is said by ``type`` or by ``enabled``."""
    model = "gpt-4o-transcribe"
    old = {"params": {"api_key": KEY, "model": model, "turn_detection": before}}
    merged = updated_properties(old, {"turn_detection": update})
    config, _ = load_config(merged)
    assert config.turn_owner == owner


@pytest.mark.parametrize(
    ("update", "sent_then"),
    [
        ({"authorization": ""}, f"Bearer {KEY}"),
        ({"AUTHORIZATION": "Bearer other"}, "Bearer other"),
        ({"X-Other": "1"}, "Bearer old-0123456789"),
    ],
)
def test_a_header_is_the_same_in_upper_and_lower_case(update, sent_then):
    headers = {"Authorization": "Bearer old-0123456789"}
    old = {"params": {"api_key": KEY, "headers": headers}}
    config, _ = load_config(updated_properties(old, {"headers": update}))
    found = {k.lower(): v for k, v in config.headers_sent.items()}
    assert found["authorization"] == sent_then


def test_the_last_word_on_noise_reduction_counts():
    section = "input_audio_noise_reduction"
    merged = {"params": {"api_key": KEY, section: {"enabled": False}}}
    expected = [
        ({"type": "near_field"}, {"type": "near_field"}),
        ({"enabled": False}, None),
        ({"enabled": True}, {"type": "near_field"}),
    ]
    for update, asked in expected:
        merged = updated_properties(merged, {section: update})
        config, _ = load_config(merged)
        assert config.session_settings().noise_reduction == asked


def test_words_go_into_the_prompt_in_the_models_own_way():
    words = {"hotwords": ["TEN|5", "Agora"], "prompt": "A call."}
    whisper, _ = load(model="whisper-1", **words)
    assert sent(whisper)["prompt"] == "A call. TEN, Agora"
    free, _ = load(model="gpt-4o-transcribe", **words)
    assert sent(free)["prompt"] == "A call. Keywords: TEN, Agora."


@pytest.mark.parametrize("length", [1, 1023, 1024])
@pytest.mark.parametrize("letter", ["a", "字", "😀", "é"])
def test_a_prompt_of_the_length_that_the_service_takes_is_not_touched(
    length, letter
):
    config, warnings = load(model="gpt-transcribe", prompt=letter * length)
    assert sent(config)["prompt"] == letter * length
    assert warnings == []


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        ("a" * 1025, "a" * 1024),
        ("字" * 3000, "字" * 1024),
        ("😀" * 1025, "😀" * 1024),
        ("a" * 1020 + " word", "a" * 1020),
        ("a" * 1024 + " word", "a" * 1024),
        ("a" * 1019 + " word", "a" * 1019 + " word"),
        ("x\n" + "word " * 300, "x\n" + ("word " * 204).strip()),
        # One blank far in front is no reason to give most of it up.
        ("词 " + "字" * 2000, "词 " + "字" * 1022),
    ],
)
def test_a_longer_prompt_is_cut_at_a_word_and_said(prompt, kept):
    config, warnings = load(model="gpt-transcribe", prompt=prompt)
    assert sent(config)["prompt"] == kept
    told = [w for w in warnings if "prompt: cut" in w]
    assert len(told) == (0 if kept == prompt else 1)
    assert all(str(len(prompt.strip())) in w for w in told)


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
@pytest.mark.parametrize("prompt", ["", "A call.", "word " * 200, "w" * 1024])
def test_hotwords_share_the_prompts_room_and_the_first_ones_win(model, prompt):
    words = [f"word{n}" for n in range(400)]
    config, warnings = load(model=model, prompt=prompt, hotwords=words)
    request = sent(config)["prompt"]
    assert len(request) <= MAX_PROMPT
    assert request.startswith(prompt.strip())
    fitting = [w for w in words if re.search(rf"\b{w}\b", request)]
    assert fitting == words[: len(fitting)]
    [told] = [w for w in warnings if "no room" in w]
    assert told.endswith(f"last {400 - len(fitting)}")
    # One more would not fit.
    longer = f"{words[len(fitting)]}, " if fitting else words[0] + "    "
    assert len(request) + len(longer) > MAX_PROMPT - len("Keywords: .")


def test_the_beta_dialect_has_no_more_room_either():
    config, _ = load(
        model="gpt-transcribe",
        protocol="beta",
        url="wss://gw.example",
        prompt="word " * 200,
        keywords=[f"word{n}" for n in range(400)],
    )
    assert len(sent(config, "beta")["prompt"]) <= MAX_PROMPT


NEW = tuple(name for name in MODEL_NAMES if profile_of(name).languages)
#: A tag, the code for the models with `languages`, and for the others.
TAGS = [
    ("en", "en", "en"),
    ("en-US", "en", "en"),
    ("en_US", "en", "en"),
    ("EN-us", "en", "en"),
    ("eng", "en", "en"),
    (" de-AT ", "de", "de"),
    ("pt-BR", "pt", "pt"),
    ("nb", "no", "no"),
    ("nb-NO", "no", "no"),
    ("nn-NO", "no", "no"),
    ("no", "no", "no"),
    ("iw", "he", "he"),
    ("in-ID", "id", "id"),
    ("mo", "ro", "ro"),
    ("fil-PH", "tl", "tl"),
    ("sr-Latn-RS", "sr", "sr"),
    ("sh", "sr", "sr"),
    ("zh", "zh", "zh"),
    ("zh-CN", "zh-cn", "zh"),
    ("zh-Hans", "zh-cn", "zh"),
    ("zh-Hans-HK", "zh-cn", "zh"),
    ("zh-SG", "zh-cn", "zh"),
    ("zh-TW", "zh-tw", "zh"),
    ("zh_tw", "zh-tw", "zh"),
    ("zh-Hant", "zh-tw", "zh"),
    ("zh-Hant-HK", "zh-hk", "zh"),
    ("zh-HK", "zh-hk", "zh"),
    ("cmn", "cmn", "zh"),
    ("cmn-Hans-CN", "zh-cn", "zh"),
    ("cmn-Hant-TW", "zh-tw", "zh"),
    ("zho", "zh", "zh"),
    ("zh-yue", "yue", None),
    ("yue", "yue", None),
    ("yue-Hant-HK", "yue", None),
    ("bn-IN", "bn", None),
    ("ka", "ka", None),
    ("jw", None, None),
    ("ji", None, None),
    ("sq-AL", None, None),
    ("nn-", "no", "no"),
    ("xx", None, None),
    ("english", None, None),
    ("auto", None, None),
    ("-", None, None),
    ("en" * 5000, None, None),
]


@pytest.mark.parametrize("model", MODEL_NAMES)
@pytest.mark.parametrize("spelling", ["language", "languages"])
@pytest.mark.parametrize(("tag", "new", "old"), TAGS)
def test_a_tag_goes_out_as_the_code_that_the_model_takes_or_not_at_all(
    model, spelling, tag, new, old
):
    config, warnings = load(model=model, **{spelling: tag})
    code = new if model in NEW else old
    request = sent(config)
    told = [w for w in warnings if "does not take" in w]
    if code is None:
        assert "language" not in request
        assert "languages" not in request
        [warning] = told
        assert warning.startswith(f"params.{spelling}: {model}")
        assert f'"{tag.strip()[:40]}"' in warning
        return
    assert told == []
    if model in NEW:
        assert request["languages"] == [code]
        assert "language" not in request
    else:
        assert request["language"] == code
        assert "languages" not in request


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_every_code_that_the_service_takes_goes_out_as_it_is(model):
    new = model in NEW
    for code in LANGUAGES_CODES if new else LANGUAGE_CODES:
        config, warnings = load(model=model, language=code)
        hints = config.session_settings().hints
        # Two codes of three letters have shorter names.
        assert hints == ({"eng": "en", "spa": "es"}.get(code, code),)
        assert not any("language" in w for w in warnings)


@pytest.mark.parametrize(
    ("params", "new", "old"),
    [
        ({"language": "de", "languages": "en, fr"}, ["de", "en", "fr"], "de"),
        ({"language": "en", "languages": ["de", "en"]}, ["en", "de"], "en"),
        ({"languages": ["en-GB", "en-US"]}, ["en"], "en"),
        ({"language": "de", "languages": ["de"]}, ["de"], "de"),
        ({"languages": ["sq", "nb-NO", "xx", "en"]}, ["no", "en"], "no"),
        ({"languages": ["zh-TW", "zh-HK"]}, ["zh-tw", "zh-hk"], "zh"),
        ({"languages": ["sq", "xx"]}, None, None),
    ],
)
def test_only_the_field_that_the_model_has_goes_out(params, new, old):
    for model in MODEL_NAMES:
        config, warnings = load(model=model, **params)
        request = sent(config)
        hints = model in NEW
        assert request.get("languages") == (new if hints else None)
        assert request.get("language") == (None if hints else old)
        several = {"zh"} if new == ["zh-tw", "zh-hk"] else set(new or ())
        told = [w for w in warnings if "only one is possible" in w]
        assert len(told) == (not hints and len(several) > 1)


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
    assert (ours.server_turns != "no") == theirs.vad
    assert ours.reports_language == theirs.reports_languages


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


@pytest.mark.parametrize(
    "name", ["create_response", "interrupt_response", "idle_timeout_ms"]
)
def test_what_only_a_conversation_has_is_ignored_and_said(name):
    """TEN's own extension takes it."""
    model = {"model": "gpt-4o-transcribe"}
    plain = {"type": "server_vad"}
    expected, before = load(**model, turn_detection=plain)
    config, warnings = load(**model, turn_detection={**plain, name: 1})
    assert config == expected
    [warning] = set(warnings) - set(before)
    assert warning.startswith(f"params.turn_detection.{name}: ignored")


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
        ({"a": json.loads("[" * 20 + "]" * 20)}, "more than 20 levels"),
    ],
)
def test_what_session_cannot_decide_is_refused(session, part):
    with pytest.raises(ConfigError) as caught:
        load(session=session)
    assert "params.session" in str(caught.value)
    assert part in str(caught.value)


def test_session_may_be_nested_as_deeply_as_it_says():
    load(session={"a": json.loads("[" * 19 + "]" * 19)})


# -- nothing makes the server refuse the whole update -----------------------

ODD_TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"])
    | st.sampled_from("<>|,\r\n\x00"),
    max_size=40,
)
LONG_TEXT = st.builds(
    lambda words, count: (" ".join(words) + " ") * count,
    st.lists(st.text(st.sampled_from("aé字😀"), min_size=1, max_size=9)),
    st.integers(1, 400),
)
REQUESTS = st.fixed_dictionaries(
    {"model": st.sampled_from(MODEL_NAMES)},
    optional={
        "language": st.sampled_from([tag for tag, _, _ in TAGS]) | st.text(),
        "languages": st.lists(st.sampled_from([tag for tag, _, _ in TAGS])),
        "prompt": ODD_TEXT | LONG_TEXT,
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
        ServerSettings().updated(update["session"])
    except ApiError as error:
        pytest.fail(f"{error.message} for {update}")
    request = update["session"]["audio"]["input"]["transcription"]
    for word in request.get("keywords", []):
        assert not re.search(r"[<>\r\n]", word)


@pytest.mark.parametrize(
    ("url", "headers", "told"),
    [
        ("wss://gw.example/v1", {"X-Api-Key": "secret-0123"}, True),
        ("wss://gw.example/v1", {"Authorization": "Bearer 0123456"}, False),
        ("wss://gw.example/v1", {"X-Team": "a"}, False),
        ("wss://api.openai.com/v1", {"X-Api-Key": "secret-0123"}, False),
    ],
)
def test_a_key_beside_another_credential_is_told(url, headers, told):
    """The package takes it from the environment, whoever is asked."""
    given = {"api_key": "sk-test-0123456789", "base_url": url}
    _, warnings = load_config({"params": {**given, "headers": headers}})
    found = [text for text in warnings if text.startswith("params.api_key")]
    assert bool(found) is told
    assert "sk-test" not in str(warnings)


def test_a_keyword_with_many_blanks_costs_no_time():
    """Half a million characters may come by `update_configs`."""
    blanks = " " * 500_000
    words, _ = clean_keywords([f"Agora|{blanks}x", f"TEN|{blanks}10{blanks}"])
    assert words == ("Agora| x", "TEN")

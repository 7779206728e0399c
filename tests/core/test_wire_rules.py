"""Server events as they are read, and our own as they go out."""

from __future__ import annotations

import base64
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.realtime.client_events import (
    append_event,
    clear_event,
    commit_event,
    session_update_event,
)
from ten_packages.extension.openai_asr_python.realtime.events import (
    MAX_ID,
    MAX_POSITION_MS,
    MAX_TEXT,
    MAX_TOKENS,
    MAX_WORD,
    MalformedEvent,
    ServerEvent,
    clean_id,
    clean_language,
    clean_word,
    parse_event,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
    merged,
    needs_new_session,
    session_update,
)
from ten_packages.extension.openai_asr_python.realtime.shown import harmless

VAD = {"type": "server_vad", "silence_duration_ms": 400}


def event(value: object) -> ServerEvent:
    return ServerEvent({"type": "t", "x": value})


def test_a_text_is_what_c_strings_and_utf8_can_carry():
    assert event("a\0b\ud800c").text("x") == "abc"
    assert event("a" * (MAX_TEXT + 1)).text("x") == "a" * MAX_TEXT
    for odd in (None, 7, ["a"]):
        assert event(odd).text("x") == ""
    assert event("a").text("y") == ""


#: Each check, the longest of its kind, and more that it lets through.
SHORT_FIELDS = [
    (clean_id, "a" * MAX_ID, ["item_8fKz", "6f9619ff-8b86", "a/b?c=d", "!~"]),
    (
        clean_word,
        "a" * MAX_WORD,
        ["invalid_value", "session.audio[0].format", "E-42", "about:blank"],
    ),
    (
        clean_language,
        "de" + "-12345678" * 3 + "-12345",
        ["de", "cmn", "en-US", "en_US", "zh-Hant-TW", "english", "sl-1994"],
    ),
]


@pytest.mark.parametrize(("clean", "longest", "more"), SHORT_FIELDS)
def test_a_short_field_has_an_alphabet_and_a_length(clean, longest, more):
    for good in (longest, *more):
        assert clean(good) == good
    assert clean(longest + longest[-1]) == ""
    for odd in (None, 7, True, ["a"], {"a": 1}, ""):
        assert clean(odd) == ""
    for char in "\n\0 \x1b\x7f\x9b\u202e\u2028\ud800é😀ａ":
        for text in (char, f"de{char}", f"{char}de", f"de{char}AT"):
            assert clean(text) == "", text


@given(st.text())
def test_a_short_field_is_what_it_was_or_nothing(text):
    for clean, _, _ in SHORT_FIELDS:
        shown = clean(text)
        assert shown in ("", text)
        assert shown.isascii()
        assert harmless(shown) == shown


def test_a_language_is_no_sentence():
    for text in ("d", "portuguese", "de-", "de--AT", "-de", "d3", "de AT"):
        assert clean_language(text) == ""


def test_ids_of_events_are_checked():
    assert event("a\n").identity("x") == ""
    assert event("a").identity("x") == "a"
    assert event("a").identity("y") == ""


@pytest.mark.parametrize(
    ("value", "position"),
    [
        (0, 0),
        (1.9, 1),
        (MAX_POSITION_MS, MAX_POSITION_MS),
        (MAX_POSITION_MS + 1, None),
        (-1, None),
        (True, None),
        ("1", None),
        (float("nan"), None),
    ],
)
def test_a_position(value, position):
    assert event(value).position_ms("x") == position


def test_objects_are_objects():
    assert event({"a": 1}).object("x") == {"a": 1}
    assert event([1]).object("x") == {}
    assert event([{"a": 1}, 2, {}]).objects("x") == [{"a": 1}, {}]
    assert event({"a": 1}).objects("x") == []


def test_tokens_with_their_probability():
    entries: list[object] = [
        {"token": "a" * 101, "logprob": -0.5, "bytes": [1]},
        {"token": 7, "logprob": -1},
        {"token": "b", "logprob": True},
        {"token": "c", "logprob": "x"},
        "d",
    ]
    entries += [{"logprob": value} for value in (10**400, -(10**400), math.nan)]
    found = ServerEvent({"logprobs": entries}).logprobs()
    assert found == [-0.5, -1.0, 0.0, -1e6]
    many = [{"token": "a", "logprob": 0}] * (MAX_TOKENS + 1)
    assert len(ServerEvent({"logprobs": many}).logprobs()) == MAX_TOKENS


def test_usage_is_what_ten_can_carry():
    given = {
        "tokens": 2**53,
        "many": 2**53 + 1,
        "seconds": 1.5,
        "odd": float("nan"),
        "type": "tokens",
        "long": "a" * 101,
        "words": "not a word",
        "list": [1],
        "bad\n": 1,
        "one": {"two": {"three": {"four": 1}, "n": 3}},
    }
    assert event(given).counts("x") == {
        "tokens": 2**53,
        "seconds": 1.5,
        "type": "tokens",
        "one": {"two": {"n": 3}},
    }
    many = {str(n): n for n in range(65)}
    assert len(event(many).counts("x")) == 64
    # Those of all levels are counted.
    deep = event({f"o{n}": many for n in range(65)}).counts("x")
    assert list(deep) == ["o0"]
    assert len(deep["o0"]) == 63
    assert event(7).counts("x") == {}


def test_what_is_an_event():
    assert parse_event('{"type": "a"}').type == "a"
    assert parse_event('{"error": "so"}').type == "error"
    assert parse_event(b'{"type": "a", "error": "so"}').type == "a"
    for odd, why in (
        ("{", "not JSON: "),
        ("[1]", "not a JSON object"),
        ("{}", "no event type"),
        ('{"type": 7, "error": ""}', "no event type"),
        ("[" * 100_000, "not JSON: "),
    ):
        with pytest.raises(MalformedEvent, match=why):
            parse_event(odd)


def test_the_small_messages():
    append = json.loads(append_event(b"\0\1\xff"))
    assert append["type"] == "input_audio_buffer.append"
    assert base64.b64decode(append["audio"]) == b"\0\1\xff"
    assert json.loads(commit_event("e")) == {
        "type": "input_audio_buffer.commit",
        "event_id": "e",
    }
    assert json.loads(clear_event()) == {"type": "input_audio_buffer.clear"}


FULL = SessionSettings(
    model="m",
    wire_format="g711_alaw",
    languages=("pt-BR", "en"),
    prompt="p\u00fc",
    keywords=("a", "b"),
    keyword_style="sentence",
    delay="low",
    turn_detection=VAD,
    noise_reduction={"type": "near_field", "strength": 0.5},
    include=("item.input_audio_transcription.logprobs",),
    extra={"audio": {"input": {"x": 1}}, "y": 2},
)


def test_all_settings_in_the_ga_dialect():
    assert session_update(FULL, "ga") == {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcma"},
                    "transcription": {
                        "model": "m",
                        "languages": ["pt-BR", "en"],
                        "prompt": "p\u00fc",
                        "keywords": ["a", "b"],
                        "delay": "low",
                    },
                    "noise_reduction": {"type": "near_field", "strength": 0.5},
                    "turn_detection": VAD,
                    "x": 1,
                }
            },
            "include": ["item.input_audio_transcription.logprobs"],
            "y": 2,
        },
    }


def test_all_settings_in_the_beta_dialect():
    assert session_update(FULL, "beta") == {
        "type": "transcription_session.update",
        "session": {
            "input_audio_format": "g711_alaw",
            "input_audio_transcription": {
                "model": "m",
                "language": "pt",
                "prompt": "p\u00fc Keywords: a, b.",
            },
            "turn_detection": VAD,
            "input_audio_noise_reduction": {"type": "near_field"},
            "include": ["item.input_audio_transcription.logprobs"],
            "audio": {"input": {"x": 1}},
            "y": 2,
        },
    }


def test_no_settings_in_either_dialect():
    bare = SessionSettings(model="m", language="de")
    assert session_update(bare, "ga")["session"] == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "m", "language": "de"},
                "noise_reduction": None,
                "turn_detection": None,
            }
        },
    }
    assert session_update(bare, "beta")["session"] == {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "m", "language": "de"},
        "turn_detection": None,
        "input_audio_noise_reduction": None,
    }


def test_what_was_told_is_taken_back():
    bare = SessionSettings(model="m", noise_reduction={"type": "far_field"})
    ga = session_update(bare, "ga", FULL)["session"]["audio"]["input"]
    assert ga["transcription"] == {"model": "m", "prompt": "", "keywords": []}
    assert ga["noise_reduction"] == {"type": "far_field", "strength": 1.0}
    beta = session_update(bare, "beta", FULL)["session"]
    assert beta["input_audio_transcription"] == {"model": "m", "prompt": ""}
    assert beta["input_audio_noise_reduction"] == {"type": "far_field"}
    # The settings themselves stay as they are.
    assert bare.noise_reduction == {"type": "far_field"}


def test_the_update_has_an_id_and_no_escapes():
    sent = session_update_event(FULL, "ga", "e", FULL)
    assert json.loads(sent) == {**session_update(FULL, "ga"), "event_id": "e"}
    assert "p\u00fc".encode() in sent
    assert b", " not in sent.replace(b"a, b", b"")


@pytest.mark.parametrize(
    ("settings", "owner", "padding", "silence"),
    [
        ({}, "client", 0, 0),
        ({"turn_detection": {"type": "semantic_vad"}}, "server", 0, 0),
        ({"turn_detection": {"type": "server_vad"}}, "server", 300, 500),
        ({"turn_detection": VAD}, "server", 300, 400),
        (
            {"turn_detection": {"type": "server_vad", "prefix_padding_ms": 0}},
            "server",
            0,
            500,
        ),
        (
            {"turn_detection": {**VAD, "silence_duration_ms": None}},
            "server",
            300,
            500,
        ),
    ],
)
def test_the_times_of_a_turn_detector(settings, owner, padding, silence):
    session = SessionSettings(model="m", **settings)
    assert session.turn_owner == owner
    assert session.prefix_padding_ms == padding
    assert session.silence_duration_ms == silence


def test_rates_bytes_and_hints():
    pcm = SessionSettings(model="m", language="de")
    assert (pcm.rate, pcm.sample_bytes, pcm.hints) == (24000, 2, ("de",))
    assert (FULL.rate, FULL.sample_bytes) == (8000, 1)
    assert FULL.hints == ("pt-BR", "en")
    assert SessionSettings(model="m").hints == ()


@pytest.mark.parametrize(
    ("told", "new", "needed"),
    [
        ({}, {}, False),
        ({"model": "n"}, {}, True),
        ({"wire_format": "g711_ulaw"}, {}, True),
        ({"extra": {"a": 1}}, {}, True),
        ({"language": "de"}, {"language": "en"}, False),
        ({"language": "de"}, {}, True),
        ({}, {"language": "de"}, False),
        ({"languages": ("de",)}, {}, True),
        ({"languages": ("de",)}, {"languages": ("en",)}, False),
        ({"delay": "low"}, {}, True),
        ({"delay": "low"}, {"delay": "high"}, False),
        ({"include": ("a",)}, {}, True),
        ({"include": ("a",)}, {"include": ("a",)}, False),
        ({"include": ("a",)}, {"include": ("a", "b")}, False),
        ({"prompt": "p", "keywords": ("k",)}, {}, False),
    ],
)
def test_which_settings_take_a_new_session(told, new, needed):
    before = SessionSettings(**{"model": "m", **told})
    after = SessionSettings(**{"model": "m", **new})
    assert needs_new_session(before, after) is needed


def test_objects_are_merged_deeply_and_the_rest_is_replaced():
    base = {"a": {"b": 1, "c": [1]}, "d": 1, "e": {"f": 1}}
    over = {"a": {"c": [2]}, "d": {"g": 1}, "e": None}
    assert merged(base, over) == {
        "a": {"b": 1, "c": [2]},
        "d": {"g": 1},
        "e": None,
    }
    assert base["a"] == {"b": 1, "c": [1]}

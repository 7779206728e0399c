"""The redactor by itself: forms, shapes of keys, what stays readable."""

from __future__ import annotations

import base64
import json
import random
import string
import tracemalloc
import unicodedata
from html.entities import codepoint2name
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secret_forms import forms_of, found_in
from ten_packages.extension.openai_asr_python.safety.redaction import (
    Redactor,
    proxy_secrets,
    secrets_in,
)

ALPHABET = (
    string.ascii_letters + string.digits + " -_.~+/=%\"'\\&<>é日ßİΣς🔑\n\x07"
)


@given(
    st.integers(0, 2**32),
    st.integers(8, 120),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_every_form_is_found_in_any_text(seed, size, before, after):
    letters = random.Random(seed).choices(ALPHABET, k=size)
    secret = "".join(letters)
    redactor = Redactor([secret])
    for name, form in forms_of(secret).items():
        assert form not in redactor.text(f"{before}{form}{after}"), name
        shown = redactor.value({f"{before}{form}": [{"id": form + after}]})
        assert form not in str(next(iter(shown.items()))), name


#: How one character may be written, needed or not.
ESCAPES = [
    lambda c: c,
    lambda c: "".join(f"%{byte:02x}" for byte in c.encode()),
    lambda c: "".join(f"%{byte:02X}" for byte in c.encode()),
    lambda c: "".join(f"\\u{unit:04x}" for unit in units(c)),
    lambda c: "".join(f"\\u{unit:04X}" for unit in units(c)),
    lambda c: f"\\u{{{ord(c):x}}}",
    lambda c: f"\\U{ord(c):08x}",
    lambda c: f"\\x{ord(c):02x}" if ord(c) < 256 else c,
    lambda c: f"\\{ord(c):03o}" if ord(c) < 256 else c,
    lambda c: f"&#{ord(c)};",
    lambda c: f"&#x{ord(c):X};",
    lambda c: f"&#{ord(c):09d};",
    lambda c: f"&{codepoint2name[ord(c)]};" if ord(c) in codepoint2name else c,
    lambda c: {"/": "&sol;", "+": "&plus;", "=": "&equals;"}.get(c, c),
    lambda c: f"\\{c}" if c in "/.-+=<>\"'" else c,
    # Whatever means nothing, in JavaScript and elsewhere.
    itself := lambda c: c if c in "bfnrtvxu01234567aNU&% " else f"\\{c}",
    lambda c: f"&#{ord(c):024d};",
    lambda c: f"&#x{ord(c):024x};",
    lambda c: f"\\u{{{ord(c):020x}}}",
    lambda c: f"\\N{{{unicodedata.name(c)}}}",
    lambda c: f"\\N{{{unicodedata.name(c).lower()}}}",
]
#: But for letters that mean something else in the other case.
SPELLED = [spell for spell in ESCAPES if spell is not itself]


def units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [a << 8 | b for a, b in zip(data[::2], data[1::2], strict=True)]


@given(
    st.integers(0, 2**32),
    st.integers(12, 60),
    st.lists(st.integers(0, len(ESCAPES)), min_size=1, max_size=2),
)
def test_a_secret_is_found_whichever_characters_are_escaped(seed, size, how):
    rng = random.Random(seed)
    letters = [c for c in ALPHABET if c not in "\n\x07"]
    secret = "".join(rng.choices(letters, k=size))
    form = secret
    for kind in how:
        # One way for all, or for each its own; then what begins an escape is
        # escaped as well, or nobody could read it.
        form = "".join(
            ESCAPES[kind](c)
            if kind < len(ESCAPES)
            else rng.choice(ESCAPES[1:5] if c in "\\%&" else ESCAPES)(c)
            for c in form
        )
    assert Redactor([secret]).known(f"<{form}>") == "<***>"


def test_octal_escapes_of_javascript_end_where_they_are_a_byte():
    """ "\\5571" is "-71" there, for no byte is above 377."""
    secret = "Zq-71-42-76-53-71-24/66+35=20"
    form = "".join(f"\\{ord(c):o}" if c in "-/+=" else c for c in secret)
    assert "\\5571" in form
    known = Redactor([secret]).known
    assert known(f"<{form}>") == "<***>"
    layered = "".join(f"\\45{ord(c):x}" for c in secret)
    assert known(f"<{layered}>") == "<***>"


def test_the_name_of_a_character_is_found_in_a_form():
    secret = "Wm4-tT9_kQ2-xY7"
    names = "".join(f"\\N{{{unicodedata.name(c)}}}" for c in secret)
    known = Redactor([secret]).known
    assert known(f"<{quote_plus(names)}>") == "<***>"


@pytest.mark.parametrize("case", [str.upper, str.lower])
@given(
    st.integers(0, 2**32),
    st.integers(12, 60),
    st.lists(st.sampled_from(SPELLED), min_size=1, max_size=3),
)
def test_escapes_are_found_in_upper_and_lower_case(case, seed, size, how):
    """As a text is that somebody put in it as a whole, escapes and all."""
    rng = random.Random(seed)
    letters = [c for c in ALPHABET if c.isascii() and c.isprintable()]
    secret = "".join(rng.choices(letters, k=size))
    form = secret
    for spell in how:
        # With "\\" and "%" escaped as well, or nobody could read it.
        form = "".join(
            escaped
            if (escaped := spell(c)) != c or c not in "\\%&"
            else f"\\x{ord(c):02x}"
            for c in form
        )
    assert Redactor([secret]).known(f"<{case(form)}>") == "<***>"


@pytest.mark.parametrize(
    "form",
    [
        # In JavaScript these letters stand for themselves.
        r"\amb\er \& N\avy\%\ \Umb\Na",
        r"\u005camber & N\u005cavy% \u005cUmb\u005cNa",
        "amber &amp Navy% UmbNa",
        "&amp#97mber &AMP#38 Navy&amp#37; UmbNa",
        "amber &ampamp; Navy&percnt;&#x20;UmbNa",
    ],
)
def test_spellings_that_not_all_languages_share(form):
    assert Redactor(["amber & Navy% UmbNa"]).known(f"<{form}>") == "<***>"


@given(st.text(alphabet="%\\u0041x&#;amp{}N AZ/", max_size=60))
def test_escapes_without_a_secret_stay_as_they_are(text):
    assert Redactor(["no such secret"]).known(text) == text


def test_to_learn_one_more_takes_as_long_whatever_is_known():
    def steps(redactor: Redactor, secret: str) -> int:
        """New objects would be the sign of copies of all that is known."""
        tracemalloc.start()
        redactor.learn([secret])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few = Redactor(["some-secret-or-other"])
    many = Redactor(f"secret-number-{n}-of-many" for n in range(200))
    assert steps(many, "x" * 40) < 8 * steps(few, "x" * 40)


@pytest.mark.parametrize(
    ("letters", "size", "most_kb"),
    [
        (string.ascii_letters, 100, 300),
        (string.ascii_letters, 500, 1200),
        (ALPHABET, 500, 3600),
    ],
)
def test_a_secret_takes_as_much_memory_as_the_documents_say(
    letters, size, most_kb
):
    rng = random.Random(size)
    secrets = ["".join(rng.choices(letters, k=size)) for _ in range(3)]
    redactor = Redactor()
    tracemalloc.start()
    redactor.learn(secrets)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(secrets) < most_kb * 1000


@given(st.integers(0, 2**32), st.integers(24, 200), st.data())
def test_every_part_of_twelve_characters_is_found(seed, size, data):
    letters = random.Random(seed).choices(string.ascii_letters, k=size)
    secret = "".join(letters)
    start = data.draw(st.integers(0, size - 12))
    stop = data.draw(st.integers(start + 12, size))
    shown = Redactor([secret]).text(f"<{secret[start:stop]}>")
    assert shown == "<***>"


@pytest.mark.parametrize("size", [511, 512, 2000, 9000])
def test_a_long_secret_is_found_as_a_whole(size):
    letters = random.Random(size).choices(string.ascii_letters, k=size)
    secret = "".join(letters)
    redactor = Redactor([secret])
    for name, form in forms_of(secret).items():
        shown = redactor.known(f"<{form}>")
        # Each byte is two digits: one may be left at the ends of a part.
        assert len(shown) < 30, name
    assert redactor.text(f"<{secret}>") == "<***>"
    assert len(redactor.known(f"<{secret[100:300]}>")) < 20


@pytest.mark.parametrize("around", ["{}", "x{}", "key={}&", "über{}ß"])
@pytest.mark.parametrize(
    "key",
    [
        "sk-abcdefghij0123456789",
        "sk-proj-abcdefghij0123456789",
        "SK-PROJ-ABCDEFGHIJ0123456789",
        "ek_abcdefghij0123456789",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "0F1E2D3C4B5A69788796A5B4C3D2E1F0",
        "aZ9" * 28,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1",
        "EYJHBGCIOIJIUZI1NIJ9.EYJZDWIIOIIXIN0.ABC-_1",
    ],
)
def test_the_shape_of_a_key_is_enough(key, around):
    shown = Redactor().text(around.format(key))
    assert key not in shown
    assert key[4:12] not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("with Bearer abcd.ef", "with Bearer ***"),
        ("Authorization:bearer  a1b2c3", "Authorization:bearer ***"),
        ("xBasic dXNlcjpwYXNz", "xBasic ***"),
        ("Bearer ABCDEFGHIJKLMNOP", "Bearer ***"),
        ("Bearer: abcdefghijkl1234", "Bearer***"),
        ('Bearer "abcdefghijkl1234"', 'Bearer ***"'),
        ("Bearer=abcdefghijklmnopq", "Bearer***"),
        ("Bearer%20abc1x", "Bearer ***"),
        ("key sk-abc*** and sk-ab...cd", "key *** and ***"),
        ("wss://user:p%40ss@host/v1", "wss://***@host/v1"),
        ("https:/user:p%40ss@host: no file", "https:/***@host: no file"),
    ],
)
def test_credentials_are_hidden_and_their_scheme_is_not(text, shown):
    assert Redactor().text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "gpt-4o-transcribe, gpt-4o-mini-transcribe-2025-12-15, whisper-1",
        "item_CaD3xyz and sess_CaD3xyz0123456789abc, event_1",
        "a Bearer token, Basic authentication required. Bearer auth (i.e.",
        "req_0123456789abcdef0123456789abcdef",
        "risk-management-2026, task_force, disk-usage at 95",
        "https://platform.openai.com/account/api-keys.",
        "connection closed with code 1011: keepalive ping timeout",
        "api-version=2025-04-01-preview&intent=transcription, de-CH, zh-Hans",
    ],
)
def test_other_texts_stay_readable(text):
    redactor = Redactor(["sk-Zq9xVw3kLm7pRt5s", "whisper-1-gateway"])
    assert redactor.text(text) == text


def test_an_id_may_be_hexadecimal():
    ids = {"finalize_id": "0123456789abcdef0123456789abcdef"}
    assert Redactor().value(ids) == ids


def test_fields_that_are_named_like_a_secret():
    value = {"api_key": "abc", "total_tokens": 5, "keywords": ["one"]}
    value |= {"headers": {"Authorization": "Bearer a1b2"}, "token": {"v": "x"}}
    assert Redactor().value(value) == {
        "api_key": "***",
        "total_tokens": 5,
        "keywords": ["one"],
        "headers": {"Authorization": "Bearer ***"},
        "token": {"v": "***"},
    }


@pytest.mark.parametrize(
    "properties",
    [
        {"api_key": "hush-hush-1234"},
        {"params": {"key": ["hush-hush-1234"]}},
        {"params": {"api_key": {"hush-hush-1234": 1}}},
        {"headers": {"A": "Bearer hush-hush-1234"}},
        {"headers": ["hush-hush-1234"]},
        {"headers": {"Authorization": "Basic bWU6aHVzaC1odXNoLTEyMzQ="}},
        {"query": {"sig": "hush-hush-1234"}},
        {"query": "hush-hush-1234"},
        {"url": "wss://hush-hush-1234:x@gw"},
        {"url": "wss://gw/hush-hush-1234;a/v1"},
        {"url": "wss://gw/v1;hush-hush-1234"},
        {"url": "wss://gw/v1?a=hush-hush-1234"},
        {"url": "wss://gw/v1?hush-hush-1234"},
        {"url": "wss://gw/v1#hush-hush-1234"},
        {"url": "wss://[gw/hush-hush-1234"},
        {"session": {"tools": [{"authorization": "hush-hush-1234"}]}},
        {"session": {"token": {"hush-hush-1234": 1}}},
        *(
            {"session": {name: "hush-hush-1234"}}
            for name in (
                *("accessToken", "clientSecret", "APIToken", "tokenValue"),
                *("passwd", "pwd", "jwt", "sig", "otp", "X-Amz-Signature"),
                *("connection_string", "whatever"),
            )
        ),
        {"session": {"headers": {"X-A": ["a", "hush-hush-1234"]}}},
        {"session": {"auth": {"type": "hush-hush-1234"}}},
        {
            "session": {
                "audio": {"input": {"url": "https://h/?a=hush-hush-1234"}}
            }
        },
    ],
)
def test_where_the_configuration_holds_secrets(properties):
    redactor = Redactor(secrets_in(properties))
    assert found_in(redactor.text("xhush-hush-1234x"), "hush-hush-1234") == []


def test_a_key_that_stands_for_the_model_as_well_is_hidden():
    properties = {"api_key": "hush-hush-1234", "model": "hush-hush-1234"}
    assert Redactor(secrets_in(properties)).text("hush-hush-1234") == "***"


@pytest.mark.parametrize("odd", [None, 7, "params", [{}], {"params": []}])
def test_properties_of_any_type_are_looked_at(odd):
    for model in (odd, {"model": odd}):
        properties = {"model": model, "input_audio_transcription": model}
        for name in ("api_key", "headers", "query", "url", "session", "params"):
            assert isinstance(secrets_in({**properties, name: odd}), list)
    assert isinstance(secrets_in(odd), list)


@pytest.mark.parametrize(
    "properties",
    [
        {"query": {"api-version": "2025-04-01-preview"}},
        {"query": {"deployment": "my-deployment"}},
        {"headers": {"User-Agent": "my-deployment"}},
        {"model": "my-deployment", "headers": {"X": "my-deployment"}},
        {"url": "wss://my-deployment.example/openai/deployments/v1"},
        {"session": {"instructions": "my-deployment"}},
        {
            "session": {
                "audio": {
                    "input": {
                        "transcription": {
                            "model": "my-deployment",
                            "language": "my-deployment",
                            "prompt": "2025-04-01-preview",
                        },
                        "turn_detection": {"type": "my-deployment"},
                    }
                }
            }
        },
    ],
)
def test_what_is_no_secret_of_the_configuration(properties):
    text = "my-deployment 2025-04-01-preview openai deployments"
    assert Redactor(secrets_in(properties)).text(text) == text


def test_the_proxies_of_the_environment():
    redactor = Redactor(
        proxy_secrets(
            {
                "https_proxy": "http://us:pass%2Fword-1@proxy:1",
                "ALL_PROXY": "socks5://longer-user:x@proxy:1",
                "no_proxy": "localhost",
            }
        )
    )
    basic = base64.b64encode(b"us:pass/word-1").decode()
    for text in ("pass/word-1", "pass%2Fword-1", "longer-user", basic):
        assert text not in redactor.text(f"<{text}>")


def test_what_a_server_sends_takes_no_memory_or_time_for_ever():
    redactor = Redactor()
    for number in range(400):
        redactor.overhear(b'{"x": "ek_%d_%s"}' % (number, b"a1" * 100))
    assert len(redactor._heard) <= 8
    assert redactor._heard_count < 250


def test_the_latest_secret_of_a_server_is_hidden():
    redactor = Redactor()
    event = '{"type": "session.created", "session": {"client_secret": %s}}'
    for number in range(20):
        redactor.overhear(event % f'{{"value": "of-the-server-{number}"}}')
    assert redactor.text("of-the-server-19") == "***"
    assert redactor.text("session.created") == "session.created"


@given(
    st.permutations(["value", "expires_at", "id", "object"]),
    st.sampled_from(["object", "text"]),
    st.booleans(),
)
def test_of_a_server_s_secret_all_that_is_secret_is_learned(order, form, inner):
    """And nothing else, in whatever order it is written."""
    redactor = Redactor()
    secrets = [f"{number * 7919:08d}-of-theirs" for number in range(1, 9)]
    for secret in secrets:
        fields = {
            "value": secret,
            "expires_at": 1790000000,
            "id": "an-id-of-theirs",
            "object": "realtime.secret",
        }
        told = {name: fields[name] for name in order}
        session = {"client_secret": told if form == "object" else secret}
        for kind in ("session.created", "session.updated"):
            event = {"session": session} if inner else session
            redactor.overhear(json.dumps({"type": kind, **event}))
    for secret in secrets:
        assert redactor.text(f"<{secret}>") == "<***>"
    shown = {"expires_at": 1790000000, "object": "realtime.secret"}
    assert redactor.value(shown) == shown
    assert redactor.text("an-id-of-theirs") == "an-id-of-theirs"


def test_all_new_secrets_of_a_message_are_learned():
    redactor = Redactor()
    secrets = ["of-the-server-1", "ek_00001111", "ek_00002222"]
    redactor.overhear(
        json.dumps({"client_secret": {"value": secrets[0]}, "x": secrets[1:]})
    )
    # An ek_ would be hidden by its looks.
    for secret in ("of-the-server-1", "00001111", "00002222"):
        hidden = redactor.known(f"<ek_{secret}>")
        assert secret not in hidden
    redactor.overhear(json.dumps([f"ek_{n:020d}" for n in range(999)]))
    assert len(redactor._heard) <= 8


def test_what_was_shown_before_is_hidden_once_it_is_known():
    redactor = Redactor()
    fields = {"item_id": "item-of-a-secret", "model": "a-model-of-theirs"}
    assert redactor.value(fields) == fields
    redactor.learn(["item-of-a-secret"])
    assert redactor.value(fields) == {**fields, "item_id": "***"}
    redactor.overhear(b'{"client_secret": {"value": "a-model-of-theirs"}}')
    assert redactor.value(fields) == {"item_id": "***", "model": "***"}


def test_secrets_are_hidden_while_others_are_learned():
    redactor = Redactor(["first-secret"])
    redactor.learn(["second-secret", "short"])
    text = "first-secret second-secret short"
    assert redactor.text(text) == "*** *** short"


@pytest.mark.parametrize(
    "secret", ["3.14159265358979", "0.00001234567890", "4111222233334444"]
)
def test_a_secret_that_is_a_number_is_found_as_one(secret):
    redactor = Redactor([secret])
    for number in (float(secret), -float(secret)):
        assert redactor.value({"a": [number]}) == {"a": ["***"]}
        assert redactor.value(number, said=True) == "***"
    for number in (1.5, -1e-05, 1e300, 0.1 + 0.2, float("nan"), True, 7):
        assert redactor.value([number])[0] is number


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.casefold])
def test_letters_whose_cases_have_other_lengths_are_found(spell):
    secret = "п\u00e4rol\u0130\u03a3 \u00dfecret"
    assert Redactor([secret]).text(f"x {spell(secret)} x") == "x *** x"

"""What becomes of options, languages and model names; nothing is loaded."""

from __future__ import annotations

import pytest
from ten_packages.extension.openai_asr_python.realtime.settings import (
    MAX_PROMPT,
    prompt_with,
)
from ten_packages.extension.openai_asr_python.service.languages import (
    names_language_of,
    parse_tag,
    service_code,
)
from ten_packages.extension.openai_asr_python.service.models import (
    MODEL_NAMES,
    profile_of,
)
from ten_packages.extension.openai_asr_python.service.options import (
    MAX_KEYWORD,
    MAX_KEYWORDS,
    Request,
    clean_keywords,
    decide,
    fit,
    keyword_style,
)

LIVE = "gpt-live-transcribe"
TEXT = "gpt-transcribe"
WHISPER = "gpt-realtime-whisper"
OLD = "gpt-4o-transcribe"
LOGPROBS = "item.input_audio_transcription.logprobs"


@pytest.mark.parametrize(
    ("option", "model", "ga", "beta"),
    [
        ("language", LIVE, "list", "passed"),
        ("language", OLD, "passed", "passed"),
        ("languages", LIVE, "list", "first"),
        ("languages", OLD, "first", "first"),
        ("keywords", LIVE, "passed", "prompt"),
        ("keywords", OLD, "prompt", "prompt"),
        ("keywords", WHISPER, "dropped", "dropped"),
        ("prompt", OLD, "passed", "passed"),
        ("prompt", WHISPER, "dropped", "dropped"),
        ("delay", LIVE, "passed", "dropped"),
        ("delay", OLD, "dropped", "dropped"),
        ("strength", OLD, "passed", "dropped"),
        ("logprobs", OLD, "passed", "passed"),
        ("logprobs", LIVE, "dropped", "dropped"),
        ("noise_reduction", OLD, "passed", "passed"),
        ("server_vad", OLD, "passed", "passed"),
        ("server_vad", TEXT, "doubtful", "doubtful"),
        ("semantic_vad", LIVE, "rejected", "rejected"),
        ("local", LIVE, "here", "here"),
        ("none", OLD, "here", "here"),
    ],
)
def test_what_becomes_of_an_option(option, model, ga, beta):
    profile = profile_of(model)
    assert decide(option, profile) == ga
    assert decide(option, profile, "beta") == beta


@pytest.mark.parametrize(
    ("model", "style"),
    [("whisper-1", "list"), (OLD, "sentence"), (WHISPER, "")],
)
def test_how_a_prompt_names_words(model, style):
    assert keyword_style(profile_of(model)) == style


def full(**more) -> Request:
    return Request(
        **{
            "languages": ["de-AT", "en_US", "xx"],
            "prompt": " A\tcall.\x07 ",
            "keywords": ["TEN|10", "a<b>"],
            "delay": "low",
            "strength": 0.5,
            "include": (LOGPROBS,),
            **more,
        }
    )


def test_a_request_that_a_model_takes_but_for_logprobs():
    request = full()
    warnings = fit(request, profile_of(LIVE), "ga")
    assert request == Request(
        languages=("de", "en"),
        prompt="A\tcall.",
        keywords=("TEN", "a b"),
        delay="low",
        strength=0.5,
    )
    assert warnings == [
        f'languages: {LIVE} does not take "xx"; not sent',
        f"include: {LIVE} gives no logprobs; dropped",
    ]


def test_a_request_that_a_model_takes_but_for_languages_and_delay():
    request = full(language="nb", delay="low")
    warnings = fit(request, profile_of(OLD), "ga")
    assert request == Request(
        language="no",
        prompt="A\tcall. Keywords: TEN, a b.",
        strength=0.5,
        include=(LOGPROBS,),
    )
    assert warnings == [
        f'languages: {OLD} does not take "xx"; not sent',
        'languages: only one is possible here; "no" is sent',
        f"delay: {OLD} does not take it; dropped",
    ]


def test_a_request_of_which_a_model_takes_nothing():
    request = full(languages=())
    warnings = fit(request, profile_of(WHISPER), "beta")
    assert request == Request()
    told = f"{WHISPER} in the beta dialect does not take it"
    assert warnings == [
        f"prompt: {told}; dropped",
        f"keywords: {told}; dropped",
        f"delay: {told}; dropped",
        f"input_audio_noise_reduction.strength: {told}",
        f"include: {WHISPER} gives no logprobs; dropped",
    ]


def test_a_live_model_in_the_beta_dialect():
    request = full(language="de", languages=["en"])
    warnings = fit(request, profile_of(LIVE), "beta")
    assert request == Request(
        language="de", prompt="A\tcall. Keywords: TEN, a b."
    )
    told = f"{LIVE} in the beta dialect does not take it"
    assert warnings == [
        'languages: only one is possible here; "de" is sent',
        f"delay: {told}; dropped",
        f"input_audio_noise_reduction.strength: {told}",
        f"include: {LIVE} gives no logprobs; dropped",
    ]


def test_an_empty_request_has_no_warnings():
    for model in MODEL_NAMES:
        for dialect in ("ga", "beta"):
            request = Request()
            assert fit(request, profile_of(model), dialect) == []
            assert request == Request()


def test_a_tag_that_is_refused_is_shown_in_part():
    request = Request(language="ü" * 50)
    warnings = fit(request, profile_of(OLD), "ga")
    shown = "ü" * 40
    assert warnings == [f'language: {OLD} does not take "{shown}"; not sent']


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        ("a" * MAX_PROMPT, MAX_PROMPT),
        ("a" * (MAX_PROMPT + 1), MAX_PROMPT),
        # At the end of a word, where the word is not too long.
        ("a" * (MAX_PROMPT - 5) + " " + "b" * 9, MAX_PROMPT - 5),
        ("a" * (MAX_PROMPT - 5) + "\n" + "b" * 9, MAX_PROMPT - 5),
        ("a" * (MAX_PROMPT - 100) + " " + "b" * 200, MAX_PROMPT - 100),
        ("a" * (MAX_PROMPT - 101) + " " + "b" * 200, MAX_PROMPT),
        ("a" * (MAX_PROMPT - 9) + " b c" + "d" * 90, MAX_PROMPT - 7),
        ("a" * MAX_PROMPT + " b", MAX_PROMPT),
        ("a b" + "c" * (MAX_PROMPT - 3) + " d", MAX_PROMPT),
    ],
)
def test_where_a_long_prompt_is_cut(prompt, kept):
    request = Request(prompt=prompt)
    warnings = fit(request, profile_of(OLD), "ga")
    assert request.prompt == prompt[:kept]
    told = (
        f"prompt: cut from {len(prompt)} to {kept} characters; the service"
        f" takes {MAX_PROMPT}"
    )
    assert warnings == ([told] if len(prompt) > MAX_PROMPT else [])


def test_words_are_cleaned_and_counted():
    words, warnings = clean_keywords(
        ["Agora|10", "b | -1.5 ", "c\x00d", "Agora", "<>", "", "e|f", "\u2028g"]
    )
    assert words == ("Agora", "b", "c d", "e|f", "g")
    assert warnings == []


def test_words_that_are_too_long_or_too_many():
    longest = "a" * MAX_KEYWORD
    words, warnings = clean_keywords([longest, longest + "a"])
    assert words == (longest,)
    assert warnings == [
        f"keywords: one of {MAX_KEYWORD + 1} characters is dropped;"
        f" allowed: {MAX_KEYWORD}"
    ]
    many = [str(number) for number in range(MAX_KEYWORDS + 2)]
    words, warnings = clean_keywords(many)
    assert words == tuple(many[:MAX_KEYWORDS])
    assert warnings == ["keywords: the last 2 are dropped"]
    assert clean_keywords(many[:MAX_KEYWORDS])[1] == []


def test_as_many_words_as_the_prompt_has_room_for():
    assert prompt_with("", ("a", "b"), "list") == ("a, b", 0)
    assert prompt_with("p", ("a", "b"), "list") == ("p a, b", 0)
    assert prompt_with("p", ("a", "b"), "sentence") == ("p Keywords: a, b.", 0)
    assert prompt_with("p", ("a", "b"), "") == ("p", 2)
    assert prompt_with("p", (), "list") == ("p", 0)
    taken = len(" a, b")
    exact = "p" * (MAX_PROMPT - taken)
    assert prompt_with(exact, ("a", "b"), "list") == (exact + " a, b", 0)
    assert prompt_with(exact + "p", ("a", "b"), "list") == (exact + "p a", 1)
    taken = len(" Keywords: a, b.")
    exact = "p" * (MAX_PROMPT - taken)
    text = exact + " Keywords: a, b."
    assert prompt_with(exact, ("a", "b"), "sentence") == (text, 0)
    assert prompt_with(exact + "p", ("a", "b"), "sentence")[1] == 1


def test_words_without_room_are_told():
    request = Request(prompt="p" * (MAX_PROMPT - 3), keywords=["ab", "c"])
    assert fit(request, profile_of("whisper-1"), "ga") == [
        "keywords: no room in the prompt for the last 1"
    ]
    assert request.prompt == "p" * (MAX_PROMPT - 3) + " ab"
    assert request.keywords == ()


@pytest.mark.parametrize(
    ("written", "several", "single"),
    [
        ("de", "de", "de"),
        (" en_US ", "en", "en"),
        ("ger", "de", "de"),
        ("iw", "he", "he"),
        ("nn-NO", "no", "no"),
        ("bn", "bn", None),
        ("yue", "yue", None),
        ("xx", None, None),
        ("zh", "zh", "zh"),
        ("cmn", "cmn", "zh"),
        ("zh-TW", "zh-tw", "zh"),
        ("zh-HK", "zh-hk", "zh"),
        ("zh-MO", "zh-hk", "zh"),
        ("zh-CN", "zh-cn", "zh"),
        ("zh-SG", "zh-cn", "zh"),
        ("zh-US", "zh", "zh"),
        ("zh-Hant", "zh-tw", "zh"),
        ("zh-Hant-HK", "zh-hk", "zh"),
        ("zh-Hant-CN", "zh-tw", "zh"),
        ("zh-hans-hk", "zh-cn", "zh"),
        ("zh-yue-HK", "yue", None),
        ("zh-cmn-TW", "zh-tw", "zh"),
    ],
)
def test_the_code_of_a_tag(written, several, single):
    assert service_code(written, several=True) == several
    assert service_code(written, several=False) == single


@pytest.mark.parametrize(
    ("written", "parts", "text"),
    [
        ("EN_us", ("en", "", "US"), "en-US"),
        ("zh-HANT-tw", ("zh", "Hant", "TW"), "zh-Hant-TW"),
        ("es-419", ("es", "", "419"), "es-419"),
        ("de-1996-at-ch", ("de", "", "AT"), "de-AT"),
        ("zho", ("zh", "", ""), "zh"),
        ("de-yue", ("de", "", ""), "de"),
    ],
)
def test_the_parts_of_a_tag(written, parts, text):
    tag = parse_tag(written)
    assert tag == parts
    assert str(tag) == text


@pytest.mark.parametrize(
    ("code", "text", "same"),
    [
        ("de", "de-AT", True),
        ("de-AT", "de-AT", True),
        ("de-CH", "de-AT", False),
        ("zh-Hant", "zh-Hans", False),
        ("de", "en", False),
        ("no", "nb-NO", True),
        ("cmn", "zh-TW", True),
        ("zh-TW", "zh", False),
    ],
)
def test_whether_a_code_names_a_language(code, text, same):
    assert names_language_of(code, text) is same


def test_the_profile_of_a_listed_a_dated_and_an_unknown_name():
    listed = profile_of(OLD)
    assert (listed.name, listed.known, listed.family) == (OLD, True, OLD)
    assert listed.shutdown
    assert listed.replacement == LIVE
    dated = profile_of(f"{OLD}-2025-03-20")
    assert dated.name == f"{OLD}-2025-03-20"
    assert (dated.known, dated.family) == (True, OLD)
    assert dated.shutdown == listed.shutdown
    future = profile_of("gpt-4o-mini-transcribe-x")
    assert future.name == "gpt-4o-mini-transcribe-x"
    assert not future.known
    assert future.family == "gpt-4o-mini-transcribe"
    assert (future.shutdown, future.replacement) == ("", "")
    assert profile_of("mine").family == OLD
    taken = profile_of("mine", LIVE)
    assert (taken.name, taken.family, taken.known) == ("mine", LIVE, False)
    assert taken.languages

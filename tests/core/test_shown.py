"""What is shown can do no harm, and says the same as before."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.realtime.shown import (
    harmless,
    one_line,
)

#: Unicode's own words for what embeds, overrides and isolates (UAX 9).
BIDI_CONTROLS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
#: Format characters that Unicode says are not to be used any more, or belong
#: to no text that is exchanged.
OTHERS = "\u206a\u206b\u206c\u206d\u206e\u206f\ufeff\ufff9\ufffa\ufffb"
#: Nobody sees them.
TAGS = [chr(code) for code in range(0xE0000, 0xE0080)]
ENGLAND = (
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
)


def is_harmful(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char) in BIDI_CONTROLS
        or char in OTHERS
        or char in TAGS
    )


#: Every other character is one that somebody would like to get through.
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from([c for c in map(chr, range(0x10000)) if is_harmful(c)]),
        st.sampled_from([*TAGS, "\U0001f3f4"]),
    )
)


def test_every_character_of_unicode():
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        shown = harmless(char)
        if is_harmful(char):
            assert shown.startswith("\\u")
            assert json.loads(f'"{shown}"') == char
        else:
            assert shown == char


@given(TEXTS)
def test_nothing_harmful_is_left(text):
    shown = harmless(text)
    assert not any(map(is_harmful, shown.replace(ENGLAND, "")))
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert harmless(shown) == shown


@given(TEXTS)
def test_what_can_be_printed_stays(text):
    printable = "".join(c for c in text if c.isprintable())
    assert harmless(printable) == printable


@given(st.recursive(TEXTS, lambda inner: st.dictionaries(TEXTS, inner)))
def test_a_json_document_keeps_its_meaning(value):
    text = json.dumps(value, ensure_ascii=False)
    # Two half surrogates beside each other are one character in JSON.
    whole = text.encode("utf-16", "surrogatepass")
    text_in_json = whole.decode("utf-16", "surrogatepass")
    assert json.loads(harmless(text)) == json.loads(text_in_json)


@given(TEXTS)
def test_one_line_has_single_blanks_only(text):
    shown = one_line(text)
    assert shown == harmless(shown)
    assert shown.split() == shown.split(" ") or not shown
    assert one_line(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",  # Persian with a joiner
        "👩\u200d🚀",
        f"{ENGLAND}{ENGLAND} won",
        "\u200fשלום\u200e (1)",  # marks, which override nothing
        "\u061c-5",  # CLDR's minus sign for Arabic
        "co\u00adoperate",
        "naïve Grüße 日本語 हिन्दी",
    ],
)
def test_what_scripts_and_emoji_need_stays(text):
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\u001b[2Jb"),
        ("a\x1b]0;title\x07", r"a\u001b]0;title\u0007"),
        ("\x9b31m", r"\u009b31m"),
        ("a\r\nb\tc", r"a\u000d\u000ab\u0009c"),
        ("x\u202ecod.exe", r"x\u202ecod.exe"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\udb40\udc41"),
        (f"{ENGLAND}\U000e0041\x1b", ENGLAND + r"\udb40\udc41\u001b"),
        ("\U0001f3f4\U000e0067\U000e007f", r"🏴\udb40\udc67\udb40\udc7f"),
    ],
)
def test_what_terminals_obey_is_spelled(text, shown):
    assert harmless(text) == shown

"""Transcript files: SubRip, WebVTT, JSON, and how they are written."""

import itertools
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.live_captions.ten_packages.extension.captions.cells import (
    text_width,
)
from examples.live_captions.ten_packages.extension.captions.cues import cues
from examples.live_captions.ten_packages.extension.captions.transcript import (
    Result,
    Word,
)
from examples.live_captions.ten_packages.extension.captions.writers import (
    FORMATS,
    json_text,
    write,
)

FINALS = [
    Result("a", "Hello, there.", True, 500, 3010, "en"),
    Result("b", "Fish & <chips> --> now", True, 3_661_007, 993, "en"),
]


def test_srt(tmp_path: Path) -> None:
    path = tmp_path / "call.srt"
    write(path, FINALS)
    assert path.read_bytes().decode() == (
        "1\n00:00:00,500 --> 00:00:03,510\nHello, there.\n"
        "\n"
        "2\n01:01:01,007 --> 01:01:02,000\nFish & <chips> -> now\n"
    )


def test_vtt(tmp_path: Path) -> None:
    path = tmp_path / "call.VTT"
    write(path, FINALS)
    assert path.read_bytes().decode() == (
        "WEBVTT\n"
        "\n"
        "00:00:00.500 --> 00:00:03.510\nHello, there.\n"
        "\n"
        "01:01:01.007 --> 01:01:02.000\n"
        "Fish &amp; &lt;chips&gt; --&gt; now\n"
    )


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "call.json"
    words = (Word("Grüße", 10, 90),)
    write(path, [Result("a", "Grüße", True, 10, 90, "de", words, {"x": 1})])
    body = json.loads(path.read_text(encoding="utf-8"))
    assert body == {
        "text": "Grüße",
        "results": [
            {
                "id": "a",
                "text": "Grüße",
                "start_ms": 10,
                "duration_ms": 90,
                "end_ms": 100,
                "language": "de",
                "words": [{"word": "Grüße", "start_ms": 10, "duration_ms": 90}],
                "metadata": {"x": 1},
            }
        ],
    }


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_no_speech_gives_a_valid_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    write(path, [])
    assert (
        path.read_text(encoding="utf-8")
        == {
            ".srt": "",
            ".vtt": "WEBVTT\n",
            ".json": '{\n  "text": "",\n  "results": []\n}\n',
        }[suffix]
    )


def test_a_long_turn_becomes_cues_that_can_be_read() -> None:
    text = " ".join(f"word{number}" for number in range(60))
    cut = cues([Result("a", text, True, 10_000, 30_000)])
    assert len(cut) > 3
    assert cut[0].start_ms == 10_000
    assert cut[-1].end_ms == 40_000
    for cue, after in itertools.pairwise(cut):
        assert cue.start_ms < cue.end_ms == after.start_ms
    lines = [line for cue in cut for line in cue.lines]
    assert " ".join(lines) == text
    assert all(text_width(line) <= 42 for line in lines)
    assert all(len(cue.lines) <= 2 for cue in cut)


def test_cues_use_the_times_of_words() -> None:
    names = [f"word{number}" for number in range(40)]
    words = tuple(
        Word(name, 1000 + 100 * number, 90) for number, name in enumerate(names)
    )
    cut = cues([Result("a", " ".join(names), True, 1000, 9000, "", words)])
    index = sum(len(line.split()) for line in cut[0].lines)
    assert cut[1].start_ms == words[index].start_ms


def test_a_turn_without_length_still_has_a_cue() -> None:
    (cue,) = cues([Result("a", "x", True, 5, 0)])
    assert (cue.start_ms, cue.end_ms) == (5, 6)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "call.srt"
    link = tmp_path / "link.srt"
    path.write_text("before", encoding="utf-8")
    link.symlink_to(path)
    write(link, FINALS)
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8").startswith("1\n")
    assert sorted(tmp_path.iterdir()) == [path, link]


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.doc', use one of \.srt"):
        write(tmp_path / "call.doc", FINALS)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write(tmp_path / "nowhere" / "call.srt", FINALS)


#: What a hostile service would have a caption hold.
HOSTILE = (
    "a\x1b[2Jb\x1b]0;title\x07\x9b31m\u202ec\u2028d --> e\n\n7\n"
    "00:00:00,000 --> 00:00:09,000\nforged\r\n\r\nNOTE <b>&amp;</b> -----> x"
)
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("->-><&\n\r\x1b\x85\x9b\u2028\u202e\u2066 "),
    )
)


def _harmful(text: str) -> list[str]:
    return [
        char
        for char in text
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or "\u202a" <= char <= "\u202e"
        or "\u2066" <= char <= "\u2069"
    ]


@pytest.mark.parametrize("suffix", sorted(FORMATS))
@given(text=TEXTS | st.just(HOSTILE))
def test_no_text_gets_out_of_its_cue(suffix: str, text: str) -> None:
    results = [
        Result("a\x9b", text, True, 0, 100, "en\u202e", (Word(text, 0, 9),)),
        Result("b", "next", True, 100, 100),
    ]
    written = FORMATS[suffix](results)
    written.encode()
    assert _harmful(written.replace("\n", "")) == []
    if suffix == ".json":
        read = json.loads(written)["results"]
        # A half of a surrogate pair is spelled, and read as it was.
        assert read[0]["text"] == text
        assert read[0]["words"][0]["word"] == text
        return
    expected = len(cues(results))
    assert written.count(" --> ") == expected
    assert written.count("-->") == expected
    head = ["WEBVTT"] if suffix == ".vtt" else []
    blocks = written.rstrip("\n").split("\n\n")
    assert len(blocks) == expected + len(head)
    if suffix == ".vtt":
        body = "".join(
            line for line in written.split("\n") if " --> " not in line
        )
        assert "<" not in body
        assert ">" not in body


def test_a_report_is_harmless_and_keeps_its_meaning() -> None:
    body = {"problem": HOSTILE, "results": [{"text": HOSTILE}]}
    text = json_text(body)
    assert json.loads(text) == body
    assert _harmful(text.replace("\n", "")) == []


def test_no_player_is_given_orders(tmp_path: Path) -> None:
    path = tmp_path / "call.srt"
    text = r"<b>a</b> <FONT color=red>b {\an8}c <biscuits> {d}"
    write(path, [Result("a", text, True, 0, 9000, "en")])
    told = " ".join(path.read_text().split("\n")[2:]).strip()
    assert told == (r"< b>a< /b> < FONT color=red>b { \an8}c <biscuits> {d}")

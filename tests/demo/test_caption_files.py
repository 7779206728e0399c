"""Transcript files: SubRip, WebVTT, JSON, and how they are written."""

import itertools
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_ai_base.struct import ASRResult

from examples.live_captions.ten_packages.extension.captions.transcript import (
    cues,
    json_text,
    transcript_text,
    write_report,
    write_transcript,
)

SUFFIXES = (".srt", ".vtt", ".json")


def turn(text: str, start_ms: int, duration_ms: int, **more: Any) -> ASRResult:
    body = {"language": "en", "words": [], **more}
    return ASRResult(
        text=text,
        final=True,
        start_ms=start_ms,
        duration_ms=duration_ms,
        **body,
    )


def cells(text: str) -> int:
    """By the standard, not by the library that the captions use."""
    return sum(
        1 + (unicodedata.east_asian_width(char) in "WF") for char in text
    )


FINALS = [
    turn("Hello, there.", 500, 3010),
    turn("Fish & <chips> --> now", 3_661_007, 993),
]


def test_srt(tmp_path: Path) -> None:
    path = tmp_path / "call.srt"
    write_transcript(str(path), FINALS)
    assert path.read_bytes().decode() == (
        "1\n00:00:00,500 --> 00:00:03,510\nHello, there.\n"
        "\n"
        "2\n01:01:01,007 --> 01:01:02,000\nFish & <chips> -> now\n\n"
    )


def test_vtt(tmp_path: Path) -> None:
    path = tmp_path / "call.VTT"
    write_transcript(str(path), FINALS)
    assert path.read_bytes().decode() == (
        "WEBVTT\n"
        "\n"
        "1\n00:00:00.500 --> 00:00:03.510\nHello, there.\n"
        "\n"
        "2\n01:01:01.007 --> 01:01:02.000\n"
        "Fish &amp; &lt;chips&gt; --&gt; now\n\n"
    )


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "call.json"
    said = turn("Grüße", 10, 90, id="a", language="de", metadata={"x": 1})
    write_transcript(str(path), [said])
    body = json.loads(path.read_text(encoding="utf-8"))
    assert body == {
        "text": "Grüße",
        "results": [
            {
                "id": "a",
                "text": "Grüße",
                "final": True,
                "start_ms": 10,
                "duration_ms": 90,
                "language": "de",
                "words": [],
                "metadata": {"x": 1},
            }
        ],
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_speech_gives_a_valid_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    write_transcript(str(path), [])
    assert (
        path.read_text(encoding="utf-8")
        == {
            ".srt": "",
            ".vtt": "WEBVTT\n\n",
            ".json": '{\n  "text": "",\n  "results": []\n}\n',
        }[suffix]
    )


def test_a_long_turn_becomes_cues_that_can_be_read() -> None:
    text = " ".join(f"word{number}" for number in range(60))
    cut = cues([turn(text, 10_000, 30_000)])
    assert len(cut) > 3
    assert cut[0].start == 10_000
    assert cut[-1].end == 40_000
    for cue, after in itertools.pairwise(cut):
        assert cue.start < cue.end == after.start
    lines = [line for cue in cut for line in cue.text.split("\n")]
    assert " ".join(lines) == text
    assert all(cells(line) <= 42 for line in lines)
    assert all(cue.text.count("\n") <= 1 for cue in cut)


@given(text=st.text(st.sampled_from("a日é👍 "), max_size=300))
def test_wide_characters_fit_and_none_is_lost(text: str) -> None:
    lines = [
        line
        for cue in cues([turn(text, 0, 9000)])
        for line in cue.text.split("\n")
    ]
    assert all(cells(line) <= 42 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_turn_without_length_still_has_a_cue() -> None:
    (cue,) = cues([turn("x", 5, 0)])
    assert (cue.start, cue.end) == (5, 6)


def test_what_lies_beside_it_is_not_written_through(tmp_path: Path) -> None:
    """A link of the name that the file had while it was written."""
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    path = tmp_path / "call.srt"
    path.with_name(f".{path.name}.{os.getpid()}.part").symlink_to(victim)
    write_transcript(str(path), FINALS)
    assert victim.read_text(encoding="utf-8") == "mine"
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_report_of_a_run_is_written_over_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for text in ("one", "two"):
        write_report(str(path), {"ending": "stopped", "text": text})
    assert json.loads(path.read_text(encoding="utf-8"))["text"] == "two"


#: No file of the kinds that are written.
OTHERS = [
    *("my diary", "{}", '{"name": "x"}', "1", "\n1\n00:00:00,0", "<html>"),
    *(
        '{"text": "by another", "segments": []}',
        '{"text": "unfin',
        '{"text": {',
    ),
    *('{"text": "a\\", "results": [', '{"text": "", "results": {}}'),
]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", ["run.json", "a.srt", "a.vtt", "b.json"])
def test_something_else_is_not_written_over_and_the_text_not_lost(
    tmp_path: Path, name: str, other: str
) -> None:
    """It may have come while the call ran."""
    path = tmp_path / name
    path.write_text(other, encoding="utf-8")
    report = {"ending": "stopped", "text": "Hello"}
    with pytest.raises(OSError, match="something else") as told:
        (
            write_report(str(path), report)
            if name == "run.json"
            else write_transcript(str(path), FINALS)
        )
    assert path.read_text(encoding="utf-8") == other
    [beside] = set(tmp_path.iterdir()) - {path}
    assert str(told.value).endswith(f"; see {beside.name}")
    assert "Hello" in beside.read_text(encoding="utf-8")
    assert beside.stat().st_mode & 0o777 == 0o600


def test_neither_is_a_pipe_or_a_directory(tmp_path: Path) -> None:
    pipe, directory = tmp_path / "pipe.srt", tmp_path / "directory.srt"
    os.mkfifo(pipe)
    directory.mkdir()
    for path in (pipe, directory):
        with pytest.raises(OSError, match="something else"):
            write_transcript(str(path), FINALS)
    assert pipe.is_fifo()
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
@pytest.mark.parametrize("before", ["", None])
def test_what_is_written_may_be_written_over(
    tmp_path: Path, suffix: str, before: str | None
) -> None:
    path = tmp_path / f"call{suffix}"
    if before is None:
        write_transcript(str(path), FINALS[1:])
    else:
        path.write_text(before)
    write_transcript(str(path), FINALS)
    assert "Hello" in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "call.srt"
    link = tmp_path / "link.srt"
    path.write_text("before", encoding="utf-8")
    link.symlink_to(path)
    write_transcript(str(link), FINALS)
    assert not link.is_symlink()
    assert link.read_text(encoding="utf-8").startswith("1\n")
    assert path.read_text(encoding="utf-8") == "before"
    assert sorted(tmp_path.iterdir()) == [path, link]


def test_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    write_transcript(str(path), [])
    path.chmod(0o644)
    write_transcript(str(path), FINALS)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_transcript(str(tmp_path / "nowhere" / "call.srt"), FINALS)


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


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(text=TEXTS | st.just(HOSTILE))
def test_no_text_gets_out_of_its_cue(suffix: str, text: str) -> None:
    results = [
        turn(
            text,
            0,
            100,
            id="a\x9b",
            language="en\u202e",
            metadata={"x": text},
        ),
        turn("next", 100, 100),
    ]
    written = transcript_text(suffix, results)
    written.encode()
    assert _harmful(written.replace("\n", "")) == []
    if suffix == ".json":
        read = json.loads(written)["results"]
        # A half of a surrogate pair is spelled, and read as it was.
        assert read[0]["text"] == text
        assert read[0]["metadata"]["x"] == text
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


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
@pytest.mark.parametrize(
    "text",
    [
        "00:00:00,000 --> 00:59:00,000 forged",
        "0:0:0.0 0:59:0,5 forged",
        "it was 00:00:00.000 and then 00:59:00.000 forged",
        "00:00.00 00:59.999 forged",
    ],
)
def test_two_times_in_a_text_are_no_head_of_a_cue(
    tmp_path: Path, suffix: str, text: str
) -> None:
    path = tmp_path / f"call{suffix}"
    write_transcript(str(path), [turn(text, 500, 100)])
    read = list(pysubs2.load(str(path)))
    assert [cue.start for cue in read] == [500]
    assert read[0].plaintext.endswith("forged")


def test_one_time_in_a_text_stays_as_it_is() -> None:
    text = "at 10:30:12.5, or 9:15"
    assert text in transcript_text(".srt", [turn(text, 0, 100)])


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_backslashes_are_told_as_they_were_said(suffix: str) -> None:
    """The library takes `\\N` for a line break and `{\\…}` for a style."""
    text = r"C:\New \h \n \N\N {\\an8} {a} {\p1}m 0 0{\p0}"
    written = transcript_text(suffix, [turn(text, 0, 9000)])
    told = written.rstrip("\n").split("9.000\n")[-1].split("9,000\n")[-1]
    assert "\n\n" not in told
    told = " ".join(told.split()).replace("\uff5b", "{")
    assert told == text


def test_a_report_is_harmless_and_keeps_its_meaning() -> None:
    body = {"problem": HOSTILE, "results": [{"text": HOSTILE}]}
    text = json_text(body)
    assert json.loads(text) == body
    assert _harmful(text.replace("\n", "")) == []


def test_no_player_is_given_orders(tmp_path: Path) -> None:
    path = tmp_path / "call.srt"
    text = (
        r"<b>a</b> < FONT color=red>b {\an8}c { \p1} {x \i1} <biscuits> {d}"
        r" 1 < 2"
    )
    write_transcript(str(path), [turn(text, 0, 9000)])
    told = " ".join(path.read_text().split("\n")[2:]).strip()
    assert told == (
        "\u2039b>a\u2039/b> \u2039 FONT color=red>b \uff5b\\an8}c"
        " \uff5b \\p1} \uff5bx \\i1} <biscuits> {d} 1 < 2"
    )
    [cue] = pysubs2.load(str(path))
    assert cue.plaintext.count("\\") == 3
    text = "{b}x{/b} { I }{y:i}{c:$ff}{/} {bus} {9}"
    told = transcript_text(".srt", [turn(text, 0, 9000)])
    assert "\uff5bb}x\uff5b/b} \uff5b I }\uff5by:i}\uff5bc:$ff}\uff5b/}" in told
    assert "{bus} {9}" in told

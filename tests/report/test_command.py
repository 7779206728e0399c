"""`python -m devkit.report`: what it writes, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reported_call import frames, result, tone, write_log

from devkit.doctor.__main__ import main as doctor
from devkit.report.__main__ import main
from devkit.report.kind import MARK
from devkit.rerun.__main__ import main as rerun

ROOT = Path(__file__).resolve().parents[2]
SAID = "zeppelins over Zürich"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(
        tmp_path / "call",
        [frames(0, tone(3)), result(3000, SAID, 500, 2000)],
        tone(3),
    )


def data_of(page: str) -> list[dict[str, object]]:
    """What the script of a page draws."""
    found = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert found
    value: list[dict[str, object]] = json.loads(found[1])
    return value


def test_the_page_is_written_beside_the_log_for_its_owner_only(log, capsys):
    assert main([str(log)]) == 0
    page = log.with_suffix(".html")
    assert capsys.readouterr().out == f"written to {page}\n"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    text = page.read_text(encoding="utf-8")
    assert SAID in text
    assert "data:audio/mpeg;base64," in text
    (call,) = data_of(text)
    assert call["total"] == 3000
    assert call["turns"] == [[1, 500, 2500, SAID, "final", 3000]]
    assert sorted(os.listdir(log.parent)) == [
        "call.html",
        "call.jsonl",
        "call.pcm",
    ]


@pytest.mark.parametrize("command", [main, doctor, rerun])
def test_a_key_in_place_of_a_name_is_not_shown(command, capsys, monkeypatch):
    # These commands set it for their process, which is that of all tests.
    monkeypatch.setenv("TEN_LOG_LEVEL", "off")
    assert command(["sk-proj-Zq8vT3nLx0PwYb7KmR2sHd5GfJ9cUe1A"]) == 2
    told = capsys.readouterr().err
    assert "***" in told
    assert "Zq8vT3" not in told


def test_the_version_of_a_log_does_no_harm(log, capsysbinary):
    text = log.read_text(encoding="utf-8")
    log.write_text(
        text.replace('"version": "', '"version": "\\u001b]0;x\\u0007', 1),
        encoding="utf-8",
    )
    assert main([str(log), "-o", "-"]) == 0
    page = capsysbinary.readouterr().out
    assert b"\x1b" not in page
    assert b"\\u001b]0;x" in page


def test_a_report_is_written_over_and_nothing_else(log, tmp_path, capsys):
    target = tmp_path / "other.html"
    assert main([str(log), "-o", str(target)]) == 0
    assert main([str(log), "-o", str(target)]) == 0
    # The last two tell of one.
    for text in ("<p>of", f"notes\n{MARK}", f"<!DOCTYPE html>\n<p>{MARK}"):
        target.write_text(f"{text} somebody's")
        assert main([str(log), "-o", str(target)]) == 2
        told = capsys.readouterr().err
        assert "is no report; --force writes over it" in told
    target.write_text("<p>of somebody's")
    pipe = tmp_path / "pipe.html"
    os.mkfifo(pipe)
    assert main([str(log), "-o", str(pipe), "--force"]) == 2
    assert "is no file" in capsys.readouterr().err
    assert target.read_text() == "<p>of somebody's"
    assert main([str(log), "-o", str(target), "--force"]) == 0
    assert SAID in target.read_text(encoding="utf-8")


def test_to_standard_output(log):
    done = subprocess.run(
        [sys.executable, "-m", "devkit.report", str(log), "-o", "-"],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert SAID in done.stdout.decode()
    assert not log.with_suffix(".html").exists()


def test_a_redacted_page_has_nothing_that_was_said(tmp_path):
    request = {
        "model": "m",
        "prompt": "about zeppelins",
        "keywords": ["Zurich"],
    }
    info = {
        "asr_info": {
            "speakers": [{"speaker": "A", "text": SAID, "start_ms": 500}]
        }
    }
    words = [{"word": "zeppelins", "start_ms": 500, "duration_ms": 500}]
    event = {"type": "x.transcription.completed", "transcript": SAID}
    log = write_log(
        tmp_path / "call",
        [
            frames(0, tone(3)),
            {"t": 1, "kind": "received", "connection": 1, "event": event},
            result(2000, SAID, 500, 2000, final=False),
            result(3000, SAID, 500, 2000, words=words, metadata=info),
            {"t": 3001, "kind": "config", "config": {"prompt": SAID}},
            f'{{"t": 3002, "kind": "result", "result": "{SAID}"}}',
            f"{SAID} in a broken line",
        ],
        tone(3),
        {"config": {"input_audio_transcription": request}},
    )
    assert main([str(log), "--redact"]) == 0
    text = log.with_suffix(".html").read_text(encoding="utf-8")
    assert not re.search("zeppelin|Zürich|Zurich", text)
    # Nor where it was made.
    assert str(tmp_path) not in text
    assert "data:audio" not in text
    (call,) = data_of(text)
    assert call["shape"] == ""
    # How it went stays.
    assert call["turns"] == [[1, 500, 2500, "x" * len(SAID), "final", 3000]]


def test_a_call_that_kept_no_texts(tmp_path):
    lines = [frames(0, tone(3)), result(3000, "xxxx xx", 500, 2000)]
    log = write_log(tmp_path / "call", lines, b"", {"text": "none"})
    assert main([str(log)]) == 0
    text = log.with_suffix(".html").read_text(encoding="utf-8")
    assert "without what was said" in text
    assert "The file of the audio is empty" in text
    # As many x as characters are no words.
    assert "2 words" not in text


def test_pictures_of_the_documents_are_small():
    pictures = list((ROOT / "docs" / "images").glob("report*.png"))
    assert len(pictures) == 3
    assert all(path.stat().st_size < 200_000 for path in pictures)


def test_two_logs_are_compared(log, tmp_path, capsys):
    other = write_log(
        tmp_path / "other",
        [frames(0, tone(3)), result(3200, "zeppelins over Bern", 510, 2000)],
        tone(3),
    )
    assert main([str(log), str(other)]) == 0
    text = log.with_suffix(".html").read_text(encoding="utf-8")
    assert "<del>Zürich</del>" in text
    assert "<ins>Bern</ins>" in text
    assert "word error rate of B against A: 0.33" in text
    assert [call["label"] for call in data_of(text)] == ["A", "B"]


def compared(tmp_path, texts, header=None, *options):
    """The page of two logs, each with turns of these texts."""
    logs = [
        write_log(
            tmp_path / name,
            [
                frames(0, tone(4)),
                result(2000, said[0], 500, 1000),
                result(4000, said[1], 2500, 1000),
            ],
            None,
            one,
        )
        for name, said, one in zip("ab", texts, (None, header), strict=True)
    ]
    assert main([*map(str, logs), *options]) == 0
    return logs[0].with_suffix(".html").read_text(encoding="utf-8")


def test_redacted_texts_are_compared_and_not_shown(tmp_path):
    texts = ("wool zinc", "yarn"), ("wool silk", "yarn")
    page = compared(tmp_path, texts, None, "--redact")
    assert "1 of 2 places differ" in page
    assert "word error rate of B against A: 0.33" in page
    assert "<td>2, left out</td>" in page
    assert not re.search("wool|zinc|silk|yarn|<(del|ins)>", page)
    same = compared(tmp_path, (texts[0], texts[0]), None, "--redact")
    assert "All texts are the same" in same


def test_a_log_without_texts_is_not_compared(tmp_path):
    texts = ("one two", "three"), ("xxx xxx", "xxxxx")
    page = compared(tmp_path, texts, {"text": "none"})
    assert "Texts cannot be compared: B has none" in page
    assert "<td>2, 3</td><td>2, not known</td>" in page
    assert not re.search(
        "places? differ|are the same|error rate of B|findable differs|<ins>",
        page,
    )


def test_a_very_long_call_makes_a_page_that_opens(tmp_path):
    lines = [frames(0, tone(1))]
    for n in range(12_001):
        lines.append(result(n * 10, f"so {n}", n * 10, 8, final=False))
        lines.append(result(n * 10 + 1, f"turn {n}", n * 10, 8))
    log = write_log(tmp_path / "call", lines, None)
    assert main([str(log)]) == 0
    page = log.with_suffix(".html").read_text(encoding="utf-8")
    assert page.count('<tr class="turn') == 5000
    assert "The first 5,000 turns are listed; 7,001 more are left out" in page
    (call,) = data_of(page)
    bars: Any = call["turns"]
    # All are on the axis, up to the last one.
    assert len(bars) == 4001
    assert bars[0][:4] == ["1 to 3", 0, 28, "turn 0 · turn 1 · turn 2"]
    assert bars[-1][:4] == [12_001, 120_000, 120_008, "turn 12000"]
    assert main([str(log), str(log)]) == 0
    page = log.with_suffix(".html").read_text(encoding="utf-8")
    assert page.count('<tr class="turn') == 5000
    assert "7,001 more are left out" in page


def test_the_price_of_a_model_can_be_given(log):
    price = ["--price", "gpt-live-transcribe=60"]
    assert main([str(log), *price]) == 0
    # Two seconds are billed.
    page = log.with_suffix(".html").read_text(encoding="utf-8")
    assert "$2.00" in page


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "LOG.jsonl"),
        (["{log}", "{log}", "{log}"], "at most two"),
        (["{log}.missing"], ".missing: no such file"),
        (["{log}", "-o", "{dir}/no/x.html"], "no: no such directory"),
        (["{log}", "-o", "{dir}"], "is a directory"),
        (["{log}", "--price", "3"], "--price: must be MODEL=USD_PER_MINUTE"),
        (["{log}", "--price", "a=-1"], "--price: must be"),
        (["{log}", "--audio-limit", "nan"], "--audio-limit: must be minutes"),
        (["{pcm}"], "call.pcm: is no session log"),
    ],
)
def test_wrong_usage_is_one_line(log, capsys, arguments, problem):
    names = {"log": log, "dir": log.parent, "pcm": log.with_suffix(".pcm")}
    assert main([each.format(**names) for each in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert problem in err
    assert len(err.splitlines()) == 1
    assert not log.with_suffix(".html").exists()


def test_a_disk_that_is_full_leaves_nothing(log, capsys, monkeypatch):
    def replace(*names):
        raise OSError(28, "No space left on device", str(names[1]))

    monkeypatch.setattr(os, "replace", replace)
    assert main([str(log)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(os.listdir(log.parent)) == ["call.jsonl", "call.pcm"]

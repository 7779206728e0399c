"""Whole runs of `python -m devkit.demo` against a server in this process.

The server's `script` engine reads words that are encoded in the samples,
so the transcript is known exactly.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from devkit.bootstrap import ensure_ten
from devkit.script_audio import speak, word_text
from devkit.server import ServerThread

ROOT = Path(__file__).resolve().parent.parent.parent
STANDIN = ensure_ten() == "stand-in"
RATE = 16000
TURNS = [[1, 2], [3], [4, 5, 6]]
TEXTS = [" ".join(map(word_text, turn)) for turn in TURNS]


@pytest.fixture
def call(tmp_path: Path) -> Path:
    samples, _ = speak(TURNS, RATE, 1000)
    path = tmp_path / "my call.wav"
    soundfile.write(path, samples, RATE)
    path.with_suffix(".txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return path


@contextlib.contextmanager
def demo(
    *arguments: str | Path, key: str = "sk-local"
) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        # The words in the samples are no speech to a local detector, so the
        # model is one with server turn detection.
        [
            *(sys.executable, "-m", "devkit.demo"),
            *("--model", "gpt-4o-transcribe", *map(str, arguments)),
        ],
        cwd=ROOT,
        env={**os.environ, "OPENAI_API_KEY": key},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_run_gives_captions_transcript_file_and_rate(
    call: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.json"
    with (
        ServerThread(engine="script") as server,
        demo(
            *("--server", server.url, "--audio", call, "--speed", "4"),
            *("--output", output, "--text", call.with_suffix(".txt")),
        ) as process,
    ):
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == ""
    lines = shown.splitlines()
    captions = [line for line in lines if line.startswith("[00:")]
    assert [line.split("] ", 1)[1] for line in captions] == TEXTS
    host = "stand-in for the TEN runtime" if STANDIN else "TEN runtime"
    assert f"host    the {host}" in lines
    start = lines.index("Transcript")
    assert [line.strip() for line in lines[start + 1 : start + 4]] == TEXTS
    assert lines[-1] == "word error rate: 0.00"
    body = json.loads(output.read_text(encoding="utf-8"))
    assert body["text"] == " ".join(TEXTS)


def test_a_text_that_differs_shows_in_the_rate(
    call: Path, tmp_path: Path
) -> None:
    said = tmp_path / "said.txt"
    said.write_text(" ".join(TEXTS) + " and more", encoding="utf-8")
    with (
        ServerThread(engine="script") as server,
        demo(
            *("--server", server.url, "--audio", call, "--speed", "8"),
            *("--text", said),
        ) as process,
    ):
        shown, _ = process.communicate(timeout=60)
    assert shown.splitlines()[-2:] == [
        f"  … {' '.join(' '.join(TEXTS).split()[-4:])} [-and more-]",
        "word error rate: 0.25",
    ]


def test_a_key_that_is_refused_fails_the_run(call: Path) -> None:
    with (
        ServerThread(engine="script", keys=["sk-right"]) as server,
        demo(
            *("--server", server.url, "--audio", call), key="sk-wrong-one"
        ) as process,
    ):
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "fatal error -1000" in shown
    assert "sk-wrong-one" not in shown + errors
    (line,) = errors.splitlines()
    assert line.startswith("devkit.demo: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_what_was_heard(
    call: Path, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out.srt"
    with (
        ServerThread(engine="script") as server,
        demo(
            *("--server", server.url, "--audio", call, "--output", output)
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.rstrip().endswith(TEXTS[0]):
                break
        process.send_signal(number)
        shown, errors = process.communicate(timeout=60)
        server.wait_for(lambda: not any(s.open for s in server.sessions))
    assert process.returncode == 130
    assert errors == "devkit.demo: stopped\n"
    assert "Transcript" in shown
    assert TEXTS[0] in output.read_text(encoding="utf-8")


def test_a_lost_connection_is_seen_and_loses_no_word(call: Path) -> None:
    with (
        ServerThread(engine="script") as server,
        demo(
            *("--server", server.url, "--audio", call, "--speed", "3"),
            *("--text", call.with_suffix(".txt")),
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.rstrip().endswith(TEXTS[0]):
                break
        server.drop_connections()
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "✗ asr error 1000" in shown
    assert "✓ connected again" in shown
    assert shown.splitlines()[-1] == "word error rate: 0.00"


def test_a_second_server_goes_on_where_the_first_one_is_gone(
    call: Path,
) -> None:
    with contextlib.ExitStack() as servers:
        first, second = ServerThread("script"), ServerThread("script")
        servers.enter_context(second)
        with first:
            process = servers.enter_context(
                demo(
                    *("--server", first.url, "--fallback", second.url),
                    *("--audio", call, "--text", call.with_suffix(".txt")),
                )
            )
            assert process.stdout is not None
            for line in process.stdout:
                if line.rstrip().endswith(TEXTS[0]):
                    break
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "takes over from primary" in shown
    assert shown.splitlines()[-1] == "word error rate: 0.00"


def test_the_stand_in_can_be_asked_for(call: Path) -> None:
    """On a machine with the real runtime, too."""
    with (
        ServerThread(engine="script") as server,
        demo(
            *("--server", server.url, "--audio", call, "--speed", "8"),
            *("--runtime", "standin"),
        ) as process,
    ):
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "host    the stand-in for the TEN runtime" in shown.splitlines()
    assert TEXTS[0] in shown


def test_a_reader_that_goes_away_ends_nothing_but_the_display(
    call: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.json"
    with (
        ServerThread(engine="script") as server,
        demo(
            *("--server", server.url, "--audio", call, "--speed", "8"),
            *("--output", output),
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        while process.stdout.readline().strip():
            pass
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1
    body = json.loads(output.read_text(encoding="utf-8"))
    assert body["text"] == " ".join(TEXTS)


def test_a_page_of_the_call_is_left(call: Path, tmp_path: Path) -> None:
    page = tmp_path / "my page.html"
    with ServerThread() as server:
        run = ("--server", server.url, "--audio", call, "--speed", "20")
        with demo(*run, "--report", page) as process:
            out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert f"written to {page}" in out
    text = page.read_text(encoding="utf-8")
    assert call.stem in text
    for turn in TEXTS:
        assert turn in text

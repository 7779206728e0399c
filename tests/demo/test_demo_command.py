"""`python -m devkit.demo` with wrong input: one line, status 2."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from devkit.demo import __main__ as command
from devkit.demo.arguments import SUFFIXES, parse
from devkit.demo.service import shown_fallback
from devkit.usage import UsageError

ROOT = Path(__file__).resolve().parent.parent.parent
HELP_WORDS = (
    *("--audio", "--server", "--output", "--text", "--speed", "--model"),
    *("--language", "--keywords", "--model-dir", "--port", "--no-color"),
    "Exit status",
)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(
        *arguments: str, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        kept = {
            key: value
            for key, value in os.environ.items()
            if key != "OPENAI_API_KEY"
        }
        return subprocess.run(
            [sys.executable, "-m", "devkit.demo", *arguments],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )

    return call


@pytest.fixture
def audio(tmp_path: Path) -> str:
    path = tmp_path / "my call.wav"
    soundfile.write(path, np.zeros(1600, np.int16), 16000)
    return str(path)


def expect_refusal(*arguments: str, parts: tuple[str, ...]) -> None:
    """As `expect_usage_error`, without the price of a process."""
    with pytest.raises(UsageError) as caught:
        parse(arguments, {})
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def expect_usage_error(
    result: "subprocess.CompletedProcess[str]", *parts: str
) -> None:
    assert result.returncode == 2, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("devkit.demo: ")
    for part in parts:
        assert part in lines[0]


def test_a_missing_file(run: Run) -> None:
    expect_usage_error(
        run("--audio", "no such.wav"), "no such.wav", "no such file"
    )


def test_a_file_that_is_no_audio(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("not audio", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not audio", encoding="utf-8")
    (tmp_path / "notes.raw").write_bytes(b"no header")
    for name in ("notes.wav", "notes.txt", "notes.raw"):
        expect_usage_error(
            run("--audio", name), name, "not an audio file that can be read"
        )


def test_a_directory_and_an_empty_recording(run: Run, tmp_path: Path) -> None:
    expect_usage_error(run("--audio", "."), "is a directory")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), 16000)
    expect_usage_error(
        run("--audio", "empty.wav"), "empty.wav", "contains no audio"
    )


def test_openai_without_a_key(run: Run, audio: str) -> None:
    arguments = ("--audio", audio, "--server", "openai")
    expect_usage_error(run(*arguments), "OPENAI_API_KEY is not set")
    expect_usage_error(
        run(*arguments, OPENAI_API_KEY=" "), "OPENAI_API_KEY is not set"
    )


def test_another_server_without_a_key(run: Run, audio: str) -> None:
    expect_usage_error(
        run("--audio", audio, "--server", "wss://asr.example/v1"),
        "OPENAI_API_KEY is not set",
        "asr.example",
    )


@pytest.mark.parametrize("url", ["http://x/v1", "remote", "ws://", "ws://x:y"])
def test_a_server_that_is_none(audio: str, url: str) -> None:
    expect_refusal(
        *("--audio", audio, "--server", url), parts=("--server", "ws://")
    )


def test_a_port_in_use(run: Run, audio: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        expect_usage_error(run("--audio", audio, "--port", port), port)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "²"])
def test_a_port_that_is_none(audio: str, port: str) -> None:
    expect_refusal(
        *("--audio", audio, f"--port={port}"), parts=("--port", repr(port))
    )


def test_a_port_for_a_server_elsewhere(run: Run, audio: str) -> None:
    expect_usage_error(
        run("--audio", audio, "--port=80", "--server", "ws://localhost/v1"),
        "--port",
    )


def test_the_local_server_gets_its_model(audio: str, tmp_path: Path) -> None:
    def options(*arguments: str) -> tuple[str, ...]:
        return parse(("--audio", audio, *arguments), {}).server_options

    assert options() == ("--engine", "speech")
    assert options("--language=es")[2:] == ("--language", "es")
    there = ("--model-dir", str(tmp_path))
    assert options("--model-dir", str(tmp_path))[2:] == there
    elsewhere = ("--audio", audio, "--server", "ws://localhost/v1")
    expect_refusal(*elsewhere, *there, parts=("--model-dir", "local server"))


@pytest.mark.parametrize("forbidden", ["NO_COLOR", "--no-color", "TERM", ""])
def test_errors_are_coloured_on_a_terminal_that_may_be(
    shown: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    forbidden: str,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "dumb" if forbidden == "TERM" else "xterm")
    if forbidden == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "said.txt").write_text("it is here, too")
    arguments = ["--text", str(tmp_path / "said.txt")]
    if forbidden == "--no-color":
        arguments.append("--no-color")
    plain = "  … it is [-here-] {+near+} too\n"
    assert plain in shown("It is near too.", *arguments)
    out = shown("It is near too.", *arguments, terminal=True)
    assert (plain in out) == bool(forbidden)
    assert ("\x1b[31m[-here-]\x1b[0m" in out) == (not forbidden)


def test_an_output_that_cannot_be_written(run: Run, audio: str) -> None:
    call = ("--audio", audio, "--output")
    expect_usage_error(run(*call, "a.doc"), "a.doc", ".srt, .vtt, .json")
    expect_refusal(*call, "captions", parts=("unknown suffix",))
    expect_refusal(*call, "gone/a.srt", parts=("gone", "no such directory"))
    folder = Path(audio).with_name("dir.srt")
    folder.mkdir()
    expect_refusal(*call, str(folder), parts=("dir.srt", "is a directory"))
    expect_refusal(*call, "/proc/a.srt", parts=("/proc",))


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("output", "a.srt"),
        ("output", "a.vtt"),
        ("output", "a.json"),
        ("report", "a.html"),
    ],
)
def test_nobody_else_s_file_is_written_over(
    audio: str, tmp_path: Path, option: str, name: str
) -> None:
    path = tmp_path / name
    call = ("--audio", audio, f"--{option}", str(path))
    # The last one has a text that is long enough to be costly where its form
    # is looked for in more than one way.
    others = '{"key": 1}', f'{{"text": "{"by another " * 9}", "segments": []}}'
    for other in others:
        path.write_text(other, encoding="utf-8")
        expect_refusal(*call, parts=(name, "not written over"))
    path.unlink()
    path.symlink_to(audio)
    expect_refusal(*call, parts=(name, "is a symbolic link"))


def test_what_the_demo_wrote_itself_it_may_write_again(
    audio: str, tmp_path: Path
) -> None:
    from ten_ai_base.struct import ASRResult

    from devkit.report.kind import MARK
    from examples.live_captions.ten_packages.extension.captions import (
        transcript,
    )

    results = [
        ASRResult(
            text="one", final=True, start_ms=0, duration_ms=9, language="en"
        )
    ]
    for suffix in (*SUFFIXES, ".html", ".srt"):
        path = tmp_path / f"a{suffix}"
        if suffix == ".html":
            path.write_text(
                '<!DOCTYPE html>\n<html lang="en">\n<head>\n'
                f'<meta charset="utf-8">\n{MARK}\n',
                encoding="utf-8",
            )
        else:
            text = transcript.transcript_text(suffix, results)
            path.write_text(text, encoding="utf-8")
        option = "--report" if suffix == ".html" else "--output"
        job = parse(["--audio", audio, option, str(path)], {})
        assert path in (job.output, job.report)
        path.write_bytes(b"")
        job = parse(["--audio", audio, option, str(path)], {})
        assert path in (job.output, job.report)


def test_a_text_that_cannot_be_compared(
    run: Run, audio: str, tmp_path: Path
) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.txt").write_text(" ...\n", encoding="utf-8")
    call = ("--audio", audio, "--text")
    expect_usage_error(run(*call, "gone.txt"), "gone.txt", "no such file")
    expect_usage_error(run(*call, "binary.txt"), "binary.txt", "UTF-8")
    expect_usage_error(run(*call, "empty.txt"), "empty.txt", "no words")


@pytest.mark.parametrize("option", ["audio", "text", "output"])
def test_a_pipe_is_no_file(audio: str, tmp_path: Path, option: str) -> None:
    # Opened it would wait for ever for somebody at the other end.
    pipe = tmp_path / "pipe.srt"
    os.mkfifo(pipe)
    expect_refusal(
        *("--audio", audio, f"--{option}", str(pipe)),
        parts=(f"--{option}", "pipe.srt", "is a pipe"),
    )


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "fast", "1e9"])
def test_a_speed_that_is_none(audio: str, speed: str) -> None:
    expect_refusal(
        *("--audio", audio, f"--speed={speed}"),
        parts=("--speed", repr(speed)),
    )


def test_unknown_arguments(run: Run) -> None:
    expect_usage_error(run("--nosuch"), "--nosuch")


def test_help_names_every_option_and_status(run: Run) -> None:
    result = run("--help")
    assert result.returncode == 0
    for word in HELP_WORDS:
        assert word in result.stdout


def test_suffixes_are_those_the_captions_write() -> None:
    from examples.live_captions.ten_packages.extension.captions.extension import (  # noqa: E501
        Settings,
    )

    for suffix in SUFFIXES:
        assert Settings(output_path=f"call{suffix.upper()}").output_path
    with pytest.raises(ValueError, match="output_path"):
        Settings(output_path="call.ass")


def test_a_name_that_is_no_text(run: Run, tmp_path: Path) -> None:
    name = os.fsdecode(b"call\xff.wav")
    soundfile.write(tmp_path / "call.wav", np.zeros(9, np.int16), 16000)
    (tmp_path / "call.wav").rename(tmp_path / name)
    expect_usage_error(run("--audio", name), "not an audio file")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What the demo prints where an app has heard a text."""

    def show(
        text: str,
        *arguments: str,
        encoding: str = "utf-8",
        terminal: bool = False,
    ) -> str:
        report = {
            "ending": "finished",
            "given_up_ms": 0,
            "speed": 1.0,
            "unfinished": "",
            "errors": 0,
            "problem": "",
            "results": [{"start_ms": 0, "duration_ms": 9, "text": text}],
        }

        def run_app(
            app: Path, environment: dict[str, str], signals: object
        ) -> tuple[int, str]:
            path = Path(environment["LIVE_CAPTIONS_REPORT"])
            path.write_text(json.dumps(report), encoding="utf-8")
            return 0, ""

        data = io.BytesIO()
        stdout = io.TextIOWrapper(data, encoding)
        monkeypatch.setattr(stdout, "isatty", lambda: terminal, raising=False)
        monkeypatch.setattr(command, "run_app", run_app)
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody-0123456789")
        job = (
            "--audio",
            str(ROOT / "samples" / "call.wav"),
            "--server",
            "ws://127.0.0.1:9/v1",
        )
        # What is given again counts.
        assert command.main((*job, *arguments)) == 0
        return data.getvalue().decode(encoding)

    return show


def test_a_transcript_cannot_move_the_cursor(shown: Callable[..., str]) -> None:
    out = shown("said\x1b[2J\n\x9b31m\u202ehere")
    assert r"said\u001b[2J \u009b31m\u202ehere" in out
    assert not set("\x1b\x9b\u202e") & set(out)


def test_a_terminal_without_unicode_gets_escapes(
    shown: Callable[..., str],
) -> None:
    out = shown("naïve … 日本", encoding="ascii")
    assert r"na\xefve \u2026 \u65e5\u672c" in out


def test_the_name_of_a_file_cannot_either(
    shown: Callable[..., str], audio: str
) -> None:
    odd = Path(audio).with_name("a\x1b[2J\u202e b.wav")
    Path(audio).rename(odd)
    output = str(odd.with_suffix(".srt"))
    out = shown("here", "--audio", str(odd), "--output", output)
    assert out.count(r"a\u001b[2J\u202e b.") == 2
    assert not set("\x1b\u202e") & set(out)


@pytest.mark.parametrize(
    ("server", "printed"),
    [
        ("wss://asr.example/v1", "wss://asr.example/v1"),
        ("wss://me:hush-hush@asr.example/v1", "wss://asr.example/v1"),
        (
            "wss://asr.example/hush-hush/v1?sig=hush-hush&intent=realtime#hush",
            "wss://asr.example/***/v1?sig=***&intent=realtime",
        ),
    ],
)
def test_what_is_secret_in_a_url_is_not_printed(
    shown: Callable[..., str], server: str, printed: str
) -> None:
    out = shown("here", "--server", server)
    assert f"server  {printed}\n" in out
    assert "hush" not in out


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("wss://one.example/v1", "wss://two.example/v1", True),
        ("wss://one.example/v1", "wss://one.example/v2", False),
        ("wss://one.example/v1", "local", False),
    ],
)
def test_a_second_server_that_gets_the_key_is_named(first, second, told):
    """It is another host's key."""
    options = ["--server", first, "--fallback", second]
    job = parse(options, {"OPENAI_API_KEY": "sk-of-one"})
    shown = shown_fallback(job, first, second)
    assert ("gets OPENAI_API_KEY" in shown) == told

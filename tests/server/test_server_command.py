"""``python -m devkit.server`` as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from realtime_client import HANG_S
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from devkit.server import moonshine
from devkit.server.cli import main
from devkit.server.faults import describe
from devkit.server.moonshine import find_model
from devkit.server.rules import Rule

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "devkit.server"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, "--engine", "script", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on ws://127.0.0.1:")
        assert line.endswith("/v1\n")
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


def event_of(
    url: str, key: str, query: str = "intent=transcription"
) -> dict[str, object]:
    with connect(
        f"{url}/realtime?{query}",
        additional_headers={"Authorization": f"Bearer {key}"},
        proxy=None,
    ) as ws:
        event: dict[str, object] = json.loads(ws.recv(timeout=HANG_S))
        return event


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    with running("--key", "sk-one", "--key", "sk-two") as (process, url):
        assert event_of(url, "sk-two")["type"] == "session.created"
        assert event_of(url, "sk-three")["type"] == "error"
        process.send_signal(number)
        out, err = process.communicate(timeout=HANG_S)
        assert process.returncode == 0
        assert out == ""
        assert "Traceback" not in err
        assert "sk-" not in err


def test_it_ends_with_its_input_if_that_is_asked() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--engine", "script", "--end-with-input"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on ")
        assert process.poll() is None
        out, _ = process.communicate("let go\n", timeout=HANG_S)  # and close
        assert (process.returncode, out) == (0, "")
    finally:
        process.kill()


def test_port_in_use_is_one_line_and_status_2() -> None:
    with running() as (_, url):
        port = url.split(":")[2].split("/")[0]
        second = run("--port", port, "--engine", "script")
        assert second.returncode == 2
        assert second.stdout == ""
        assert len(second.stderr.splitlines()) == 1
        assert f"port {port}" in second.stderr


def test_help_names_every_option_rule_and_fault() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for name in describe():
        assert f"  {name}=" in shown.stdout
    for rule in Rule:
        assert f"  {rule.label} " in shown.stdout
    for option in (
        *("--engine", "--language", "--model-dir"),
        *("--dialect", "--key", "--lenient"),
    ):
        assert option in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 120


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port", "70000"], "70000"),
        (["--fault", "nonsense"], "nonsense"),
        (["--lenient", "nonsense"], "prompt-length"),
        (["--fault", "close_code=1006"], "close_code"),
        (["--fault", "failed=p:3"], "failed"),
        (["--refuse-http", "200"], "200"),
        (["--session-seconds", "0"], "--session-seconds"),
        (["--host", "256.0.0.1"], "256.0.0.1"),
        (["--unheard"], "--unheard"),
        (["--host", "\u202ex"], "no name of a host"),
        (["--deployment", "mine=gpt-5"], "gpt-live-transcribe"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], text: str
) -> None:
    done = run("--engine", "script", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert text in done.stderr


def test_debug_tells_of_each_connection() -> None:
    options = ("--log-level", "debug", "--deployment", "mine=gpt-transcribe")
    with running(*options) as (process, url):
        event = event_of(url, "sk-secret-one")
        assert event["type"] == "session.created"
        with pytest.raises(InvalidStatus):
            event_of(url + "/odd", "sk-secret-one")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate()
    for line in ("#1 open: /v1/realtime, ", "#1 closed: 1000", "#2 /v1/odd"):
        assert line in log
    assert "sk-secret-one" not in log


def test_rules_from_the_command_line() -> None:
    for arguments in (["url-model", "ranges"], ["all"]):
        options = [word for rule in arguments for word in ("--lenient", rule)]
        with running(*options) as (_, url):
            event = event_of(url, "sk-one", "model=any")
            assert event["type"] == "session.created"
    with running("--lenient", "ranges") as (_, url):
        assert event_of(url, "sk-one", "model=any")["type"] == "error"


def test_faults_and_refusals_from_the_command_line() -> None:
    with running("--fault", "refused", "--fault", "refused-status=101") as (
        _,
        url,
    ):
        event = event_of(url, "sk-one")
        assert "rate_limit_exceeded" in json.dumps(event)
    with running("--refuse-http", "429", "--retry-after", "3") as (_, url):
        with pytest.raises(InvalidStatus) as caught:
            event_of(url, "sk-one")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "3"


def test_a_model_that_is_not_there_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("moonshine_voice", reason="the recogniser is optional")
    base = tmp_path / "base-es"
    base.mkdir()
    for arguments, text in (
        (["--language", "xx"], "only for ar, en, es"),
        (["--model-dir", str(tmp_path / "gone")], "no such directory"),
        (["--model-dir", str(tmp_path)], "tiny-streaming"),
        (["--model-dir", str(base)], "encoder_model.ort is missing"),
    ):
        assert main(["--engine", "speech", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert text in line


def test_a_model_of_ones_own_by_the_name_of_its_directory(
    tmp_path: Path,
) -> None:
    pytest.importorskip("moonshine_voice", reason="the recogniser is optional")
    deep = tmp_path / "small-streaming-en" / "quantized"
    for directory, arch in ((tmp_path / "tiny-ja", "0"), (deep, "4")):
        directory.mkdir(parents=True)
        for name in ("encoder_model.ort", "decoder_model_merged.ort"):
            (directory / name).touch()
        for name in ("encoder.ort", "decoder_kv.ort", "tokenizer.bin"):
            (directory / name).touch()
        model = find_model("ja-JP", str(directory))
        assert model.arguments == (str(directory), arch, "13.0")


def test_without_the_package_one_line_says_what_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(moonshine.importlib.util, "find_spec", lambda _: None)
    assert main(["--engine", "speech"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    for part in ("moonshine-voice", "glibc 2.34", "--engine script"):
        assert part in line


def test_a_model_that_cannot_be_downloaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    download = pytest.importorskip("moonshine_voice.download")

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(download, "download_model_from_info", offline)
    assert main(["--engine", "speech", "--language", "es"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "moonshine_voice.download --stt --language es" in line

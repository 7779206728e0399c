"""`python -m devkit.rerun`: the call again from its dump."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from asr_call import Call, run_call, spoken, text_of
from dumped_call import dumping, lines_of
from ten_packages.extension.openai_asr_python.call.call import client_settings
from ten_packages.extension.openai_asr_python.config import (
    ConfigError,
    OpenAIASRConfig,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    _KNOWN as KNOWN_KEYS,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)

from devkit.rerun.__main__ import main
from devkit.rerun.playback import node_property
from devkit.sessions.lines import RecordingError
from devkit.sessions.recording import Recording, read_recording

ROOT = Path(__file__).parent.parent.parent
TURNS = [[1, 2, 3], [4, 5]]


@pytest.fixture
def log(server, tmp_path):
    """The log of a call with two finalizes, a change of format and a turn
    that only the end of the call brought out."""
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)
    wide, _ = spoken([[6, 7]], 48000)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("one")
        await call.send(np.repeat(wide, 2), 48000, 2)
        await call.until_finalized("two")
        await call.send(audio[:16000])
        # What a host has not delivered when it stops was never heard.
        await call.command("are_you_there")

    run_call(dumping(server.url, path), script)
    return path.with_suffix(".jsonl")


def finals_of(log: Path) -> list[str]:
    return read_recording(log).finals


def test_the_same_finals_come_again(server, log, capsys):
    # The turn that the end of the call brought out is in the log as well.
    assert finals_of(log)[:3] == text_of(*TURNS, [6, 7])
    assert len(finals_of(log)) == 4
    sessions = len(server.sessions)
    assert main([str(log), "--server", server.url]) == 0
    assert len(server.sessions) == sessions + 1
    out = capsys.readouterr().out
    for text in text_of(*TURNS, [6, 7]):
        assert out.count(text) >= 2
    assert "word error rate against the log: 0.00" in out
    assert "the final texts are the same" in out
    first, again = server.sessions[-2:]
    assert again.audio_bytes == first.audio_bytes
    # A run does not dump over what it plays.
    assert finals_of(log)[:3] == text_of(*TURNS, [6, 7])


def test_the_recorded_times_are_kept_at_a_speed(server, log, capsys):
    assert main([str(log), "--server", server.url, "--realtime"]) == 0
    assert main([str(log), "--server", server.url, "--speed", "4"]) == 0


def test_different_finals_are_told(server, log, capsys):
    lines = log.read_text().splitlines()
    changed = [
        line.replace("w000004 w000005", "w000004 w000009")
        if '"kind": "result"' in line
        else line
        for line in lines
    ]
    log.write_text("\n".join(changed) + "\n")
    assert main([str(log), "--server", server.url]) == 1
    out = capsys.readouterr().out
    words = sum(len(text.split()) for text in finals_of(log))
    assert f"word error rate against the log: {1 / words:.2f}" in out
    assert "the final texts differ" in out


def test_a_log_that_somebody_sent_cannot_move_the_cursor(server, log, capsys):
    orders = "\x1b[2J\x9b31m\u202e\u2028"
    header, *lines = map(json.loads, log.read_text().splitlines())
    header |= {"version": f"1{orders}", "started": f"now{orders}"}
    for line in lines:
        if line["kind"] == "result":
            line["result"]["text"] = f"said{orders}here"
    note = {"t": 0, "kind": "dump_failed", "reason": f"no{orders}space"}
    text = "\n".join(map(json.dumps, (header, *lines, note)))
    log.write_text(text + "\n")
    assert main([str(log), "--server", server.url]) == 1
    out, err = capsys.readouterr()
    spelled = r"\u001b[2J\u009b31m\u202e"
    assert f"version 1{spelled}" in out
    assert f"said{spelled} here" in out
    assert f"no{spelled} space" in err
    assert not set(orders) - set("[2J31m") & set(out + err)


ELSEWHERE = "wss://elsewhere.example/v1"
WHAT_IS_DIALED = ("url", "headers", "ca_file", "connect_timeout_ms")


def dialed(config: dict[str, object]) -> dict[str, object]:
    """How a call is dialed that runs again with what its log says."""
    logged = {**OpenAIASRConfig().shown(), **config}
    recording = Recording(Path("x.pcm"), "1", "now", logged)
    property_ = node_property(recording, "ws://127.0.0.1:1/v1", "sk-rerun-key")
    loaded, _ = load_config(property_)
    settings = client_settings(loaded)
    found = {name: getattr(settings, name) for name in WHAT_IS_DIALED}
    return found | {"insecure": loaded.allow_insecure, "dump": loaded.dump}


#: Of each type, so that any field takes one of them.
ODD = ("api-key", "beta", "ERROR", ELSEWHERE, True, 999, {"x-a": "other-one"})


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("name", sorted(KNOWN_KEYS - {"protocol"}))
def test_no_log_decides_where_the_key_goes_and_how(name, wrapped):
    wanted = dialed({})
    for value in ODD:
        config: dict[str, object] = {name: value}
        if wrapped:
            config = {"params": config}
        try:
            assert dialed(config) == wanted
        except ConfigError:
            # Then nothing is dialed.
            continue


@pytest.mark.parametrize(
    "text", ["${env:SOME_OTHER_KEY}", "${\\env:SOME_OTHER_KEY}", "${x}"]
)
def test_a_log_cannot_ask_for_what_is_in_the_environment(
    server, log, capsys, text
):
    header, *lines = log.read_text().splitlines()
    for held in ({"a": [{"b": text}]}, {"a": {text: "b"}}):
        config = json.loads(header) | {"config": {"session": held}}
        log.write_text("\n".join((json.dumps(config), *lines)) + "\n")
        assert main([str(log), "--server", server.url]) == 2
        found = f"{log}:1: config: found a placeholder"
        assert found in capsys.readouterr().err


def test_a_log_that_is_nested_deeply_is_refused(server, log, capsys):
    header, *lines = log.read_text().splitlines()
    config = json.loads(header) | {"config": {"session": {"a": "deep"}}}
    deep = json.dumps(config).replace('"deep"', "[" * 900 + "]" * 900)
    log.write_text("\n".join((deep, *lines)) + "\n")
    assert main([str(log), "--server", server.url]) == 2
    assert f"{log}:1: config: found more than 64" in capsys.readouterr().err


def test_a_server_that_refuses_is_a_failure(server, log, capsys):
    server.refuse(http_status=401)
    assert main([str(log), "--server", server.url]) == 1
    err = capsys.readouterr().err
    assert "no session with the server" in err
    assert "401" in err


def test_the_key_of_the_environment_does_not_go_to_the_screen(
    server, log, capsys, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789")
    assert main([str(log), "--server", server.url]) == 1
    out, err = capsys.readouterr()
    assert "sk-wrong-0123456789" not in out + err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["{log}", "--speed", "0"], "--speed: must be a number"),
        (["{log}", "--speed", "fast"], "--speed: must be a number"),
        (["{log}", "--speed", "2", "--realtime"], "--realtime: cannot"),
        (["{log}", "--server", "http://x"], "--server: must be local"),
        (["{log}", "--server", "ws://host:x"], "--server: must be local"),
        (["{log}", "--server", "wss://example.com/v1"], "OPENAI_API_KEY"),
        ([], "LOG.jsonl"),
        (["{log}.missing"], ".missing: no such file"),
    ],
)
def test_wrong_usage_is_one_line(
    server, log, capsys, monkeypatch, arguments, problem
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main([a.format(log=log) for a in arguments]) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert len(err.splitlines()) == 1


def test_missing_and_short_audio_are_told(server, log, capsys):
    audio = log.with_suffix(".pcm")
    data = audio.read_bytes()
    audio.write_bytes(data[:-1])
    assert main([str(log), "--server", server.url]) == 2
    assert f"{audio}: is too short" in capsys.readouterr().err
    audio.unlink()
    assert main([str(log), "--server", server.url]) == 2
    assert capsys.readouterr().err == f"devkit.rerun: {audio}: no such file\n"
    # The log may be somebody else's, who wants to hear another file.
    other = log.with_name("other")
    other.write_bytes(data)
    audio.symlink_to(other)
    assert main([str(log), "--server", server.url]) == 2
    assert f"{audio}: is a symbolic link" in capsys.readouterr().err


def test_a_pipe_is_no_log(server, log, capsys):
    log.unlink()
    os.mkfifo(log)
    assert main([str(log), "--server", server.url]) == 2
    assert capsys.readouterr().err == f"devkit.rerun: {log}: is no file\n"


def test_the_command_itself(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "devkit.rerun", str(tmp_path / "no.jsonl")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no.jsonl: no such file" in done.stderr


# -- what is wrong in a log -----------------------------------------------

HEADER = {"t": 0, "kind": "session", "format": 1, "audio": "x.pcm"}
HEADER["config"] = {}  # type: ignore[assignment]
FRAMES = {"t": 1, "kind": "frames", "bytes": 2, "rate": 1, "channels": 1}
FRAMES["width"] = 2


@pytest.mark.parametrize(
    ("lines", "number", "problem"),
    [
        (["{"], 1, "not JSON"),
        (["[]"], 1, "not a JSON object"),
        ([{"t": 0, "kind": "frames"}], 1, "no header"),
        ([{"t": 0}], 1, "kind: missing"),
        ([HEADER, ""], 2, "not JSON"),
        ([HEADER, FRAMES, "x"], 3, "not JSON"),
        ([{**HEADER, "format": 2}], 1, "format: found 2"),
        ([{**HEADER, "audio": "../x.pcm"}], 1, "audio: not the name"),
        ([{**HEADER, "audio": "a\0b"}], 1, "audio: not the name"),
        ([{**HEADER, "audio": "\ud800.pcm"}], 1, "audio: not the name"),
        ([{**HEADER, "config": 3}], 1, "config: missing or no object"),
        ([HEADER, {**FRAMES, "bytes": 0}], 2, "bytes: missing or no whole"),
        ([HEADER, {**FRAMES, "bytes": True}], 2, "bytes: missing or no whole"),
        ([HEADER, {**FRAMES, "count": -1}], 2, "count: missing or no whole"),
        ([HEADER, {**FRAMES, "t": "soon"}], 2, "t: missing or no time"),
        ([HEADER, {**FRAMES, "until": 0}], 2, "until: missing or no time"),
        ([HEADER, {**FRAMES, "rate": 1.5}], 2, "rate: missing or no whole"),
        (
            [HEADER, {"t": 1, "kind": "frames", "bytes": 2}],
            2,
            "rate: missing in the first line",
        ),
        (
            [HEADER, {"t": 1, "kind": "result", "cut": 9}],
            2,
            "result: missing or no object",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path, lines, number, problem):
    path = tmp_path / "x.jsonl"
    texts = [
        line if isinstance(line, str) else json.dumps(line) for line in lines
    ]
    path.write_text("".join(text + "\n" for text in texts))
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    text = str(caught.value)
    assert text.startswith(f"{path}:{number}: ")
    assert problem in text
    assert "\n" not in text


def test_half_a_line_at_the_end_is_left_out(server, log, capsys):
    count = len(lines_of(log))
    with log.open("a") as file:
        file.write('{"t": 1, "ki')
    assert main([str(log), "--server", server.url]) == 0
    err = capsys.readouterr().err
    note = f"devkit.rerun: {log}:{count + 1}: is incomplete, left out"
    assert note in err.splitlines()


def test_an_empty_log_is_told(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"")
    with pytest.raises(RecordingError, match="is empty"):
        read_recording(path)


# -- compared with the call ------------------------------------------------


def test_a_run_is_dumped_and_compared_on_a_page(server, log, tmp_path, capsys):
    page = tmp_path / "both.html"
    options = ["--server", server.url, "--page", str(page)]
    assert main([str(log), *options, "--dump", str(tmp_path / "again")]) == 0
    assert f"page    {page}" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "All texts are the same" in text
    assert "call-rerun" in text
    # Both were read by the same code.
    assert finals_of(tmp_path / "again" / "call-rerun.jsonl")[:3] == text_of(
        *TURNS, [6, 7]
    )
    # Again, over the page of before; no dump is left where none was asked for.
    before = sorted(tmp_path.iterdir())
    assert main([str(log), *options]) == 0
    assert sorted(tmp_path.iterdir()) == before


def test_another_model_and_setting_can_be_tried(server, log, tmp_path):
    page = tmp_path / "both.html"
    changes = ["--model", "whisper-1", "--set", "turn_detection.threshold=0.6"]
    options = ["--server", server.url, "--page", str(page), *changes]
    assert main([str(log), *options]) == 0
    told = server.sessions[-1].config
    audio = told["audio"]["input"]
    assert audio["transcription"]["model"] == "whisper-1"
    assert audio["turn_detection"]["threshold"] == 0.6
    assert "whisper-1" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("model", "--set: must be KEY=VALUE"),
        ("=3", "--set: must be KEY=VALUE"),
        ("api_key=sk-x", "--set: api_key: the key is taken from"),
        ("headers.a=b", "--set: headers: the key is taken from"),
        ("base_url=ws://x", "--set: base_url: use --server"),
        ("dump=true", "--set: dump: use --dump"),
        ("language=null", "--set: language: null is no value"),
        ("nobody=3", "--set: "),
        ("turn_detection.type=loud", "--set: "),
    ],
)
def test_a_change_that_is_none(server, log, capsys, change, problem):
    sessions = len(server.sessions)
    assert main([str(log), "--server", server.url, "--set", change]) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert len(err.splitlines()) == 1
    assert len(server.sessions) == sessions


def test_a_page_that_cannot_be_written_is_told_first(server, log, capsys):
    sessions = len(server.sessions)
    options = ["--server", server.url, "--page", str(log)]
    assert main([str(log), *options]) == 2
    assert "is no report" in capsys.readouterr().err
    assert len(server.sessions) == sessions


def test_a_call_is_shown_a_line_for_each_turn(log, capsys):
    assert main([str(log), "--show"]) == 0
    out = capsys.readouterr().out
    finals = finals_of(log)
    turns = [line for line in out.splitlines() if "  turn " in line]
    assert len(turns) == len(finals)
    for line, text in zip(turns, finals, strict=True):
        assert line.endswith(f": {text}")
        assert ", committed +" in line
    assert "connection 1 is open" in out


def test_what_is_shown_moves_no_cursor(log, capsys):
    text = log.read_text(encoding="utf-8")
    log.write_text(text.replace("w000001", "w\\u001b[2J\\u202e"), "utf-8")
    assert main([str(log), "--show"]) == 0
    out = capsys.readouterr().out
    assert r"w\u001b[2J\u202e" in out
    assert not set("\x1b\u202e") & set(out)


def test_a_log_that_is_none_is_not_shown(tmp_path, capsys):
    (tmp_path / "x.jsonl").write_text("{}\n")
    assert main([str(tmp_path / "x.jsonl"), "--show"]) == 2
    assert main([str(tmp_path / "gone.jsonl"), "--show"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2


def test_a_call_without_texts_is_not_run_again(server, tmp_path, capsys):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("one")

    run_call(dumping(server.url, path, session_log_text="none"), script)
    log = path.with_suffix(".jsonl")
    assert main([str(log), "--server", server.url]) == 2
    assert "session_log_text" in capsys.readouterr().err
    assert main([str(log), "--show"]) == 0
    assert "xxxxx" in capsys.readouterr().out

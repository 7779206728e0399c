"""The command itself: statuses, JSON, the terminal, odd input, no secret."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from http_service import error, serving
from secret_forms import forms_of, found_in

from devkit.server import ServerThread

pytestmark = pytest.mark.standin("the doctor brings its own")

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "devkit.doctor"]


def environment(**more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "OPENAI_API_KEY")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", **more}


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


# -- statuses -----------------------------------------------------------------


def test_without_an_argument_it_is_the_package_and_the_environment(server):
    done = run("--json", "--offline", OPENAI_API_KEY="sk-test-0123456789")
    assert done.returncode == 0
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["format"] == 1
    assert report["ok"] is True
    for check in report["checks"]:
        assert check["status"] in ("ok", "warning", "failed", "skipped")
        assert bool(check["next"]) == (check["status"] != "ok"), check
        assert isinstance(check["detail"], list)
        assert check["summary"]


def test_without_a_key_it_says_how_to_give_one(doctor):
    outcome = doctor()
    assert outcome.status == 1
    assert "next: export OPENAI_API_KEY=…" in outcome.out
    assert outcome.out.rstrip().splitlines()[-3].startswith("1 failed. First:")


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (None, (), "there is no such file"),
        ("", (), "line 1 column 1"),
        ('{\n "a": 1,\n "b" 2}', (), "line 3 column 6"),
        ('{"type": "app", "version": "1"}', (), "is a manifest"),
        ("[1]", (), "must be a JSON object"),
        ("\ufeff{}", (), "byte order mark"),
        ('{"a": NaN}', (), "NaN is not JSON"),
        ('{"a": 1' + "0" * 5000 + "}", (), "invalid JSON"),
        ("[" * 100_000, (), "invalid JSON"),
        ("{}", ("--graph", "x"), "has no graph"),
        ('{"ten": {"uri": "x"}}', (), "no node has the addon"),
        ("{}", ("--audio", "no-such.wav"), "--audio: no-such.wav"),
        ("{}", ("--audio", __file__), "cannot be read"),
        ("{}", ("--audio", "/dev/null"), "is no file"),
        ("{}", ("--timeout", "0"), "--timeout"),
        ("{}", ("--timeout", "nan"), "--timeout"),
        ("{}", ("--nonsense",), "--nonsense"),
    ],
)
def test_wrong_usage_is_one_line(content, arguments, said, doctor, tmp_path):
    path = tmp_path / "p.json"
    if content is not None:
        path.write_text(content)
    outcome = doctor(str(path), "--json", *arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    [line] = outcome.err.splitlines()
    assert line.startswith("devkit.doctor: ")
    assert said in line


def test_no_file_is_no_reason_for_a_traceback(doctor, tmp_path):
    binary = tmp_path / "b.json"
    binary.write_bytes(b"\xff\xfe\x00")
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (5 << 20))
    os.mkfifo(tmp_path / "pipe")
    for name in ("b.json", "large.json", "pipe", "", "a\0b", "x" * 300):
        outcome = doctor(str(tmp_path / name))
        assert outcome.status == 2, name
        assert len(outcome.err.splitlines()) == 1, name
    assert doctor("/dev/zero").status == 2
    assert "is larger than 4 MB" in doctor(str(large)).err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read(doctor, tmp_path):
    path = tmp_path / "p.json"
    path.write_text("{}")
    path.chmod(0)
    assert doctor(str(path)).status == 2


def nested(levels: int) -> Any:
    tree: Any = {}
    for _ in range(levels):
        tree = {"a": tree}
    return tree


@pytest.mark.parametrize(
    "content",
    [
        {"params": []},
        {"params": "x"},
        {"params": {"api_key": 7}},
        {"params": {"api_key": ["k"]}},
        {"params": {"api_key": "sk-0123456789", "unknown": 1}},
        {"params": {"api_key": "sk-0123456789", "fallbacks": "x"}},
        {"params": {"api_key": "sk-0123456789", "fallbacks": [1]}},
        {"params": {"api_key": "sk-0123456789", "fallbacks": [{}] * 20}},
        {"params": {"api_key": "sk-0123456789", "channels": 1e308}},
        {"params": {"api_key": "sk-0123456789", "channels": -(10**18)}},
        {"params": {"api_key": "sk-0123456789", "session": nested(30)}},
        {"params": {"api_key": "sk-0123456789", "session": nested(600)}},
        {"params": {"api_key": "sk-0123456789", "base_url": "ftp://x"}},
        {"params": {"api_key": "sk-0123456789", "base_url": "http://[::"}},
        {"params": {"api_key": "sk-0123456789", "base_url": "ws://a:99999"}},
        {"params": {"api_key": "sk-0123456789", "model": "\ud800"}},
        {"params": {"api_key": "sk-0123456789", "keywords": "a" * 600_000}},
        {"params": {"api_key": "a\nb\u001b[31m-0123456789"}},
        {"params": {"api_key": "sk-0123456789", "headers": {"a b": "c"}}},
        {"params": {"api_key": "${env:"}},
        {"params": {"api_key": "${nothing}"}},
        {"api_key": None},
        {"property": {}, "addon": "openai_asr_python", "name": "x"},
        {"addon": "openai_asr_python", "property": 5},
    ],
    ids=lambda content: json.dumps(content)[:60],
)
def test_odd_properties_are_findings(content, doctor, tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(content))
    outcome = doctor(str(path), "--offline", "--json")
    assert outcome.status == 1
    assert outcome.err == "" or "malformed placeholder" in outcome.err
    failed = [c for c in outcome.report["checks"] if c["status"] == "failed"]
    assert failed
    for check in failed:
        assert "internal error" not in check["summary"]
        assert check["next"]


@pytest.mark.parametrize(
    "ten",
    [
        {"predefined_graphs": 7},
        {"predefined_graphs": [7, {}, {"graph": 7}, {"graph": {"nodes": 7}}]},
        {"predefined_graphs": [{"graph": {"import_uri": "nowhere.json"}}]},
        {"predefined_graphs": [{"graph": {"nodes": [7, {"addon": []}]}}]},
    ],
)
def test_odd_graphs_are_wrong_usage(ten, doctor, tmp_path):
    path = tmp_path / "property.json"
    path.write_text(json.dumps({"ten": ten}))
    outcome = doctor(str(path))
    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1


def test_odd_connections_are_no_reason_to_stop(doctor, tmp_path):
    graph = {
        "nodes": [{"addon": "openai_asr_python", "name": 5}],
        "connections": [7, {"audio_frame": 7}, {"data": [{"dest": [7]}]}],
    }
    path = tmp_path / "g.json"
    path.write_text(json.dumps(graph))
    outcome = doctor(str(path), "--json", "--offline")
    assert outcome.found("graph")["status"] == "warning"


def test_what_the_packages_are_for_is_skipped_without_them(tmp_path):
    (tmp_path / "pydantic.py").write_text("raise ImportError('no pydantic')")
    done = run(PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "the extension cannot be imported" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("model", "status"), [("gpt-live-transcribe", 1), ("whisper-1", 0)]
)
def test_the_detector_is_missed_where_it_is_needed(model, status, tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('none')")
    path = tmp_path / "p.json"
    params = {"api_key": "sk-0123456789", "model": model}
    path.write_text(json.dumps({"params": params}))
    more = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = run(str(path), "--offline", "--json", **more)
    assert done.returncode == status
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    said = checks["detector"]["summary"]
    assert ("cannot be loaded" if status else "not needed") in said


def test_a_detector_for_which_there_is_no_room_is_told(tmp_path):
    (tmp_path / "onnxruntime.py").write_text(
        "class SessionOptions:\n    def __init__(self): raise MemoryError"
    )
    path = tmp_path / "p.json"
    params = {"api_key": "sk-0123456789", "model": "gpt-live-transcribe"}
    path.write_text(json.dumps({"params": params}))
    more = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = run(str(path), "--offline", "--json", **more)
    assert done.returncode == 1
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    assert "cannot be loaded now: MemoryError" in checks["detector"]["summary"]


def test_a_real_runtime_is_told_and_not_needed(tmp_path):
    (tmp_path / "ten_runtime").mkdir()
    (tmp_path / "ten_runtime" / "__init__.py").write_text("1 / 0")
    done = run("--offline", "--json", PYTHONPATH=f"{tmp_path}:{ROOT}")
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    assert checks["runtime"]["data"]["runtime"] == "ten"
    assert "api_key: missing" in checks["properties"]["summary"]


def test_streams_that_are_closed():
    for closed, status in ((">&-", 1), (">&- 2>&-", 1), ("> /dev/full", 1)):
        shell = f'"{sys.executable}" -m devkit.doctor --offline {closed}'
        done = subprocess.run(
            shell, shell=True, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == status, closed
        assert "Traceback" not in done.stderr


def test_ctrl_c(tmp_path):
    with ServerThread() as server:
        server.freeze()
        path = tmp_path / "p.json"
        params = {"api_key": "sk-0123456789", "base_url": server.url}
        path.write_text(json.dumps({"params": params}))
        process = subprocess.Popen(
            [*COMMAND, str(path), "--timeout", "100"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Whoever runs the tests in the background has it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            text=True,
        )
        server.wait_for(lambda: server.sessions or None, 60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "devkit.doctor: stopped\n"


# -- the terminal -------------------------------------------------------------


def on_a_terminal(*arguments: str, **more: str) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    pieces = []
    with open(ours, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(65536):
                pieces.append(piece)
        except OSError:
            # The other end is closed.
            pass
    process.wait(60)
    return b"".join(pieces).decode()


def test_colours_are_for_terminals_whose_user_wants_them():
    assert "\x1b[32mok\x1b[0m" in on_a_terminal("--offline")
    assert "\x1b" not in on_a_terminal("--offline", NO_COLOR="1")
    assert "\x1b" not in run("--offline").stdout


def test_no_line_is_longer_than_a_terminal(doctor, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    app = str(ROOT / "examples" / "live_captions")
    out = doctor(app, "--offline", "--verbose").out
    assert max(map(len, out.splitlines())) <= 80


# -- secrets, and texts of others ---------------------------------------------

SECRETS = {
    "api_key": "sk-proj-Zx81kqPw/+33=abcd",
    "header": "very secret & header 7",
    "query": "query?secret=8812",
    "fallback": "fallback-key-55128",
    "proxy": "pr0xy-passw0rd",
}


@pytest.mark.parametrize("option", ["--json", "--verbose"])
def test_no_secret_leaves(option, doctor, tmp_path, monkeypatch):
    """The service says them all, in every spelling."""
    said = [form for s in SECRETS.values() for form in forms_of(s).values()]
    monkeypatch.setenv("THE_KEY", SECRETS["api_key"])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("all_proxy", f"http://me:{SECRETS['proxy']}@127.0.0.1:9")
    path = tmp_path / "p.json"
    for form in said:
        asks = (error("401 No", f"the key is {form}", code="so"),)
        with serving(asks=asks) as service:
            ws = service.url.replace("http:", "ws:")
            other = {
                "base_url": service.url,
                "transport": "http",
                "model": "whisper-1",
                "api_key": SECRETS["fallback"],
            }
            params = {
                "api_key": "${env:THE_KEY}",
                "base_url": ws,
                "headers": {"X-Auth": SECRETS["header"]},
                "query": {"token": SECRETS["query"]},
                "fallbacks": [other],
            }
            path.write_text(json.dumps({"params": params}))
            outcome = doctor(str(path), option)
        assert outcome.status == 1
        assert "the key is" in outcome.out
        joined = " ".join((outcome.out + outcome.err).split())
        for name, secret in SECRETS.items():
            assert found_in(joined, secret) == [], (name, form)


def test_no_secret_leaves_with_what_is_wrong(doctor, tmp_path):
    """A secret in the wrong place, where nothing could be loaded."""
    secret = "gateway-secret-4471"
    params = {"headers": {"X-Auth": secret}, secret: None}
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"params": params}))
    for option in ("--json", "--verbose"):
        outcome = doctor(str(path), option)
        assert "null is not allowed" in " ".join(outcome.out.split())
        assert secret not in outcome.out


def test_a_name_gives_no_orders_to_a_terminal(doctor, tmp_path):
    node = {"addon": "openai_asr_python", "name": "\x1b[31mred\u202e"}
    path = tmp_path / "g.json"
    path.write_text(json.dumps({"nodes": [node]}))
    out = doctor(str(path), "--offline").out
    assert "\\u001b[31mred\\u202e" in out
    assert "\x1b" not in out


def test_what_a_service_says_gives_no_orders_to_a_terminal(examine, doctor):
    asks = (error("500 Oh", "\x1b[31mred\u202eedis\r\nnew line\u009b"),)
    with serving(asks=asks) as service:
        url = service.url.replace("http:", "ws:")
        outcome = examine(base_url=url)
    session = outcome.primary("session")
    assert "red" in session["summary"]
    assert not any(c in session["summary"] for c in "\x1b\u202e\r\n\u009b")

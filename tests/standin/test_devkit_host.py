"""``python -m devkit.host`` on small app directories."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
GRAPH = ("ten", "predefined_graphs", 0, "graph")

pytestmark = pytest.mark.standin("runs devkit.host, the stand-in's own")

NODE_A: list[Any] = [{"type": "extension", "name": "a", "addon": "source"}]
NODE_B: list[Any] = [
    {
        "type": "extension",
        "name": "b",
        "addon": "sink",
        "property": {"mode": "${env:MODE|close}"},
    }
]

ADDON = """
from ten_runtime import Addon, register_addon_as_extension
from .extension import Ext

@register_addon_as_extension("{name}")
class TheAddon(Addon):
    def on_create_instance(self, ten_env, name, context):
        ten_env.on_create_instance_done(Ext(name), context)
"""
SOURCE = """
import os
from ten_runtime import AsyncExtension, Data

class Ext(AsyncExtension):
    async def on_start(self, ten_env):
        data = Data.create("line")
        data.set_property_string("text", os.path.basename(os.getcwd()))
        await ten_env.send_data(data)

    async def on_cmd(self, ten_env, cmd):
        raise ValueError("no commands please")
"""
SINK = """
import asyncio, signal, threading
from ten_runtime import AsyncExtension, Cmd, Loc

class Ext(AsyncExtension):
    async def on_data(self, ten_env, data):
        prefix, _ = await ten_env.get_property_string("prefix")
        print(prefix, data.get_property_string("text")[0], flush=True)
        mode, _ = await ten_env.get_property_string("mode")
        if mode == "close":
            cmd = Cmd.create("ten:close_app")
            cmd.set_dests([Loc("")])
            await ten_env.send_cmd(cmd)
        elif mode == "fail":
            raise RuntimeError("broken sink")
        elif mode == "signal":
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    async def on_stop(self, ten_env):
        print("stop", flush=True)
        if (await ten_env.get_property_string("mode"))[0] == "hang":
            await asyncio.Event().wait()

    async def on_deinit(self, ten_env):
        print("deinit", flush=True)
"""


def _write_package(
    directory: Path, name: str, code: str, properties: Any = None
) -> None:
    directory.mkdir(parents=True)
    manifest = {"type": "extension", "name": name, "version": "0.1.0"}
    api = {"property": {"properties": {"count": {"type": "int64"}}}}
    _dump(directory / "manifest.json", {**manifest, "api": api})
    _dump(directory / "property.json", properties or {})
    (directory / "__init__.py").write_text("from . import addon\n")
    (directory / "addon.py").write_text(ADDON.format(name=name))
    (directory / "extension.py").write_text(code)


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def _edit(path: Path, keys: tuple[str | int, ...], value: Any) -> None:
    tree: Any = json.loads(path.read_text())
    inner = tree
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    _dump(path, tree)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app whose source tells its sink the working directory's name."""
    directory = tmp_path / "the_app"
    extensions = directory / "ten_packages" / "extension"
    _write_package(extensions / "source", "source", SOURCE)
    _write_package(
        tmp_path / "elsewhere", "sink", SINK, {"prefix": "${env:PREFIX|got}"}
    )
    _dump(
        directory / "manifest.json",
        {
            "type": "app",
            "name": "the_app",
            "version": "0.1.0",
            "dependencies": [
                {
                    "type": "system",
                    "name": "ten_runtime_python",
                    "version": "0.11",
                },
                {"path": "../elsewhere"},
            ],
        },
    )
    nodes = [*NODE_A, *NODE_B]
    line = {"name": "line", "dest": [{"extension": "b"}]}
    graph = {
        "nodes": nodes,
        "connections": [{"extension": "a", "data": [line]}],
    }
    entry = {"name": "main", "auto_start": True, "graph": graph}
    _dump(directory / "property.json", {"ten": {"predefined_graphs": [entry]}})
    return directory


def _command(app: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "devkit.host", str(app), *options]


def _environment(extra: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **extra}


def _run(
    app: Path, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(app, *options),
        cwd=app.parent,
        env=_environment(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_app_runs_until_it_closes_itself(app: Path) -> None:
    done = _run(app, PREFIX="hello")
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["hello the_app", "stop", "deinit"]
    assert done.returncode == 0


def test_check_runs_nothing(app: Path) -> None:
    done = _run(app, "--check")
    assert done.stdout.splitlines() == [
        "graph main: 2 nodes, 1 connections",
        "nothing is wrong",
    ]
    assert (done.stderr, done.returncode) == ("", 0)


ERRORS = {
    "gave up": ({"code": -1000, "message": "no such key"}, "no such key"),
    "dropped": (
        {"code": 1000, "message": "audio dropped: 1500 ms from 0 ms on; x"},
        "a gave up 1.5 s of audio",
    ),
    "failed": (
        {"code": 1000, "message": "x; given up: 250 ms of audio from 0 ms on"},
        "a gave up 0.2 s of audio",
    ),
    "passing": ({"code": 1000, "message": "the connection broke off"}, ""),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_a_node_could_not_do_is_status_1(app: Path, case: str) -> None:
    """Though the app closes itself in good order."""
    error, text = ERRORS[case]
    tell = f"""
        error = Data.create("error")
        error.set_property_from_json("", {json.dumps(error)!r})
        await ten_env.send_data(error)
"""
    at = "        await ten_env.send_data(data)\n"
    code = SOURCE.replace(at, tell + at)
    (app / "ten_packages/extension/source/extension.py").write_text(code)
    done = _run(app)
    assert done.stdout.splitlines() == ["got the_app", "stop", "deinit"]
    assert done.returncode == (1 if text else 0)
    assert text in done.stderr


def test_check_knows_what_manifests_declare(app: Path) -> None:
    manifest = app / "ten_packages" / "extension" / "source" / "manifest.json"
    _edit(manifest, ("api", "data_out"), [{"name": "lines"}])
    done = _run(app, "--check")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "predefined_graphs[0].graph.connections: a sends no" in line
    assert "'line'; by its manifest it sends lines" in line
    # Without it the app runs, as on TEN, and that is told and no success.
    done = _run(app)
    assert "warning: " in done.stderr
    assert "'line'; by its manifest it sends lines" in done.stderr
    assert done.returncode == 1


OURS = {
    "type": "extension",
    "name": "stt",
    "addon": "openai_asr_python",
}
SECRET = "key-plain-no-prefix-0099"


@pytest.mark.parametrize(
    "params",
    [
        {"api_key": SECRET, SECRET: 1},
        {"api_key": SECRET, "language": SECRET},
        {"api_key": SECRET, "turn_detection": {"type": SECRET[:20]}},
        {"api_key": f"${{env:{SECRET}}}"},
        {"api_key": f"${{{SECRET}}}"},
        {"api_key": "${env:THE_KEY}", "protocol": SECRET},
    ],
)
def test_a_secret_in_a_wrong_place_is_not_shown(app: Path, params: Any) -> None:
    _edit(app / "property.json", (*GRAPH, "nodes"), [*NODE_A, *NODE_B])
    tree = json.loads((app / "property.json").read_text())
    graph = tree["ten"]["predefined_graphs"][0]["graph"]
    graph["nodes"].append({**OURS, "property": {"params": params}})
    _dump(app / "property.json", tree)
    manifest = json.loads((app / "manifest.json").read_text())
    manifest["dependencies"].append({"path": str(ROOT)})
    _dump(app / "manifest.json", manifest)
    for options in (["--check"], []):
        done = _run(app, *options, THE_KEY=SECRET, MODE="close")
        said = done.stdout + done.stderr
        assert SECRET[:20] not in said, options
        assert done.returncode in (0, 1, 2)
        if options:
            assert "stt" in said or "nodes[2]" in said


def test_a_reader_who_has_seen_enough_gets_no_traceback(app: Path) -> None:
    command = " ".join(map(shlex.quote, [*_command(app, "--check")]))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"],
        env=_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("TURN_DETECTION", "magic", '.type: found "magic"'),
        ("SERVER", "ws://example.org/v1", "base_url"),
        ("KEY", "sk-hush-0123456789", ""),
    ],
)
def test_check_reads_our_node_as_the_extension_does(
    setting: str, value: str, text: str
) -> None:
    done = _run(
        ROOT / "examples" / "live_captions",
        "--check",
        **{f"LIVE_CAPTIONS_{setting}": value, "OPENAI_API_KEY": value},
    )
    if text:
        (line,) = done.stderr.splitlines()
        assert "nodes[1].property: " in line
        assert text in line
        assert done.returncode == 2
    else:
        assert "stt: gpt-live-transcribe at wss://api.openai.com" in done.stdout
        assert done.stderr == ""
        assert done.returncode == 0
    assert "hush" not in done.stdout + done.stderr


def test_an_exception_in_an_extension_is_status_1(app: Path) -> None:
    done = _run(app, MODE="fail")
    assert done.returncode == 1
    assert "Uncaught exception" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"devkit.host: {app}: $: the run failed: ")
    assert "broken sink" in last
    assert "deinit" in done.stdout


def test_an_exception_can_end_the_process_at_once(app: Path) -> None:
    done = _run(app, MODE="fail", TEN_STANDIN_EXIT="1")
    assert done.returncode == 1
    assert "Uncaught exception" in done.stderr
    assert "deinit" not in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_good_order(
    app: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        _command(app),
        env=_environment({"MODE": "stay"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "got the_app\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (out, err, process.returncode) == ("stop\ndeinit\n", "", 0)


def test_a_signal_that_another_thread_gets_ends_the_run(app: Path) -> None:
    done = _run(app, MODE="signal")
    assert done.stdout == "got the_app\nstop\ndeinit\n"
    assert done.returncode == 0


def test_a_second_ctrl_c_ends_it_at_once(app: Path) -> None:
    with subprocess.Popen(
        _command(app),
        env=_environment({"MODE": "hang"}),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in ("got the_app\n", "stop\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130


def test_graphs_are_chosen_by_name(app: Path) -> None:
    properties = app / "property.json"
    _edit(properties, (*GRAPH[:3], "auto_start"), False)
    refused = _run(app)
    assert refused.returncode == 2
    assert "$.ten.predefined_graphs: no graph" in refused.stderr
    assert "main" in refused.stderr
    assert _run(app, "--graph", "main").returncode == 0
    unknown = _run(app, "--graph", "other")
    assert unknown.returncode == 2
    assert "the graphs are main" in unknown.stderr


def _set(*keys: str | int, to: Any) -> Callable[[Path], None]:
    return lambda app: _edit(app / "property.json", (*GRAPH, *keys), to)


def _write(name: str, text: str) -> Callable[[Path], object]:
    return lambda app: (app / name).write_text(text)


def _pipe(name: str) -> Callable[[Path], object]:
    def make(app: Path) -> None:
        (app / name).unlink()
        os.mkfifo(app / name)

    return make


PACKAGE = "ten_packages/extension/source"
NODES = "$.ten.predefined_graphs[0].graph.nodes"
FLOWS = "$.ten.predefined_graphs[0].graph.connections[0].data"
CASES: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "no manifest": (
        lambda app: (app / "manifest.json").unlink(),
        "manifest.json",
        "$",
        "there is no such file",
    ),
    "a pipe": (_pipe("property.json"), "property.json", "$", "is no file"),
    "a pipe in a package": (
        _pipe(f"{PACKAGE}/property.json"),
        f"{PACKAGE}/property.json",
        "$",
        "is no file",
    ),
    "a pipe as manifest": (
        _pipe(f"{PACKAGE}/manifest.json"),
        f"{PACKAGE}/manifest.json",
        "$",
        "is no file",
    ),
    "bad JSON": (
        _write("property.json", '{\n  "ten": ,\n}'),
        "property.json",
        "line 2 column 10",
        "invalid JSON",
    ),
    "no object": (
        _write("property.json", "[]"),
        "property.json",
        "$",
        "must be a JSON object",
    ),
    "unknown ten key": (
        lambda app: _edit(app / "property.json", ("ten", "colour"), 1),
        "property.json",
        "$.ten.colour",
        "unknown key; allowed are predefined_graphs",
    ),
    "wrong type": (
        lambda app: _edit(app / "manifest.json", ("type",), "extension"),
        "manifest.json",
        "$.type",
        "must be 'app'",
    ),
    "unknown manifest key": (
        lambda app: _edit(app / PACKAGE / "manifest.json", ("extra",), 1),
        f"{PACKAGE}/manifest.json",
        "$.extra",
        "unknown key; allowed are type, name",
    ),
    "missing dependency": (
        lambda app: _edit(
            app / "manifest.json", ("dependencies", 1, "path"), "../nowhere"
        ),
        "manifest.json",
        "$.dependencies[1].path",
        "no package",
    ),
    "unknown node key": (
        _set("nodes", 0, "properties", to={}),
        "property.json",
        f"{NODES}[0].properties",
        "unknown key; allowed are type, name, addon",
    ),
    "unknown addon": (
        _set("nodes", 0, "addon", to="tap"),
        "property.json",
        f"{NODES}[0].addon",
        "unknown addon 'tap'; the app has sink, source",
    ),
    "duplicate node": (
        _set("nodes", to=[*NODE_A, *NODE_A, *NODE_B]),
        "property.json",
        f"{NODES}[1].name",
        "duplicate node 'a'",
    ),
    "unknown destination": (
        _set("connections", 0, "data", 0, "dest", 0, "extension", to="c"),
        "property.json",
        f"{FLOWS}[0].dest[0].extension",
        "there is no node 'c'; the nodes are a, b",
    ),
    "no destination": (
        _set("connections", 0, "data", 0, "dest", to=[]),
        "property.json",
        f"{FLOWS}[0].dest",
        "must be a non-empty array",
    ),
    "both notations": (
        _set("connections", 0, "data", 0, "source", to=[{"extension": "b"}]),
        "property.json",
        f"{FLOWS}[0]",
        "exactly one of",
    ),
    "null": (
        _set("nodes", 0, "property", to={"deep": [{"x": None}]}),
        "property.json",
        f"{NODES}[0].property.deep[0].x",
        "null is not allowed",
    ),
    "null elsewhere": (
        lambda app: _edit(app / "property.json", ("ten", "log"), None),
        "property.json",
        "$.ten.log",
        "null is not allowed",
    ),
    "null default": (
        _write(f"{PACKAGE}/property.json", '{"x": null}'),
        f"{PACKAGE}/property.json",
        "$.x",
        "null is not allowed",
    ),
    "missing variable": (
        _set("nodes", 0, "property", to={"k": "${env:PROBE_UNSET}"}),
        "property.json",
        f"{NODES}[0].property.k",
        "PROBE_UNSET is not set",
    ),
    "missing variable of a default": (
        _write(f"{PACKAGE}/property.json", '{"k": "${env:PROBE_UNSET}"}'),
        f"{PACKAGE}/property.json",
        "$.k",
        "PROBE_UNSET is not set",
    ),
    "wrong property type": (
        _set("nodes", 0, "property", to={"count": "7"}),
        "property.json",
        f"{NODES}[0].property.count",
        "expected int64, got string",
    ),
    "import failure": (
        _write(f"{PACKAGE}/extension.py", "import not_there_at_all\n"),
        PACKAGE,
        "$",
        "No module named 'not_there_at_all'",
    ),
    "syntax error": (
        _write(f"{PACKAGE}/extension.py", "def\n"),
        PACKAGE,
        "$",
        "SyntaxError",
    ),
    "no registration": (
        _write(f"{PACKAGE}/addon.py", ""),
        PACKAGE,
        "$",
        "does not register",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_one_line(
    app: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    mistake, file, json_path, text = CASES[case]
    mistake(app)
    if case in ("import failure", "syntax error", "no registration"):
        # These import the app's packages: a process of their own.
        done = _run(app, "--check")
        status, lines = done.returncode, done.stderr.splitlines()
    else:
        from devkit.host import run_app

        status = run_app(app, check_only=True)
        lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"devkit.host: {app / file}: {json_path}: ")
    assert text in lines[0]
    assert status == 2


def test_all_mistakes_are_told_at_once(app: Path) -> None:
    _set("nodes", 0, "addon", to="tap")(app)
    _set("nodes", 1, "colour", to="red")(app)
    done = _run(app)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2


def test_wrong_usage_is_status_2(tmp_path: Path) -> None:
    done = _run(tmp_path / "nowhere")
    assert done.returncode == 2
    assert "there is no such directory" in done.stderr
    assert len(done.stderr.splitlines()) == 1

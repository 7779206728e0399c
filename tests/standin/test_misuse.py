"""What ends a process on TEN, on whichever host this is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import misuse
import pytest
from ten_probe import Probe, data, install
from ten_runtime import App, AsyncExtension, AsyncTenEnv, Data, TenEnv

from devkit.session_app import SessionApp, file_log

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ABORTS = -signal.SIGABRT


def _run(name: str, **more: str) -> subprocess.CompletedProcess[str]:
    return _python(str(HERE / "misuse.py"), name, **more)


def _python(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path), **more}
    if not more:
        env.pop("TEN_STANDIN_EXIT", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", [each.__name__ for each in misuse.MISUSES])
def test_misuse_ends_the_process(name: str) -> None:
    done = _run(name)
    assert done.returncode == ABORTS, done.stderr
    assert "before" in done.stdout
    assert "survived" not in done.stdout
    assert done.stderr


@pytest.mark.standin("TEN has no such switch")
@pytest.mark.parametrize(
    "name",
    [
        "close_app_from_a_single_extension",
        "message_used_again",
        "result_returned_twice",
        "second_allocation",
    ],
)
def test_a_run_fails_at_once_where_the_process_is_to_live(name: str) -> None:
    """Also where the extension swallows it, in a task of its own."""
    done = _run(name, TEN_STANDIN_EXIT="0")
    assert done.returncode == 0
    assert "survived" in done.stdout
    (ended,) = [t for t in done.stdout.splitlines() if t.startswith("ended")]
    assert "the native TEN runtime aborts here" in ended
    assert "error_code: 1," in ended


@pytest.mark.standin("the stand-in tells where")
def test_an_abort_tells_why_and_where() -> None:
    done = _run("second_allocation")
    assert "a second alloc_buf() on a Data" in done.stderr
    assert "in misuse" in done.stderr


class _Failing(AsyncExtension):
    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        raise LookupError("nobody catches this")


def test_an_escaped_exception_ends_the_process() -> None:
    code = (
        "import sys, tempfile; sys.path.insert(0, sys.argv[1]);"
        "import misuse, test_misuse; from pathlib import Path;"
        "from ten_probe import Probe, install, data;"
        "from devkit.session_app import session_app\n"
        "async def script(ten_env, probe):\n"
        "    await ten_env.send_data(data('poison'))\n"
        "with tempfile.TemporaryDirectory() as d, session_app():\n"
        "    name = install(Path(d), test_misuse._Failing)\n"
        "    Probe(script, until=1).play(name)\n"
    )
    done = _python("-c", code, str(HERE))
    assert done.returncode == 1
    assert "LookupError" in done.stderr
    assert "nobody catches this" in done.stderr


def _start(log: Any) -> tuple[list[Any], list[str]]:
    """What an App with this log configuration is told, and its stages."""
    told: list[Any] = []
    stages: list[str] = []

    class LogApp(App):
        def on_configure(self, ten_env: TenEnv) -> None:
            told.append(
                ten_env.init_property_from_json(
                    json.dumps({"ten": {"log": log}})
                )
            )
            ten_env.on_configure_done()

        def on_init(self, ten_env: TenEnv) -> None:
            stages.append("init")
            ten_env.on_init_done()
            self.close()

    def live() -> None:
        LogApp().run(False)
        stages.append("over")

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    thread.join(60)
    return told, stages


def _without(key: str) -> dict[str, Any]:
    (handler,) = file_log(Path("x.log"))["handlers"]  # type: ignore[misc]
    return {"handlers": [{k: v for k, v in handler.items() if k != key}]}


@pytest.mark.standin("TEN's Rust part checks it, and only where it is built in")
@pytest.mark.parametrize(
    "log",
    [
        {"handlers": []},
        {},
        {"handlers": [{}]},
        _without("matchers"),
        _without("formatter"),
        _without("emitter"),
        {**file_log(Path("x.log")), "unknown": 1},
    ],
)
def test_a_log_configuration_that_is_none_stops_the_app(
    log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (error,), stages = _start(log)
    assert error is not None
    assert "$.ten.log" in error.error_message()
    assert stages == ["over"]
    assert "$.ten.log" in caplog.text


def test_the_file_of_the_app_gets_what_an_extension_logs(
    tmp_path: Path, ten_app: SessionApp, host_log: Any
) -> None:
    class Talker(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            ten_env.log_debug("a quiet word")
            ten_env.log_error("a loud word", category="key_point")
            await ten_env.send_data(data("said"))

    assert Probe(until=1).play(install(tmp_path, Talker)) is None
    quiet, loud = (
        [line for line in host_log.lines if word in line]
        for word in ("a quiet word", "a loud word")
    )
    assert len(quiet) == len(loud) == 1


@pytest.mark.standin("writes a log file of its own beside the session's")
@pytest.mark.parametrize("kind", ["plain", "json"])
def test_matchers_choose_by_level_and_category(
    tmp_path: Path, kind: str
) -> None:
    class Talker(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            ten_env.log_info("no category")
            ten_env.log_info("chosen", category="key_point")
            ten_env.log_debug("too low", category="key_point")
            ten_env.log_error("any error")
            await ten_env.send_data(data("said"))

    path = tmp_path / "chosen.log"
    log = file_log(path)
    (handler,) = log["handlers"]  # type: ignore[misc]
    handler["formatter"]["type"] = kind
    handler["matchers"] = [
        {"level": "info", "category": "key_point"},
        {"level": "error"},
    ]
    app = SessionApp(log=log)
    app.start()
    try:
        assert Probe(until=1).play(install(tmp_path, Talker)) is None
    finally:
        app.stop()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    if kind == "json":
        first, second = map(json.loads, lines)
        assert first["category"] == "key_point"
        assert first["message"].endswith("chosen")
        assert second["level"] == "ERROR"
    else:
        assert lines[0].endswith("chosen")
        assert "ERROR" in lines[1]

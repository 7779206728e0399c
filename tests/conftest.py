"""One rule for every test: the real TEN runtime if it can be imported."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from devkit.bootstrap import ensure_ten
from devkit.server import ServerThread
from devkit.session_app import SessionApp, session_app

# A test that breaks TEN's rules is to fail on the stand-in, not to end the
# whole run, as it would a process.
os.environ.setdefault("TEN_STANDIN_EXIT", "0")

RUNTIME = ensure_ten()

from host_log import HostLog  # noqa: E402  (imports ten_runtime)

# The same examples in every run; HYPOTHESIS_RANDOM=1 looks for new ones.
settings.register_profile(
    "repeatable",
    derandomize="HYPOTHESIS_RANDOM" not in os.environ,
    deadline=None,
)
settings.load_profile("repeatable")

_ROOT = Path(__file__).resolve().parent.parent


class _RootIsNoPackage:
    """The repository's root is the extension package, and TEN imports it as
    ``ten_packages.extension.openai_asr_python``.  pytest would import it a
    second time, under the name of the checkout's directory."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_collect_directory(
        self, path: Path, parent: Any
    ) -> pytest.Collector | None:
        if path == _ROOT:
            return pytest.Dir.from_parent(parent, path=path)
        return None


#: These files take longest: where several processes share the tests, nobody is
#: to begin one of them when the others have nothing left.
_FIRST = (
    "pages/test_captions_page.py",
    "core/test_random_calls.py",
    "extension/test_http_faults.py",
    "extension/test_seams.py",
    "soak/test_memory_bounds.py",
    "core/test_sim_calls.py",
    "matrix/test_matrix.py",
    "pages/test_captions_server.py",
    "soak/test_socket_soak.py",
    "load/test_faults.py",
    "load/test_load_guard.py",
    "extension/test_next_session.py",
    "demo/test_demo_run.py",
    "soak/test_hostile_wire.py",
    "soak/test_client_stop.py",
    "extension/test_http_ways.py",
    "extension/test_fallbacks.py",
    "core/test_states.py",
    "audio/test_turn_score.py",
    "core/test_skip_silence.py",
)


def _place(item: pytest.Item) -> int:
    name = item.path.relative_to(_ROOT / "tests").as_posix()
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_RootIsNoPackage())
    config.addinivalue_line(
        "markers",
        "standin(reason): a test of the stand-in runtime itself; it is "
        "skipped, with that reason, where the real one is",
    )


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """The local transcription server with the exact `script` engine."""
    with ServerThread(engine="script") as running:
        yield running


def pytest_report_header() -> str:
    return f"ten runtime: {RUNTIME}"


def pytest_collection_finish() -> None:
    """Each worker has thousands of tests; the collector of garbage need not
    look through them again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)
    if RUNTIME == "stand-in":
        return
    for item in items:
        mark = item.get_closest_marker("standin")
        if mark is not None:
            why = mark.args[0] if mark.args else "ends the process on TEN"
            reason = f"of the stand-in itself: {why}"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def ten_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionApp]:
    """As in TEN's own suites: one App lives as long as the session."""
    log = tmp_path_factory.mktemp("ten") / "ten.log"
    with session_app(log) as app:
        assert app.error is None, app.error
        yield app


@pytest.fixture
def host_log(
    ten_app: SessionApp, tmp_path_factory: pytest.TempPathFactory
) -> HostLog:
    """What the host writes to its log in this test."""
    return HostLog(ten_app, tmp_path_factory.mktemp("log") / "stderr")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(
    pyfuncitem: pytest.Function,
) -> Generator[None, object, object]:
    """A test with `host_log` listens from its first line on."""
    log = pyfuncitem.funcargs.get("host_log")
    with contextlib.ExitStack() as stack:
        if isinstance(log, HostLog):
            stack.enter_context(log.listening())
        return (yield)

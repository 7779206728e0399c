"""Runs a loaded app, with Ctrl-C and SIGTERM ending it in good order."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from devkit.bootstrap import ensure_ten

if TYPE_CHECKING:
    from ten_runtime._app import AppCore

    from .loader import LoadedApp

#: Exit status of a process that Ctrl-C killed, as shells give it.
FORCED = 130


def run_app(
    app_dir: Path, graph: str | None = None, check_only: bool = False
) -> int:
    """Run an app until its graphs end or it is interrupted.

    Errors go to stderr, one line each. While it runs, the working directory
    is ``app_dir``, and in the main thread SIGINT and SIGTERM stop the graphs
    (a second SIGINT exits at once with status 130).
    Returns the exit status: 0 ok, 1 the run failed, 2 it cannot be run.
    """
    if ensure_ten() == "real":
        _say(
            f"{app_dir}: $: a real TEN runtime is importable; run the app "
            "with it (tman run start)"
        )
        return 2
    from ten_runtime._app import AppCore

    from .loader import load_app
    from .masks import masking
    from .outcome import Outcome

    directory = app_dir.resolve()
    with _working_directory(directory):
        app = load_app(directory, graph)
        masked = masking(directory)
        if app.errors:
            for line in app.errors:
                _say(masked(line))
            return 2
        if check_only:
            return _check(app, masked)
        unknown = _unknown_names(app)
        for line in unknown:
            _say(masked(f"warning: {line}"))
        # A fault is to end the graphs, and with them the run, in good order.
        os.environ.setdefault("TEN_STANDIN_EXIT", "0")
        outcome = Outcome()
        core = AppCore(
            app.graphs, directory, ends_with_graphs=True, observer=outcome.see
        )
        with _signals(core):
            for predefined in app.selected:
                core.start(predefined.graph)
            core.wait()
    for text in core.errors:
        _say(masked(f"{app_dir}: $: the run failed: {text}"))
    for text in outcome.failures:
        _say(masked(f"{app_dir}: $: {text}"))
    return 1 if core.errors or outcome.failures or unknown else 0


def _unknown_names(app: LoadedApp) -> list[str]:
    from .check import unknown_names

    return unknown_names(app)


def _check(app: LoadedApp, masked: Callable[[str], str]) -> int:
    from .check import look_through

    found = look_through(app)
    for line in found.notes:
        print(_shown(masked(line)))
    sys.stdout.flush()
    for line in found.errors:
        _say(masked(line))
    if found.errors:
        return 2
    told = sum(": warning: " in line for line in found.notes)
    see = f"; see the {told} warning{'s' if told > 1 else ''}" if told else ""
    doctor = "; make doctor looks at key and network" if found.ours else ""
    print(f"nothing is wrong{see}{doctor}")
    return 0


def _say(line: str) -> None:
    print(f"devkit.host: {_shown(line)}", file=sys.stderr, flush=True)


def _shown(line: str) -> str:
    # Importing somebody's rule for this is just what may not be possible.
    return "".join(
        char if char.isprintable() else repr(char)[1:-1] for char in line
    )


@contextlib.contextmanager
def _working_directory(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    if directory.is_dir():
        os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _signals(core: AppCore) -> Iterator[None]:
    """SIGINT and SIGTERM close ``core``. Only the main thread may set them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts = 0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        if number == signal.SIGINT:
            interrupts += 1
            if interrupts > 1:
                os._exit(FORCED)
        # In a thread: a handler interrupts whatever holds the locks.
        threading.Thread(target=core.close, daemon=True).start()

    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

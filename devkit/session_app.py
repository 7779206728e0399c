"""The App that a process with testers needs, on either runtime.

On TEN the addons of a process belong to its Apps: where none lives between
two testers, the second one ends the process.  TEN's own test suites therefore
keep an App for the whole session, and so does whoever runs testers here.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from devkit.bootstrap import ensure_ten

if TYPE_CHECKING:
    from ten_runtime import TenEnv, TenError

__all__ = ["SessionApp", "keep_app", "session_app"]

#: Seconds that the start and the end of an App without graphs may take.
LIMIT_S = 60

_lock = threading.Lock()
_living: SessionApp | None = None
_kept = contextlib.ExitStack()


def file_log(path: Path) -> dict[str, object]:
    """The log part of an App's property: all lines, to a file."""
    return {
        "handlers": [
            {
                "matchers": [{"level": "debug"}],
                "formatter": {"type": "plain", "colored": False},
                "emitter": {"type": "file", "config": {"path": str(path)}},
            }
        ]
    }


class SessionApp:
    """An App without graphs in a thread of its own.

    ``error``: what the runtime said to the App's property; None is good.
    ``log``: the log part of that property, in place of all lines to
    ``log_file``.
    """

    def __init__(
        self, log_file: Path | None = None, log: dict[str, object] | None = None
    ) -> None:
        self.log_file = log_file
        self._log = file_log(log_file) if log_file and log is None else log
        self.error: TenError | None = None
        self._env: TenEnv | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._live, name="session-app", daemon=True
        )

    def start(self) -> None:
        """Start it; raises ``RuntimeError`` if it does not come up."""
        self._thread.start()
        if not self._ready.wait(LIMIT_S) or self._env is None:
            raise RuntimeError("the session's App did not start")

    def stop(self) -> None:
        """End it; raises ``RuntimeError`` if it does not end."""
        self._app.close()
        self._thread.join(LIMIT_S)
        if self._thread.is_alive():
            raise RuntimeError("the session's App did not end")

    @property
    def follows_log(self) -> bool:
        """Whether the runtime logs as the App's property says. One that was
        built without TEN's Rust part does not."""
        return self.log_file is not None and self.log_file.exists()

    def log(self, text: str) -> None:
        """A line of the App's own in the runtime's log."""
        assert self._env is not None
        self._env.log_info(text)

    def _live(self) -> None:
        """TEN takes an App only from the thread that made it."""
        # Not at the top: the runtime is chosen when this is first needed.
        from ten_runtime import App

        session = self

        class _App(App):
            def on_configure(self, ten_env: TenEnv) -> None:
                ten: dict[str, object] = {}
                if session._log is not None:
                    ten["log"] = session._log
                session.error = ten_env.init_property_from_json(
                    json.dumps({"ten": ten})
                )
                ten_env.on_configure_done()

            def on_init(self, ten_env: TenEnv) -> None:
                session._env = ten_env
                ten_env.on_init_done()
                session._ready.set()

        try:
            self._app = _App()
            self._app.run(False)
        finally:
            self._ready.set()


@contextlib.contextmanager
def session_app(log_file: Path | None = None) -> Iterator[SessionApp]:
    """Keep an App for the time of the block.

    Inside another such block it is that one's App, and ``log_file`` does not
    count.
    """
    global _living
    ensure_ten()
    with _lock:
        outer, app = _living, _living or SessionApp(log_file)
        if outer is None:
            app.start()
            _living = app
    try:
        yield app
    finally:
        if outer is None:
            with _lock:
                _living = None
            app.stop()


def keep_app() -> None:
    """Have an App from now on until the process ends."""
    if _living is None:
        _kept.enter_context(session_app())
        atexit.register(_kept.close)

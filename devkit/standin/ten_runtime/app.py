"""Apps hold graphs. Tests usually keep an empty one for a session."""

from __future__ import annotations

import threading
from collections.abc import Callable

from . import _apps
from ._abort import native_abort
from ._app import AppCore, read_graphs
from ._files import Checker, ConfigError
from ._log import log_line
from ._log_config import LogConfig
from ._owner import EnvOwner, Stage
from ._tree import Tree
from .log_level import LogLevel
from .ten_env import TenEnv


class App:
    """Override the callbacks; each ends with its ``ten_env.on_*_done()``."""

    def __init__(self) -> None:
        self._owner = _AppOwner()
        self._core = AppCore()
        self._thread: threading.Thread | None = None
        self._made_in = threading.get_ident()

    def run(self, run_in_background: bool) -> None:
        """Run until :meth:`close`; False blocks the caller.

        Only in the thread that made the App.
        """
        if threading.get_ident() != self._made_in:
            raise native_abort("an App run in another thread than made it")
        if self._thread is not None:
            raise RuntimeError("an App can run once")
        self._thread = threading.Thread(
            target=self._run, name="ten:app", daemon=True
        )
        self._thread.start()
        if not run_in_background:
            self._thread.join()

    def close(self) -> None:
        """Stop all graphs and end ``run``. Harmless when not running."""
        self._core.close()

    def on_configure(self, ten_env: TenEnv) -> None:
        """Set properties with ``init_property_from_json``."""
        ten_env.on_configure_done()

    def on_init(self, ten_env: TenEnv) -> None:
        """The app is about to start its graphs."""
        ten_env.on_init_done()

    def on_deinit(self, ten_env: TenEnv) -> None:
        """All graphs have ended."""
        ten_env.on_deinit_done()

    @_apps.living()
    def _run(self) -> None:
        env = TenEnv(self._owner)
        try:
            self._owner.run_stage(
                Stage.CONFIGURE, lambda: self.on_configure(env)
            )
            self._load()
            self._owner.run_stage(Stage.INIT, lambda: self.on_init(env))
            self._owner.stage = Stage.RUNNING
            for predefined in self._core.graphs.values():
                if predefined.auto_start:
                    self._core.start(predefined.graph)
            self._core.wait()
            self._owner.run_stage(Stage.DEINIT, lambda: self.on_deinit(env))
        except Exception as error:
            log_line(
                LogLevel.ERROR,
                f"Uncaught exception: {error!r}",
                node="app",
                error=error,
            )
            self._core.close()
        finally:
            self._owner.stage = Stage.CLOSED
            self._owner.log_config.close()

    def _load(self) -> None:
        # Not the runtime's own manner: an App that goes on without what it
        # asked for would only be noticed by who looks at the error.
        if self._owner.refused is not None:
            raise self._owner.refused
        tree = self._owner.init_tree or {}
        self._owner.props = tree
        check = Checker()
        self._core.graphs = read_graphs(tree, check)
        if check.problems:
            raise ConfigError("app property", check.problems)
        self._owner.log_config.open()


class _AppOwner(EnvOwner):
    """Runs the callbacks of an app, which may end in another thread."""

    def __init__(self) -> None:
        super().__init__("app")
        self._done = threading.Event()
        self.log_config = LogConfig()

    def run_stage(self, stage: Stage, call: Callable[[], None]) -> None:
        self._done.clear()
        self.stage = stage
        call()
        self._done.wait()

    def stage_done(self, stage: Stage) -> None:
        if stage is self.stage:
            self._done.set()

    def check_init(self, tree: Tree) -> None:
        ten = tree.get("ten")
        if isinstance(ten, dict) and "log" in ten:
            problems = self.log_config.read(ten["log"], "$.ten.log")
            if problems:
                raise ConfigError("app property", problems)

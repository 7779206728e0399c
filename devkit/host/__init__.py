"""Runs a TEN app directory on the stand-in runtime.

A development tool: in production the app runs on TEN.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["run_app"]


def run_app(
    app_dir: Path, graph: str | None = None, check_only: bool = False
) -> int:
    """Run the app in ``app_dir`` until its graphs end; see ``runner.run_app``.

    Exit status: 0 ok, 1 the run failed, 2 the app cannot be run.
    """
    # Imported late: `devkit.bootstrap` has to choose the runtime first.
    from .runner import run_app as run

    return run(app_dir, graph, check_only)

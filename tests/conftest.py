"""One rule for every test: the real TEN runtime if it can be imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from devkit.bootstrap import ensure_ten

ensure_ten()

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


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_RootIsNoPackage())

"""The call harness of tests/extension is used here as well."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.server import ServerThread

for name in ("dump", "extension"):
    path = str(Path(__file__).parent.parent / name)
    if path not in sys.path:
        sys.path.append(path)


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """The local transcription server with the exact `script` engine."""
    with ServerThread(engine="script") as running:
        yield running


@pytest.fixture(autouse=True)
def _environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `devkit.rerun` sets for its own process is undone."""
    monkeypatch.setenv("TEN_LOG_LEVEL", "warning")

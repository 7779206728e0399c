"""Helper modules of these tests are imported by their bare names."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.server import ServerThread

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """The local transcription server with the exact `script` engine."""
    with ServerThread(engine="script") as running:
        yield running


@pytest.fixture
def plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls run in asyncio's own event loop, also where TEN finds uvloop,
    which asks a resolver of its own in place of `socket.getaddrinfo`."""
    monkeypatch.setitem(sys.modules, "uvloop", None)

"""What several of these tests need."""

import sys

import pytest


@pytest.fixture
def plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls run in asyncio's own event loop, also where TEN finds uvloop,
    which asks a resolver of its own in place of `socket.getaddrinfo`."""
    monkeypatch.setitem(sys.modules, "uvloop", None)

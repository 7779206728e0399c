"""What several of these tests need."""

import pytest


@pytest.fixture(autouse=True)
def _environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `devkit.rerun` sets for its own process is undone."""
    monkeypatch.setenv("TEN_LOG_LEVEL", "warning")

"""Helper modules of these tests are imported by their bare names."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.server import ServerThread

HERE = Path(__file__).parent
for _place in (HERE, HERE.parent / "extension"):
    if str(_place) not in sys.path:
        sys.path.insert(0, str(_place))


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """The local transcription server with the exact `script` engine."""
    with ServerThread(engine="script") as running:
        yield running


def pytest_configure(config: pytest.Config) -> None:
    """Watch the whole run, whichever test comes first."""
    import key_watch

    if not config.pluginmanager.has_plugin("key_watch"):
        config.pluginmanager.register(key_watch, "key_watch")

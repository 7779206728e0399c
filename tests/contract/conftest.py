"""No secret leaves the process in any of these tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Watch the whole run, whichever test comes first."""
    import key_watch

    if not config.pluginmanager.has_plugin("key_watch"):
        config.pluginmanager.register(key_watch, "key_watch")

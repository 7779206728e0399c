"""A session-wide app, as TEN's own test suites have it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from devkit.bootstrap import ensure_ten

ensure_ten()

from ten_runtime import App, TenEnv  # noqa: E402


class FakeApp(App):
    """An app without graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = threading.Event()

    def on_configure(self, ten_env: TenEnv) -> None:
        ten_env.init_property_from_json('{"ten": {"log": {"handlers": []}}}')
        ten_env.on_configure_done()

    def on_init(self, ten_env: TenEnv) -> None:
        self.ready.set()
        ten_env.on_init_done()


@pytest.fixture(scope="session", autouse=True)
def fake_app() -> Iterator[FakeApp]:
    app = FakeApp()
    thread = threading.Thread(target=app.run, args=[False])
    thread.start()
    assert app.ready.wait(60)
    yield app
    app.close()
    thread.join(60)
    assert not thread.is_alive()

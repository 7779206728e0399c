"""A guard against calls that never end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hang_guard(seconds: float) -> Iterator[None]:
    """Cancel this task when what follows takes longer.

    `asyncio.timeout` is not there before Python 3.11.
    """
    task = asyncio.current_task()
    assert task is not None
    timer = asyncio.get_running_loop().call_later(seconds, task.cancel)
    try:
        yield
    finally:
        timer.cancel()

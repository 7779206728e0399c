"""The Apps of the process, to which its addons belong.

A tester makes an app of its own. Where that is the only one, or where the
last App has ended, the addons are gone, and the next tester finds nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from ._abort import native_abort

_lock = threading.Lock()
_living = 0
_addons_are_gone = False


@contextlib.contextmanager
def living() -> Iterator[None]:
    """An app lives while the block lasts."""
    global _living, _addons_are_gone
    with _lock:
        _living += 1
    try:
        yield
    finally:
        with _lock:
            _living -= 1
            _addons_are_gone = _addons_are_gone or not _living


@contextlib.contextmanager
def tester() -> Iterator[None]:
    """A tester's app lives while the block lasts."""
    if _addons_are_gone:
        raise native_abort(
            "a tester after the last App of the process has ended (keep one "
            "for the session)"
        )
    with living():
        yield

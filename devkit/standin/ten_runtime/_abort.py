"""What ends a process on TEN ends it here, too.

The core answers misuse (a message that was sent already, a second tester
without an App) with SIGABRT, and an exception that leaves a callback with
``_exit(1)``. With ``TEN_STANDIN_EXIT=0`` the process lives on, as the tests
of several extensions in one process want it: then the misuse raises
:class:`NativeAbort`, and all graphs of the process end with an error, so that
nothing waits for what can no longer come.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable

#: Told the reason; each ends a running graph.
_graphs: set[Callable[[str], None]] = set()
_lock = threading.Lock()


class NativeAbort(RuntimeError):
    """The native runtime would have aborted the process here."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text} (the native TEN runtime aborts here)")


def process_ends() -> bool:
    """Whether the process ends, as it would on TEN."""
    return os.environ.get("TEN_STANDIN_EXIT", "1") != "0"


def native_abort(text: str) -> NativeAbort:
    """To be raised by the caller, where the process lives on at all."""
    error = NativeAbort(text)
    if process_ends():
        # Straight to the descriptor: nothing may be left in a buffer, and
        # who replaced sys.stderr will not get to read it.
        stack = "".join(traceback.format_stack()[:-1])
        shown = f"{stack}ten_runtime (stand-in): {error}\n"
        sys.stdout.flush()
        os.write(2, shown.encode("utf-8", "backslashreplace"))
        os.abort()
    with _lock:
        graphs = list(_graphs)
    for end in graphs:
        end(str(error))
    return error


def watch(end: Callable[[str], None]) -> None:
    """``end`` is called with the reason of an abort."""
    with _lock:
        _graphs.add(end)


def unwatch(end: Callable[[str], None]) -> None:
    """The graph has ended by itself."""
    with _lock:
        _graphs.discard(end)

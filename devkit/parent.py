"""Children that end with their parent, however that ends.

A process that is killed can end nobody, but the pipes that it holds are closed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

#: The option that asks for it.
END_WITH_INPUT = "--end-with-input"
_INPUT = 0


def after_input(then: Callable[[], None]) -> None:
    """Call ``then`` once, in a thread, when standard input has ended; what
    comes from there is let go."""

    def wait() -> None:
        # Not by `sys.stdin`: its lock would be held at the interpreter's end.
        try:
            while os.read(_INPUT, 65536):
                pass
        except OSError:
            print("standard input cannot be read", file=sys.stderr)
        then()

    threading.Thread(target=wait, name="end-of-input", daemon=True).start()


def interrupt_after_input() -> None:
    """The end of standard input is as Ctrl-C for this process."""
    after_input(lambda: os.kill(os.getpid(), signal.SIGINT))

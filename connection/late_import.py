"""Packages that are imported when they are needed, by a process that lives on.

Python keeps what it finds at a bad moment: a directory whose ``__init__.py``
could not be seen just then (a network's file system, an upgrade in place) is a
namespace package (PEP 420) from then on, with nothing in it.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

_T = TypeVar("_T")
#: Of the process or the machine, and soon over: no word about the files.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
#: What is not there may come back, in seconds: an upgrade removes it first.
_AGAIN_S = 1.0


def imported(load: Callable[[], _T]) -> _T:
    """What ``load`` imports.  In a thread: a package that is missing is looked
    for once more.

    Raises ImportError where it is missing or of another version, and OSError
    where it cannot be loaded now.
    """
    try:
        with contextlib.suppress(ModuleNotFoundError):
            return load()
        time.sleep(_AGAIN_S)
        importlib.invalidate_caches()
        return load()
    except ImportError as error:
        for shortage in SHORTAGES:
            if os.strerror(shortage) in str(error):
                # So says whoever loads what is not Python.
                raise OSError(shortage, str(error)) from error
        raise


@contextlib.contextmanager
def whole_packages(*known: str) -> Iterator[None]:
    """Forget what was imported in here and is hollow, if something fails, and
    raise OSError: it may be whole the next time.  So it is with those that are
    ``known`` to be needed, whoever imported them."""
    before = {n for n in sys.modules if n.partition(".")[0] not in known}
    try:
        yield
    except Exception as error:
        if hollow := _drop_hollow(before):
            names = ", ".join(sorted(hollow))
            text = f"__init__.py cannot be found: {names}"
            raise OSError(text) from error
        raise


def _drop_hollow(before: Collection[str]) -> list[str]:
    hollow = []
    for name, module in list(sys.modules.items()):
        is_package = hasattr(module, "__path__")
        if name in before or not is_package or module.__spec__ is None:
            continue
        if not module.__spec__.has_location:
            del sys.modules[name]
            hollow.append(name)
    importlib.invalidate_caches()
    return hollow

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
from collections.abc import Callable, Iterator
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
def whole_packages() -> Iterator[None]:
    """Forget what is hollow and made something fail in here, and raise OSError:
    it may be whole the next time.  Namespace packages of others stay."""
    try:
        yield
    except Exception as error:
        if hollow := _drop_hollow(error):
            names = ", ".join(sorted(hollow))
            text = f"__init__.py cannot be found: {names}"
            raise OSError(text) from error
        raise


def _drop_hollow(error: BaseException) -> list[str]:
    blamed = _blamed(error)
    hollow = []
    for name, module in list(sys.modules.items()):
        # Whatever others have put there.
        spec = getattr(module, "__spec__", None)
        places = getattr(module, "__path__", None)
        if spec is None or spec.has_location or places is None:
            continue
        by_now = (os.path.exists(f"{place}/__init__.py") for place in places)
        if name in blamed or any(by_now):
            sys.modules.pop(name, None)
            hollow.append(name)
    importlib.invalidate_caches()
    return hollow


def _blamed(error: BaseException) -> set[str]:
    """The packages and modules that a failure names, and those they are in."""
    blamed: set[str] = set()
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        name = getattr(cause, "name", None)
        if isinstance(cause, AttributeError):
            name = getattr(cause.obj, "__name__", None)
        if isinstance(name, str):
            blamed |= _with_parents(name)
        cause = cause.__cause__ or cause.__context__
    # TEN's own are namespace packages by right.
    return blamed - _with_parents(__name__)


def _with_parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}

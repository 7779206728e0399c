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
    spaces = [name for name in list(sys.modules) if _is_namespace(name)]
    hollow = [n for n in spaces if n in blamed or _is_whole_by_now(n)]
    inside = tuple(f"{name}." for name in hollow)
    hollow += [n for n in spaces if n.startswith(inside) and n not in hollow]
    for name in hollow:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return hollow


def _is_namespace(name: str) -> bool:
    module = sys.modules.get(name)
    # Whatever others have put there.
    spec = getattr(module, "__spec__", None)
    package = hasattr(module, "__path__")
    return package and spec is not None and not spec.has_location


def _is_whole_by_now(name: str) -> bool:
    places = getattr(sys.modules.get(name), "__path__", ())
    try:
        return any(os.path.exists(f"{at}/__init__.py") for at in places)
    except KeyError:
        # The one that it is in is away.
        return True


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

"""Work that may take long, in threads that nobody has to wait for.

Those of the loop's pool would be missing where names are looked up, and be
waited for at the end of the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")
_lock = threading.Lock()
#: By the name of their thread.
_waiting: dict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = {}


def in_thread(name: str, work: Callable[[], _T]) -> Future[_T]:
    """Do ``work`` in a thread of its own; a waiter that gives up does not end
    it for others."""
    result: Future[_T] = Future()
    result.set_running_or_notify_cancel()
    _start(name, lambda: _do(work, result))
    return result


def one_by_one(name: str, work: Callable[[], _T]) -> Future[_T]:
    """Do ``work`` in the thread of this name, behind what it has to do
    already; what is given up before its turn is left out."""
    result: Future[_T] = Future()
    with _lock:
        begun = name in _waiting
        _waiting.setdefault(name, deque()).append((result, work))
        if not begun:
            try:
                _start(name, lambda: _work_off(name))
            except BaseException:
                del _waiting[name]
                raise
    return result


def _start(name: str, target: Callable[[], None]) -> None:
    threading.Thread(target=target, name=name, daemon=True).start()


def _work_off(name: str) -> None:
    while True:
        with _lock:
            queue = _waiting[name]
            if not queue:
                del _waiting[name]
                return
            result, work = queue.popleft()
        if result.set_running_or_notify_cancel():
            _do(work, result)


def _do(work: Callable[[], _T], result: Future[_T]) -> None:
    try:
        value = work()
    except BaseException as error:
        result.set_exception(error)
    else:
        result.set_result(value)

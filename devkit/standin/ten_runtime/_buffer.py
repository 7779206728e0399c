"""Argument checks of the buffer calls."""

from __future__ import annotations


def check_size(size: object) -> None:
    """Raise ``ValueError`` unless ``size`` is a positive int."""
    if not isinstance(size, int) or size <= 0:
        raise ValueError("a buffer needs a positive size in bytes")


def check_view(view: object) -> memoryview:
    """The argument of ``unlock_buf``; ``ValueError`` if it is no view."""
    if not isinstance(view, memoryview):
        raise ValueError("unlock_buf() needs the memoryview of lock_buf()")
    try:
        empty = len(view) == 0
    except ValueError:
        return view  # released before: not locked, as the caller will find
    if empty:
        raise ValueError("unlock_buf() needs the memoryview of lock_buf()")
    return view

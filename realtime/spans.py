"""Stretches of audio, as positions of their first sample and the one after
their last."""

from __future__ import annotations

from typing import TypeAlias

Span: TypeAlias = tuple[int, int]


def overlap(span: Span | None, start: int, stop: int) -> Span | None:
    """The part of a span within a stretch."""
    if span is None:
        return None
    first, last = max(span[0], start), min(span[1], stop)
    return (first, last) if first < last else None


def joined(first: Span | None, last: Span | None) -> Span | None:
    """The stretch over both, where there are both."""
    if first is None or last is None:
        return first or last
    return first[0], last[1]

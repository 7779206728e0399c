"""Whose audio lies where, where calls follow one another in one node."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ten_ai_base.asr import AsyncASRBaseExtension

#: Of no more calls a result may yet come.
_MOST = 1000
#: What is shorter, in ms, ends no turn: two callers at once are none after the
#: other, and the service takes no commit of less.
_LEAST_MS = 100


class _Past(NamedTuple):
    end_ms: int
    metadata: dict[str, Any]


class AudioOwners:
    """By the ``session_id`` of the frames, in ms of all the audio of the node.

    TEN's base gives each message the metadata of the latest frame, which may be
    another caller's by the time that a text comes, after an outage above all.
    """

    def __init__(self, base: AsyncASRBaseExtension) -> None:
        self._base = base
        self._past: deque[_Past] = deque(maxlen=_MOST)
        self._session_id: str | None = None
        self._metadata: dict[str, Any] | None = None
        self._begin_ms = 0

    def frame(self, start_ms: int) -> bool:
        """A frame is heard, whose metadata the base has; True where that
        shows another caller, and the turn of the last one is over."""
        base, last = self._base, self._session_id
        follows = base.session_id != last
        if follows:
            if start_ms > 0:
                self._past.append(_Past(start_ms, self._metadata or {}))
            self._session_id = base.session_id
            follows = start_ms - self._begin_ms >= _LEAST_MS
            self._begin_ms = start_ms
        self._metadata = base.metadata
        return follows and last is not None

    @contextlib.contextmanager
    def of(self, position_ms: int) -> Iterator[None]:
        """What the base sends meanwhile has the metadata of whom the audio
        there is from: the last that there was of it."""
        past = (p.metadata for p in self._past if position_ms < p.end_ms)
        base, theirs = self._base, next(past, None)
        if theirs is None:
            yield
            return
        latest, base.metadata = base.metadata, theirs
        try:
            yield
        finally:
            # A frame may have brought newer ones.
            if base.metadata is theirs:
                base.metadata = latest

"""Many calls as `on_ten` has them, with a clock around each stage.

``python -m bench.load.profiled PATH URL PLAN NOTES``.  The notes have
``stages`` as well: nanoseconds of CPU that each took by itself, without those
within it, and how often it was entered.  The clock is that of the thread, so
waiting for the interpreter is not in it; a stage costs about 1 µs more each
time.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devkit.bootstrap import ensure_ten

ensure_ten()

# ruff: noqa: E402
from ten_packages.extension.openai_asr_python.audio.converter import (
    FrameConverter,
)
from ten_packages.extension.openai_asr_python.audio.model import SpeechModel
from ten_packages.extension.openai_asr_python.audio.turns import TurnDetector
from ten_packages.extension.openai_asr_python.call.intake import Intake
from ten_packages.extension.openai_asr_python.call.scoring import Gathering
from ten_packages.extension.openai_asr_python.connection.driver import Driver
from ten_packages.extension.openai_asr_python.contract.frames import (
    IncomingFrames,
)
from ten_packages.extension.openai_asr_python.contract.handlers import (
    AsrHandlers,
)
from ten_packages.extension.openai_asr_python.realtime.exchange import Exchange
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)
from websockets.asyncio.client import ClientConnection

from . import feed, on_ten
from .plan import Plan

_STAGES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("frames to the call", IncomingFrames, ("receive",)),
    ("wire audio (soxr)", FrameConverter, ("push",)),
    ("detector", TurnDetector, ("push", "scored")),
    ("intake", Intake, ("hear", "_decided")),
    ("scores: asked", Gathering, ("add", "hurry")),
    ("scores: model", SpeechModel, ("score",)),
    ("core: audio", Transcription, ("audio", "listened")),
    ("core: messages, time", Exchange, ("next_message", "deadline", "tick")),
    ("core: events", Exchange, ("receive",)),
    ("driver", Driver, ("schedule", "obey")),
    ("results to TEN", AsrHandlers, ("on_asr_delta", "on_asr_completed")),
    ("socket: send", ClientConnection, ("send",)),
]


class Stages:
    """Who took how much."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._entered: Counter[str] = Counter()
        self._within = threading.local()
        #: What was taken when the calls had all their audio.
        self.found: dict[str, tuple[int, int]] = {}

    def watch(self, stage: str, owner: Any, name: str) -> None:
        """Count a method of ``owner`` as ``stage``."""
        original = getattr(owner, name)
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def timed_coroutine(*given: Any, **more: Any) -> Any:
                done = self._enter(stage)
                try:
                    return await original(*given, **more)
                finally:
                    done()

            setattr(owner, name, timed_coroutine)
            return

        @functools.wraps(original)
        def timed(*given: Any, **more: Any) -> Any:
            done = self._enter(stage)
            try:
                return original(*given, **more)
            finally:
                done()

        setattr(owner, name, timed)

    def _enter(self, stage: str) -> Callable[[], None]:
        # A coroutine that waits would have others within it; those that are
        # watched do so when a socket is full, and before the calls begin.
        outer, self._within.ns = getattr(self._within, "ns", 0), 0
        begin = time.thread_time_ns()

        def done() -> None:
            ns = time.thread_time_ns() - begin
            self._taken[stage] += ns - self._within.ns
            self._entered[stage] += 1
            self._within.ns = outer + ns

        return done

    def reset(self) -> None:
        """The calls begin now."""
        self._taken.clear()
        self._entered.clear()

    def keep(self) -> None:
        """The calls have had their audio."""
        self.found = {
            stage: (self._taken[stage], self._entered[stage])
            for stage in self._taken
        }


def main(path: str, url: str, plan: Plan, notes: Path) -> None:
    stages = Stages()
    for stage, owner, names in _STAGES:
        for name in names:
            stages.watch(stage, owner, name)
    tick, rss_mb, run = feed.Feed._tick, feed.rss_mb, feed.Feed.run
    begun = False

    def begin(self: feed.Feed) -> None:
        nonlocal begun
        if not begun:
            begun = True
            stages.reset()
        tick(self)

    def keep() -> float:
        stages.keep()
        return rss_mb()

    async def note(self: feed.Feed, notes: Path) -> None:
        await run(self, notes)
        found = json.loads(notes.read_text())  # noqa: ASYNC240
        notes.write_text(  # noqa: ASYNC240
            json.dumps({**found, "stages": stages.found})
        )

    feed.Feed._tick = begin  # type: ignore[method-assign]
    feed.Feed.run = note  # type: ignore[method-assign]
    feed.rss_mb = keep
    on_ten.main(path, url, plan, notes)


if __name__ == "__main__":
    path, url, plan_file, notes_file = sys.argv[1:]
    main(path, url, Plan.read(Path(plan_file)), Path(notes_file))

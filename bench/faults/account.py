"""What became of the words of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devkit.bootstrap import ensure_ten

ensure_ten()

# ruff: noqa: E402
from bench.load.plan import FRAME_MS
from bench.soak.stream import RATE, Listener
from bench.soak.ten_stream import GIVEN_UP
from devkit.script_audio import WORD_MS, word_ids

from .script import Script


@dataclass(frozen=True)
class Account:
    """Of one run.

    ``lost``: words that no final has; ``told``: those of them that the client
    reported, with their place; ``doubled``: more than once in finals;
    ``disorder``: words behind a later one; ``broken``: pieces of words in
    finals.  ``latest_s``: from a word's end to the final that has it, at most.
    ``connections`` that reached the server, and items that it failed.
    ``late_ms``: how late a frame went in: 99 % of them, and at worst.
    ``said``: the last error that the client told, or ended with.
    """

    words: int
    delivered: int
    lost: int
    told: int
    doubled: int
    disorder: int
    broken: int
    latest_s: float
    connections: int
    failed: int
    late_ms: tuple[float, float]
    said: str

    @property
    def whole(self) -> bool:
        """Every word, once, in order."""
        return not (self.lost or self.doubled or self.disorder or self.broken)


def account(
    script: Script, notes: Mapping[str, Any], seen: Mapping[str, int]
) -> Account:
    """``notes``: those of `client.CallFeed`; ``seen``: those of `server`."""
    listener = Listener()
    listener.starts = [ms * RATE // 1000 for ms in script.words]
    begin = notes["begin"]
    latest_us = 0
    had: set[int] = set()
    for _, at, text, _final in notes["results"]:
        listener.hear(text)
        for word in word_ids(text):
            if word is None or word in had:
                continue
            had.add(word)
            end = begin + (script.words[word] + WORD_MS) * 1000
            latest_us = max(latest_us, at - end)
    for _, _, text in notes["errors"]:
        given_up = GIVEN_UP.search(text)
        if given_up is not None:
            listener.add_gone(int(given_up[2]), int(given_up[1]))
    count = listener.verdict()
    late_ms = sorted(
        (at - begin) / 1000 - number * FRAME_MS
        for number, at in enumerate(notes["pushed"])
    )
    return Account(
        words=count.words,
        delivered=count.delivered,
        lost=count.words - count.delivered,
        told=count.reported,
        doubled=count.doubled,
        disorder=count.disorder,
        broken=count.broken,
        latest_s=latest_us / 1e6,
        connections=seen.get("connections", 0),
        failed=seen.get("failed", 0),
        late_ms=(late_ms[len(late_ms) * 99 // 100], late_ms[-1]),
        said=" ".join(notes["errors"][-1][2].split())
        if notes["errors"]
        else "",
    )

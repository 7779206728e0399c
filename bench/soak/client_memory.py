"""python -m bench.soak.client_memory: does the real client grow?

Feeds the client as fast as the server, a process of its own, takes it, and
prints every tenth of --words what this process holds: its RSS, and what
tracemalloc counts in the package but for the audio that is held.  Exit
status: 0 that is flat from the second tenth on, 1 it grows, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tracemalloc
from functools import partial

import numpy as np
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.realtime.results import TurnResult

from bench.load.feed import rss_mb
from devkit.script_audio import encode_words, word_ids

from .memory import held_size
from .speech import ServerProcess, free_port
from .stream import RATE, Listener, client_for

_PAUSE = np.zeros(900 * RATE // 1000, np.int16)
_TURN = 4
#: Where the client's code lies.
_PATTERNS = ("realtime/*", "connection/*", "*.py")
#: Less than this is a matter of the moment, in bytes.
_MOMENT = 50_000


class CountingListener(Listener):
    """Keeps no text: the account must not grow."""

    def __init__(self) -> None:
        super().__init__()
        self.words = 0

    async def on_asr_completed(self, turn: TurnResult) -> None:
        """Count words; those of a call come in order."""
        for word in word_ids(turn.text):
            if word != self.words:
                self.count.errors.append(f"{word} instead of {self.words}")
            self.words += 1
        self.changed.set()

    def has_heard(self, words: int) -> bool:
        """So many words of the call, or more."""
        return self.words >= words

    async def on_asr_finalized(self, end: object) -> None:
        """Nothing is kept."""
        self.changed.set()


async def feed(
    url: str, words: int, *, server_turns: bool
) -> list[tuple[int, float]]:
    """One call; (package bytes, RSS in MB) after every tenth."""
    listener = CountingListener()
    client = client_for(
        url,
        listener,
        1,
        server_turns=server_turns,
        log_error=listener.count.errors.append,
    )
    sizes = []
    await client.start()
    for first in range(0, words, _TURN):
        sound = encode_words(range(first, first + _TURN), RATE)
        audio = encode(np.concatenate((sound, _PAUSE)), "ulaw").tobytes()
        client.send_audio(audio)
        if not server_turns:
            client.finalize("turn")
        await listener.until(partial(listener.has_heard, first))
        if (first + _TURN) % (words // 10) < _TURN:
            sizes.append((held_size(client.core, *_PATTERNS), rss_mb()))
    await client.stop()
    if listener.count.errors:
        raise RuntimeError(listener.count.errors[0])
    return sizes


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak.client_memory",
        description="Does the real client grow?",
    )
    parser.add_argument("--words", type=int, default=10_000)
    options = parser.parse_args(arguments)
    if options.words < 200:
        parser.error("--words: at least 200")
    grows = False
    tracemalloc.start()
    for owner in ("server", "client"):
        port = free_port()
        server = ServerProcess(port, "script")
        server.start()
        try:
            sizes = asyncio.run(
                feed(
                    f"ws://127.0.0.1:{port}/v1",
                    options.words,
                    server_turns=owner == "server",
                )
            )
        finally:
            server.kill()
        held = " ".join(f"{size / 1e3:.0f}" for size, _ in sizes)
        rss = " ".join(f"{mb:.1f}" for _, mb in sizes)
        print(f"{owner} package kB {held}  RSS MB {rss}", flush=True)
        grows |= sizes[-1][0] > sizes[1][0] * 1.1 + _MOMENT
    return int(grows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

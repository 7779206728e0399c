"""``python misuse.py NAME``: one thing that ends a process on TEN.

Prints ``before`` when it comes to the point, and ``survived`` if it is still
there afterwards. What an extension does is swallowed by the extension, as a
careful one would do it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from devkit.bootstrap import ensure_ten
from devkit.session_app import session_app

ensure_ten()

from ten_probe import Probe, install  # noqa: E402
from ten_runtime import (  # noqa: E402
    App,
    AsyncExtension,
    AsyncTenEnv,
    AsyncTenEnvTester,
    AudioFrame,
    Cmd,
    CmdResult,
    Data,
    Loc,
    StatusCode,
)


def say(text: str) -> None:
    print(text, flush=True)


class Misuser(AsyncExtension):
    """Does it in a task of its own, which nobody waits for."""

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self.task = asyncio.create_task(self._careful(ten_env))

    async def _careful(self, ten_env: AsyncTenEnv) -> None:
        with contextlib.suppress(Exception):
            await self.misuse(ten_env)
        say("survived")

    async def misuse(self, ten_env: AsyncTenEnv) -> None:
        raise NotImplementedError


def _play(kind: type[AsyncExtension], asks: bool = False) -> None:
    """In single mode, until data comes that never will."""

    async def ask(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await ten_env.send_cmd(Cmd.create("do"))

    with tempfile.TemporaryDirectory() as directory, session_app():
        name = install(Path(directory), kind)
        error = Probe(ask if asks else None, until=1).play(name)
        say(f"ended: {error}")


def _twice(first: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        name = install(Path(directory), AsyncExtension)
        if first:
            assert Probe().play(name) is None
        else:
            with session_app():
                assert Probe().play(name) is None
        say("before")
        Probe().play(name)
    say("survived")


def second_tester_without_an_app() -> None:
    _twice(first=True)


def tester_after_the_app() -> None:
    _twice(first=False)


def app_in_another_thread() -> None:
    app = App()
    say("before")
    thread = threading.Thread(target=app.run, args=[False])
    thread.start()
    thread.join()
    say("survived")


def close_app_from_a_single_extension() -> None:
    class Closer(Misuser):
        async def misuse(self, ten_env: AsyncTenEnv) -> None:
            cmd = Cmd.create("ten:close_app")
            cmd.set_dests([Loc("")])
            say("before")
            await ten_env.send_cmd(cmd)

    _play(Closer)


def message_used_again() -> None:
    class Again(Misuser):
        async def misuse(self, ten_env: AsyncTenEnv) -> None:
            frame = AudioFrame.create("pcm_frame")
            frame.alloc_buf(2)
            await ten_env.send_audio_frame(frame)
            say("before")
            frame.get_buf()

    _play(Again)


def message_sent_again() -> None:
    class Again(Misuser):
        async def misuse(self, ten_env: AsyncTenEnv) -> None:
            data = Data.create("data")
            await ten_env.send_data(data)
            say("before")
            await ten_env.send_data(data)

    _play(Again)


def result_returned_twice() -> None:
    class Twice(AsyncExtension):
        async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
            result = CmdResult.create(StatusCode.OK, cmd)
            await ten_env.return_result(result)
            say("before")
            with contextlib.suppress(Exception):
                await ten_env.return_result(result)
            say("survived")

    _play(Twice, asks=True)


def second_allocation() -> None:
    class Allocator(Misuser):
        async def misuse(self, ten_env: AsyncTenEnv) -> None:
            data = Data.create("data")
            data.alloc_buf(1)
            say("before")
            data.alloc_buf(1)

    _play(Allocator)


def properties_that_are_no_object() -> None:
    class Setter(Misuser):
        async def misuse(self, ten_env: AsyncTenEnv) -> None:
            data = Data.create("data")
            say("before")
            data.set_property_from_json(None, "[]")

    _play(Setter)


def tester_run_twice() -> None:
    with tempfile.TemporaryDirectory() as directory, session_app():
        probe = Probe()
        assert probe.play(install(Path(directory), AsyncExtension)) is None
        say("before")
        probe.run()
    say("survived")


MISUSES: list[Callable[[], None]] = [
    second_tester_without_an_app,
    tester_after_the_app,
    app_in_another_thread,
    close_app_from_a_single_extension,
    message_used_again,
    message_sent_again,
    result_returned_twice,
    second_allocation,
    properties_that_are_no_object,
    tester_run_twice,
]

if __name__ == "__main__":
    {misuse.__name__: misuse for misuse in MISUSES}[sys.argv[1]]()

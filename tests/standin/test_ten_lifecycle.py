"""Manners of stages, threads and callbacks."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from ten_probe import Probe, ask, data, install, standin_only
from ten_runtime import (
    AsyncExtension,
    AsyncTenEnv,
    AsyncTenEnvTester,
    Cmd,
    CmdResult,
    Data,
    Extension,
    ExtensionTester,
    StatusCode,
    TenEnv,
    TenEnvTester,
    TenError,
    TenErrorCode,
)


class Recorder(AsyncExtension):
    """Notes its stages and what it gets."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.notes: list[str] = []
        self.threads: set[int] = set()
        self.env: AsyncTenEnv | None = None

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.threads.add(threading.get_ident())

    async def on_configure(self, ten_env: AsyncTenEnv) -> None:
        self.env = ten_env
        self.note("configure")

    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        self.note("init")

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self.note("start")

    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        self.note("stop")

    async def on_deinit(self, ten_env: AsyncTenEnv) -> None:
        self.note("deinit")

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        self.note(data.get_name())

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        result = CmdResult.create(StatusCode.OK, cmd)
        result.set_property_from_json("answer", "1")
        await ten_env.return_result(result)


class Kept:
    """A factory that keeps what it made, for a look afterwards."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self.made: list[Any] = []

    def __call__(self, name: str) -> Any:
        self.made.append(self.kind(name))
        return self.made[-1]


async def _ask_once(ten_env: AsyncTenEnvTester, _probe: Probe) -> None:
    await ask(ten_env, "anything")


def test_stages_come_in_order_in_one_loop_thread(tmp_path: Path) -> None:
    kept = Kept(Recorder)
    name = install(tmp_path, kept)
    for _ in range(2):
        assert Probe(_ask_once).play(name) is None
    first, second = kept.made
    stages = ["configure", "init", "start", "stop", "deinit"]
    assert first.notes == second.notes == stages
    assert len(first.threads) == 1
    assert threading.get_ident() not in first.threads
    assert first.name == name


def test_messages_wait_for_on_init_and_may_precede_on_start(
    tmp_path: Path,
) -> None:
    began = threading.Event()
    finish = threading.Event()

    class SlowInit(Recorder):
        async def on_init(self, ten_env: AsyncTenEnv) -> None:
            began.set()
            assert await asyncio.to_thread(finish.wait, 60)
            self.note("init")

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await asyncio.to_thread(began.wait, 60)
        for number in range(3):
            await ten_env.send_data(data(f"d{number}"))
        finish.set()
        await ask(ten_env, "anything")

    kept = Kept(SlowInit)
    assert Probe(script).play(install(tmp_path, kept)) is None
    notes = kept.made[0].notes
    assert notes[:5] == ["configure", "init", "d0", "d1", "d2"]
    assert notes[5:] == ["start", "stop", "deinit"]


def test_messages_are_handled_while_on_start_waits(tmp_path: Path) -> None:
    class Waiting(Recorder):
        async def on_init(self, ten_env: AsyncTenEnv) -> None:
            self.released = asyncio.Event()

        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            await self.released.wait()
            self.note("start")

        async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
            self.note("data")
            self.released.set()

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await ten_env.send_data(data("go"))
        await ask(ten_env, "anything")

    kept = Kept(Waiting)
    assert Probe(script).play(install(tmp_path, kept)) is None
    assert kept.made[0].notes.index("data") < kept.made[0].notes.index("start")


def test_callbacks_start_in_order_and_interleave(tmp_path: Path) -> None:
    class Interleaving(Recorder):
        async def on_init(self, ten_env: AsyncTenEnv) -> None:
            self.second = asyncio.Event()

        async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
            self.note(f"begin {data.get_name()}")
            if data.get_name() == "first":
                await self.second.wait()
            self.note(f"end {data.get_name()}")
            self.second.set()

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await ten_env.send_data(data("first"))
        await ten_env.send_data(data("second"))
        await ask(ten_env, "anything")

    kept = Kept(Interleaving)
    assert Probe(script).play(install(tmp_path, kept)) is None
    notes = [note for note in kept.made[0].notes if " " in note]
    assert notes == ["begin first", "begin second", "end second", "end first"]


def test_after_deinit_everything_is_closed(tmp_path: Path) -> None:
    kept = Kept(Recorder)
    assert Probe().play(install(tmp_path, kept)) is None
    env = kept.made[0].env

    async def calls() -> list[TenError | None]:
        message = Data.create("late")
        errors = [await env.send_data(message)]
        message.get_name()  # a refused message stays usable
        errors.append((await env.get_property_int("x"))[1])
        errors.append((await env.send_cmd(Cmd.create("late")))[1])
        return errors

    errors = asyncio.run(calls())
    closed = TenErrorCode.ErrorCodeTenIsClosed
    assert [e.error_code() for e in errors if e] == [closed] * 3
    assert env.log_info("late") is not None


def test_a_sync_extension_ends_its_stages_itself(tmp_path: Path) -> None:
    class Sync(Extension):
        def on_start(self, ten_env: TenEnv) -> None:
            ten_env.send_data(data("from_start"))
            ten_env.on_start_done()

        def on_cmd(self, ten_env: TenEnv, cmd: Cmd) -> None:
            result = CmdResult.create(StatusCode.OK, cmd)
            # Only async extensions know their name.
            named = json.dumps(hasattr(self, "name"))
            result.set_property_from_json("answer", named)
            ten_env.return_result(result)

    answers: list[bool] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        answers.append(await ask(ten_env, "who"))

    name = install(tmp_path, Sync)
    probe = Probe(script, until=1)
    assert probe.play(name) is None
    assert answers == [False]
    assert probe.seen == [("from_start", {})]


def test_a_sync_tester(tmp_path: Path) -> None:
    statuses: list[StatusCode] = []

    class SyncTester(ExtensionTester):
        def on_start(self, ten_env: TenEnvTester) -> None:
            ten_env.send_cmd(Cmd.create("hi"), self.answered)
            ten_env.on_start_done()

        def answered(
            self,
            ten_env: TenEnvTester,
            result: CmdResult | None,
            error: TenError | None,
        ) -> None:
            assert result is not None
            statuses.append(result.get_status_code())
            ten_env.stop_test()

    tester = SyncTester()
    tester.set_test_mode_single(install(tmp_path, Recorder))
    assert tester.run() is None
    assert statuses == [StatusCode.OK]


def test_the_first_error_of_stop_test_counts(tmp_path: Path) -> None:
    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        code = TenErrorCode.ErrorCodeGeneric
        ten_env.stop_test()
        ten_env.stop_test(TenError.create(code, "one"))
        ten_env.stop_test(TenError.create(code, "two"))
        ten_env.stop_test()

    error = Probe(script).play(install(tmp_path, Recorder))
    assert error is not None
    assert error.error_message() == "one"


def test_the_timeout_is_error_8(tmp_path: Path) -> None:
    tester = Probe(until=1)
    tester.set_test_mode_single(install(tmp_path, Recorder))
    tester.set_timeout(50_000)
    error = tester.run()
    assert error is not None
    assert error.error_code() == TenErrorCode.ErrorCodeTimeout


def test_a_constructor_takes_the_name_only() -> None:
    with pytest.raises(TypeError):
        Recorder("a", "b")  # type: ignore[call-arg]


@standin_only
@pytest.mark.parametrize(
    "stage", ["on_configure", "on_init", "on_start", "on_stop", "on_deinit"]
)
@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError])
def test_an_exception_in_a_stage_ends_the_run(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    stage: str,
    kind: type[BaseException],
) -> None:
    async def fail(self: Recorder, ten_env: AsyncTenEnv) -> None:
        raise kind("oops")

    failing = type("Failing", (Recorder,), {stage: fail})
    error = Probe(until=0 if stage in ("on_stop", "on_deinit") else 1).play(
        install(tmp_path, failing)
    )
    assert error is not None
    assert stage in error.error_message()
    lines = [r for r in caplog.records if "Uncaught exception" in r.message]
    assert len(lines) == 1
    assert lines[0].levelno == logging.ERROR
    assert lines[0].exc_info is not None


@standin_only
def test_an_exception_in_a_message_callback_ends_the_run(
    tmp_path: Path,
) -> None:
    class Failing(Recorder):
        async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
            raise SystemExit(3)

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await ten_env.send_data(data("poison"))

    kept = Kept(Failing)
    error = Probe(script, until=1).play(install(tmp_path, kept))
    assert error is not None
    assert "on_data" in error.error_message()
    assert kept.made[0].notes[-2:] == ["stop", "deinit"]


@standin_only
def test_leftover_tasks_are_cancelled_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled: list[bool] = []

    class Leaking(Recorder):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            self.task = asyncio.create_task(self.forgotten())

        async def forgotten(self) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

    assert Probe(_ask_once).play(install(tmp_path, Leaking)) is None
    assert cancelled == [True]
    counts = [getattr(r, "ten_leftover_tasks", 0) for r in caplog.records]
    assert [count for count in counts if count] == [1]
    reports = [r for r in caplog.records if getattr(r, "ten_leftover_tasks", 0)]
    assert "forgotten" in reports[0].message


@standin_only
def test_a_clean_extension_leaves_no_task(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Probe(_ask_once).play(install(tmp_path, Recorder)) is None
    assert not [
        r for r in caplog.records if getattr(r, "ten_leftover_tasks", 0)
    ]


@standin_only
def test_a_tester_runs_once(tmp_path: Path) -> None:
    tester = Probe()
    assert tester.play(install(tmp_path, Recorder)) is None
    with pytest.raises(RuntimeError, match="second"):
        tester.run()


@standin_only
def test_an_unknown_addon_is_an_error() -> None:
    error = Probe().play("no_such_addon_anywhere")
    assert error is not None
    assert "no_such_addon_anywhere" in error.error_message()

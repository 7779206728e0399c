"""Manners of commands and their results."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ten_probe import (
    TESTER,
    Echo,
    Probe,
    ask,
    flow,
    install,
    node,
)
from ten_runtime import (
    AsyncExtension,
    AsyncTenEnv,
    AsyncTenEnvTester,
    Cmd,
    CmdResult,
    Data,
    StatusCode,
    TenError,
)

NAME = {"type": "string"}


def test_a_refused_command_gets_an_error_result(tmp_path: Path) -> None:
    entry = {"name": "do", "property": {"properties": {"p": NAME}}}
    name = install(tmp_path, Echo, api={"cmd_in": [entry]})
    details: list[str] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        cmd = Cmd.create("do")
        cmd.set_property_int("p", 1)
        result, error = await ten_env.send_cmd(cmd)
        assert error is None
        assert result is not None
        assert result.get_status_code() is StatusCode.ERROR
        details.append(result.get_property_string("detail")[0])

    assert Probe(script).play(name) is None
    assert details[0]


class Several(AsyncExtension):
    """Answers with three results."""

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        for number in range(3):
            result = CmdResult.create(StatusCode.OK, cmd)
            result.set_final(number == 2)
            result.set_property_int("n", number)
            await ten_env.return_result(result)
        late = CmdResult.create(StatusCode.ERROR, cmd)
        assert await ten_env.return_result(late) is None  # swallowed


def test_send_cmd_ex_yields_every_result(tmp_path: Path) -> None:
    got: list[Any] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        async for result, error in ten_env.send_cmd_ex(Cmd.create("go")):
            assert error is None
            assert result is not None
            got.append((result.get_property_int("n")[0], result.is_completed()))

    assert Probe(script).play(install(tmp_path, Several)) is None
    assert got == [(0, False), (1, False), (2, True)]


def test_send_cmd_wants_one_result(tmp_path: Path) -> None:
    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        with pytest.raises(AssertionError):
            await ten_env.send_cmd(Cmd.create("go"))

    assert Probe(script).play(install(tmp_path, Several)) is None


class Silent(AsyncExtension):
    """Answers no command, but says that one came."""

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        await ten_env.send_data(Data.create("got_it"))


def test_a_testers_open_command_stays_open(tmp_path: Path) -> None:
    done: list[bool] = []

    class Patient(Probe):
        pending: asyncio.Task[tuple[CmdResult | None, TenError | None]]

        async def on_deinit(self, ten_env: AsyncTenEnvTester) -> None:
            done.append(self.pending.done())
            self.pending.cancel()

    async def script(ten_env: AsyncTenEnvTester, probe: Any) -> None:
        cmd = Cmd.create("never")
        probe.pending = asyncio.create_task(ten_env.send_cmd(cmd))

    assert Patient(script, until=1).play(install(tmp_path, Silent)) is None
    assert done == [False]


def test_an_extensions_open_command_stays_open(tmp_path: Path) -> None:
    done: list[bool] = []

    class Asking(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            cmd = Cmd.create("never")
            self.pending = asyncio.create_task(ten_env.send_cmd(cmd))

        async def on_deinit(self, ten_env: AsyncTenEnv) -> None:
            done.append(self.pending.done())
            self.pending.cancel()

    graph = {
        "nodes": [
            TESTER,
            node("a", install(tmp_path, Asking)),
            node("b", install(tmp_path, Silent)),
        ],
        "connections": [
            flow("a", "cmd", ["never"], ["b"]),
            flow("b", "data", ["got_it"], ["tester"]),
        ],
    }
    assert Probe(until=1).play_graph(graph) is None
    assert done == [False]


def test_a_forwarded_command_is_answered_by_its_result(tmp_path: Path) -> None:
    class Forward(AsyncExtension):
        async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
            result, _ = await ten_env.send_cmd(cmd)
            assert result is not None
            await ten_env.return_result(result)

    graph = {
        "nodes": [
            TESTER,
            node("a", install(tmp_path, Forward)),
            node("b", install(tmp_path, Echo)),
        ],
        "connections": [
            flow("tester", "cmd", ["do"], ["a"]),
            flow("a", "cmd", ["do"], ["b"]),
        ],
    }
    answers: list[Any] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        answers.append(await ask(ten_env, "do"))

    assert Probe(script).play_graph(graph) is None
    assert answers == [{}]


class Answerer(AsyncExtension):
    """Answers with the status of its property ``status``."""

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        status, _ = await ten_env.get_property_int("status")
        result = CmdResult.create(StatusCode(status), cmd)
        result.set_property_string("who", self.name)
        await ten_env.return_result(result)


def _fan_out(tmp_path: Path, statuses: dict[str, int]) -> dict[str, Any]:
    name = install(tmp_path, Answerer)
    nodes = [node(who, name, status=code) for who, code in statuses.items()]
    return {
        "nodes": [TESTER, *nodes],
        "connections": [flow("tester", "cmd", ["do"], list(statuses))],
    }


def test_one_error_stands_for_all_results(tmp_path: Path) -> None:
    got: list[Any] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        result, error = await ten_env.send_cmd(Cmd.create("do"))
        assert error is None
        assert result is not None
        got.append(result.get_property_string("who")[0])

    graph = _fan_out(tmp_path, {"a": 0, "b": 1, "c": 0})
    assert Probe(script).play_graph(graph) is None
    assert got == ["b"]


def test_every_responder_is_heard_by_send_cmd_ex(tmp_path: Path) -> None:
    got: list[Any] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        async for result, error in ten_env.send_cmd_ex(Cmd.create("do")):
            assert error is None
            assert result is not None
            got.append(result.is_completed())

    graph = _fan_out(tmp_path, {"a": 0, "b": 1, "c": 0})
    assert Probe(script).play_graph(graph) is None
    assert got == [False, False, True]


def test_the_result_schema_is_enforced(tmp_path: Path) -> None:
    class Wrong(AsyncExtension):
        async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
            for value in ('"text"', "1"):
                result = CmdResult.create(StatusCode.OK, cmd)
                result.set_property_from_json("code", value)
                await ten_env.return_result(result)

    declared = {"property": {"properties": {"code": {"type": "int64"}}}}
    entry = {"name": "do", "result": declared}
    name = install(tmp_path, Wrong, api={"cmd_in": [entry]})
    got: list[Any] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        result, _ = await ten_env.send_cmd(Cmd.create("do"))
        assert result is not None
        got.append(result.get_property_int("code"))

    assert Probe(script).play(name) is None
    assert got == [(1, None)]

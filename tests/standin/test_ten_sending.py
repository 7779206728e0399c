"""Manners of sending: connections, refusals, isolation."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from ten_probe import (
    TESTER,
    Echo,
    Probe,
    ask,
    data,
    flow,
    install,
    node,
    standin_only,
)
from ten_runtime import (
    AsyncExtension,
    AsyncTenEnv,
    AsyncTenEnvTester,
    AudioFrame,
    Cmd,
    CmdResult,
    Data,
    Loc,
    SendOptions,
    StatusCode,
    TenErrorCode,
)

from devkit.session_app import SessionApp

WAIT = SendOptions(wait_for_result=True)
NAME = {"type": "string"}


class Outbox(AsyncExtension):
    """Sends ``make()`` when asked, and answers with the error code."""

    def make(self) -> Data:
        return Data.create("out")

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        options = WAIT if cmd.get_name() == "wait" else None
        error = await ten_env.send_data(self.make(), options)
        result = CmdResult.create(StatusCode.OK, cmd)
        code = "null" if error is None else str(error.error_code())
        result.set_property_from_json("answer", code)
        await ten_env.return_result(result)


async def _echo(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
    await ten_env.send_data(data("ping", n=1, nested={"list": [1, 2.5]}))


def test_data_goes_round(tmp_path: Path) -> None:
    probe = Probe(_echo, until=1)
    assert probe.play(install(tmp_path, Echo)) is None
    assert probe.seen == [("ping", {"n": 1, "nested": {"list": [1, 2.5]}})]


def test_a_sent_message_is_invalid(tmp_path: Path) -> None:
    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        message = data("ping", n=1)
        assert await ten_env.send_data(message) is None
        with pytest.raises(ValueError, match="invalidated"):
            message.get_property_int("n")
        with pytest.raises(ValueError, match="invalidated"):
            message.get_name()

    assert Probe(script).play(install(tmp_path, Echo)) is None


@standin_only
def test_sending_twice_raises_here(tmp_path: Path) -> None:
    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        frame = AudioFrame.create("pcm_frame")
        await ten_env.send_audio_frame(frame)
        for misuse in (frame.clone, frame.get_buf, frame.get_sample_rate):
            with pytest.raises(RuntimeError, match="already sent"):
                misuse()
        with pytest.raises(RuntimeError, match="already sent"):
            await ten_env.send_audio_frame(frame)

    error = Probe(script).play(install(tmp_path, Echo))
    assert error is not None
    assert "already sent" in error.error_message()


def test_audio_arrives_with_its_fields_and_bytes(tmp_path: Path) -> None:
    got: list[Any] = []

    class Ear(Echo):
        async def on_audio_frame(
            self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
        ) -> None:
            got.append(
                (
                    audio_frame.get_sample_rate(),
                    bytes(audio_frame.get_buf()),
                    audio_frame.get_property_string("metadata.session_id"),
                )
            )

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        frame = AudioFrame.create("pcm_frame")
        frame.set_sample_rate(16000)
        frame.alloc_buf(2)
        view = frame.lock_buf()
        view[:] = b"ab"
        frame.unlock_buf(view)
        frame.set_property_from_json("metadata", '{"session_id": "7"}')
        assert await ten_env.send_audio_frame(frame) is None
        await ask(ten_env, "sync")

    assert Probe(script).play(install(tmp_path, Ear)) is None
    assert got == [(16000, b"ab", ("7", None))]


def test_a_locked_buffer_is_not_sent(tmp_path: Path) -> None:
    class Locked(Outbox):
        def make(self) -> Data:
            message = Data.create("out")
            message.alloc_buf(4)
            self.view = message.lock_buf()
            return message

    answers = _ask_outbox(install(tmp_path, Locked))
    assert answers == [None, TenErrorCode.ErrorCodeGeneric, []]


def _ask_outbox(name: str, api_graph: bool = False) -> list[Any]:
    answers: list[Any] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        answers.append(await ask(ten_env, "forget"))
        answers.append(await ask(ten_env, "wait"))

    probe = Probe(script)
    if api_graph:
        connections = [flow("tester", "cmd", ["forget", "wait"], ["box"])]
        graph = {
            "nodes": [TESTER, node("box", name)],
            "connections": connections,
        }
        assert probe.play_graph(graph) is None
    else:
        assert probe.play(name) is None
    return [*answers, probe.seen]


def test_an_unconnected_message_is_error_7_for_those_who_ask(
    tmp_path: Path,
) -> None:
    answers = _ask_outbox(install(tmp_path, Outbox), api_graph=True)
    assert answers == [None, TenErrorCode.ErrorCodeMsgNotConnected, []]


@pytest.mark.parametrize(
    ("declared", "value", "passes"),
    [
        ({"type": "string"}, "x", True),
        ({"type": "string"}, None, False),
        ({"type": "int64"}, 1, True),
        ({"type": "int64"}, 1.0, False),
        ({"type": "int64"}, True, False),
        ({"type": "int64"}, None, False),
        ({"type": "float64"}, 1, True),
        ({"type": "float64"}, 1.5, True),
        ({"type": "bool"}, 1, False),
        ({"type": "array", "items": {"type": "string"}}, ["a", "b"], True),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], False),
        ({"type": "array", "items": {"type": "string"}}, [], True),
        ({"type": "object", "properties": {"k": NAME}}, {"other": 1}, True),
        ({"type": "object", "properties": {"k": NAME}}, {"k": 1}, False),
    ],
)
@pytest.mark.parametrize("way", ["out", "in"])
def test_a_schema_is_enforced_both_ways(
    tmp_path: Path, way: str, declared: Any, value: Any, passes: bool
) -> None:
    entry = {"name": "ping", "property": {"properties": {"p": declared}}}
    name = install(tmp_path, Echo, api={f"data_{way}": [entry]})

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        message = data("ping", p=value, undeclared=None)
        assert await ten_env.send_data(message, WAIT) is None
        await ask(ten_env, "sync")
        await ten_env.send_data(data("end"))

    probe = Probe(script, until=2 if passes else 1)
    assert probe.play(name) is None
    wanted = [("ping", {"p": value, "undeclared": None})] if passes else []
    assert probe.seen == [*wanted, ("end", {})]


def test_the_sender_learns_of_its_own_schema(tmp_path: Path) -> None:
    class Null(Outbox):
        def make(self) -> Data:
            return data("out", p=None)

    entry = {"name": "out", "property": {"properties": {"p": NAME}}}
    name = install(tmp_path, Null, api={"data_out": [entry]})
    assert _ask_outbox(name) == [None, TenErrorCode.ErrorCodeGeneric, []]


@standin_only
def test_a_refusal_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = {"name": "ping", "property": {"properties": {"p": NAME}}}
    name = install(tmp_path, Echo, api={"data_in": [entry]})

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await ten_env.send_data(data("ping", p=None))
        await ask(ten_env, "sync")

    assert Probe(script).play(name) is None
    assert "p: expected string, got null" in caplog.text


def test_required_keys_count_inside_property_only(tmp_path: Path) -> None:
    entry = {
        "name": "ping",
        "property": {"properties": {"p": NAME}, "required": ["p"]},
    }
    name = install(tmp_path, Echo, api={"data_in": [entry]})

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await ten_env.send_data(data("ping"))
        await ten_env.send_data(data("ping", p="x"))

    probe = Probe(script, until=1)
    assert probe.play(name) is None
    assert probe.seen == [("ping", {"p": "x"})]


def test_several_destinations_get_isolated_copies(tmp_path: Path) -> None:
    class Stamp(Echo):
        async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
            assert data.get_property_string("stamp")[1] is not None
            data.set_property_string("stamp", self.name)
            view = data.lock_buf()
            view[0] += 1
            data.unlock_buf(view)
            data.set_property_int("byte", data.get_buf()[0])
            await ten_env.send_data(data)

    name = install(tmp_path, Stamp)
    graph = {
        "nodes": [TESTER, node("a", name), node("b", name)],
        "connections": [
            flow("tester", "data", ["ping"], ["a", "b"]),
            flow("a", "data", ["ping"], ["tester"]),
            flow("b", "data", ["ping"], ["tester"]),
        ],
    }

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        message = data("ping", n=1)
        message.alloc_buf(1)
        view = message.lock_buf()
        view[0] = 7
        message.unlock_buf(view)
        await ten_env.send_data(message)

    probe = Probe(script, until=2)
    assert probe.play_graph(graph) is None
    got = sorted(json.dumps(seen, sort_keys=True) for _, seen in probe.seen)
    assert got == [
        '{"byte": 8, "n": 1, "stamp": "a"}',
        '{"byte": 8, "n": 1, "stamp": "b"}',
    ]


def test_explicit_destinations_need_no_connection(tmp_path: Path) -> None:
    class Reply(Echo):
        async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
            data.set_dests([Loc("", "", "tester")])
            await ten_env.send_data(data)

    name = install(tmp_path, Reply)
    graph = {
        "nodes": [TESTER, node("a", name)],
        "connections": [flow("tester", "data", ["ping"], ["a"])],
    }
    probe = Probe(_echo, until=1)
    assert probe.play_graph(graph) is None
    assert [name for name, _ in probe.seen] == ["ping"]


def test_names_and_source_are_the_same_connection(
    tmp_path: Path, ten_app: SessionApp
) -> None:
    if not ten_app.follows_log:
        pytest.skip("a runtime without TEN's Rust part reads no such graphs")
    name = install(tmp_path, Echo)
    graph = {
        "nodes": [TESTER, node("a", name)],
        "connections": [
            {
                "extension": "a",
                "data": [
                    {
                        "names": ["ping", "pong"],
                        "source": [{"extension": "tester"}],
                    },
                    {
                        "names": ["ping", "pong"],
                        "dest": [{"extension": "tester"}],
                    },
                ],
            }
        ],
    }

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        await ten_env.send_data(data("ping"))
        await ten_env.send_data(data("pong"))
        await ten_env.send_data(data("lost"))

    probe = Probe(script, until=2)
    assert probe.play_graph(graph) is None
    assert [name for name, _ in probe.seen] == ["ping", "pong"]


def test_close_app_ends_the_test_app(tmp_path: Path) -> None:
    class Closer(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            cmd = Cmd.create("ten:close_app")
            cmd.set_dests([Loc("")])
            # Its result comes when all is over.
            self.closing = asyncio.create_task(ten_env.send_cmd(cmd))

    graph = {"nodes": [TESTER, node("a", install(tmp_path, Closer))]}
    assert Probe(until=1).play_graph(graph) is None


@standin_only
def test_a_wrong_graph_is_error_5() -> None:
    graph = {
        "nodes": [TESTER],
        "connections": [flow("tester", "data", ["x"], ["nobody"])],
    }
    error = Probe().play_graph(graph)
    assert error is not None
    assert error.error_code() == TenErrorCode.ErrorCodeInvalidGraph
    assert "nobody" in error.error_message()


@standin_only
def test_msg_conversion_is_refused_and_not_left_out_silently() -> None:
    converted = {"extension": "tester", "msg_conversion": {}}
    ping = {"name": "ping", "dest": [converted]}
    graph = {
        "nodes": [TESTER],
        "connections": [{"extension": "tester", "data": [ping]}],
    }
    error = Probe().play_graph(graph)
    assert error is not None
    assert "not supported by the stand-in" in error.error_message()

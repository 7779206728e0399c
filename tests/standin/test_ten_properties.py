"""Manners of properties: merge, placeholders, validation, access."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ten_probe import Probe, ask, install, standin_only
from ten_runtime import (
    AsyncExtension,
    AsyncTenEnv,
    AsyncTenEnvTester,
    Cmd,
    CmdResult,
    StatusCode,
    TenErrorCode,
)


class Reader(AsyncExtension):
    """Answers every command with all its properties."""

    async def answer(self, ten_env: AsyncTenEnv) -> Any:
        text, error = await ten_env.get_property_to_json()
        assert error is None
        return json.loads(text)

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        result = CmdResult.create(StatusCode.OK, cmd)
        answer = json.dumps(await self.answer(ten_env))
        result.set_property_from_json("answer", answer)
        await ten_env.return_result(result)


def _answer(name: str, properties: Any = None) -> Any:
    answers: list[Any] = []

    async def script(ten_env: AsyncTenEnvTester, probe: Probe) -> None:
        answers.append(await ask(ten_env, "read"))

    assert Probe(script).play(name, properties) is None
    return answers[0]


def test_node_properties_merge_over_the_package(tmp_path: Path) -> None:
    defaults = {"o": {"a": 1, "b": {"x": 1}}, "list": [1, 2, 3], "keep": "me"}
    name = install(tmp_path, Reader, properties=defaults)
    over = {"o": {"b": {"y": 2}}, "list": [9], "new": True}
    assert _answer(name) == defaults
    assert _answer(name, over) == {
        "o": {"a": 1, "b": {"x": 1, "y": 2}},
        "list": [9],
        "keep": "me",
        "new": True,
    }


def test_placeholders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_SET", "7")
    monkeypatch.setenv("PROBE_EMPTY", "")
    monkeypatch.setenv("PROBE_NESTED", "${env:PROBE_SET}")
    monkeypatch.delenv("PROBE_UNSET", raising=False)
    name = install(
        tmp_path, Reader, properties={"default": "${env:PROBE_UNSET|}"}
    )
    given = {
        "set": "${env:PROBE_SET}",
        "empty": "${env:PROBE_EMPTY|default}",
        "unset": "${env:PROBE_UNSET|a|b}",
        "deep": [{"x": "${env:PROBE_SET|no}"}],
        "part": "x${env:PROBE_SET}",
        "once": "${env:PROBE_NESTED}",
    }
    assert _answer(name, given) == {
        "default": "",
        "set": "7",
        "empty": "",
        "unset": "a|b",
        "deep": [{"x": "7"}],
        "part": "x${env:PROBE_SET}",
        "once": "${env:PROBE_SET}",
    }


def test_a_malformed_placeholder_stops_the_resolution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_SET", "7")
    given = {
        "a": "${env:PROBE_SET}",
        "b": "${nonsense}",
        "c": "${env:PROBE_SET}",
    }
    assert _answer(install(tmp_path, Reader), given) == {
        "a": "7",
        "b": "${nonsense}",
        "c": "${env:PROBE_SET}",
    }


def test_declared_floats_take_integers(tmp_path: Path) -> None:
    class Float(Reader):
        async def answer(self, ten_env: AsyncTenEnv) -> Any:
            value, error = await ten_env.get_property_float("f")
            assert error is None
            return value

    api = {"property": {"properties": {"f": {"type": "float64"}}}}
    assert _answer(install(tmp_path, Float, api=api), {"f": 3}) == 3.0


def test_access_by_type(tmp_path: Path) -> None:
    class Access(Reader):
        async def answer(self, ten_env: AsyncTenEnv) -> Any:
            missing = await ten_env.get_property_string("missing")
            assert missing[0] == ""
            assert missing[1] is not None
            assert await ten_env.is_property_exist("missing") == (False, None)
            assert await ten_env.is_property_exist("a.b") == (True, None)
            assert await ten_env.set_property_string("x.y", "z") is None
            error = await ten_env.set_property_from_json("j", '{"k": [1]}')
            assert error is None
            with pytest.raises(ValueError):  # noqa: PT011
                await ten_env.set_property_from_json("j", "{")
            wrong = await ten_env.set_property_string("declared", "text")
            assert wrong is not None
            late = await ten_env.init_property_from_json("{}")
            assert late is not None
            return [
                await ten_env.get_property_int("a.b") == (1, None),
                await ten_env.get_property_bool("flag") == (True, None),
                await ten_env.get_property_string("x.y") == ("z", None),
                await ten_env.get_property_int("j.k[0]") == (1, None),
                await ten_env.get_property_int("declared") == (5, None),
            ]

    api = {"property": {"properties": {"declared": {"type": "int64"}}}}
    name = install(tmp_path, Access, api=api)
    given = {"a": {"b": 1}, "flag": True, "declared": 5}
    assert _answer(name, given) == [True] * 5


def test_init_property_replaces_the_packages_defaults(tmp_path: Path) -> None:
    class Init(Reader):
        async def on_configure(self, ten_env: AsyncTenEnv) -> None:
            error = await ten_env.init_property_from_json('{"a": 1, "b": 1}')
            assert error is None

    name = install(tmp_path, Init, properties={"package": True})
    assert _answer(name, {"b": 2}) == {"a": 1, "b": 2}


@pytest.mark.standin("TEN's Rust part checks it where it is built in")
@pytest.mark.parametrize("text", ["{nonsense", "[]"])
def test_properties_that_are_no_json_are_refused(
    tmp_path: Path, text: str
) -> None:
    errors: list[Any] = []

    class Init(Reader):
        async def on_configure(self, ten_env: AsyncTenEnv) -> None:
            errors.append(await ten_env.init_property_from_json(text))

    name = install(tmp_path, Init, properties={"package": True})
    assert _answer(name, {"b": 2}) == {"package": True, "b": 2}
    assert errors[0].error_code() == TenErrorCode.ErrorCodeInvalidJSON


@standin_only
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"key": "${env:PROBE_UNSET}"}, "PROBE_UNSET"),
        ({"key": "${file:x}"}, "scope"),
        ({"number": "7"}, "number: expected int64, got string"),
        ({"number": 7.0}, "number: expected int64"),
        ({"number": True}, "number: expected int64"),
        ({"deep": {"free": None}}, "null is not allowed"),
    ],
)
def test_wrong_properties_end_the_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: Any,
    text: str,
) -> None:
    monkeypatch.delenv("PROBE_UNSET", raising=False)
    api = {"property": {"properties": {"number": {"type": "int64"}}}}
    name = install(tmp_path, Reader, api=api)
    error = Probe(until=1).play(name, given)
    assert error is not None
    assert text in error.error_message()


@standin_only
def test_properties_that_are_no_json_abort() -> None:
    with pytest.raises(RuntimeError, match="JSON"):
        Probe().set_test_mode_single("any", "{")

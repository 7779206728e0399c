"""Small extensions and testers for the tests beside this file.

Public API only, so that what these tests state about TEN's manners can be
checked against the real runtime too.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from ten_runtime import (
    Addon,
    AsyncExtension,
    AsyncExtensionTester,
    AsyncTenEnv,
    AsyncTenEnvTester,
    Cmd,
    CmdResult,
    Data,
    Extension,
    StatusCode,
    TenEnv,
    TenError,
    register_addon_as_extension,
)

#: For what the real runtime answers by ending the process.
standin_only = pytest.mark.standin("ends the process on TEN")

_numbers = itertools.count(1)
Factory = Callable[[str], AsyncExtension | Extension]
HANG_GUARD_US = 60_000_000


def install(
    directory: Path,
    factory: Factory,
    api: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
) -> str:
    """Write a package into ``directory`` and register it; returns its name."""
    name = f"probe_{next(_numbers)}"
    package = directory / name
    package.mkdir()
    manifest = {"type": "extension", "name": name, "version": "0.1.0"}
    (package / "manifest.json").write_text(
        json.dumps({**manifest, "api": api or {}})
    )
    (package / "property.json").write_text(json.dumps(properties or {}))

    @register_addon_as_extension(name, str(package / "addon.py"))
    class ProbeAddon(Addon):
        def on_create_instance(
            self, ten_env: TenEnv, name: str, context: object
        ) -> None:
            ten_env.on_create_instance_done(factory(name), context)

    return name


Script = Callable[[AsyncTenEnvTester, "Probe"], Awaitable[None]]


class Probe(AsyncExtensionTester):
    """Runs ``script`` in on_start, then stops the test.

    ``seen``: name and properties of the data that came; ``until``: stop when
    that many came (a script alone may be over before they are here).
    """

    def __init__(self, script: Script | None = None, until: int = 0) -> None:
        super().__init__()
        self.seen: list[tuple[str, Any]] = []
        self.failure: BaseException | None = None
        self._script = script
        self._until = until
        self._scripted = False

    async def on_start(self, ten_env: AsyncTenEnvTester) -> None:
        if self._script is not None:
            try:
                await self._script(ten_env, self)
            except Exception as error:  # told to the test, not to the host
                self.failure = error
                ten_env.stop_test()
        self._scripted = True
        self._stop_if_complete(ten_env)

    async def on_data(self, ten_env: AsyncTenEnvTester, data: Data) -> None:
        text, _ = data.get_property_to_json()
        self.seen.append((data.get_name(), json.loads(text)))
        self._stop_if_complete(ten_env)

    def _stop_if_complete(self, ten_env: AsyncTenEnvTester) -> None:
        if self._scripted and len(self.seen) >= self._until:
            ten_env.stop_test()

    def play(self, addon: str, properties: Any = None) -> TenError | None:
        """Run in single mode; raises what the script raised."""
        text = None if properties is None else json.dumps(properties)
        self.set_test_mode_single(addon, text)
        return self._play()

    def play_graph(self, graph: dict[str, Any]) -> TenError | None:
        """Run in graph mode; raises what the script raised."""
        self.set_test_mode_graph(json.dumps(graph))
        return self._play()

    def _play(self) -> TenError | None:
        self.set_timeout(HANG_GUARD_US)
        error = self.run()
        if self.failure is not None:
            raise self.failure
        return error


async def ask(ten_env: AsyncTenEnvTester, name: str) -> Any:
    """Send a command and return the JSON of its result's ``answer``."""
    result, error = await ten_env.send_cmd(Cmd.create(name))
    assert error is None
    assert result is not None
    text, error = result.get_property_to_json("answer")
    assert error is None, error
    return json.loads(text)


def data(name: str, **properties: Any) -> Data:
    """A data message with properties."""
    message = Data.create(name)
    message.set_property_from_json(None, json.dumps(properties))
    return message


def node(name: str, addon: str, **properties: Any) -> dict[str, Any]:
    """A graph node."""
    return {
        "type": "extension",
        "name": name,
        "addon": addon,
        "extension_group": "default_extension_group",
        "property": properties,
    }


TESTER = {
    "type": "extension",
    "name": "tester",
    "addon": "ten:test_extension",
    "extension_group": "test_extension_group",
}


def flow(
    sender: str, kind: str, names: list[str], receivers: list[str]
) -> dict[str, Any]:
    """A connection of ``sender``'s messages to ``receivers``."""
    dest = [{"extension": receiver} for receiver in receivers]
    return {
        "extension": sender,
        kind: [{"name": name, "dest": dest} for name in names],
    }


class Echo(AsyncExtension):
    """Sends data back and answers every command."""

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        await ten_env.send_data(data)

    async def on_cmd(self, ten_env: AsyncTenEnv, cmd: Cmd) -> None:
        result = CmdResult.create(StatusCode.OK, cmd)
        text, _ = cmd.get_property_to_json()
        result.set_property_from_json("answer", text)
        await ten_env.return_result(result)
        assert cmd.get_name()  # still readable

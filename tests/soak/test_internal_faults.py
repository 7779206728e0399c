"""A fault of ours ends in the log with its place and costs a connection at
most, wherever it is raised."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ten_packages.extension.openai_asr_python.connection import driver
from ten_packages.extension.openai_asr_python.connection.dispatcher import (
    Dispatcher,
)
from ten_packages.extension.openai_asr_python.connection.driver import Wire
from ten_packages.extension.openai_asr_python.connection.interface import (
    GuardedTrace,
)
from ten_packages.extension.openai_asr_python.realtime.exchange import Exchange
from test_client_stop import Calling, hang_guard

from devkit.server import LocalServer


@pytest.fixture
async def server():
    async with LocalServer("script") as running:
        yield running


class Bug(Exception):
    """Nothing that anybody expects."""


def raising_once(
    owner: Any,
    name: str,
    after: int = 0,
    bug: Bug | None = None,
    calls: Iterator[int] | None = None,
) -> Any:
    """A method that raises at its call number ``after`` + 1, which ``calls``
    counts where others are to be counted with it."""
    original = getattr(owner, name)
    count = calls or itertools.count()

    def broken(*arguments: Any, **more: Any) -> Any:
        if next(count) == after:
            for argument in filter(inspect.iscoroutine, arguments):
                argument.close()
            raise bug or Bug("planted")
        return original(*arguments, **more)

    async def broken_later(*arguments: Any, **more: Any) -> Any:
        return await broken(*arguments, **more)

    later = inspect.iscoroutinefunction(original)
    return broken_later if later else broken


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("opened", 0),
        ("receive", 0),
        ("receive", 3),
        ("next_message", 2),
        ("next_message", 8),
        ("tick", 0),
        ("pong", 0),
    ],
)
async def test_a_fault_in_the_core_costs_a_connection(
    server, monkeypatch, name, after
):
    broken = raising_once(Exchange, name, after)
    monkeypatch.setattr(Exchange, name, broken)
    call = Calling(server.url, server_turns=True)
    await call.client.start()
    errors = call.listener.count.errors
    with hang_guard(20):
        while not errors:
            call.say(1, 900)
            await asyncio.sleep(0.02)
    call.say(2, 900)
    call.finalize("end")
    await call.until(lambda: "end" in call.listener.ends)
    await call.until(lambda: call.listener.heard[-1:] == [call.words - 1])
    assert len(errors) == 1
    assert "Bug('planted')" in errors[0]
    assert "test_internal_faults.py" in errors[0], "its place is missing"
    assert " in broken" in errors[0]
    errors.clear()
    await call.stop()
    heard = call.listener.heard
    assert heard == sorted(set(heard))
    assert len(heard) == call.words


@pytest.mark.parametrize("where", ["dialer", "explaining"])
async def test_a_fault_while_connecting_is_a_failed_attempt(
    server, monkeypatch, where
):
    call = Calling(server.url, server_turns=True)
    if where == "dialer":
        broken = raising_once(call.client._driver.dialer, "open")
        monkeypatch.setattr(call.client._driver.dialer, "open", broken)
    else:
        server.refuse(http_status=503)
        broken = raising_once(driver, "fault_of_exception")
        monkeypatch.setattr(driver, "fault_of_exception", broken)
    await call.client.start()
    errors = call.listener.count.errors
    await call.until(lambda: errors)
    server.refuse(False)
    assert "Bug('planted')" in errors.pop()
    call.say(2, 900)
    call.finalize("end")
    await call.until(lambda: call.listener.heard == [0, 1])
    await call.stop()


async def test_a_fault_while_connecting_leaves_the_other_session_alone(server):
    call = Calling(server.url)
    await call.connected()
    driver = call.client._driver
    [wire] = driver.wires
    broken = raising_once(driver.dialer, "open")
    driver.dialer.open = broken  # type: ignore[method-assign]
    settings = call.client.settings
    elsewhere = replace(settings, headers={**settings.headers, "X-Other": "1"})
    change = asyncio.create_task(call.client.change(elsewhere))
    errors = call.listener.count.errors
    await call.until(lambda: errors or change.done())
    await asyncio.sleep(0)
    assert wire in driver.wires
    call.say(2)
    call.finalize("end")
    await call.until(lambda: call.listener.heard == [0, 1])
    with hang_guard(20):
        await change
    errors.clear()
    await call.stop()


async def test_a_trace_that_fails_costs_nothing(server):
    call = Calling(server.url)
    driver, trace = call.client._driver, Trace()
    driver.trace = GuardedTrace(trace, call.client._dispatcher.tell)
    for name in ("message", "note"):
        setattr(trace, name, raising_once(trace, name))
    await call.connected()
    call.say(2)
    call.finalize("end")
    await call.until(lambda: call.listener.heard == [0, 1])
    assert driver.opened == 1
    assert len(call.listener.count.errors) == 2
    call.listener.count.errors.clear()
    await call.stop()


async def test_a_listener_that_fails_is_logged_with_the_place(server):
    call = Calling(server.url, server_turns=True)

    async def fails(turn: object) -> None:
        raise Bug("planted")

    call.listener.on_asr_delta = fails  # type: ignore[method-assign]
    await call.client.start()
    call.say(2, 900)
    call.finalize("end")
    errors = call.listener.count.errors
    await call.until(lambda: call.listener.heard == [0, 1])
    assert "listener failed" in errors[0]
    assert " in fails" in errors[0]
    errors.clear()
    await call.stop()


def plant(call: Calling, name: str) -> Bug:
    """The core's function ``name`` raises at its next call."""
    bug = Bug("planted")
    core = call.client.core
    owner = core if name == "change" else core.exchange
    setattr(owner, name, raising_once(owner, name, bug=bug))
    return bug


async def test_an_attempt_under_way_is_no_more_expected_after_a_fault(server):
    server.freeze()
    call = Calling(server.url, server_turns=True)
    await call.client.start()
    await server.until(lambda: server.sessions)
    plant(call, "next_attempt")
    call.client.hurry()
    await server.until(lambda: len(server.sessions) == 2)
    server.thaw()
    call.say(2, 900)
    call.finalize("end")
    await call.until(lambda: call.listener.heard == [0, 1])
    assert call.listener.count.sessions == 1
    assert len(call.listener.count.errors) == 1
    call.listener.count.errors.clear()
    await call.stop()


async def test_a_change_under_way_is_made_after_a_fault(server):
    call = Calling(server.url, server_turns=True)
    await call.connected()
    server.freeze()
    settings = call.client.settings
    headers = {**settings.headers, "X-Other": "1"}
    elsewhere = replace(settings, headers=headers)
    change = asyncio.create_task(call.client.change(elsewhere))
    await server.until(lambda: len(server.sessions) == 2)
    plant(call, "next_attempt")
    call.client.hurry()
    server.thaw()
    with hang_guard(20):
        assert (await change).refused is None
    assert call.client.settings == elsewhere
    call.say(2, 900)
    call.finalize("end")
    await call.until(lambda: call.listener.heard == [0, 1])
    call.listener.count.errors.clear()
    await call.stop()


async def test_a_change_that_fails_does_not_block_the_next(server):
    call = Calling(server.url)
    await call.connected()
    settings = call.client.settings
    plant(call, "change")
    with pytest.raises(Bug):
        await call.client.change(settings)
    with hang_guard(20):
        answer = await call.client.change(settings)
    assert answer.refused is None
    await call.stop()


async def test_beginning_anew_is_tried_again(server):
    call = Calling(server.url, server_turns=True)
    await call.connected()
    bug = plant(call, "recover")
    plant(call, "receive")
    call.say(2, 900)
    call.finalize("end")
    await call.until(lambda: len(call.listener.count.errors) == 1)
    # Whatever else happens meanwhile.
    call.client.hurry()
    await call.until(lambda: call.listener.heard == [0, 1])
    assert bug.__traceback__ is not None
    assert len(call.listener.count.errors) == 2
    call.listener.count.errors.clear()
    await call.stop()


# -- every function between the socket and the core -----------------------

#: Called by who uses the client: the extension tells what they raise.
FOR_THE_USER = {
    "cancel",
    "close",
    "finish",
    "is_current",
    "settle",
    "start",
}
#: They catch what the others raise, and what remains when that fails.
GUARDS = {
    "_begin_anew",
    "_begin_anew_later",
    "_cancel_others",
    "_on_task_done",
    "_on_alarm",
    "_run",
    "fault_of",
    "obey",
    "recover",
    "tell",
}
#: Not a part of these calls, or of any other function.
ELSEWHERE = {"_open_for_files", "client"}


def functions() -> list[tuple[str, str]]:
    """The owner and name of each."""
    owners = {
        "core": Exchange,
        "dialer": driver.Dialer,
        "dispatcher": Dispatcher,
        "driver": driver.Driver,
        "trace": Trace,
        "wire": Wire,
    }
    left_out = FOR_THE_USER | GUARDS | ELSEWHERE
    return [
        (owner, name)
        for owner, kind in owners.items()
        for base in kind.__mro__[:-1]
        for name in vars(base)
        if not name.startswith("__")
        and name not in left_out
        # The core's own functions are called by these.
        and not (owner == "core" and name.startswith("_"))
    ]


class Trace:
    def message(self, kind: str, connection: int, message: bytes) -> None:
        pass

    def note(self, kind: str, fields: dict[str, Any]) -> None:
        pass


class Wires(set[Wire]):
    """Of one call, in one of which a function raises once."""

    def __init__(self, name: str, after: int, bug: Bug) -> None:
        super().__init__()
        self._name = name
        self._plan: tuple[int, Bug, Iterator[int]] = (
            after,
            bug,
            itertools.count(),
        )

    def add(self, wire: Wire) -> None:
        broken = raising_once(wire, self._name, *self._plan)
        setattr(wire, self._name, broken)
        super().add(wire)


class Together:
    """Lets all go on once all are there (`asyncio.Barrier` is of 3.11)."""

    def __init__(self, number: int) -> None:
        self._missing = self._number = number
        self._all_there = asyncio.Event()

    async def wait(self) -> None:
        event = self._all_there
        self._missing -= 1
        if not self._missing:
            self._missing = self._number
            self._all_there = asyncio.Event()
            event.set()
        await event.wait()


class Attacked(Calling):
    """A call in which one function raises, at its call ``after`` + 1."""

    def __init__(self, url: str, owner: str, name: str, after: int) -> None:
        super().__init__(url, server_turns=True)
        driver, trace = self.client._driver, Trace()
        driver.trace = GuardedTrace(trace, self.client._dispatcher.tell)
        self.bug = Bug("planted")
        targets = {
            "core": self.client.core.exchange,
            "dialer": driver.dialer,
            "dispatcher": self.client._dispatcher,
            "driver": driver,
            "trace": trace,
        }
        if owner == "wire":
            driver.wires = Wires(name, after, self.bug)
        else:
            target = targets[owner]
            broken = raising_once(target, name, after, self.bug)
            setattr(target, name, broken)
        self.told: list[str] = []
        self.refused = 0
        self._on_client_error = self.listener.on_asr_client_error
        self.listener.on_asr_client_error = self.on_error  # type: ignore

    def say(self, words: int, pause_ms: int = 0) -> None:
        try:
            super().say(words, pause_ms)
        except Bug as bug:
            # The audio is taken; the extension tells it.
            self.told.append(str(bug))

    async def on_error(self, problem: Any) -> None:
        await self._on_client_error(problem)
        fault = getattr(problem, "fault", None)
        if fault is not None and fault.code == "internal":
            self.told.append(fault.message)
        self.refused += fault is not None

    @property
    def struck(self) -> bool:
        return self.bug.__traceback__ is not None

    async def run(self, server: LocalServer, together: Together) -> None:
        await self.client.start()
        self.say(2, 900)
        await self.until(lambda: self.refused)
        await together.wait()
        server.refuse(False)
        self.say(1, 900)
        self.finalize("first")
        await self.until(lambda: "first" in self.listener.ends)
        await together.wait()
        server.drop_connections()
        self.say(2, 900)
        self.finalize("end")
        await self.until(lambda: len(self.listener.heard) >= self.words)
        await self.until(lambda: "end" in self.listener.ends)
        with hang_guard(20):
            await self.client.stop()


@pytest.fixture(scope="module")
def attacked() -> dict[tuple[str, str, int], Attacked]:
    """All of them at once."""

    async def attack() -> dict[tuple[str, str, int], Attacked]:
        async with LocalServer("script") as server:
            server.refuse(http_status=503)
            calls = {
                (owner, name, after): Attacked(server.url, owner, name, after)
                for owner, name in functions()
                # The first task is the user's to start.
                for after in ((1 if name == "spawn" else 0), 3)
            }
            together = Together(len(calls))
            runs = [call.run(server, together) for call in calls.values()]
            await asyncio.gather(*runs)
        return calls

    return asyncio.run(attack())


@pytest.mark.parametrize(("owner", "name"), functions())
def test_no_fault_between_socket_and_core_is_silent_or_costs_a_word(
    attacked, owner, name
):
    calls = [a for (o, n, _), a in attacked.items() if (o, n) == (owner, name)]
    assert calls[0].struck, "it was never called"
    for call in calls:
        assert bool(call.told) == call.struck
        assert call.listener.heard == list(range(call.words))
        assert call.listener.ends == call.listener.asked

"""`OpenAIASRClient.stop` in every state, over real sockets: it ends, all that
was asked is answered once, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import warnings
from dataclasses import replace

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.openai_asr_client import (
    CLIENT_MOVES,
    ClientState,
)
from ten_packages.extension.openai_asr_python.realtime.states import Machine

from bench.soak.stream import LIMITS, RATE, Listener, client_for
from devkit.guard import hang_guard
from devkit.script_audio import encode_words
from devkit.server import LocalServer

#: Only a guard: what is waited for is never an absolute time.
HANG_S = 8
STOP_MS = 400
#: What a server does not do within a test.
NEVER_MS = 600_000


class Calling:
    """A client on a local server, with nothing left behind at the end."""

    def __init__(self, url: str, *, server_turns: bool = False, **limits):
        self.listener = Listener()
        self.client = client_for(
            url,
            self.listener,
            1,
            server_turns=server_turns,
            limits=replace(LIMITS, **limits),
            log_error=self.listener.count.errors.append,
        )
        self.client.core.in_use.readdress(
            replace(
                self.client.settings,
                stop_timeout_ms=STOP_MS,
                connect_timeout_ms=NEVER_MS,
            )
        )
        self.words = 0

    def say(self, words: int, pause_ms: int = 0) -> None:
        ids = range(self.words, self.words + words)
        self.words += words
        pause = np.zeros(pause_ms * RATE // 1000, np.int16)
        samples = np.concatenate((encode_words(ids, RATE), pause))
        self.client.send_audio(encode(samples, "ulaw").tobytes())

    def finalize(self, token: str) -> None:
        self.listener.asked.append(token)
        self.client.finalize(token)

    async def until(self, condition) -> None:
        """There is no event for what happens inside a client."""
        with hang_guard(HANG_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def connected(self) -> None:
        await self.client.start()
        await self.until(lambda: self.listener.count.sessions)

    async def stop(self) -> None:
        """Stop, and look that nothing is left."""
        with hang_guard(HANG_S):
            await self.client.stop()
        self.check()

    def check(self) -> None:
        client, listener = self.client, self.listener
        assert not client._driver.tasks
        assert not client._driver.wires
        assert not dispatching(client)
        assert client._machine.state is ClientState.ENDED
        assert client._driver._alarm.due is None
        assert timers_of(client) == []
        assert listener.ends == listener.asked
        assert listener.count.errors == []


def dispatching(client) -> bool:
    """Is the task that calls the listener still there?"""
    task = client._dispatcher._task
    return task is not None and not task.done()


def timers_of(client) -> list[asyncio.TimerHandle]:
    """The loop's timers that would call this client."""
    timers = asyncio.get_running_loop()._scheduled
    return [
        timer
        for timer in timers
        if not timer.cancelled()
        and getattr(timer._callback, "__self__", None) is client._driver._alarm
    ]


@contextlib.asynccontextmanager
async def nothing_left():
    """No task, and no transport that was not closed."""
    # What others left is not looked at.
    gc.collect()
    before = asyncio.all_tasks()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        yield
        with hang_guard(HANG_S):
            me = asyncio.current_task()
            while asyncio.all_tasks() - before - {me}:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        gc.collect()


@pytest.fixture
async def server():
    async with nothing_left(), LocalServer("script") as server:
        yield server


async def test_never_started(server):
    call = Calling(server.url)
    call.say(2)
    call.finalize("f")
    await call.stop()
    await call.client.start()
    assert not call.client.running
    assert server.sessions == []


async def test_nothing_is_allowed_that_never_happens(server, monkeypatch):
    made = set()
    to = Machine.to

    def noted(self, state) -> None:
        before = self.state
        to(self, state)
        made.add((before, state))

    monkeypatch.setattr(Machine, "to", noted)
    await Calling(server.url).stop()
    for words in (0, 2):
        call = Calling(server.url)
        await call.connected()
        call.say(words)
        await call.stop()
    allowed = {
        (state, other)
        for state, following in CLIENT_MOVES.items()
        for other in following
    }
    assert allowed - made == set()


async def test_while_the_handshake_hangs(server):
    # It answers HTTP only when it is thawed, at the end of the test.
    server.freeze()
    call = Calling(server.url)
    await call.client.start()
    call.say(2)
    call.finalize("f")
    await server.until(lambda: server.sessions)
    await call.stop()


async def test_while_tcp_connects():
    with socket.socket() as mute:
        # It takes connections and never says anything.
        mute.bind(("127.0.0.1", 0))
        mute.listen(8)
        port = mute.getsockname()[1]
        async with nothing_left():
            call = Calling(f"ws://127.0.0.1:{port}/v1")
            await call.client.start()
            call.say(1)
            mute.setblocking(False)
            accepting = asyncio.get_running_loop().sock_accept(mute)
            line, _ = await asyncio.wait_for(accepting, HANG_S)
            await call.stop()
            line.close()


async def test_while_the_session_is_not_accepted_yet(server):
    server.inject(slow_session_updated_ms=NEVER_MS)
    call = Calling(server.url, session_timeout_ms=NEVER_MS)
    await call.client.start()
    call.say(2)
    call.finalize("f")
    await call.until(lambda: call.client._driver.wires)
    await call.stop()


async def test_connected_and_idle(server):
    call = Calling(server.url)
    await call.connected()
    await call.stop()
    assert await server.until(lambda: server.sessions[0].close_code) == 1000


@pytest.mark.parametrize("server_turns", [True, False])
async def test_the_turn_that_is_spoken_is_delivered_before(
    server, server_turns
):
    call = Calling(server.url, server_turns=server_turns)
    call.client.core.in_use.readdress(
        replace(call.client.settings, stop_timeout_ms=NEVER_MS)
    )
    await call.connected()
    call.say(3)
    await call.stop()
    assert call.listener.heard == [0, 1, 2]


async def test_with_a_finalize_in_flight(server):
    server.inject(never_completed="always")
    call = Calling(server.url)
    await call.connected()
    call.say(2)
    call.finalize("first")
    call.finalize("second")
    await server.until(lambda: server.sessions[0].commits)
    await call.stop()


async def test_during_back_off(server):
    call = Calling(server.url)
    await call.connected()
    server.stop_listening()
    server.drop_connections()
    await call.until(lambda: call.client.core.sessions.retries().attempt >= 2)
    call.say(2)
    call.finalize("f")
    await call.stop()


async def test_with_a_server_that_is_half_open(server):
    call = Calling(server.url)
    await call.connected()
    call.say(2)
    server.freeze()
    call.finalize("f")
    await call.stop()
    # It is not held for ever, but told.
    assert call.client.counters()["dropped_ms"] >= 480


async def test_with_a_server_that_reads_no_more(server, fill_sockets):
    """Then not even CLOSE can be sent."""
    call = Calling(
        server.url,
        max_buffer_ms=NEVER_MS,
        ping_ms=NEVER_MS,
        pong_timeout_ms=NEVER_MS,
        window_ms=NEVER_MS,
    )
    await call.connected()
    [wire] = call.client._driver.wires
    server.freeze()
    sound = bytes(range(100, 110)) * (RATE // 10)
    await fill_sockets(call.client, wire, sound, lambda: None)
    call.finalize("f")
    await call.stop()


async def test_with_a_standby_open():
    async with (
        nothing_left(),
        LocalServer("script", session_seconds=20) as server,
    ):
        server.inject(never_completed="always")
        call = Calling(server.url, turn_timeout_ms=NEVER_MS)
        await call.connected()
        call.say(2)
        call.finalize("f")
        # Nobody pauses, so the next session has to wait.
        [wire] = call.client._driver.wires
        wire.link.session.expires_at = asyncio.get_running_loop().time()
        wire.link.session.expires_at += 1.9
        call.client._driver.obey()
        await call.until(lambda: len(call.client._driver.wires) == 2)
        await call.stop()


async def test_after_a_fatal_refusal(server):
    server.refuse(http_status=401)
    call = Calling(server.url)
    await call.client.start()
    call.say(2)
    call.finalize("f")
    await call.until(lambda: call.client.core.fatal)
    call.listener.count.errors.clear()
    await call.stop()


@pytest.mark.parametrize("by_session", [True, False])
async def test_a_change_under_way_is_answered(server, by_session):
    call = Calling(server.url)
    await call.connected()
    server.inject(slow_session_updated_ms=NEVER_MS)
    settings = call.client.settings
    model = "whisper-1" if by_session else settings.session.model
    session = replace(settings.session, prompt="Ann", model=model)
    change = asyncio.ensure_future(
        call.client.change(replace(settings, session=session))
    )
    second = asyncio.ensure_future(call.client.change(settings))
    await call.until(lambda: call.client.core._in_force._change)
    await call.stop()
    with hang_guard(HANG_S):
        refused, later = await change, await second
    assert refused.refused is not None
    assert later.refused is not None


async def test_a_change_after_the_end_and_before_the_start_is_answered(server):
    call = Calling(server.url)
    with hang_guard(HANG_S):
        answer = await call.client.change(call.client.settings)
    assert answer.refused is not None
    await call.connected()
    await call.stop()
    with hang_guard(HANG_S):
        answer = await call.client.change(call.client.settings)
    assert answer.refused is not None


async def test_changes_at_the_same_time_are_made_one_after_the_other(server):
    call = Calling(server.url)
    await call.connected()
    settings = call.client.settings
    changes = [
        replace(settings, session=replace(settings.session, prompt=name))
        for name in ("Ann", "Bob", "Cid")
    ]
    with hang_guard(HANG_S):
        answers = await asyncio.gather(*map(call.client.change, changes))
    assert [answer.refused for answer in answers] == [None, None, None]
    assert call.client.core.settings.prompt == "Cid"
    call.say(2)
    call.finalize("f")
    await call.until(lambda: call.listener.ends)
    await call.stop()
    assert call.listener.heard == [0, 1]


async def test_a_change_nobody_waits_for_any_more_does_no_harm(server):
    call = Calling(server.url)
    await call.connected()
    settings = call.client.settings
    session = replace(settings.session, prompt="Ann")
    wanted = replace(settings, session=session)
    change = asyncio.ensure_future(call.client.change(wanted))
    await asyncio.sleep(0)
    change.cancel()
    await asyncio.wait({change})
    with hang_guard(HANG_S):
        answer = await call.client.change(settings)
    assert answer.refused is None
    assert call.client.core.settings == call.client.settings.session
    await call.stop()


async def test_twice_and_at_the_same_time(server):
    server.inject(never_completed="always")
    call = Calling(server.url)
    await call.connected()
    call.say(2)
    call.finalize("f")

    async def stop() -> None:
        with hang_guard(HANG_S):
            await call.client.stop()
        # Each one that returns finds the call over.
        call.check()

    await asyncio.gather(stop(), stop(), stop())
    await call.stop()


async def test_a_result_that_is_being_handed_over_is_not_cut_off(server):
    call = Calling(server.url)
    at_it, go_on, done = asyncio.Event(), asyncio.Event(), []
    completed = call.listener.on_asr_completed

    async def slowly(turn) -> None:
        at_it.set()
        await go_on.wait()
        await completed(turn)
        done.append(turn)

    call.listener.on_asr_completed = slowly
    await call.connected()
    call.say(2)
    call.finalize("f")
    await asyncio.wait_for(at_it.wait(), HANG_S)
    stop = asyncio.ensure_future(call.stop())
    await asyncio.sleep(0)
    go_on.set()
    await stop
    assert len(done) == 1
    assert call.listener.heard == [0, 1]


async def test_a_listener_that_hangs_does_not_hold_up_the_end(server):
    call = Calling(server.url)
    at_it = asyncio.Event()

    async def hang(turn) -> None:
        at_it.set()
        await asyncio.Event().wait()

    call.listener.on_asr_completed = hang
    await call.connected()
    call.say(2)
    call.client.finalize("f")
    await asyncio.wait_for(at_it.wait(), HANG_S)
    call.say(2)
    await call.stop()


async def test_the_listener_itself_may_stop_the_call(server):
    call = Calling(server.url)
    stopped = asyncio.Event()

    async def end(turn) -> None:
        await call.client.stop()
        stopped.set()

    call.listener.on_asr_completed = end
    await call.connected()
    call.say(2)
    call.finalize("f")
    await asyncio.wait_for(stopped.wait(), HANG_S)
    await call.until(lambda: not dispatching(call.client))
    call.check()


async def test_a_stop_that_is_cancelled_leaves_nothing(server):
    server.inject(never_completed="always")
    call = Calling(server.url)
    call.client.core.in_use.readdress(
        replace(call.client.settings, stop_timeout_ms=NEVER_MS)
    )
    await call.connected()
    call.say(2)
    call.finalize("f")
    stop = asyncio.ensure_future(call.client.stop())
    await asyncio.sleep(0)
    stop.cancel()
    await asyncio.wait({stop}, timeout=HANG_S)
    assert stop.done()
    await call.stop()


async def test_a_stop_that_is_cancelled_again_and_again_leaves_nothing(server):
    """Also while it waits for the peer's CLOSE."""
    server.inject(never_completed="always")
    call = Calling(server.url)
    await call.connected()
    call.say(2)
    call.finalize("f")
    await server.until(lambda: server.sessions[0].commits)
    [wire] = call.client._driver.wires
    server.freeze()
    stop = asyncio.ensure_future(call.client.stop())
    await asyncio.sleep(0)
    stop.cancel()
    await call.until(lambda: not call.client.running)
    stop.cancel()
    await asyncio.wait({stop}, timeout=HANG_S)
    assert stop.done()
    await call.until(lambda: not call.client._driver.tasks)
    assert wire.socket.transport.is_closing()
    await call.stop()


async def test_a_connection_that_comes_after_the_end_for_good_is_closed(server):
    async with LocalServer("script") as other:
        call = Calling(server.url)
        await call.connected()
        other.freeze()
        settings = call.client.settings
        url = settings.url.replace(server.url, other.url)
        settings = replace(settings, url=url)
        # As the session comes that follows at the end of the hour.
        call.client.core.in_use.readdress(settings)
        call.client.core.sessions.plan(0.0, asked=True)
        call.say(1)
        await call.until(lambda: call.client.core.sessions.attempt)
        for connection in server._open.values():
            connection.close(4000, "invalid_request_error.missing_model")
        await call.until(lambda: call.client.core.fatal)
        other.thaw()
        await call.until(lambda: not call.client._driver.tasks)
        await other.until(lambda: not other._open)
        assert call.listener.count.errors.pop()  # what ended it for good
        await call.stop()
        assert call.client._driver.opened == 1

"""A peer that is gone without a word, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.realtime.results import (
    SessionLost,
)
from websockets.asyncio.server import ServerConnection, serve

from bench.soak.stream import LIMITS, RATE, Listener, client_for
from devkit.guard import hang_guard
from devkit.script_audio import encode_words
from devkit.server import LocalServer

HANG_S = 20
SMALL = replace(LIMITS, ping_ms=200, idle_ping_ms=200, pong_timeout_ms=200)


class Losses(Listener):
    def __init__(self) -> None:
        super().__init__()
        self.losses: list[SessionLost] = []

    async def on_asr_client_error(self, problem) -> None:
        await super().on_asr_client_error(problem)
        if isinstance(problem, SessionLost):
            self.losses.append(problem)


def audio_of(first: int, count: int, gap_ms: float = 80):
    ids = range(first, first + count)
    return encode(encode_words(ids, RATE, gap_ms=gap_ms), "ulaw")


def hum(length_ms: int):
    """-50 dBFS: sound, but too quiet to be speech for the server."""
    time_s = np.arange(RATE * length_ms // 1000) / RATE
    wave = 146 * np.sin(2 * np.pi * 200 * time_s)
    return encode(wave.astype(np.int16), "ulaw")


async def until(condition) -> None:
    with hang_guard(HANG_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def call_on(server, server_turns: bool = False, limits=SMALL):
    listener = Losses()
    client = client_for(
        server.url,
        listener,
        1,
        server_turns=server_turns,
        limits=limits,
        log_error=listener.count.errors.append,
    )
    await client.start()
    await until(lambda: listener.count.sessions)
    return client, listener


@pytest.mark.parametrize("server_turns", [True, False])
async def test_a_freeze_in_mid_speech_is_noticed_and_nothing_is_lost(
    server_turns,
):
    async with LocalServer("script") as server:
        client, listener = await call_on(server, server_turns)
        sound = audio_of(0, 6).tobytes()
        half = len(sound) // 2 + 77
        client.send_audio(sound[:half])
        await server.until(lambda: server.sessions[0].appends)
        server.freeze()
        client.send_audio(sound[half:])
        client.finalize("f")
        await until(lambda: listener.losses)
        assert "does not answer" in listener.losses[0].fault.message
        assert client.core.watermark == 0
        server.thaw()
        await until(lambda: listener.ends)
        await client.stop()
        assert listener.heard == [0, 1, 2, 3, 4, 5]
        assert listener.count.sessions >= 2
        assert listener.count.errors == []


async def test_a_call_that_is_silent_notices_it_too():
    async with LocalServer("script") as server:
        client, listener = await call_on(server)
        server.freeze()
        await until(lambda: listener.losses)
        server.thaw()
        await until(lambda: listener.count.sessions == 2)
        await client.stop()


@pytest.mark.parametrize("reads", [True, False])
async def test_one_that_opens_websockets_only_is_left_for_another_address(
    monkeypatch, reads
):
    """Of a host with two addresses the first one says nothing after 101."""
    count = 0

    async def mute(connection: ServerConnection) -> None:
        nonlocal count
        count += 1
        if not reads:
            connection.transport.pause_reading()
        await connection.wait_closed()

    lookup = socket.getaddrinfo
    found: list[tuple[str, int]] = []

    def getaddrinfo(host, *rest, **more):
        if host != "a.localhost":
            return lookup(host, *rest, **more)
        tcp = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*tcp, where) for where in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    # The other server must not be taken for one of this kind.
    limits = replace(LIMITS, speak_first_ms=100, session_timeout_ms=1000)
    limits = replace(limits, turn_timeout_ms=1000)
    listener = Losses()
    async with (
        serve(mute, "127.0.0.1", 0, close_timeout=0.1) as first,
        LocalServer("script") as server,
    ):
        found += [s.getsockname() for s in first.sockets]
        found.append(("127.0.0.1", urlsplit(server.url).port))
        client = client_for(
            "ws://a.localhost/v1",
            listener,
            1,
            server_turns=False,
            limits=limits,
            log_error=listener.count.errors.append,
        )
        await client.start()
        client.send_audio(audio_of(0, 3).tobytes())
        client.finalize("f")
        await until(lambda: listener.ends)
        assert listener.heard == [0, 1, 2]
        assert count == 1, listener.losses
        assert listener.losses
        await client.stop()


async def test_a_peer_that_reads_no_more_never_blocks_the_call(fill_sockets):
    """The sockets of both sides are full; the server still sends."""
    # More audio under way, and time for it, than there will be by default.
    limits = replace(SMALL, window_ms=3_600_000, pong_timeout_ms=4_000)
    limits = replace(limits, max_buffer_ms=3_600_000)
    async with LocalServer("script") as server:
        client, listener = await call_on(server, limits=limits)
        [wire] = client._driver.wires
        for open_connection in server._open.values():
            open_connection.stop_reading()
        chatter = {"type": "chatter", "event_id": "event_x"}
        silence = np.full(RATE // 2, 0xFF, np.uint8)
        sound = np.concatenate((audio_of(0, 3), silence))
        times = await fill_sockets(
            client,
            wire,
            sound.tobytes(),
            lambda: server.send(chatter),
        )
        assert not listener.losses
        # It sends, but answers no PING.
        await until(lambda: listener.losses)
        client.finalize("f")
        await until(lambda: listener.ends)
        await client.stop()
        assert listener.heard == [0, 1, 2] * times
        assert not client._driver.tasks
        assert not client._driver.wires


async def test_a_finalize_that_waits_for_a_pong_has_its_ping_sent_at_once():
    """Nothing else goes on that would wake the client."""
    hour = 3_600_000
    patient = replace(
        LIMITS,
        ping_ms=hour,
        idle_ping_ms=hour,
        pong_timeout_ms=hour,
        finalize_timeout_ms=hour,
        session_timeout_ms=hour,
    )
    async with LocalServer("script") as server:
        client, listener = await call_on(server, True, patient)
        client.send_audio(hum(500).tobytes())
        client.finalize("f")
        await until(lambda: client.core.active.hold)
        await until(lambda: listener.ends)
        await client.stop()
        assert listener.heard == []


async def test_a_long_replay_goes_out_from_pong_to_pong():
    limits = replace(SMALL, pong_timeout_ms=HANG_S * 1000)
    window = limits.window_ms * RATE // 1000
    peak = 0

    def answered() -> bool:
        nonlocal peak
        link = client.core.active
        if link is not None:
            ahead = link.session.audio.samples - link._proved
            peak = max(peak, ahead)
        return bool(listener.ends)

    async with LocalServer("script") as server:
        client, listener = await call_on(server, limits=limits)
        server.stop_listening()
        server.drop_connections()
        await until(lambda: listener.losses)
        # With pauses, at which turns of 30 s are cut.
        client.send_audio(audio_of(0, 120, gap_ms=200).tobytes())
        client.finalize("f")
        server.start_listening()
        await until(answered)
        await client.stop()
        assert 0 < peak <= window + RATE
        assert client.core.received > 4 * window
        assert listener.heard == list(range(120))
        assert listener.count.sessions == 2

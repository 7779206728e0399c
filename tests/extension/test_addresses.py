"""A host with several addresses, of which one says nothing (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_packages.extension.openai_asr_python.connection.eyeballs import (
    first_socket,
)

TCP = (socket.AF_INET, socket.SOCK_STREAM, 6, "")


@contextmanager
def swallower() -> Iterator[tuple[str, int]]:
    """An address that answers no SYN: nobody takes from its full queue."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.2", 0))
        listening.listen(0)
        where = listening.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(where)
            waiting.append(one)
        yield where
        for one in waiting:
            one.close()


@contextmanager
def listener(host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
    with socket.socket() as listening:
        listening.bind((host, 0))
        listening.listen(8)
        yield listening.getsockname()


def closed_port() -> tuple[str, int]:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return nobody.getsockname()


async def peer_of(addresses) -> tuple[str, int]:
    work = first_socket([(*TCP, where) for where in addresses])
    # What waits for the swallower waits for minutes.
    with await asyncio.wait_for(work, 30) as sock:
        return sock.getpeername()


async def test_an_address_that_swallows_packets_does_not_cost_the_attempt():
    with swallower() as silent, listener() as open_one:
        assert await peer_of([silent, open_one]) == open_one
        assert await peer_of([silent, silent, open_one]) == open_one


async def test_one_that_refuses_is_left_at_once():
    with listener() as open_one:
        assert await peer_of([closed_port(), open_one]) == open_one


async def test_where_none_answers_the_first_reason_is_told():
    with pytest.raises(ConnectionRefusedError):
        await peer_of([closed_port(), closed_port()])


async def test_an_attempt_that_is_cancelled_leaves_no_socket():
    with swallower() as silent:
        work = asyncio.ensure_future(first_socket([(*TCP, silent)] * 3))
        while len(asyncio.all_tasks()) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_a_call_to_such_a_host(server, monkeypatch, plain_loop):
    audio, _ = spoken([[1, 2]])
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    lookup = socket.getaddrinfo

    def getaddrinfo(host, *rest, **more):
        if host != "service.test":
            return lookup(host, *rest, **more)
        return [(*TCP, silent), (*TCP, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    config = properties(
        server.url.replace("127.0.0.1", "service.test"),
        allow_insecure=True,
        connect_timeout_ms=60_000,
    )
    with swallower() as silent:
        call = run_call(config, script)
    assert call.texts == text_of([1, 2])
    assert call.errors == []
